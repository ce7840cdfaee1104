"""Keys are made and taken apart alike."""

from datetime import date

import pytest

from spotify_pipeline.lake import keys
from spotify_pipeline_tests.synthetic import DAY, NOON


def test_keys_lie_where_the_original_had_them() -> None:
    assert keys.raw(DAY, "p") == "raw_data/dt=2026-11-22/p.ndjson.gz"
    assert keys.batch_file("song", DAY, 2, "ab12") == (
        "transformed_data/song_data/dt=2026-11-22/2-ab12/song.csv.gz"
    )
    assert keys.manifest(DAY, 2) == "manifests/dt=2026-11-22/2.json"
    assert keys.report(DAY, 2, "ab12") == "reports/dt=2026-11-22/2-ab12.html"


def test_what_is_in_a_key_can_be_read_from_it() -> None:
    assert keys.playlist_of(keys.raw(DAY, "p")) == "p"
    assert keys.parse_raw(keys.raw(DAY, "37i9dQZEVXbMDoHDwVN2tF")) == (
        DAY,
        "37i9dQZEVXbMDoHDwVN2tF",
    )
    assert keys.parse_raw(keys.raw(DAY, "PL_00-1")) == (DAY, "PL_00-1")
    assert keys.parse_batch_file(keys.batch_file("song", DAY, 12, "ab-12")) == (DAY, 12)
    assert keys.parse_manifest(keys.manifest(DAY, 12)) == (DAY, 12)


@pytest.mark.parametrize("folder", ["dt=2026-11-22/", "dt=2026-13-45/", "dt=2026-11-2²/", ""])
@pytest.mark.parametrize("name", ["notes.txt", "1.txt", "x-ab/song.csv.gz", "1-ab/album.csv.gz"])
def test_what_others_put_there_is_no_key_of_ours(folder: str, name: str) -> None:
    assert keys.parse_manifest(f"manifests/{folder}{name}") is None
    assert keys.parse_batch_file(f"transformed_data/song_data/{folder}{name}") is None
    expected = DAY if folder == "dt=2026-11-22/" else None
    assert keys.parse_day(f"attempts/{folder}{name}") == expected


@pytest.mark.parametrize(
    "name",
    [
        "desktop.ini",
        ".DS_Store",
        "p (conflicted copy).ndjson.gz",
        "p (1).ndjson.gz",
        "p.sync-conflict-20261122-120000-ABCDEFG.ndjson.gz",
        "p.ndjson-LAPTOP.gz",
        "p.ndjson.gz.part",
        "p.ndjson",
        "p.ndjson.gz\n",
        "é.ndjson.gz",
        ".ndjson.gz",
        ".writing-p.ndjson.gz",
        "folder/p.ndjson.gz",
    ],
)
def test_what_others_put_among_raw_documents_is_none(name: str) -> None:
    assert keys.parse_raw(f"{keys.raw_prefix(DAY)}{name}") is None


@pytest.mark.parametrize("folder", ["dt=2026-13-45/", "dt=20261122/", "", "dt=2026-11-22/dt=x/"])
def test_a_document_of_no_day_is_none(folder: str) -> None:
    assert keys.parse_raw(f"raw_data/{folder}p.ndjson.gz") is None


@pytest.mark.parametrize(
    "key",
    [
        keys.raw(DAY, "p"),
        keys.batch_file("song", DAY, 1, "ab12"),
        keys.manifest(DAY, 1),
        keys.attempt(DAY, NOON, 0),
        keys.report(DAY, 1, "ab12"),
    ],
)
def test_every_key_of_a_day_tells_the_day(key: str) -> None:
    assert keys.day_of(key) == date(2026, 11, 22)


def test_a_key_without_day_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"source\.json"):
        keys.day_of(keys.STAMP)
