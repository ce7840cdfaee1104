"""The embedded engine: CSV that reads back exactly, and damage that is noticed."""

import csv
import gzip
import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_pipeline import contract
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake import keys, raw
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline_tests.engines.awkward import AWKWARD
from spotify_pipeline_tests.rows import issued, tables_of
from spotify_pipeline_tests.synthetic import (
    DAY,
    album,
    answer,
    artist,
    document,
    entry,
    page,
    track,
)

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text('",\r\n\\ \t\x00aN0é🎉')
many_texts = st.lists(st.none() | texts, min_size=1, max_size=60)


def named(names: Sequence[str | None]) -> bytes:
    """A document with an entry of each name, in order."""
    songs = [track(f"{number:06}", name=name) for number, name in enumerate(names)]
    return document([entry(song) for song in songs])


def by_python(body: bytes) -> list[dict[str, str]]:
    text = io.StringIO(body.decode("utf-8"), newline="")
    return list(csv.DictReader(text, strict=True))


def by_the_pipe(home: Path, body: bytes) -> list[Any]:
    """The names that land in the database when the document goes through a batch and the pipe."""
    store = FolderStore(home / "lake")
    store.put_new(keys.raw(DAY, "playlist1"), body)
    issued(store, EmbeddedEngine())
    with DuckDBDatabase(home / "spotify.duckdb").session() as session:
        [load] = EmbeddedPipe(store).load(session, contract.PLAYLIST_ENTRY)
        assert load.error is None
        query = "SELECT entry_name FROM landing.playlist_entry ORDER BY position"
        return [name for (name,) in session.execute(query)]


# CSV that reads back exactly


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(many_texts)
def test_any_text_and_null_are_read_back_by_python(names: list[str | None]) -> None:
    rows = by_python(tables_of(named(names)).bytes["playlist_entry"])
    assert [row["entry_name"] for row in rows] == [name or "" for name in names]


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(many_texts)
def test_any_text_and_null_land_in_the_database(
    tmp_path_factory: pytest.TempPathFactory, names: list[str | None]
) -> None:
    assert by_the_pipe(tmp_path_factory.mktemp("home"), named(names)) == names


def test_awkward_texts_are_read_back_by_python() -> None:
    rows = by_python(tables_of(named(AWKWARD)).bytes["playlist_entry"])
    assert [row["entry_name"] for row in rows] == AWKWARD


def test_awkward_texts_and_null_land_in_the_database(tmp_path: Path) -> None:
    names = [None, *AWKWARD, None]
    assert by_the_pipe(tmp_path, named(names)) == names


@pytest.mark.parametrize("text", ["", "\n", "NULL"], ids=repr)
def test_a_file_of_one_awkward_text_alone_lands_in_the_database(tmp_path: Path, text: str) -> None:
    assert by_the_pipe(tmp_path, named([text])) == [text]


def test_awkward_texts_come_through_in_every_table() -> None:
    awkward = 'a,"b"\r\n\\ '
    song = track(
        name=awkward, album=album(name=awkward), artists=[artist(name=awkward)], uri=awkward
    )
    tables = tables_of(document([entry(song, added_by={"id": awkward})], playlist_id="p"))
    assert tables.only("song")["song_name"] == awkward
    assert tables.only("album")["album_name"] == awkward
    assert tables.only("playlist_entry")["entry_uri"] == awkward
    assert tables.only("playlist_entry")["added_by"] == awkward


def test_null_is_nothing_and_an_empty_text_is_two_quotes() -> None:
    lines = tables_of(named([None, ""])).bytes["playlist_entry"].decode().splitlines()
    without, empty = (line.split("song")[-1] for line in lines[1:])
    assert without.endswith(":track:000000,,2026-01-02 03:04:05,user1")
    assert empty.endswith(':track:000001,"",2026-01-02 03:04:05,user1')


def test_files_are_utf_8_without_mark_and_begin_with_the_columns_of_the_contract() -> None:
    tables = tables_of(document([entry(track())]))
    for table in contract.TABLES:
        header, _, _ = tables.bytes[table.name].partition(b"\n")
        assert header.decode("ascii") == ",".join(table.column_names)


def test_a_table_without_rows_is_a_header() -> None:
    tables = tables_of(document([]))
    assert tables.bytes["song"].decode() == ",".join(contract.SONG.column_names) + "\n"


# Same in, same out


def many_entries(seed: int) -> list[bytes]:
    """Documents in which the same songs stand many times, in an order of its own for each seed."""
    draw = random.Random(seed)
    documents = [
        document([entry(track(str(n % 70), name=f"{p} {n}")) for n in range(300)], f"playlist{p}")
        for p in range(3)
    ]
    draw.shuffle(documents)
    return documents


def test_the_same_documents_give_the_same_bytes_in_whatever_order_they_come() -> None:
    assert tables_of(*many_entries(1)).bytes == tables_of(*many_entries(2)).bytes


@pytest.mark.slow
def test_more_rows_than_one_thread_takes_give_the_same_bytes_again() -> None:
    songs = [entry(track(str(n % 3_000), name=f"Song {n}")) for n in range(12_000)]
    body = raw.encode(
        "playlist1",
        DAY,
        [answer(page(songs[n : n + 1000], n), "page") for n in range(0, len(songs), 1000)],
    )
    first, second = tables_of(body), tables_of(body)
    assert len(first["playlist_entry"]) == 12_000
    assert second.bytes == first.bytes


def test_rows_stand_in_the_order_of_the_key() -> None:
    tables = tables_of(document([entry(track(name)) for name in "cab"]))
    assert tables.column("song", "song_id") == ["a", "b", "c"]


def test_the_compressed_files_are_the_same_too(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        store = FolderStore(tmp_path / name)
        store.put_new(keys.raw(DAY, "p"), named(["a", "b"]))
        issued(store, EmbeddedEngine())
        made.append([store.get(key) for key in store.list_keys(keys.TRANSFORMED)])
    assert made[0] == made[1]
    assert len(made[0]) == len(contract.TABLES)


def test_a_folder_with_a_quote_in_its_name_is_no_trouble(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "it's {here} *")
    store.put_new(keys.raw(DAY, "p"), named(["a"]))
    assert len(issued(store, EmbeddedEngine())[DAY]["playlist_entry"]) == 1


# Damage

GOOD = gzip.decompress(named(["a"]))
DAMAGED = {
    "a line that is no JSON": gzip.compress(GOOD + b"garbage\n"),
    "a line without envelope": gzip.compress(GOOD + b'{"items": []}\n'),
    "a line of no kind": gzip.compress(GOOD.replace(b'"kind":"playlist"', b'"kind":"x"')),
    "a line without answer": gzip.compress(GOOD.replace(b'"playlist":{', b'"album":{')),
    "two answers on a line": gzip.compress(GOOD.rstrip() + GOOD),
    "no gzip": GOOD,
    "nothing": b"",
    "a wrong sum": gzip.compress(GOOD)[:-8] + b"\x00" * 8,
    "rubbish at the end": gzip.compress(GOOD) + b"rubbish",
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_refused(body: bytes) -> None:
    with pytest.raises(FixConfiguration):
        tables_of(named(["sound"]), body)


def test_a_document_of_several_gzip_members_is_read() -> None:
    first, second = named(["a"]), GOOD.replace(b'"offset":0', b'"offset":1')
    tables = tables_of(first + gzip.compress(second))
    assert tables.column("playlist_entry", "position") == ["1", "2"]


def test_a_playlist_s_id_that_is_a_number_is_read_as_text() -> None:
    body = gzip.compress(GOOD.replace(b'"playlist_id":"playlist1"', b'"playlist_id":7'))
    assert tables_of(body).column("playlist", "playlist_id") == ["7"]


def test_an_answer_of_which_nobody_knows_when_it_came_is_refused() -> None:
    late = GOOD.replace(b'"fetched_at":"2026', b'"fetched_at":"later, 2026')
    with pytest.raises(FixConfiguration, match="line 1: nobody knows when it came"):
        tables_of(gzip.compress(late))


@pytest.mark.parametrize("left", [1, 5, 10, 100, -1, -8, -9])
def test_a_document_that_is_cut_off_anywhere_is_refused(left: int) -> None:
    with pytest.raises(FixConfiguration):
        tables_of(named(["a", "b", "c"])[:left])
