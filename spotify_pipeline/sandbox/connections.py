"""Lets an application hang up, which ASGI has no word for.

uvicorn closes a connection early only if the application fails halfway, and logs that as an error
of ours; the connection itself it keeps to itself. But a server may be told which protocol class to
use, every protocol is shown its transport, and both it and the application know the client's
address. That is all that is used here. Why one should hang up does not belong here.
"""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

HANG_UP = "sandbox.hang_up"
"""The key in the scope under which an application finds the function that closes its connection
once what it has sent so far is out."""


class Connections:
    """The open connections of one server, by their client's address."""

    def __init__(self) -> None:
        self._transports: dict[Any, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's own HTTP protocol, whose connections are noted here."""
        transports = self._transports

        class Noted(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: asyncio.Transport) -> None:
                self._address = transport.get_extra_info("peername")
                transports[self._address] = transport
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                transports.pop(self._address, None)
                super().connection_lost(error)

        return Noted

    def offered_to(self, app: ASGIApp) -> ASGIApp:
        """The application, able to hang up."""

        async def offering(scope: Scope, receive: Receive, send: Send) -> None:
            transport = self._transports.get(scope["client"])
            hang_up = transport.close if transport else lambda: None
            await app({**scope, HANG_UP: hang_up}, receive, send)

        return offering

    def close(self) -> None:
        """Hangs up on everybody, so that whoever still prepares an answer learns to stop."""
        for transport in list(self._transports.values()):
            transport.close()
