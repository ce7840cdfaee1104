"""A real DuckDB file and a real folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase


@pytest.fixture(scope="session")
def new_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file as this release makes it; to be copied, not used."""
    path = tmp_path_factory.mktemp("new") / "spotify.duckdb"
    with DuckDBDatabase(path).session():
        return path


@pytest.fixture
def database(tmp_path: Path, new_file: Path) -> DuckDBDatabase:
    path = tmp_path / "spotify.duckdb"
    shutil.copy(new_file, path)
    return DuckDBDatabase(path, lock_seconds=0.2)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, new_file: Path) -> Iterator[Session]:
    path = tmp_path_factory.mktemp("opened") / "spotify.duckdb"
    shutil.copy(new_file, path)
    with DuckDBDatabase(path).session() as session:
        yield session


@pytest.fixture
def session(opened: Session) -> Session:
    """A session on a database without rows; for speed it stays open from test to test."""
    tables = opened.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() "
        "WHERE table_name NOT IN ('schema_version', 'turn') AND estimated_size > 0"
    )
    for (name,) in tables:
        opened.execute(f"DELETE FROM {name}")
    return opened


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "lake")
