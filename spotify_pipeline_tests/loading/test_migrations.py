"""A file of an older release opens and upgrades; one of a newer release is refused, untouched."""

from pathlib import Path

import duckdb
import pytest

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.loading import migrations
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.migrations import Migration
from spotify_pipeline_tests.loading.rows import NOON, contents, insert, row

THIS_RELEASE = migrations.packaged()
NEWEST = THIS_RELEASE[-1].version
NEXT = Migration(
    NEWEST + 1,
    "label",
    "ALTER TABLE landing.album ADD COLUMN album_label VARCHAR;"
    "ALTER TABLE history.album ADD COLUMN album_label VARCHAR;",
)
BROKEN = Migration(
    NEWEST + 2,
    "broken",
    "ALTER TABLE history.album ADD COLUMN half VARCHAR; SELECT * FROM no_such_table;",
)

ALBUM = row(contract.ALBUM, album_id="a1", album_name="Blue")
ARRIVED = ALBUM | {"_file": "f", "_row": 1, "_loaded_at": NOON.replace(tzinfo=None)}


def versions(session: Session) -> list[tuple[int, str]]:
    return session.execute("SELECT version, name FROM ops.schema_version ORDER BY version")


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [m.version for m in THIS_RELEASE] == list(range(1, NEWEST + 1))


def test_a_new_file_gets_every_migration_once(database: DuckDBDatabase) -> None:
    expected = [(m.version, m.name) for m in THIS_RELEASE]
    for _ in range(2):
        with database.session() as session:
            assert versions(session) == expected


def test_last_releases_file_opens_and_keeps_its_rows(database: DuckDBDatabase) -> None:
    with database.session() as session:
        insert(session, "history.album", [ALBUM])
        insert(session, "landing.album", [ARRIVED])
        before = contents(session)

    upgraded = DuckDBDatabase(database.path, schema=[*THIS_RELEASE, NEXT])
    with upgraded.session() as session:
        assert contents(session) == before
        for table in ("history.album", "landing.album"):
            found = session.execute(f"SELECT album_id, album_label FROM {table}")
            assert found == [("a1", None)]
        assert versions(session)[-1] == (NEXT.version, "label")


def test_a_file_of_the_first_release_gets_what_came_since(tmp_path: Path) -> None:
    path = tmp_path / "spotify.duckdb"
    with DuckDBDatabase(path, schema=THIS_RELEASE[:1]).session() as session:
        insert(session, "history.album", [ALBUM])
    with DuckDBDatabase(path).session() as session:
        assert versions(session)[-1][0] == NEWEST
        assert session.execute("SELECT album_name FROM history.album") == [("Blue",)]
        assert session.execute("SELECT * FROM public.playlist_today") == []


def test_an_upgraded_table_is_described_anew(database: DuckDBDatabase) -> None:
    with database.session() as session:
        session.execute("COMMENT ON COLUMN history.album.album_name IS 'old words'")
    with DuckDBDatabase(database.path, schema=[*THIS_RELEASE, NEXT]).session() as session:
        [(comment,)] = session.execute(
            "SELECT comment FROM duckdb_columns() WHERE schema_name = 'history' "
            "AND table_name = 'album' AND column_name = 'album_name'"
        )
    assert comment == contract.ALBUM.column("album_name").description


def test_a_newer_file_is_refused_with_both_versions_and_stays_as_it_is(
    database: DuckDBDatabase,
) -> None:
    with DuckDBDatabase(database.path, schema=[*THIS_RELEASE, NEXT]).session():
        pass
    before = database.path.read_bytes()
    with pytest.raises(FixConfiguration, match=rf"version {NEXT.version}, .*knows {NEWEST}:"):
        open_and_close(database)
    assert database.path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_version_before_all_of_them(
    database: DuckDBDatabase,
) -> None:
    with database.session() as session:
        insert(session, "history.album", [ALBUM])
    with pytest.raises(duckdb.CatalogException, match="no_such_table"):
        open_and_close(DuckDBDatabase(database.path, schema=[*THIS_RELEASE, NEXT, BROKEN]))
    with database.session() as session:
        assert versions(session)[-1][0] == NEWEST
        columns = [name for name, *_ in session.execute("DESCRIBE history.album")]
        assert columns == list(contract.ALBUM.column_names)
        assert session.execute("SELECT album_name FROM history.album") == [("Blue",)]


def test_a_first_migration_that_fails_leaves_an_empty_file_that_opens_later(tmp_path: Path) -> None:
    path = tmp_path / "spotify.duckdb"
    with pytest.raises(duckdb.CatalogException):
        open_and_close(DuckDBDatabase(path, schema=[*THIS_RELEASE, NEXT, BROKEN]))
    with DuckDBDatabase(path).session() as session:
        assert versions(session)[-1][0] == NEWEST


def open_and_close(database: DuckDBDatabase) -> None:
    with database.session():
        pass
