"""Whatever bytes Spotify's addresses answer: a playlist is stored as it was said, or fails by name.

The real client over HTTP. What is stored can be read by the engine, and gives a row for each entry.
"""

import http.server
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.ingest.client import PAGE_LIMIT, Credentials, SpotifyClient
from spotify_pipeline.ingest.day import CapturePolicy, PlaylistReport, capture_day
from spotify_pipeline.lake import attempts, batch, keys, raw
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.faults.generated import damaged, examples
from spotify_pipeline_tests.ingest.fakes import FakeTime
from spotify_pipeline_tests.synthetic import DAY, Json, entry, page, playlist, track

pytestmark = pytest.mark.slow

ID, OTHER = "p" * 22, "q" * 22
CALLS = 400
"""More than a run of two playlists ever makes: three reads, two endpoints, four tries a call."""


class _Spotify(http.server.ThreadingHTTPServer):
    """Answers with the bytes that a test gives it, for the one playlist; the other one is sound."""

    daemon_threads = True
    answers: dict[str, bytes]
    calls: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Spotify

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(json.dumps({"access_token": "t", "expires_in": 3600}).encode())

    def do_GET(self) -> None:
        self.server.calls += 1
        address = urlsplit(self.path)
        _, _, _, playlist_id, *listing = address.path.split("/")
        query = parse_qs(address.query)
        kind = "page" if listing else "version" if "fields" in query else "playlist"
        sound = self.server.answers if playlist_id == ID else SOUND
        self._say(sound[kind].replace(ID.encode(), playlist_id.encode()))

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def spotify() -> Iterator[_Spotify]:
    with _Spotify(("127.0.0.1", 0), _Connection) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def songs(first: int, last: int) -> list[Json]:
    return [entry(track(f"SO{number}")) for number in range(first, last)]


PLAYLIST = playlist(page(songs(0, 3), 0, 5), id=ID)
ANSWERS: dict[str, Any] = {
    "playlist": PLAYLIST,
    "page": page(songs(3, 5), 3, 5),
    "version": {"snapshot_id": PLAYLIST["snapshot_id"]},
}
SOUND = {kind: json.dumps(body).encode() for kind, body in ANSWERS.items()}


def bodies(kind: str) -> st.SearchStrategy[bytes]:
    """What may come instead of a sound answer, or that."""
    sound = SOUND[kind]
    odd = damaged(ANSWERS[kind]).map(lambda told: json.dumps(told).encode())
    cut = st.integers(0, len(sound)).map(lambda length: sound[:length])
    return st.just(sound) | odd | cut


def said(**changes: bytes) -> dict[str, bytes]:
    return SOUND | changes


NAMED = SOUND["playlist"].replace(b'"Playlist"', b"NAME")


@contextmanager
def lake() -> Iterator[FolderStore]:
    with TemporaryDirectory() as folder:
        yield FolderStore(Path(folder))


def captured(spotify: _Spotify, store: FolderStore, ids: Sequence[str]) -> list[PlaylistReport]:
    time = FakeTime()
    client = SpotifyClient(Credentials("app", "secret"), f"{spotify.address}/v1/", spotify.address)
    return capture_day(
        client,
        store,
        ids,
        DAY,
        time.clock,
        time.told.append,
        CapturePolicy(2),
        patience=time.patience(concurrency=2),
    )


@examples(30)
@given(st.fixed_dictionaries({kind: bodies(kind) for kind in ANSWERS}))
@example(said())
@example(said(playlist=NAMED.replace(b"NAME", b'"half a pair: \\ud83d"')))
@example(said(page=SOUND["page"].replace(b'"Song"', b'"\\udc3d"')))
@example(said(playlist=NAMED.replace(b"NAME", b"NaN")))
@example(said(playlist=NAMED.replace(b"NAME", b"1e999")))
@example(said(playlist=NAMED.replace(b"NAME", b"9" * 5000)))
@example(said(playlist=NAMED.replace(b"NAME", b"[" * 5000 + b"]" * 5000)))
@example(said(playlist=NAMED.replace(b"NAME", b'"\\u0000"')))
@example(said(playlist=NAMED.replace(b"NAME", b'"\xff\xfe"')))
@example(said(playlist=b"\xef\xbb\xbf" + SOUND["playlist"]))
@example(said(playlist=SOUND["playlist"].decode().encode("utf-16")))
@example(said(playlist=b"null", page=b"[]", version=b'""'))
def test_a_playlist_is_stored_as_it_was_said_or_fails_by_name(
    spotify: _Spotify, answers: dict[str, bytes]
) -> None:
    spotify.answers, spotify.calls = answers, 0
    with lake() as store:
        odd, sound = captured(spotify, store, [ID, OTHER])
        assert spotify.calls < CALLS
        assert sound.outcome == "captured"
        if odd.outcome == "failed":
            assert odd.reason
            assert [(f.playlist_id, f.reason) for f in attempts.missing(store, DAY)] == [
                (ID, odd.reason)
            ]
        told = told_of(store, ID) if odd.outcome == "captured" else 0
        assert rows_of(store) == 5 + told
        assert odd.entries == told


def told_of(store: FolderStore, playlist_id: str) -> int:
    """How many entries the raw document holds."""
    first, *pages = raw.decode(store.get(keys.raw(DAY, playlist_id)))
    carried = first.body.get("items") or first.body.get("tracks")
    listed = [carried] if carried else []
    return sum(len(each["items"]) for each in [*listed, *(page.body for page in pages)])


def rows_of(store: FolderStore) -> int:
    """How many the engine finds in the day's documents."""
    made = batch.issue(store, EmbeddedEngine(), [DAY], FakeTime().clock)[DAY]
    assert isinstance(made, Outcome), made
    assert made.manifest.quarantined == ()
    return made.manifest.files["playlist_entry"].rows


@pytest.mark.parametrize("size", [0, 1, PAGE_LIMIT, PAGE_LIMIT + 1, 1000, 11_000])
def test_a_playlist_of_any_size_is_whole(size: int) -> None:
    """11,000 are the most that Spotify lets a playlist have."""
    reader = _Long(size)
    with lake() as store:
        time = FakeTime()
        [report] = capture_day(
            reader,  # type: ignore[arg-type]
            store,
            [ID],
            DAY,
            time.clock,
            time.told.append,
            CapturePolicy(),
            patience=time.patience(),
        )
        assert (report.outcome, report.entries) == ("captured", size)
        assert told_of(store, ID) == rows_of(store) == size


class _Long:
    """A Spotify with one playlist of so many entries."""

    def __init__(self, size: int) -> None:
        self._size = size

    def sign_in(self) -> None: ...

    def playlist(self, playlist_id: str) -> Any:
        return self._reply(playlist(self._page(0)))

    def page(self, playlist_id: str, listing: str, offset: int) -> Any:
        return self._reply(self._page(offset))

    def snapshot_id(self, playlist_id: str) -> str:
        return "version1"

    def _page(self, offset: int) -> Json:
        last = min(offset + PAGE_LIMIT, self._size)
        return page(songs(offset, last), offset, self._size)

    @staticmethod
    def _reply(body: Json) -> Any:
        from spotify_pipeline.ingest.reader import Reply

        return Reply({"method": "GET", "path": "/v1/…", "params": {}}, body)
