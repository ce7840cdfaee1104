"""A Spotify that answers what a test tells it to. Who tests with it imports the fixtures."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spotify_pipeline.errors import PipelineError
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.sandbox.server import SandboxServer

ID = "3cEYpjA9oz9GiPac4AsH4n"
APP = Credentials("app-id", "hush-secret")
USER = Credentials("app-id", "hush-secret", "hush-refresh")
PLAYLIST = {"id": ID, "name": "Playlist", "snapshot_id": "version1"}
TOKEN = {"access_token": "hush-access", "expires_in": 3600}


class Spotify:
    """Answers what a test tells it to (the last answer holds on), and keeps what it was asked."""

    def __init__(self) -> None:
        self.server = SandboxServer(
            Starlette(
                routes=[
                    Route("/api/token", self._sign_in, methods=["POST"]),
                    Route("/{path:path}", self._answer),
                ]
            )
        )
        self.forget()

    def forget(self) -> None:
        self.tokens: list[Response] = [JSONResponse(TOKEN)]
        self.token_delay = 0.0
        self.answers: list[Response] = [JSONResponse(PLAYLIST)]
        self.asked: list[str] = []
        self.authorized: list[str] = []
        self.signed_in: list[str] = []

    def client(self, credentials: Credentials = APP, *on_new: Callable[..., Any]) -> SpotifyClient:
        return SpotifyClient(credentials, self.server.api_url, self.server.accounts_url, *on_new)

    async def _sign_in(self, request: Request) -> Response:
        self.signed_in.append((await request.body()).decode())
        await asyncio.sleep(self.token_delay)
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

    async def _answer(self, request: Request) -> Response:
        self.asked.append(f"{request.url.path}?{request.url.query}")
        self.authorized.append(request.headers["Authorization"])
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def running_spotify() -> Iterator[Spotify]:
    spotify = Spotify()
    with spotify.server:
        yield spotify


@pytest.fixture
def spotify(running_spotify: Spotify) -> Spotify:
    running_spotify.forget()
    return running_spotify


@pytest.fixture(autouse=True)
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing below the client may sleep; waiting is somebody else's business."""
    real, ours = time.sleep, threading.get_ident()

    def sleep(seconds: float) -> None:
        assert threading.get_ident() != ours, f"slept for {seconds} s"
        real(seconds)

    monkeypatch.setattr(time, "sleep", sleep)


def refused(spotify: Spotify, answer: Response, playlist_id: str = ID) -> PipelineError:
    """The error that a call ends in, if Spotify answers so."""
    spotify.answers = [answer]
    with pytest.raises(PipelineError) as caught:
        spotify.client().playlist(playlist_id)
    return caught.value


def said_by_spotify(status: int, message: str = "…") -> Response:
    return JSONResponse({"error": {"status": status, "message": message}}, status)


def token(**fields: Any) -> Response:
    return JSONResponse(TOKEN | fields)
