"""A network between client and sandbox: every answer takes a while, for measurements."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from spotify_pipeline.errors import FixConfiguration


def with_latency(app: ASGIApp, milliseconds: int) -> ASGIApp:
    """The application, each answer so much later; requests do not wait for each other."""
    if milliseconds < 0:
        raise FixConfiguration(f"The latency is at least 0 milliseconds, not {milliseconds}.")

    async def later(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(milliseconds / 1000)
        await app(scope, receive, send)

    return later
