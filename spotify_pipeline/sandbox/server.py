"""Runs the application over HTTP on this machine: beside a program, or as one.

Always on 127.0.0.1, never open to the network. What is served does not belong here.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.sandbox.connections import Connections

_HOST = "127.0.0.1"
_GRACE_SECONDS = 2


class SandboxServer:
    """Serves an application from a thread for as long as its `with` block lasts.

    Port 0 is any free one; inside the block `port` says which, and requests are answered.
    """

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self.port = port
        self._app = app
        self._stack = contextlib.ExitStack()

    @property
    def api_url(self) -> str:
        """What stands for `https://api.spotify.com/v1/`."""
        return f"{self.accounts_url}/v1/"

    @property
    def accounts_url(self) -> str:
        """What stands for `https://accounts.spotify.com`."""
        return f"http://{_HOST}:{self.port}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(_listener(self.port))
            stack.enter_context(_running(_server(self._app), listener))
            self.port = listener.getsockname()[1]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()


class _Server(uvicorn.Server):
    """Tells when it accepts requests, and hangs up when it stops."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections
        self.settled = threading.Event()
        """Set once the server has started, or has failed to."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._connections.close()
        await super().shutdown(sockets)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        finally:
            self.settled.set()


def _server(app: ASGIApp) -> _Server:
    connections = Connections()
    config = uvicorn.Config(
        connections.offered_to(app),
        http=connections.protocol(),
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        date_header=False,  # the sandbox's clock is its own
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return _Server(config, connections)


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        raise FixConfiguration(
            f"The sandbox can't listen on {_HOST}:{port} ({os.strerror(error.errno or 0)}). "
            f"Stop what uses that port, or choose another; 0 takes any free one."
        ) from error


@contextlib.contextmanager
def _running(server: _Server, listener: socket.socket) -> Iterator[None]:
    thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
    thread.start()
    try:
        server.settled.wait()
        if not server.started:
            raise RuntimeError("The sandbox did not start; its thread's traceback says why.")
        yield
    finally:
        server.should_exit = True
        thread.join()
