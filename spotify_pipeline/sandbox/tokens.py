"""Who may ask: the token endpoint, and the check of the tokens it gave out.

Any client id and secret will do, as long as neither is empty, and so will any refresh token but
`EXPIRED_CONSENT` and `REVOKED_CONSENT`, which stand for a consent that has ended.
Every token may read every playlist: who a token speaks for is not played here.
"""

import base64
import binascii
import secrets
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from spotify_pipeline.clock import Clock
from spotify_pipeline.sandbox.problems import token_problem

EXPIRED_CONSENT = "expired"
REVOKED_CONSENT = "revoked"

_REFUSED = {
    "": ("invalid_request", "refresh_token must be supplied"),
    EXPIRED_CONSENT: ("invalid_grant", "Refresh token expired"),
    REVOKED_CONSENT: ("invalid_grant", "Refresh token revoked"),
}
_LIFETIME_SECONDS = 3600
_SCOPE = "playlist-read-private playlist-read-collaborative"


class Tokens:
    """The access tokens given out since the start, and until when each holds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expiry: dict[str, datetime] = {}

    async def grant(self, request: Request) -> JSONResponse:
        """`POST /api/token`."""
        if not _has_credentials(request.headers.get("authorization", "")):
            return token_problem("invalid_client", "Invalid client")
        form = parse_qs((await request.body()).decode(errors="replace"))
        grant_type = form.get("grant_type", [""])[0]
        if grant_type == "client_credentials":
            return JSONResponse(self._issue())
        if grant_type != "refresh_token":
            return token_problem(
                "unsupported_grant_type",
                "grant_type must be client_credentials or refresh_token",
            )
        if refusal := _REFUSED.get(form.get("refresh_token", [""])[0]):
            return token_problem(*refusal)
        # As from Spotify, no new refresh token comes along: the old one stays.
        return JSONResponse({**self._issue(), "scope": _SCOPE})

    def require(self, request: Request) -> None:
        """Refuses a request that bears no valid access token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise _unauthorized("No token provided")
        expiry = self._expiry.get(token) if scheme.lower() == "bearer" else None
        if expiry is None:
            raise _unauthorized("Invalid access token")
        if expiry <= self._clock():
            raise _unauthorized("The access token expired")

    def _issue(self) -> dict[str, object]:
        token = secrets.token_urlsafe(48)
        self._expiry[token] = self._clock() + timedelta(seconds=_LIFETIME_SECONDS)
        return {"access_token": token, "token_type": "Bearer", "expires_in": _LIFETIME_SECONDS}


def _has_credentials(authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return scheme.lower() == "basic" and bool(client_id and secret)


def _unauthorized(message: str) -> HTTPException:
    header = f'Bearer realm="spotify", error="invalid_token", error_description="{message}"'
    return HTTPException(401, message, {"WWW-Authenticate": header})
