"""The oracle agrees with days that nothing befell, and goes red at every single loss."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from spotify_pipeline_tests.faults import oracle
from spotify_pipeline_tests.faults.home import CATALOGUE, LAST, PLAYLISTS, Home

pytestmark = pytest.mark.slow

BEFORE = LAST - timedelta(days=1)
DAYS = {BEFORE: PLAYLISTS, LAST: PLAYLISTS}


def test_undisturbed_days_are_as_the_catalogue_says(whole: Home) -> None:
    assert whole.half_done() == []
    assert whole.problems(DAYS) == []
    assert whole.missed() == set()


STATEMENTS = [
    "DELETE FROM history.song WHERE song_id = (SELECT min(song_id) FROM history.song)",
    "DELETE FROM history.playlist_entry WHERE position = 40",
    "INSERT INTO history.song_artist SELECT * FROM history.song_artist LIMIT 1",
    "UPDATE history.playlist SET followers = 1 WHERE playlist_name = 'Charts'",
    f"DELETE FROM history.artist WHERE snapshot_date = '{BEFORE}'",
    "UPDATE history.playlist_entry SET position = 41 - position WHERE position IN (1, 40)",
    "DELETE FROM public.tb_song WHERE song_id = (SELECT min(song_id) FROM public.tb_song)",
    "UPDATE public.tb_album SET last_seen = last_seen - 1 "
    "WHERE album_id = (SELECT min(album_id) FROM public.tb_album)",
    "UPDATE public.tb_artist SET fetched_at = fetched_at - INTERVAL 1 SECOND "
    "WHERE artist_id = (SELECT min(artist_id) FROM public.tb_artist)",
    "INSERT INTO landing.song SELECT * FROM landing.song LIMIT 1",
    "DELETE FROM landing.album WHERE album_id = (SELECT min(album_id) FROM landing.album)",
    f"DELETE FROM ops.ledger WHERE snapshot_date = '{LAST}'",
    "UPDATE ops.ledger SET digest = 'another'",
    "CREATE OR REPLACE VIEW public.playlist_today AS "
    "SELECT * REPLACE (upper(artist_names) AS artist_names) FROM public.playlist_today_as_it_was",
    "CREATE OR REPLACE VIEW public.playlist_changes AS "
    "SELECT * FROM public.playlist_changes_as_it_was WHERE change <> 'moved'",
]


def test_a_row_that_is_lost_doubled_or_changed_is_found(whole: Home) -> None:
    with duckdb.connect(whole.database) as connection:
        world = oracle.World(
            whole.objects(), lambda sql: connection.execute(sql).fetchall(), CATALOGUE
        )
        for statement in STATEMENTS:
            connection.begin()
            for view in ("playlist_today", "playlist_changes"):
                if f"{view}_as_it_was" in statement:
                    connection.execute(f"ALTER VIEW public.{view} RENAME TO {view}_as_it_was")
            connection.execute(statement)
            assert oracle.problems(world, DAYS), statement
            connection.rollback()
        assert oracle.problems(world, DAYS) == []


def a_document_is_lost(lake: Path) -> None:
    _last(lake, "raw_data/*/*").unlink()


def an_entry_of_a_document_is_another(lake: Path) -> None:
    path = _last(lake, "raw_data/*/*")
    line = json.loads(gzip.decompress(path.read_bytes()))
    line["playlist"]["items"]["items"][3]["added_at"] = "2020-01-01T00:00:00Z"
    path.write_bytes(gzip.compress(json.dumps(line).encode()))


def a_manifest_is_lost(lake: Path) -> None:
    _last(lake, "manifests/*/*").unlink()


def a_file_is_another(lake: Path) -> None:
    path = _last(lake, "transformed_data/song_data/*/*/*")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"x"))


def a_batch_is_half_visible(lake: Path) -> None:
    path = _last(lake, "manifests/*/*")
    manifest = json.loads(path.read_text())
    del manifest["files"]["song_artist"]
    path.write_text(json.dumps(manifest))


def _last(lake: Path, pattern: str) -> Path:
    return max(lake.glob(pattern))


@pytest.mark.parametrize(
    "damage",
    [
        a_document_is_lost,
        an_entry_of_a_document_is_another,
        a_manifest_is_lost,
        a_file_is_another,
        a_batch_is_half_visible,
    ],
)
def test_an_object_that_is_lost_or_changed_is_found(
    whole: Home, damage: Callable[[Path], None]
) -> None:
    damage(whole.home / "lake")
    try:
        found = whole.problems(DAYS)
    except (AssertionError, KeyError):
        return  # it is not even what the others could be compared with
    assert found
