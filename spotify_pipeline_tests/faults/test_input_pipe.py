"""What Snowflake tells of pipes and files, and what stands in a file that a pipe is to load.

Words that nobody foresaw become a value, or an error that names the pipe; a file is loaded whole or
left out whole, with the reason in the history.
"""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotify_pipeline import contract
from spotify_pipeline.errors import PipelineError
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.loading.pipe import LoadStatus, look
from spotify_pipeline.loading.snowpipe import Snowpipe, parse_history, parse_status
from spotify_pipeline_tests.faults.generated import (
    damaged,
    examples,
    put,
    texts,
)
from spotify_pipeline_tests.loading.rows import DAY, NOON, manifest

STATUS = {
    "executionState": "RUNNING",
    "pendingFileCount": 2,
    "oldestFileTimestamp": "2026-11-22T11:00:00.123Z",
    "error": "Access denied",
    "channelErrorMessage": "no queue",
    "notificationChannelName": "arn:x",
    "lastReceivedMessageTimestamp": "2026-11-22T11:30:00Z",
    "lastForwardedMessageTimestamp": "2026-11-22T11:20:00Z",
}


def told(status: Any) -> str:
    return json.dumps(status)


@examples(150)
@given(damaged(STATUS).map(told) | st.text(max_size=20) | st.none())
@example(told(put(STATUS, ("pendingFileCount",), None)))
@example(told(put(STATUS, ("oldestFileTimestamp",), "yesterday")))
@example(told(put(STATUS, ("oldestFileTimestamp",), "2026-11-22T11:00:00")))
@example(told(put(STATUS, ("executionState",), None)))
@example("")
@example(None)
def test_a_status_is_told_or_refused_by_the_pipes_name(text: str | None) -> None:
    try:
        status = parse_status("song_pipe", text)  # type: ignore[arg-type]
    except PipelineError as error:
        assert "song_pipe" in str(error)
        return
    assert "song_pipe is " in status.explain()
    assert isinstance(status.pending_files, int)
    for moment in (status.oldest_pending, status.received, status.forwarded):
        assert moment is None or moment.utcoffset() is not None


class Told:
    """A Snowflake with all pipes and tables, which tells these words of each pipe and file."""

    def __init__(self, status: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._status, self._rows = status, list(rows)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if "INFORMATION_SCHEMA.PIPES" in sql:
            return [(f"{table.name}_PIPE",) for table in contract.TABLES]
        if "SYSTEM$PIPE_STATUS" in sql:
            return [(self._status,) * len(contract.TABLES)]
        if "INFORMATION_SCHEMA.TABLES" in sql:
            return [(table.name,) for table in contract.TABLES]
        return self._rows if "COPY_HISTORY" in sql else []

    def file_name(self, key: str) -> str:
        return key


BATCH = manifest(DAY, 1, {"song": [{}]})
KEY = BATCH.files["song"].key
moments = (
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC) | st.none())
    | st.none()
)
histories = st.lists(
    st.tuples(
        st.just("song"),
        st.just(KEY) | texts | st.none(),
        st.sampled_from([*map(str, LoadStatus), "LOAD_FAILED"]) | texts | st.none(),
        st.integers(0, 2**40) | st.none(),
        moments,
        texts | st.none(),
        st.integers() | st.none(),
        texts | st.none() | st.just('"SONG"["SONG_ID":2]'),
    ),
    max_size=4,
)


@examples(150)
@given(histories)
@example([("song", KEY, None, None, None, None, None, None)])
@example([("song", None, "Loaded", 1, None, None, None, None)])
@example([("song", KEY, "Loaded", 1, at, None, None, None) for at in (datetime(2026, 1, 1), NOON)])
def test_a_history_is_told_file_by_file(rows: list[tuple[Any, ...]]) -> None:
    loads = parse_history(rows, [KEY])
    assert set(loads) == ({KEY} if any(row[1] == KEY for row in rows) else set())
    for load in loads.values():
        assert KEY in load.explain()
        assert load.loaded_at is None or load.loaded_at.utcoffset() is not None


@examples(60)
@given(damaged(STATUS).map(told), histories)
def test_a_look_at_odd_pipes_tells_of_each_or_names_one(
    text: str, rows: list[tuple[Any, ...]]
) -> None:
    session: Any = Told(text, rows)
    try:
        seen = look(Snowpipe(), session, [BATCH], NOON)
    except PipelineError as error:
        assert "_pipe" in str(error)
    else:
        assert set(seen.troubles) == {table.name for table in contract.TABLES}


# Files

HEADER = contract.ARTIST.column_names
ARTISTS = keys.batch_file("artist", DAY, 1, "abc")
SOUND = {
    "snapshot_date": str(DAY),
    "artist_id": "AR1",
    "artist_name": "Artist",
    "artist_url": "https://open.spotify.com/artist/AR1",
    "fetched_at": "2026-11-22 12:00:00",
}


def file_of(rows: Sequence[Sequence[object]], header: Sequence[str] = HEADER) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([header, *rows])
    return gzip.compress(stream.getvalue().encode(), mtime=0)


rows = st.lists(
    st.fixed_dictionaries({name: st.just(value) | texts for name, value in SOUND.items()}).map(
        lambda row: list(row.values())
    )
    | st.lists(texts, max_size=7),
    max_size=4,
)
headers = st.just(HEADER) | st.permutations(HEADER) | st.lists(texts | st.sampled_from(HEADER))
files = st.builds(file_of, rows, headers) | st.binary(max_size=40)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with DuckDBDatabase(tmp_path_factory.mktemp("home") / "a.duckdb").session() as session:
        yield session


@examples(60)
@given(files, st.integers(0, 300))
@example(file_of([list(SOUND.values())]), 300)
@example(file_of([], ["'; DROP TABLE LANDING.ARTIST; --"]), 300)
@example(file_of([["x"]], ["artist_id) FROM x; --"]), 300)
def test_a_file_is_loaded_whole_or_left_out_whole_with_a_reason(
    session: Session, body: bytes, cut: int
) -> None:
    for table in ("landing.artist", "pipes.copy_history"):
        session.execute(f"DELETE FROM {table}")
    with TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        store.put_new(ARTISTS, body[:cut] if cut < 300 else body)
        pipe = EmbeddedPipe(store, lambda: NOON)
        [load] = pipe.load(session, contract.ARTIST)
        assert pipe.load(session, contract.ARTIST) == []
    [(landed,)] = session.execute("SELECT count(*) FROM landing.artist")
    assert landed == load.rows
    if load.status is LoadStatus.FAILED:
        assert (landed, bool(load.error)) == (0, True)
        assert ARTISTS in load.explain()
    else:
        assert load.status is LoadStatus.LOADED
        read = csv.reader(io.StringIO(gzip.decompress(body).decode(), newline=""), strict=True)
        assert landed == len([row for row in read if row]) - 1
