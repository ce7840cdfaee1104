"""The DuckDB file as a database: short connections, one writing process at a time."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.loading import migrations
from spotify_pipeline.loading.database import Session

_POLL_SECONDS = 0.1


class DuckDBSession:
    """One connection to the file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters or None).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()


@dataclass(frozen=True)
class DuckDBDatabase:
    """Opens sessions on `path`, creating or upgrading the file where needed.

    While another process holds the file, opening waits up to `lock_seconds`.
    """

    path: Path
    lock_seconds: float = 30
    schema: Sequence[migrations.Migration] = field(default_factory=migrations.packaged)

    @contextmanager
    def session(self) -> Iterator[Session]:
        connection = self._connect()
        try:
            connection.execute("SET TimeZone = 'UTC'")
            session = DuckDBSession(connection)
            migrations.upgrade(session, self.schema, str(self.path))
            yield session
        finally:
            connection.close()

    def location(self) -> str:
        return str(self.path)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self.lock_seconds
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                return duckdb.connect(self.path)
            except OSError as error:
                # DuckDB's own IOException is no OSError.
                raise FixConfiguration(
                    f"Can't write to {self.path.parent}: {error.strerror}. "
                    f"Make it writable, or set SPOTIFY_PIPELINE_HOME."
                ) from error
            except duckdb.IOException as error:
                if "Could not set lock" not in str(error):
                    raise self._unusable(error) from error
                if time.monotonic() > deadline:
                    raise self._locked(error) from error
                time.sleep(_POLL_SECONDS)

    def _locked(self, error: duckdb.IOException) -> RetryLater:
        holder = re.search(r"held in (.+?\(PID \d+\))", str(error))
        return RetryLater(
            f"{self.path} is in use by {holder[1] if holder else 'another process'}, for more "
            f"than {self.lock_seconds:g} s now. Close that program (a SQL client, another run) "
            f"and run this again."
        )

    def _unusable(self, error: duckdb.IOException) -> FixConfiguration:
        first_line = str(error).splitlines()[0]
        return FixConfiguration(
            f"{self.path} can't be opened as a DuckDB database: {first_line} Nothing was changed. "
            f"Move the file away (the lake still has everything: the next runs load it again), "
            f"or set SPOTIFY_PIPELINE_HOME."
        )
