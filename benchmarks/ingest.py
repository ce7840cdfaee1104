"""Capturing a day from a Spotify that answers late, next to the floor that its lateness sets.

`python -m benchmarks.ingest`: 40 playlists of 1,000 entries, 50 ms, 4 at a time; the sandbox runs
in a process of its own, as Spotify does, and remembers its answers, as it is not what is measured.
The floor is calls × latency / concurrency.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.ingest.day import CapturePolicy, capture_day
from spotify_pipeline.ingest.reader import Listing, Reply
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.draw import spotify_id
from spotify_pipeline.sandbox.latency import with_latency
from spotify_pipeline.sandbox.playlists import PlaylistPlan
from spotify_pipeline.sandbox.server import SandboxServer


class Remembered:
    """An application that is asked only once for each address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._messages: dict[str, list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
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


class CountingClient(SpotifyClient):
    """Counts its calls."""

    calls = 0

    def playlist(self, playlist_id: str) -> Reply:
        self.calls += 1
        return super().playlist(playlist_id)

    def page(self, playlist_id: str, listing: Listing, offset: int) -> Reply:
        self.calls += 1
        return super().page(playlist_id, listing, offset)

    def snapshot_id(self, playlist_id: str) -> str | None:
        self.calls += 1
        return super().snapshot_id(playlist_id)


def plans(playlists: int, entries: int) -> list[PlaylistPlan]:
    return [
        PlaylistPlan(spotify_id("benchmark", number), f"Playlist {number}", entries)
        for number in range(playlists)
    ]


def serve(pipe: Connection, playlists: int, entries: int, latency: int) -> None:
    """The sandbox, until the other end of the pipe says a word."""
    catalogue = Catalogue(1, plans(playlists, entries))
    app = with_latency(Remembered(create_app(catalogue, machine_clock)), latency)
    with SandboxServer(app) as server:
        pipe.send((server.api_url, server.accounts_url))
        pipe.recv()


def capture_once(
    api_url: str, accounts_url: str, playlist_ids: list[str], concurrency: int
) -> tuple[float, int]:
    """Seconds and calls of one day's capture."""
    client = CountingClient(Credentials("app", "secret"), api_url, accounts_url)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        reports = capture_day(
            client,
            FolderStore(Path(folder)),
            playlist_ids,
            today(machine_clock),
            machine_clock,
            lambda _: None,
            CapturePolicy(concurrency=concurrency),
        )
        seconds = time.perf_counter() - began
    assert {report.outcome for report in reports} == {"captured"}, reports
    return seconds, client.calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--playlists", type=int, default=40)
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    size = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(theirs, size.playlists, size.entries, size.latency), daemon=True
    )
    server.start()
    api_url, accounts_url = ours.recv()
    ids = [plan.playlist_id for plan in plans(size.playlists, size.entries)]
    capture_once(api_url, accounts_url, ids, size.concurrency)  # the sandbox makes its answers
    ratios = []
    for _ in range(size.runs):
        seconds, calls = capture_once(api_url, accounts_url, ids, size.concurrency)
        floor = calls * size.latency / 1000 / size.concurrency
        ratios.append(seconds / floor)
        print(f"{seconds:6.2f} s, floor {floor:6.2f} s ({calls} calls): {ratios[-1]:.2f} ×")
    print(
        f"{size.playlists} playlists of {size.entries} entries, {size.latency} ms, "
        f"{size.concurrency} at a time: median {statistics.median(ratios):.2f} × the floor "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )
    ours.send("done")
    server.join()


if __name__ == "__main__":
    main()
