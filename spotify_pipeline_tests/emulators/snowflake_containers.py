"""Databases and schemas: DuckDB's, with Snowflake's comments and a PUBLIC schema in each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb

from spotify_pipeline.clock import Clock
from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Reader, only, quoted, string

_PROPERTIES = {"COMMENT", "DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS"}
_INTERNAL = ("memory", "system", "temp", "_fs_global")
_HIDDEN = ("main", "pg_catalog", "information_schema", "_fs_information_schema")
_OWN = "INFORMATION_SCHEMA"

Forget = Callable[[Name], None]
"""Told what is gone or empty: a table, or a schema or database with all that was in it."""

Displace = Callable[[Name], None]
"""Told which schema or database nobody can be in any more."""


@dataclass
class _Made:
    """What DuckDB doesn't know of a database or schema."""

    created_on: datetime
    comment: str = ""
    days: str = "1"

    def set(self, reader: Reader, kind: str) -> None:
        options = reader.options()
        reader.end()
        only(options, _PROPERTIES, kind)
        self.comment = string(options, "COMMENT", self.comment)
        self.days = string(options, "DATA_RETENTION_TIME_IN_DAYS", self.days)

    def row(self, name: Name, is_current: bool) -> dict[str, object]:
        return {
            "created_on": self.created_on,
            "name": name[-1],
            "is_default": "N",
            "is_current": "Y" if is_current else "N",
            "comment": self.comment,
            "options": "",
            "retention_time": self.days,
        }


class Databases:
    """DATABASE. A new one has a PUBLIC schema, and the session is in it."""

    words = ("DATABASE",)
    plural = ("DATABASES",)
    depth = 1
    columns = (
        "created_on",
        "name",
        "is_default",
        "is_current",
        "origin",
        "owner",
        "comment",
        "options",
        "retention_time",
        "kind",
        "owner_role_type",
        "object_visibility",
        "data_quality_monitoring_settings",
    )

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        clock: Clock,
        forget: Forget,
        displace: Displace,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._forget = forget
        self._displace = displace
        self._made: dict[Name, _Made] = {}

    def exists(self, name: Name) -> bool:
        return name in self._made

    def create(self, session: Session, name: Name, reader: Reader) -> None:
        made = _Made(self._clock())
        made.set(reader, "DATABASE")
        if self.exists(name):
            raise errors.unsupported("CREATE OR REPLACE DATABASE")
        session.run(f"CREATE DATABASE {quoted(name)}")
        session.run(f"CREATE SCHEMA {quoted((*name, 'PUBLIC'))}")
        session.use(name)
        self._made[name] = made

    def alter(self, session: Session, name: Name, reader: Reader) -> None:
        reader.expect("SET")
        self._made[name].set(reader, "DATABASE")

    def drop(self, session: Session, name: Name) -> None:
        """With all that is in it."""
        self._forget(name)
        self._displace(name)
        self._connection.cursor().execute(f"DETACH {quoted(name)}")
        for table in ("_fs_tables_ext", "_fs_columns_ext"):  # where fakesnow keeps its own notes
            self._connection.cursor().execute(
                f"DELETE FROM _fs_global._fs_information_schema.{table} "
                "WHERE ext_table_catalog = ?",
                list(name),
            )
        del self._made[name]

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        for name, made in list(self._made.items()):
            row = made.row(name, session.place[:1] == name)
            yield name, row | {"origin": "", "kind": "STANDARD"}

    def describe(self, name: Name) -> Result:
        raise errors.unsupported("DESC DATABASE")


class Schemas:
    """SCHEMA. The session is in the one it made."""

    words = ("SCHEMA",)
    plural = ("SCHEMAS",)
    depth = 2
    columns = (
        "created_on",
        "name",
        "is_default",
        "is_current",
        "database_name",
        "owner",
        "comment",
        "options",
        "retention_time",
        "owner_role_type",
        "object_visibility",
    )

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        clock: Clock,
        forget: Forget,
        displace: Displace,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._forget = forget
        self._displace = displace
        self._made: dict[Name, _Made] = {}

    def exists(self, name: Name) -> bool:
        return name in self._names()

    def create(self, session: Session, name: Name, reader: Reader) -> None:
        reader.accept("WITH", "MANAGED", "ACCESS")
        made = _Made(self._clock())
        made.set(reader, "SCHEMA")
        if self.exists(name):
            self._clear(name)
        session.run(f"CREATE SCHEMA {quoted(name)}")
        session.use(name)
        self._made[name] = made

    def alter(self, session: Session, name: Name, reader: Reader) -> None:
        reader.expect("SET")
        self._of(name).set(reader, "SCHEMA")

    def drop(self, session: Session, name: Name) -> None:
        self._clear(name)
        self._displace(name)

    def forget(self, container: Name) -> None:
        """A schema is gone, or a database with all of its own."""
        for name in [name for name in self._made if name[: len(container)] == container]:
            del self._made[name]

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        names = self._names()
        for name in names:
            row = self._of(name).row(name, session.place == name)
            yield name, row | {"database_name": name[0]}
        for database in {name[0] for name in names}:
            name = (database, _OWN)
            own = _Made(self._clock(), "Views describing the contents of schemas in this database")
            yield name, own.row(name, False) | {"database_name": database}

    def describe(self, name: Name) -> Result:
        raise errors.unsupported("DESC SCHEMA")

    def _clear(self, name: Name) -> None:
        self._forget(name)
        self._connection.cursor().execute(f"DROP SCHEMA {quoted(name)} CASCADE")

    def _of(self, name: Name) -> _Made:
        """PUBLIC was made with its database, when somebody first asks."""
        return self._made.setdefault(name, _Made(self._clock()))

    def _names(self) -> list[Name]:
        marks = ", ".join("?" * len(_INTERNAL + _HIDDEN))
        count = len(_INTERNAL)
        rows = self._connection.cursor().execute(
            "SELECT database_name, schema_name FROM duckdb_schemas() "
            f"WHERE database_name NOT IN ({marks[: 3 * count - 2]}) "
            f"AND schema_name NOT IN ({marks[3 * count :]}) ORDER BY 1, 2",
            [*_INTERNAL, *_HIDDEN],
        )
        return list(rows.fetchall())
