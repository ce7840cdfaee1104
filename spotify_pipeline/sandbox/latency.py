"""A network between client and sandbox: every answer takes a while, for measurements."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotify_pipeline.errors import FixConfiguration


def with_latency(app: ASGIApp, milliseconds: int) -> ASGIApp:
    """The application, no answer of which comes earlier than so long after its request.

    The time that the sandbox takes itself is part of it, and requests do not wait for each other.
    """
    if milliseconds < 0:
        raise FixConfiguration(f"The latency is at least 0 milliseconds, not {milliseconds}.")

    async def later(scope: Scope, receive: Receive, send: Send) -> None:
        time = asyncio.get_running_loop().time
        earliest = time() + milliseconds / 1000

        async def send_later(message: Message) -> None:
            await asyncio.sleep(max(0, earliest - time()))
            await send(message)

        await app(scope, receive, send_later)

    return later
