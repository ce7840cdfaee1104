"""Sessions that watch, or break off, what is done through a real one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
