"""Who may ask: the token endpoint, and the check of the tokens it gave out.

Any client id and secret will do, as long as neither is empty, and so will any refresh token but
`EXPIRED_CONSENT` and `REVOKED_CONSENT`, which stand for a consent that has ended. Whom a token
speaks for is known here; what that lets it read is the API's business.
"""

import base64
import binascii
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from spotify_pipeline.clock import Clock
from spotify_pipeline.sandbox.problems import TokenRefused
from spotify_pipeline.sandbox.sign_in import SignIn

EXPIRED_CONSENT = "expired"
REVOKED_CONSENT = "revoked"

_REFUSED = {
    "": ("invalid_request", "refresh_token must be supplied"),
    EXPIRED_CONSENT: ("invalid_grant", "Refresh token expired"),
    REVOKED_CONSENT: ("invalid_grant", "Refresh token revoked"),
}
_LIFETIME_SECONDS = 3600
_SCOPE = "playlist-read-private playlist-read-collaborative"


class _Token(NamedTuple):
    user: str | None
    expiry: datetime


class Tokens:
    """The access tokens given out since the start: whom each speaks for, and until when."""

    def __init__(self, clock: Clock, user: str | None, sign_in: SignIn) -> None:
        self._clock = clock
        self._user = user
        self._sign_in = sign_in
        self._tokens: dict[str, _Token] = {}

    async def grant(self, request: Request) -> JSONResponse:
        """`POST /api/token`."""
        client_id = _client_id(request.headers.get("authorization", ""))
        if client_id is None:
            raise TokenRefused("invalid_client", "Invalid client")
        form = parse_qs((await request.body()).decode(errors="replace"))
        values = {key: first for key, (first, *_) in form.items()}
        match values.get("grant_type"):
            case "client_credentials":
                return JSONResponse(self._issue(None))
            case "refresh_token":
                if refusal := _REFUSED.get(values.get("refresh_token", "")):
                    raise TokenRefused(*refusal)
                # As from Spotify, no new refresh token comes along: the old one stays.
                return JSONResponse({**self._issue(self._user), "scope": _SCOPE})
            case "authorization_code":
                code, redirect_uri = values.get("code", ""), values.get("redirect_uri", "")
                scope = self._sign_in.redeem(code, client_id, redirect_uri)
                consent = {"scope": scope, "refresh_token": secrets.token_urlsafe(96)}
                return JSONResponse({**self._issue(self._user), **consent})
        raise TokenRefused(
            "unsupported_grant_type",
            "grant_type must be client_credentials, authorization_code or refresh_token",
        )

    def require(self, request: Request) -> str | None:
        """The user that a request speaks for, if any; refused if it bears no valid token."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if not text:
            raise HTTPException(401, "No token provided")
        token = self._tokens.get(text) if scheme.lower() == "bearer" else None
        if token is None:
            raise HTTPException(401, "Invalid access token")
        if token.expiry <= self._clock():
            raise HTTPException(401, "The access token expired")
        return token.user

    def _issue(self, user: str | None) -> dict[str, object]:
        text = secrets.token_urlsafe(48)
        self._tokens[text] = _Token(user, self._clock() + timedelta(seconds=_LIFETIME_SECONDS))
        return {"access_token": text, "token_type": "Bearer", "expires_in": _LIFETIME_SECONDS}


def _client_id(authorization: str) -> str | None:
    """The id of a client that says its id and its secret."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return client_id if scheme.lower() == "basic" and client_id and secret else None
