"""From the sandbox over HTTP into raw documents: every byte's meaning is kept, and no secret."""

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.ingest.day import CapturePolicy, capture_day
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.server import SandboxServer
from spotify_pipeline.sandbox.shapes import Shape
from spotify_pipeline_tests.rows import tables_of
from spotify_pipeline_tests.synthetic import DAY, NOON, Json

CATALOGUE = Catalogue()
IDS = [plan.playlist_id for plan in CATALOGUE.playlists]
SIZES = {plan.playlist_id: plan.size for plan in CATALOGUE.playlists}
SECRETS = Credentials("app-id", "hush-secret", "hush-refresh")


class Recorder:
    """Lets everything through, and keeps path, query and body of what was served."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.served: list[tuple[str, str, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""

        async def keep(message: Message) -> None:
            nonlocal body
            body += message.get("body", b"")
            await send(message)

        await self.app(scope, receive, keep)
        self.served.append((scope["path"], scope["query_string"].decode(), body))

    def answers(self) -> list[Json]:
        """What was asked about playlists and answered, as raw documents should tell it."""
        return [
            {
                "request": {"method": "GET", "path": path, "params": dict(parse_qsl(query))},
                "body": json.loads(body),
            }
            for path, query, body in self.served
            if path != "/api/token" and "fields=" not in query
        ]

    def tokens(self) -> list[str]:
        tokens = [json.loads(body) for path, _, body in self.served if path == "/api/token"]
        return [token["access_token"] for token in tokens]


class Captured:
    """The sandbox's playlists of one day, captured over HTTP in one shape."""

    def __init__(self, shape: Shape, folder: Path) -> None:
        self.recorder = Recorder(create_app(CATALOGUE, frozen_clock(NOON), shape))
        self.store = FolderStore(folder)
        self.told: list[str] = []
        with SandboxServer(self.recorder) as server:
            client = SpotifyClient(SECRETS, server.api_url, server.accounts_url)
            self.reports = capture_day(
                client,
                self.store,
                IDS,
                DAY,
                frozen_clock(NOON),
                self.told.append,
                CapturePolicy(concurrency=1),  # one after the other, to be compared in order
            )

    def lines(self) -> list[Json]:
        bodies = [gzip.decompress(self.store.get(keys.raw(DAY, id_))) for id_ in IDS]
        return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.fixture(
    scope="module",
    params=[
        "items",
        pytest.param("tracks", marks=pytest.mark.slow),
        pytest.param("both", marks=pytest.mark.slow),
    ],
)
def captured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Captured:
    return Captured(request.param, tmp_path_factory.mktemp("lake"))


def test_every_key_and_value_is_there_as_it_was_served(captured: Captured) -> None:
    stored = [{"request": line["request"], "body": line[line["kind"]]} for line in captured.lines()]
    assert stored == captured.recorder.answers()
    assert len(stored) > len(IDS)


def test_keys_are_in_the_order_in_which_they_were_served(captured: Captured) -> None:
    stored = [json.dumps(line[line["kind"]]) for line in captured.lines()]
    assert stored == [json.dumps(answer["body"]) for answer in captured.recorder.answers()]


def test_every_answer_tells_when_it_came_and_whose_it_is(captured: Captured) -> None:
    for line in captured.lines():
        assert line["fetched_at"] == "2026-11-22T12:00:00.000000Z"
        assert line["snapshot_date"] == "2026-11-22"
        assert line["playlist_id"] in line["request"]["path"]


def test_every_playlist_is_whole(captured: Captured) -> None:
    assert {report.playlist_id: report.entries for report in captured.reports} == SIZES
    assert {report.outcome for report in captured.reports} == {"captured"}


def test_nothing_that_is_stored_or_logged_holds_a_secret(captured: Captured) -> None:
    written = b"".join(
        gzip.decompress(body) if key.endswith(".gz") else body
        for key in captured.store.list_keys("")
        for body in [captured.store.get(key)]
    )
    everything = written.decode() + "\n".join(captured.told)
    tokens = captured.recorder.tokens()
    assert tokens
    for secret in ("hush", "Bearer", "Basic ", *tokens):
        assert secret not in everything


def test_every_entry_that_was_served_is_a_row(captured: Captured) -> None:
    found = tables_of(*(captured.store.get(keys.raw(DAY, id_)) for id_ in IDS))
    counted: dict[Any, int] = {}
    for row in found["playlist_entry"]:
        counted[row["playlist_id"]] = counted.get(row["playlist_id"], 0) + 1
    assert counted == SIZES
    assert set(found.odd_values) <= {"entry_type"}  # of the catalogue's odd corner
