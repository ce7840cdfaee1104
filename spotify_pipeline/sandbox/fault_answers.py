"""What the unpleasant Spotify answers: a table from the kind of fault to a small function.

Which requests are hit is decided in `faults`. Texts are Spotify's where they are known, from
reports of people who met them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotify_pipeline.sandbox.connections import HANG_UP
from spotify_pipeline.sandbox.fault_kinds import FaultKind
from spotify_pipeline.sandbox.problems import problem, token_problem
from spotify_pipeline.sandbox.sign_in import back_to_client


@dataclass(frozen=True)
class Hit:
    """A request that a fault hits, and the application that would have answered it."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    seconds: int
    turn: int
    """How many requests the fault has hit before."""
    move_on: Callable[[], None]
    """Sets the playlist one day further on for the requests to come."""


Answer = Callable[[Hit], Awaitable[None]]


def _says(*responses: Response) -> Answer:
    """These answers in turn, whatever was asked."""
    return _says_of(lambda hit: responses[hit.turn % len(responses)])


def _says_of(response: Callable[[Hit], Response]) -> Answer:
    async def answer(hit: Hit) -> None:
        await response(hit)(hit.scope, hit.receive, hit.send)

    return answer


def _rate_limit(hit: Hit) -> Response:
    return problem(429, "API rate limit exceeded", _retry_after(hit))


def _quota(hit: Hit) -> Response:
    headers = _retry_after(hit) if hit.seconds else None
    return problem(429, "Quota exceeded", headers, reason="QUOTA_EXCEEDED")


def _server_error(hit: Hit) -> Response:
    return (
        problem(500, "Server error."),
        HTMLResponse("<html><body><h1>502 Bad Gateway</h1></body></html>", 502),
        problem(503, "Service temporarily unavailable", _retry_after(hit)),
        HTMLResponse("<html><body><h1>504 Gateway Timeout</h1></body></html>", 504),
    )[hit.turn % 4]


def _retry_after(hit: Hit) -> dict[str, str]:
    return {"Retry-After": str(hit.seconds)}


def _denied(hit: Hit) -> Response:
    return back_to_client(Request(hit.scope).query_params, error="access_denied")


async def _timeout(hit: Hit) -> None:
    try:
        await asyncio.wait_for(_client_gone(hit.receive), hit.seconds)
    except TimeoutError:
        await hit.app(hit.scope, hit.receive, hit.send)


async def _drop(hit: Hit) -> None:
    hit.scope[HANG_UP]()
    await _client_gone(hit.receive)


async def _truncate(hit: Hit) -> None:
    start, body = await _held_back(hit)
    await hit.send(start)  # with the Content-Length of the whole
    half = body[: len(body) // 2]
    await hit.send({"type": "http.response.body", "body": half, "more_body": True})
    await _drop(hit)


async def _cut_json(hit: Hit) -> None:
    start, body = await _held_back(hit)
    half = Response(body[: len(body) // 2], start["status"], media_type="application/json")
    await half(hit.scope, hit.receive, hit.send)


async def _changing(hit: Hit) -> None:
    hit.move_on()
    await hit.app(hit.scope, hit.receive, hit.send)


async def _held_back(hit: Hit) -> tuple[Message, bytes]:
    """How the true answer starts, and its body; nothing of it is sent."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await hit.app(hit.scope, hit.receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_FORBIDDEN = _says(problem(403, "Forbidden"))

ANSWERS: dict[FaultKind, Answer] = {
    "rate_limit": _says_of(_rate_limit),
    "rate_limit_silent": _says(PlainTextResponse("Too many requests", 429)),
    "quota": _says_of(_quota),
    "server_error": _says_of(_server_error),
    "timeout": _timeout,
    "drop": _drop,
    "truncate": _truncate,
    "cut_json": _cut_json,
    "html": _says(HTMLResponse("<html><body><h1>We'll be right back</h1></body></html>")),
    "wrong_json": _says(JSONResponse({}), JSONResponse([]), JSONResponse(None)),
    "unauthorized": _says(problem(401, "Valid user authentication required")),
    "expired_token": _says(problem(401, "The access token expired")),
    "forbidden": _FORBIDDEN,
    "premium": _says(
        problem(403, "Active premium subscription required for the owner of the app.")
    ),
    "not_allowlisted": _says(
        PlainTextResponse(
            "Check settings on developer.spotify.com/dashboard, the user may not be registered.",
            403,
        )
    ),
    "not_found": _says(problem(404, "Resource not found")),
    "tracks_closed": _FORBIDDEN,
    "items_closed": _FORBIDDEN,
    "changing": _changing,
    "no_token": _says(PlainTextResponse("upstream connect error", 503)),
    "invalid_grant": _says(token_problem("invalid_grant", "Refresh token revoked")),
    "denied": _says_of(_denied),
}
