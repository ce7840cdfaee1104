"""A Spotify for benchmarks: the sandbox in a process of its own, that remembers its answers.

Making an answer takes longer than sending it, and is not what is measured: each is made once, by
`warm_up`. Latency is the time that passes before an answer begins to come.
"""

import contextlib
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection

import requests
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotify_pipeline.clock import machine_clock
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.draw import spotify_id
from spotify_pipeline.sandbox.latency import with_latency
from spotify_pipeline.sandbox.playlists import PlaylistPlan
from spotify_pipeline.sandbox.server import SandboxServer

CREDENTIALS = ("app", "secret")
"""Client id and secret: it takes any."""


@dataclass(frozen=True)
class Spotify:
    """Where it is, and the playlists that it has."""

    api_url: str
    accounts_url: str
    playlist_ids: list[str]

    @property
    def environment(self) -> Mapping[str, str]:
        """What has the pipeline ask this one."""
        return {
            "SPOTIFY_API_URL": self.api_url,
            "SPOTIFY_ACCOUNTS_URL": self.accounts_url,
            "SPOTIFY_CLIENT_ID": CREDENTIALS[0],
            "SPOTIFY_CLIENT_SECRET": CREDENTIALS[1],
            "SPOTIFY_PLAYLISTS": ",".join(self.playlist_ids),
        }

    def token(self) -> str:
        """An access token, as `curl` would get it."""
        answer = requests.post(
            f"{self.accounts_url}/api/token",
            data={"grant_type": "client_credentials"},
            auth=CREDENTIALS,
            timeout=60,
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@contextlib.contextmanager
def spotify(playlists: int, entries: int, latency: int) -> Iterator[Spotify]:
    """So many playlists of so many entries; answers come `latency` milliseconds late."""
    plans = [
        PlaylistPlan(spotify_id("benchmark", number), f"Playlist {number}", entries)
        for number in range(playlists)
    ]
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, plans, latency), daemon=True
    )
    server.start()
    try:
        found = Spotify(*ours.recv(), [plan.playlist_id for plan in plans])
        warm_up(found, entries)
        yield found
    finally:
        server.terminate()
        server.join()


def warm_up(spotify: Spotify, entries: int) -> None:
    """Has every answer made that a reader of pages will ask for."""
    headers = {"Authorization": f"Bearer {spotify.token()}"}
    types = {"additional_types": "track,episode"}

    def read(playlist_id: str) -> None:
        at = f"{spotify.api_url}playlists/{playlist_id}"
        for url, query in [(at, types), *[(f"{at}/items", q) for q in _pages(entries, types)]]:
            requests.get(url, query, headers=headers, timeout=600).raise_for_status()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, spotify.playlist_ids))


def _pages(entries: int, types: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for offset in range(100, entries, 50):
        yield {"limit": "50", "offset": str(offset), **types}


def _serve(pipe: Connection, plans: list[PlaylistPlan], latency: int) -> None:
    app = create_app(Catalogue(1, plans), machine_clock)
    with SandboxServer(with_latency(Remembered(app), latency)) as server:
        pipe.send((server.api_url, server.accounts_url))
        pipe.recv()  # never comes: this process is ended


class Remembered:
    """An application that is asked only once for each address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._messages: dict[str, list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self._app(scope, receive, send)
        address = f"{scope['path']}?{scope['query_string']!r}"
        if address not in self._messages:
            messages: list[Message] = []

            async def keep(message: Message) -> None:
                messages.append(message)

            await self._app(scope, receive, keep)
            self._messages[address] = messages
        for message in self._messages[address]:
            await send(message)
        return None
