"""The embedded pipe keeps Snowpipe's rules: a name once, a file whole, columns by name."""

import gzip
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_pipeline import contract
from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import FolderStore, ObjectStore
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.loading.pipe import FileLoad, LoadStatus, look
from spotify_pipeline_tests.loading.rows import DAY, NOON, manifest
from spotify_pipeline_tests.loading.sessions import Crash, Crashing

ARTIST = contract.ARTIST
HEADER = "snapshot_date,artist_id,artist_name,artist_url,fetched_at\n"
GOOD = "2026-11-22,{},Name,https://x,2026-11-22 06:00:00\n"
A, B, C = (GOOD.format(name) for name in "abc")


@pytest.fixture
def pipe(store: FolderStore) -> EmbeddedPipe:
    return EmbeddedPipe(store, frozen_clock(NOON))


def put(store: ObjectStore, body: str | bytes, batch: int = 1) -> str:
    """Stores a file of artists; text is compressed, bytes are taken as they are."""
    key = keys.batch_file("artist", DAY, batch, "abc")
    assert store.put_new(key, gzip.compress(body.encode()) if isinstance(body, str) else body)
    return key


def load_one(pipe: EmbeddedPipe, session: Session, body: str | bytes, batch: int = 1) -> FileLoad:
    put(pipe.store, body, batch)
    [load] = pipe.load(session, ARTIST)
    return load


def artists(session: Session) -> list[str]:
    return [name for (name,) in session.execute("SELECT artist_id FROM LANDING.ARTIST ORDER BY 1")]


def history(session: Session) -> list[tuple[object, ...]]:
    return session.execute(
        "SELECT pipe_name, table_name, file_name, status, row_count, first_error_row_number, "
        "first_error_column_name, last_load_time FROM pipes.copy_history ORDER BY file_name"
    )


# A name once


def test_a_file_is_loaded_and_its_name_is_noted(pipe: EmbeddedPipe, session: Session) -> None:
    key = put(pipe.store, HEADER + A + B)
    assert pipe.load(session, ARTIST) == [FileLoad("artist", key, LoadStatus.LOADED, 2, NOON)]
    assert artists(session) == ["a", "b"]
    at = NOON.replace(tzinfo=None)
    assert history(session) == [("artist_pipe", "artist", key, "Loaded", 2, None, None, at)]


def test_a_name_is_taken_once(pipe: EmbeddedPipe, session: Session) -> None:
    load_one(pipe, session, HEADER + A)
    assert pipe.load(session, ARTIST) == []
    assert artists(session) == ["a"]


def test_a_name_that_failed_is_not_taken_again(
    pipe: EmbeddedPipe, session: Session, store: FolderStore
) -> None:
    key = put(store, HEADER + "no day,a,Name,,\n")
    assert pipe.load(session, ARTIST)[0].status == LoadStatus.FAILED
    (store.root / key).write_bytes(gzip.compress((HEADER + A).encode()))  # mended by hand
    assert pipe.load(session, ARTIST) == []
    assert artists(session) == []


def test_the_same_rows_under_a_new_name_are_taken(pipe: EmbeddedPipe, session: Session) -> None:
    load_one(pipe, session, b"damaged", batch=1)
    assert load_one(pipe, session, HEADER + A, batch=2).status == LoadStatus.LOADED
    assert artists(session) == ["a"]


def test_a_name_in_the_lake_is_never_written_twice(store: FolderStore) -> None:
    key = put(store, HEADER + A)
    assert not store.put_new(key, b"another")
    assert gzip.decompress(store.get(key)).decode() == HEADER + A


def test_all_that_waits_is_taken_and_one_bad_file_stops_no_other(
    pipe: EmbeddedPipe, session: Session
) -> None:
    put(pipe.store, HEADER + A, batch=1)
    put(pipe.store, b"damaged", batch=2)
    put(pipe.store, HEADER + C, batch=3)
    assert [load.rows for load in pipe.load(session, ARTIST)] == [1, 0, 1]
    assert artists(session) == ["a", "c"]


def test_a_pipe_takes_its_own_tables_files_only(pipe: EmbeddedPipe, session: Session) -> None:
    put(pipe.store, HEADER + A)
    for table in contract.TABLES:
        if table != ARTIST:
            assert pipe.load(session, table) == []
    assert len(pipe.load(session, ARTIST)) == 1


# A file whole or not at all


@pytest.mark.parametrize(
    ("bad", "column", "message"),
    [
        ("22.11.2026,b,Name,,2026-11-22 06:00:00\n", "snapshot_date", "22.11.2026"),
        ("2026-13-01,b,Name,,2026-11-22 06:00:00\n", "snapshot_date", "2026-13-01"),
        ("2026-11-22,b,Name,,yesterday\n", "fetched_at", "yesterday"),
        ("2026-11-22,,Name,,2026-11-22 06:00:00\n", "artist_id", "NOT NULL"),
    ],
)
def test_a_bad_row_keeps_the_whole_file_out_and_is_named(
    pipe: EmbeddedPipe, session: Session, bad: str, column: str, message: str
) -> None:
    load = load_one(pipe, session, HEADER + A + bad + C)
    assert artists(session) == []
    assert (load.status, load.rows) == (LoadStatus.FAILED, 0)
    assert (load.error_place, load.error_column) == ("row 2", column)
    assert message in str(load.error)
    assert pipe.loads(session, [load.key], contract.TABLES) == {load.key: load}


def test_a_column_that_no_sql_can_name_fails_its_file_alone(
    pipe: EmbeddedPipe, session: Session
) -> None:
    put(pipe.store, HEADER.replace("artist_url", "artist\\url") + A)
    put(pipe.store, HEADER + C, batch=2)
    assert [load.status for load in pipe.load(session, ARTIST)] == [
        LoadStatus.FAILED,
        LoadStatus.LOADED,
    ]


def test_of_several_bad_rows_the_first_is_named(pipe: EmbeddedPipe, session: Session) -> None:
    body = HEADER + A + "2026-11-22,b,Name,,never\nno day,c,Name,,2026-11-22 06:00:00\n"
    load = load_one(pipe, session, body)
    assert (load.error_place, load.error_column) == ("row 2", "fetched_at")


def test_a_crash_after_the_rows_leaves_neither_them_nor_the_name(
    pipe: EmbeddedPipe, session: Session
) -> None:
    put(pipe.store, HEADER + A)
    asked_and_copied = 3
    with pytest.raises(Crash):
        pipe.load(Crashing(session, asked_and_copied), ARTIST)
    assert (artists(session), history(session)) == ([], [])
    assert [load.rows for load in pipe.load(session, ARTIST)] == [1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2026-11-22,b\n", "Expected Number of Columns: 5 Found: 2"),
        (A.strip() + ",more\n", "Expected Number of Columns: 5 Found: 6"),
        ('2026-11-22,b,"never closed,,\n', "unterminated quote"),
    ],
)
def test_a_row_that_is_no_csv_keeps_the_whole_file_out(
    pipe: EmbeddedPipe, session: Session, row: str, message: str
) -> None:
    load = load_one(pipe, session, HEADER + A + row + C)
    assert artists(session) == []
    assert "Line: 3" in str(load.error)
    assert message in str(load.error)
    assert "Original Line" not in str(load.error), "it may tell about a person"


WHOLE = gzip.compress((HEADER + "".join(GOOD.format(n) for n in range(2000))).encode())
BAD_CHECKSUM = WHOLE[:-8] + bytes(4) + WHOLE[-4:]
NO_DEFLATE = WHOLE[:10] + b"\xff" * 6 + WHOLE[16:]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(WHOLE[: len(WHOLE) // 2], "ended before", id="half of it"),
        pytest.param(WHOLE[:-3], "ended before", id="without its end"),
        pytest.param(BAD_CHECKSUM, "CRC check failed", id="wrong checksum"),
        pytest.param(NO_DEFLATE, "decompressing", id="damaged inside"),
        pytest.param(HEADER.encode(), "gzip", id="not compressed"),
        pytest.param(b"", "at least a single column", id="no bytes"),
        pytest.param(gzip.compress(b""), "at least a single column", id="no text"),
        pytest.param(
            gzip.compress((HEADER + A).encode() + b"2026-11-22,b,Caf\xe9,,\n"),
            "'utf-8' codec can't decode",
            id="not UTF-8",
        ),
        pytest.param(
            gzip.compress(("x" * 200_000 + "\n" + A).encode()), "field larger", id="endless header"
        ),
    ],
)
def test_a_damaged_file_fails_and_says_why(
    pipe: EmbeddedPipe, session: Session, body: bytes, message: str
) -> None:
    load = load_one(pipe, session, body)
    assert load.status == LoadStatus.FAILED
    assert message in str(load.error)
    assert artists(session) == []
    assert history(session)[0][3:7] == ("Load failed", 0, None, None)


def test_a_file_with_only_a_header_is_loaded_with_no_rows(
    pipe: EmbeddedPipe, session: Session
) -> None:
    load = load_one(pipe, session, HEADER)
    assert (load.status, load.rows, load.error) == (LoadStatus.LOADED, 0, None)


# Columns by name


def test_columns_match_by_name_in_any_order(pipe: EmbeddedPipe, session: Session) -> None:
    load_one(
        pipe,
        session,
        "artist_url,fetched_at,artist_name,snapshot_date,artist_id\n"
        "https://x,2026-11-22 06:00:00,Name,2026-11-22,a\n",
    )
    assert session.execute(f"SELECT {', '.join(ARTIST.column_names)} FROM LANDING.ARTIST") == [
        (DAY, "a", "Name", "https://x", datetime(2026, 11, 22, 6))
    ]


def test_a_column_the_table_does_not_have_is_left_out(pipe: EmbeddedPipe, session: Session) -> None:
    load = load_one(pipe, session, 'artist_id,it\'s "new",snapshot_date\na,whatever,2026-11-22\n')
    assert load.error is None
    assert artists(session) == ["a"]


def test_a_column_the_file_does_not_have_is_null(pipe: EmbeddedPipe, session: Session) -> None:
    load_one(pipe, session, "artist_id,snapshot_date\na,2026-11-22\n")
    assert session.execute("SELECT artist_name, fetched_at FROM LANDING.ARTIST") == [(None, None)]


@pytest.mark.parametrize(
    "header", ["artist_id,artist_name\n", "snapshot_date,artist_name\n", "who,what\n"]
)
def test_a_file_without_a_key_column_fails(
    pipe: EmbeddedPipe, session: Session, header: str
) -> None:
    load = load_one(pipe, session, header + "2026-11-22,x\n")
    assert load.status == LoadStatus.FAILED
    assert "NOT NULL constraint failed" in str(load.error)


# Pause


def test_a_paused_pipe_leaves_files_waiting_and_takes_them_when_resumed(
    pipe: EmbeddedPipe, session: Session
) -> None:
    pipe.pause(session, ARTIST)
    put(pipe.store, HEADER + A)
    assert pipe.load(session, ARTIST) == []
    status = pipe.statuses(session)["artist"]
    assert (status.pipe, status.state, status.pending_files) == ("artist_pipe", "PAUSED", 1)

    pipe.pause(session, ARTIST, paused=False)
    assert pipe.statuses(session)["artist"].state == "RUNNING"
    assert [load.rows for load in pipe.load(session, ARTIST)] == [1]
    assert pipe.statuses(session)["artist"].pending_files == 0


def test_pausing_one_pipe_pauses_no_other_and_twice_is_once(
    pipe: EmbeddedPipe, session: Session
) -> None:
    for _ in range(2):
        pipe.pause(session, ARTIST)
    states = {name: status.state for name, status in pipe.statuses(session).items()}
    others = {table.name: "RUNNING" for table in contract.TABLES}
    assert states == others | {"artist": "PAUSED"}


def test_a_pause_outlives_the_session(pipe: EmbeddedPipe, database: DuckDBDatabase) -> None:
    with database.session() as session:
        pipe.pause(session, ARTIST)
    with database.session() as session:
        assert pipe.statuses(session)["artist"].state == "PAUSED"


# What people are told


def test_troubles_name_the_paused_pipe_and_the_failed_file(
    pipe: EmbeddedPipe, session: Session
) -> None:
    key = manifest(DAY, 1, {}).files["artist"].key
    pipe.store.put_new(key, gzip.compress((HEADER + A + "no day,b,,,\n").encode()))
    pipe.load(session, ARTIST)
    pipe.pause(session, ARTIST)
    waiting = manifest(DAY, 1, {"artist": [{}]})
    paused, failed = look(pipe, session, [waiting], NOON).troubles["artist"]
    assert "artist_pipe is PAUSED" in paused
    assert f"{key}, row 2, column snapshot_date: " in failed
    assert "--reload" in failed


def test_loads_are_those_of_the_files_asked_for(pipe: EmbeddedPipe, session: Session) -> None:
    failed = load_one(pipe, session, b"damaged", batch=1)
    load_one(pipe, session, b"damaged too", batch=2)
    loaded = load_one(pipe, session, HEADER + A, batch=3)
    asked = [failed.key, loaded.key, "never/taken.csv.gz"]
    assert pipe.loads(session, asked, [ARTIST]) == {failed.key: failed, loaded.key: loaded}
    assert pipe.loads(session, asked, [contract.SONG]) == {}
    assert pipe.loads(session, [], contract.TABLES) == {}


# Where a row came from, and what it says


def test_every_row_says_its_file_its_number_and_when(pipe: EmbeddedPipe, session: Session) -> None:
    one_o_clock = (NOON + timedelta(hours=1)).astimezone(timezone(timedelta(hours=9)))
    first = load_one(pipe, session, HEADER + A + B, batch=1)
    later = EmbeddedPipe(pipe.store, frozen_clock(one_o_clock))
    second = load_one(later, session, HEADER + C, batch=2)
    noon = NOON.replace(tzinfo=None)
    assert session.execute(
        "SELECT artist_id, _file, _row, _loaded_at FROM LANDING.ARTIST ORDER BY 1"
    ) == [
        ("a", first.key, 1, noon),
        ("b", first.key, 2, noon),
        ("c", second.key, 1, noon + timedelta(hours=1)),
    ]


def test_rows_are_numbered_in_the_order_of_the_file(pipe: EmbeddedPipe, session: Session) -> None:
    count = 30_000
    load_one(pipe, session, HEADER + "".join(GOOD.format(f"{n:06}") for n in range(1, count + 1)))
    assert session.execute(
        "SELECT COUNT(*), COUNT(DISTINCT _row), MIN(_row), MAX(_row) FROM LANDING.ARTIST "
        "WHERE CAST(artist_id AS INTEGER) = _row"
    ) == [(count, count, 1, count)]


def as_csv(values: Sequence[str | None]) -> str:
    """RFC 4180: every text in quotes, null as nothing at all."""
    return ",".join('"' + v.replace('"', '""') + '"' if v is not None else "" for v in values)


def reads_back(pipe: EmbeddedPipe, session: Session, texts: Sequence[str | None]) -> None:
    lines = [
        as_csv(["2026-11-22", f"{number:05}", text, None, None])
        for number, text in enumerate(texts)
    ]
    batch = len(pipe.store.list_keys("")) + 1
    load = load_one(pipe, session, HEADER + "".join(f"{line}\n" for line in lines), batch)
    assert load.error is None
    found = session.execute(
        "SELECT artist_name FROM LANDING.ARTIST WHERE _file = ? ORDER BY _row", [load.key]
    )
    assert [text for (text,) in found] == list(texts)


AWKWARD = [
    "",
    None,
    "NULL",
    "null",
    "\\N",
    "NaN",
    " ",
    "  blanks at both ends  ",
    "0042",
    "007.50",
    "-1",
    "true",
    "2026-11-22",
    'she said "yes"',
    '"',
    '""',
    "a,b",
    ",",
    "line\nbreak",
    "line\r\nbreak",
    "line\rbreak",
    "\n",
    "\r",
    "\r\n\r\n",
    "back\\slash",
    "ends in \\",
    "tab\there",
    "# no comment",
    "; | ' `",
    "emoji 🎧🏳️‍🌈",
    "e\u0301 is not \u00e9",
    "\ufeff",
    "שלום",
    "x" * 100_000,
]


def test_text_reads_back_exactly(pipe: EmbeddedPipe, session: Session) -> None:
    reads_back(pipe, session, AWKWARD)


def test_unquoted_text_reads_back_exactly(pipe: EmbeddedPipe, session: Session) -> None:
    load_one(pipe, session, "snapshot_date,artist_id,artist_name\n2026-11-22, 007 ,NULL\n")
    found = session.execute("SELECT artist_id, artist_name FROM LANDING.ARTIST")
    assert found == [(" 007 ", "NULL")]


@pytest.mark.slow
@given(
    st.lists(
        st.none() | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\r\n\\ '))
    )
)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_reads_back_exactly(
    pipe: EmbeddedPipe, session: Session, texts: list[str | None]
) -> None:
    reads_back(pipe, session, texts)


def test_every_type_reads_back(store: FolderStore, session: Session) -> None:
    song = contract.SONG
    header = "snapshot_date,song_id,song_duration,song_explicit,song_added,fetched_at\n"
    body = header + (
        "2026-11-22,s1,215000,true,2020-02-29,2026-11-22 06:00:00.123456\n"
        "2026-11-22,s2,0,false,0001-01-01,2026-11-22 06:00:00\n"
        "2026-11-22,s3,,,,\n"
    )
    store.put_new(keys.batch_file("song", DAY, 1, "abc"), gzip.compress(body.encode()))
    [load] = EmbeddedPipe(store).load(session, song)
    assert load.error is None
    found = session.execute(f"SELECT {header} FROM LANDING.SONG ORDER BY _row")
    assert [row[2:] for row in found] == [
        (215000, True, datetime(2020, 2, 29).date(), datetime(2026, 11, 22, 6, 0, 0, 123456)),
        (0, False, datetime(1, 1, 1).date(), datetime(2026, 11, 22, 6)),
        (None, None, None, None),
    ]


def test_a_home_with_wildcards_in_its_name_is_no_pattern(
    store: FolderStore, session: Session
) -> None:
    odd = FolderStore(store.root / "it's [my] lake*")
    assert load_one(EmbeddedPipe(odd), session, HEADER + A).error is None
    assert artists(session) == ["a"]
