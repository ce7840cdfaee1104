"""Snowflake as a database: sessions that close whatever happens and wait for nothing for ever.

The schema is made and changed by the files of `snowflake_ddl`, which a DBA runs; here it is only
compared with what this code expects.
"""

import contextlib
import functools
import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snowflake.connector import errors

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.snowflake_errors import explained

DDL_FOLDER = Path(__file__).parents[2] / "snowflake_ddl"

LIMITS: Mapping[str, int] = {
    "LOCK_TIMEOUT": 420,
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": 120,
    "STATEMENT_TIMEOUT_IN_SECONDS": 480,
}
"""How long a statement waits for a lock, for a busy warehouse, and runs: parameters of the session,
in seconds. Snowflake's own are 12 hours, no end, and 2 days; a warehouse may have shorter ones. A
session that went away with a lock is ended by Snowflake after 5 idle minutes, so that long a lock
is waited for, and some more."""


@dataclass(frozen=True)
class Waits:
    """How long a session waits, in seconds: for signing in, for the network, by its parameters, and
    for all its statements together, where that has an end."""

    login: int
    network: int
    limits: Mapping[str, int]
    altogether: int | None = None

    @property
    def patience(self) -> int:
        """When the connector itself calls a statement off, or gives up a Snowflake that went away:
        after Snowflake has had its turn."""
        return sum(seconds for name, seconds in self.limits.items() if "STATEMENT" in name) + 60


WORKING = Waits(30, 120, LIMITS)
LOOKING = Waits(10, 20, dict.fromkeys(LIMITS, 20), altogether=30)
"""Of who is called off by Dagster after a minute, without a word: a sensor."""

_BRACKET_SECONDS = 60
"""The same for BEGIN, COMMIT and ROLLBACK, which take no time."""

_NO_SCHEMA = (2003, 90105)
"""There is no such table; or not even the database, or one that the role may not use."""


class SnowflakeSession:
    """One connection; its current database is ours, and its time UTC."""

    def __init__(self, connection: Any, lake_prefix: str, waits: Waits = WORKING) -> None:
        self._connection = connection
        self._lake_prefix = lake_prefix
        self._waits = waits
        self._begun = time.monotonic()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._execute(sql, parameters, self._waits.patience)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What SHOW and LIST answer: rows by the columns' names in lower case.

        Raises `FixConfiguration` for whatever Snowflake has against it.
        """
        try:
            with self._cursor() as cursor:
                cursor.execute(sql, timeout=self._left(_BRACKET_SECONDS))
                names = [column.name.lower() for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except errors.Error as error:
            said = re.sub(r"\s+", " ", str(error.msg or error)).rstrip(".")
            raise FixConfiguration(
                f"Snowflake refuses {sql}: {said}. Look at SNOWFLAKE_DATABASE and SNOWFLAKE_ROLE; "
                f"an administrator brings both sides to what this release needs: spotify-pipeline "
                f"provision"
            ) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self._execute("BEGIN", (), _BRACKET_SECONDS)
        try:
            yield
        except BaseException as first:
            try:
                self._execute("ROLLBACK", (), _BRACKET_SECONDS)
            except (PipelineError, errors.Error) as second:
                # Who has gone away rolls back by itself; what is told is why that was wanted.
                first.add_note(f"ROLLBACK failed too: {second}")
            raise
        self._execute("COMMIT", (), _BRACKET_SECONDS)

    def _execute(self, sql: str, parameters: Sequence[Any], seconds: int) -> list[tuple[Any, ...]]:
        with self._cursor() as cursor:
            cursor.execute(sql, list(parameters) or None, timeout=self._left(seconds))
            return [tuple(row) for row in cursor.fetchall()]

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        with (
            explained(self._waits.limits),
            contextlib.closing(self._connection.cursor()) as cursor,
        ):
            yield cursor

    def _left(self, seconds: int) -> int:
        """What a statement may take of them; raises `RetryLater` when the session's time is up."""
        if self._waits.altogether is None:
            return seconds
        left = self._begun + self._waits.altogether - time.monotonic()
        if left <= 0:
            raise RetryLater(
                f"Snowflake is slow: a look at it took more than {self._waits.altogether} s, "
                f"expected much less. Nothing is lost: the next one comes by itself. If that ends "
                f"the same way, SNOWFLAKE_WAREHOUSE is too busy or too small."
            )
        return min(seconds, math.ceil(left))

    def file_name(self, key: str) -> str:
        return self._lake_prefix + key


@dataclass(frozen=True)
class SnowflakeDatabase:
    """Opens sessions by `connect`; `lake_prefix` is what stands before the lake's keys in the
    bucket."""

    connect: Callable[[Waits], AbstractContextManager[Any]]
    lake_prefix: str
    waits: Waits

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        with explained(self.waits.limits), self.connect(self.waits) as connection:
            try:
                session = SnowflakeSession(connection, self.lake_prefix, self.waits)
                _require_schema(session)
                yield session
            except BaseException:
                connection.close()  # the resource closes it only where all went well
                raise


@functools.cache
def expected_versions() -> Mapping[int, str]:
    """The schema versions that the files of `snowflake_ddl` record, with the files' names, oldest
    first."""
    recorded = r"SELECT (\d+) AS version, '\w+' AS name"
    versions = {
        int(found[1]): path.name
        for path in sorted(DDL_FOLDER.glob("*.sql"))
        if (found := re.search(recorded, path.read_text()))
    }
    if not versions:
        raise FixConfiguration(
            f"Which schema the Snowflake database should have is written in {DDL_FOLDER}, where "
            f"there is none of its files. Run the deployment aws from a checkout of the project, "
            f"installed by pip install -e '.[aws]'."
        )
    return versions


def _require_schema(session: Session) -> None:
    expected = expected_versions()
    try:
        rows = session.execute("SELECT version FROM OPS.SCHEMA_VERSION")
    except PipelineError as error:
        cause = error.__cause__
        if not isinstance(cause, errors.Error) or cause.errno not in _NO_SCHEMA:
            raise
        rows = []
    found = {int(version) for (version,) in rows}
    if unknown := sorted(found - set(expected)):
        raise FixConfiguration(
            f"The Snowflake database has schema version {unknown[-1]}, this release knows "
            f"{_listed(expected)}: it was changed for a newer one. Nothing was done. Update this "
            f"project (git pull)."
        )
    missing = [name for version, name in expected.items() if version not in found]
    if not missing:
        return
    has = f"versions {_listed(found)}" if found else "none of the pipeline's tables"
    or_not_seen = "" if found else ", or SNOWFLAKE_ROLE may not see them"
    raise FixConfiguration(
        f"The Snowflake database has {has}{or_not_seen}; this release needs schema version "
        f"{max(expected)} and all before it. Run {', '.join(missing)} "
        f"(snowflake_ddl/README.md), or look at SNOWFLAKE_DATABASE and SNOWFLAKE_ROLE."
    )


def _listed(versions: Collection[int]) -> str:
    return ", ".join(map(str, sorted(versions)))
