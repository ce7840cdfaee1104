"""Signing in as a browser sees it: consent is given at once, and the code for it goes back.

Codes are redeemed at the token endpoint, which is `tokens`' business. Redirect URIs need no
registration, but they must be of a form that Spotify lets one register.
"""

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import URL, QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from spotify_pipeline.sandbox.problems import TokenRefused


@dataclass(frozen=True)
class _Consent:
    client_id: str
    redirect_uri: str
    scope: str


class SignIn:
    """The consents given and not yet redeemed, by their codes."""

    def __init__(self) -> None:
        self._consents: dict[str, _Consent] = {}

    async def authorize(self, request: Request) -> Response:
        """`GET /authorize`."""
        query = request.query_params
        code = secrets.token_urlsafe(48)
        answer = back_to_client(query, code=code)
        if answer.status_code == 302:
            self._consents[code] = _Consent(
                query["client_id"], query["redirect_uri"], query.get("scope", "")
            )
        return answer

    def redeem(self, code: str, client_id: str, redirect_uri: str) -> str:
        """The scope that was consented to; a code serves once, even if it is refused."""
        consent = self._consents.pop(code, None)
        if consent is None or consent.client_id != client_id:
            raise TokenRefused("invalid_grant", "Invalid authorization code")
        if consent.redirect_uri != redirect_uri:
            raise TokenRefused("invalid_grant", "Invalid redirect URI")
        return consent.scope


def back_to_client(query: QueryParams, **outcome: str) -> Response:
    """Sends the browser back to whoever sent it, or tells it why that can't be done."""
    if refusal := _refusal(query):
        return PlainTextResponse(refusal, 400)
    if "state" in query:
        outcome["state"] = query["state"]
    return RedirectResponse(URL(query["redirect_uri"]).include_query_params(**outcome), 302)


def _refusal(query: QueryParams) -> str | None:
    if not query.get("client_id"):
        return "INVALID_CLIENT: Invalid client"
    if not _is_safe(query.get("redirect_uri", "")):
        return "INVALID_CLIENT: Insecure redirect URI"
    if query.get("response_type") != "code":
        return "response_type must be code"
    return None


def _is_safe(address: str) -> bool:
    """Whether nobody on the way can read what is sent there: HTTPS, or a literal loopback."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme == "https":
        return parts.hostname not in {None, "localhost"}
    return parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1"} and port is not None
