"""Sessions that watch, break off or disturb what is done through a real one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from spotify_pipeline.loading.database import Session

BEGIN, COMMIT, ROLLBACK = "BEGIN", "COMMIT", "ROLLBACK"


@dataclass
class Recording:
    """Notes every statement, and where transactions begin and end."""

    inner: Session
    statements: list[str] = field(default_factory=list)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.statements.append(sql)
        return self.inner.execute(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.statements.append(BEGIN)
        try:
            with self.inner.transaction():
                yield
        except BaseException:
            self.statements.append(ROLLBACK)
            raise
        self.statements.append(COMMIT)

    def file_name(self, key: str) -> str:
        return self.inner.file_name(key)


class Crash(Exception):
    """The machine went off."""


@dataclass
class Crashing:
    """Breaks off after `statements` statements; when they are done, before it commits."""

    inner: Session
    statements: int

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self.statements == 0:
            raise Crash
        self.statements -= 1
        return self.inner.execute(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.inner.transaction():
            yield
            if self.statements == 0:
                raise Crash

    def file_name(self, key: str) -> str:
        return self.inner.file_name(key)


@dataclass
class Disturbed:
    """Has something happen after `statements` statements, as if another run committed it then.

    A transaction on Snowflake sees what others commit between its statements; on DuckDB it sees
    it because `event` is part of the transaction.
    """

    inner: Session
    statements: int
    event: Callable[[Session], None]

    @property
    def has_happened(self) -> bool:
        return self.statements < 0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self.statements == 0:
            self.event(self.inner)
        self.statements -= 1
        return self.inner.execute(sql, parameters)

    def transaction(self) -> AbstractContextManager[None]:
        return self.inner.transaction()

    def file_name(self, key: str) -> str:
        return self.inner.file_name(key)
