"""What people see of files: whole rows from the beginning, nobody's person, names for ids."""

import csv
import gzip
import io
import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from spotify_pipeline import contract
from spotify_pipeline.contract import PLAYLIST, SONG
from spotify_pipeline.lake import keys, preview
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.loading.rows import DAY, day, manifest


class Measured(FolderStore):
    """Notes how much of which object was read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[tuple[str, int]] = []

    def head(self, key: str, size: int) -> bytes:
        body = super().head(key, size)
        self.read.append((key, len(body)))
        return body


@pytest.fixture
def store(tmp_path: Path) -> Measured:
    return Measured(tmp_path / "lake")


def put(
    store: FolderStore,
    table: contract.Table,
    rows: Sequence[dict[str, str]],
    on: date = DAY,
    size: int | None = None,
) -> Manifest:
    """A batch with a file of these rows, or its first `size` bytes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, table.column_names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    batch = manifest(on, 1, {})
    store.put_new(batch.files[table.name].key, gzip.compress(text.getvalue().encode())[:size])
    store.put_new(keys.manifest(on, 1), batch.to_json())
    return batch


def song(number: int) -> dict[str, str]:
    """A row that hardly can be compressed."""
    noise = random.Random(number).randbytes(60).hex()
    return {"snapshot_date": str(DAY), "song_id": f"s{number:04}", "song_name": f"🎵\n{noise}"}


def test_it_is_the_first_rows_without_the_day(store: Measured) -> None:
    batch = put(store, SONG, [song(number) for number in range(9)])
    found = preview.first_rows(store, batch)["song"]
    assert [row["song_id"] for row in found] == ["s0000", "s0001", "s0002", "s0003", "s0004"]
    assert list(found[0]) == [name for name in SONG.column_names if name != "snapshot_date"]
    assert found[4]["song_name"] == song(4)["song_name"]


def test_of_a_large_file_only_the_beginning_is_read(store: Measured) -> None:
    batch = put(store, SONG, [song(number) for number in range(2000)])
    assert len(preview.first_rows(store, batch)["song"]) == preview.ROWS
    [size] = [size for key, size in store.read if key == batch.files["song"].key]
    assert size == 4096 < (store.root / batch.files["song"].key).stat().st_size / 20


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_small_file_is_shown_to_its_last_row(store: Measured, rows: int) -> None:
    batch = put(store, SONG, [song(number) for number in range(rows)])
    assert len(preview.first_rows(store, batch)["song"]) == rows


def test_a_row_that_is_cut_off_is_not_shown(store: Measured) -> None:
    """Wherever it is cut: within a line, a quoted line break, or one character."""
    rows = [song(number) for number in range(3)]
    whole = len((store.root / put(store, SONG, rows).files["song"].key).read_bytes())
    for size in range(0, whole, 7):
        store.root = store.root.parent / str(size)
        batch = put(store, SONG, rows, size=size)
        for row, expected in zip(preview.first_rows(store, batch)["song"], rows, strict=False):
            assert row["song_name"] == expected["song_name"]


def test_nothing_of_a_person_is_shown(store: Measured) -> None:
    values = dict.fromkeys(PLAYLIST.column_names, "x") | {"owner_id": "me", "owner_name": "Me"}
    [row] = preview.first_rows(store, put(store, PLAYLIST, [values]))["playlist"]
    assert "owner_id" not in row
    assert {"me", "Me"}.isdisjoint(row.values())


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b'a,b\n"')[:15]],
    ids=["empty", "no gzip", "cut off"],
)
def test_of_a_file_that_is_damaged_or_gone_nothing_is_shown(store: Measured, body: bytes) -> None:
    batch = manifest(DAY, 1, {})
    store.put_new(batch.files["song"].key, body)
    assert preview.first_rows(store, batch) == {table.name: [] for table in contract.TABLES}


# Names


def named(store: FolderStore, on: int, **names: str) -> None:
    rows = [{"playlist_id": id_, "playlist_name": name} for id_, name in names.items()]
    put(store, PLAYLIST, rows, day(on))


def test_a_playlist_has_the_name_it_had_last(store: Measured) -> None:
    named(store, -2, p1="Old", p2="Gone")
    named(store, -1, p1="New", p3="Other")
    named(store, 0, p3="Other", p1="")
    names = preview.playlist_names(store, ["p1", "p2", "p9"])
    assert names == {"p1": "New", "p2": "Gone"}


def test_who_asks_for_no_name_reads_nothing(store: Measured) -> None:
    named(store, 0, p1="Name")
    assert preview.playlist_names(store, []) == {}
    assert store.read == []


def test_names_are_looked_for_in_the_latest_batches_alone(store: Measured) -> None:
    named(store, -9, p1="Long ago")
    for on in range(-6, 1):
        named(store, on, p2="Other")
    assert preview.playlist_names(store, ["p1"]) == {}


def test_a_damaged_file_only_hides_its_names(store: Measured) -> None:
    named(store, -1, p1="Name")
    store.put_new(manifest(DAY, 1, {}).files["playlist"].key, b"no gzip")
    store.put_new(keys.manifest(DAY, 1), manifest(DAY, 1, {}).to_json())
    assert preview.playlist_names(store, ["p1"]) == {"p1": "Name"}
