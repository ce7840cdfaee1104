"""A real DuckDB file and a real folder for every test."""

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


@pytest.fixture
def session(database: DuckDBDatabase) -> Iterator[Session]:
    with database.session() as session:
        yield session


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "lake")
