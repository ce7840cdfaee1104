"""The DuckDB file as a database: short sessions, one after the other."""

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.loading import migrations
from spotify_pipeline.loading.database import Session, literal

_POLL_SECONDS = 0.1

_TURN = threading.RLock()
"""Between processes DuckDB locks the file; within this one a thread has a session at a time."""


class DuckDBSession:
    """One connection to the file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters or None).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def file_name(self, key: str) -> str:
        return key


@dataclass(frozen=True)
class DuckDBDatabase:
    """Opens sessions on `path`, creating or upgrading the file where needed.

    While another process or thread has it open, opening waits up to `lock_seconds`.
    """

    path: Path
    lock_seconds: float = 30
    schema: Sequence[migrations.Migration] = field(default_factory=migrations.packaged)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        deadline = time.monotonic() + self.lock_seconds
        if not _TURN.acquire(timeout=self.lock_seconds):
            raise self._locked("another thread of this process")
        try:
            with contextlib.closing(self._connect(deadline)) as connection:
                # A process that another one has spawned would print progress bars.
                connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
                session = DuckDBSession(connection)
                migrations.upgrade(session, self.schema, str(self.path))
                yield session
        finally:
            _TURN.release()

    def rewrite(self) -> None:
        """Makes the file anew, with nothing in it but what the tables hold: DuckDB leaves the bytes
        of deleted rows where they were. Cut off, the file is the old one."""
        new = self.path.with_name(f"{self.path.name}.rewriting")
        new.unlink(missing_ok=True)
        with self.session() as session:
            session.execute("CHECKPOINT")
            session.execute(f"ATTACH {literal(new)} AS rewritten")
            [(name,)] = session.execute("SELECT current_database()")
            session.execute(f'COPY FROM DATABASE "{name}" TO rewritten')
            session.execute("DETACH rewritten")
            new.replace(self.path)

    def _connect(self, deadline: float) -> duckdb.DuckDBPyConnection:
        if "?" in str(self.path):
            raise FixConfiguration(
                f"{self.path} can't be a DuckDB file: to DuckDB what follows a ? is no part of a "
                f"name. Set SPOTIFY_PIPELINE_HOME to a place without one."
            )
        while True:
            try:
                if not self.path.exists():
                    self._make()
                return duckdb.connect(self.path)
            except (OSError, duckdb.Error) as error:  # DuckDB's own IOException is no OSError
                if "Could not set lock" not in str(error):
                    raise self._unusable(error) from error
                if time.monotonic() > deadline:
                    holder = re.search(r"held in (.+?\(PID \d+\))", str(error))
                    raise self._locked(holder[1] if holder else "another process") from error
                time.sleep(_POLL_SECONDS)

    def _make(self) -> None:
        """Makes an empty database aside, which then takes its name whole: what is left where
        DuckDB is cut off while it makes a file would be refused ever after."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=".making-") as folder:
            aside = Path(folder) / self.path.name
            duckdb.connect(aside).close()
            with contextlib.suppress(FileExistsError):  # another process was quicker
                os.link(aside, self.path)

    def _locked(self, holder: str) -> RetryLater:
        return RetryLater(
            f"{self.path} is in use by {holder}, for more than {self.lock_seconds:g} s now. "
            f"Close that program (a SQL client, another run) and run this again."
        )

    def _unusable(self, error: Exception) -> FixConfiguration:
        reason = str(error).splitlines()[0].rstrip(".!")
        return FixConfiguration(
            f"{self.path} can't be opened as a DuckDB database: {reason}. Nothing was changed. "
            f"Make its folder writable; or, if the file is damaged or of another program, move it "
            f"away (the lake still has everything: the next runs load it again); or set "
            f"SPOTIFY_PIPELINE_HOME."
        )
