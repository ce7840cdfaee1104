"""Tables and views: DuckDB's, made by fakesnow, with Snowflake's comments.

PRIMARY KEY, UNIQUE and FOREIGN KEY are left out, for Snowflake does not enforce them and DuckDB
would; a primary key's columns are NOT NULL.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import duckdb
from sqlglot import exp

from spotify_pipeline.clock import Clock
from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_containers import Forget
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import (
    Name,
    Reader,
    literal,
    parts,
    quoted,
)
from spotify_pipeline_tests.emulators.snowflake_table_sql import parsed, take_comments, take_keys

_TABLES = (
    "created_on",
    "name",
    "database_name",
    "schema_name",
    "kind",
    "comment",
    "cluster_by",
    "rows",
    "bytes",
    "owner",
    "retention_time",
    "automatic_clustering",
    "change_tracking",
    "search_optimization",
    "search_optimization_progress",
    "search_optimization_bytes",
    "is_external",
    "enable_schema_evolution",
    "owner_role_type",
    "is_event",
    "is_hybrid",
    "is_iceberg",
    "is_immutable",
)
_VIEWS = (
    "created_on",
    "name",
    "reserved",
    "database_name",
    "schema_name",
    "owner",
    "comment",
    "text",
    "is_secure",
    "is_materialized",
    "owner_role_type",
    "change_tracking",
)
_OF_ALL: dict[str, dict[str, object]] = {
    "TABLE": {
        "kind": "TABLE",
        "cluster_by": "",
        "bytes": 0,
        "retention_time": "1",
        **dict.fromkeys(("automatic_clustering", "change_tracking", "search_optimization"), "OFF"),
        **dict.fromkeys(("is_external", "enable_schema_evolution", "is_event"), "N"),
        **dict.fromkeys(("is_hybrid", "is_iceberg", "is_immutable"), "N"),
    },
    "VIEW": {
        "reserved": "",
        "is_secure": "false",
        "is_materialized": "false",
        "change_tracking": "OFF",
    },
}
"""What SHOW tells of every table or view here."""

Rename = Callable[[str, Name, Name], None]
"""Told which table or view has another name."""


class Tables:
    """TABLE or VIEW."""

    depth = 3

    def __init__(
        self,
        word: str,
        connection: duckdb.DuckDBPyConnection,
        clock: Clock,
        forget: Forget,
        rename: Rename,
    ) -> None:
        self.words = (word,)
        self.plural = (f"{word}S",)
        self.columns = _TABLES if word == "TABLE" else _VIEWS
        self._word = word
        self._connection = connection
        self._clock = clock
        self._forget = forget
        self._rename = rename
        self._made: dict[Name, tuple[datetime, str]] = {}

    def exists(self, name: Name) -> bool:
        return name in (row[:3] for row in self._rows())

    def create(self, session: Session, name: Name, reader: Reader) -> None:
        statement = parsed(reader.sql)
        comment, column_comments = take_comments(statement)
        if isinstance(statement.this, exp.Schema):
            take_keys(statement.this)
        for copy_grants in list(statement.find_all(exp.CopyGrantsProperty)):
            copy_grants.pop()
        session.run(statement.sql("snowflake"))
        if self._word == "TABLE":
            self._forget(name)
        self._made[name] = (self._clock(), reader.sql)
        self.comment(session, name, comment)
        self._comment_columns(session, name, column_comments)

    def alter(self, session: Session, name: Name, reader: Reader) -> None:
        if reader.accept("SET", "COMMENT", "="):
            self.comment(session, name, reader.text())
            reader.end()
            return
        statement = parsed(reader.sql)
        if not isinstance(statement, exp.Alter):
            raise errors.unsupported(reader.sql)
        _, column_comments = take_comments(statement)
        session.run(statement.sql("snowflake"))
        self._comment_columns(session, name, column_comments)
        if renamed := statement.find(exp.AlterRename):
            new = session.qualified(parts(renamed.this.sql("snowflake")))
            self._made[new] = self._made.pop(name)
            self._rename(self._word, name, new)

    def drop(self, session: Session, name: Name) -> None:
        self._connection.cursor().execute(f"DROP {self._word} {quoted(name)}")
        if self._word == "TABLE":
            self._forget(name)

    def truncate(self, session: Session, name: Name) -> None:
        session.run(f"TRUNCATE TABLE {quoted(name)}")
        self._forget(name)

    def comment(self, session: Session, name: Name, text: str) -> None:
        self._run(f"COMMENT ON {self._word} {quoted(name)} IS {literal(text)}")
        self._run(  # where fakesnow's INFORMATION_SCHEMA.TABLES has it from
            "INSERT OR REPLACE INTO _fs_global._fs_information_schema._fs_tables_ext "
            f"VALUES ({', '.join(map(literal, (*name, text)))})"
        )

    def comment_column(self, name: Name, column: str, text: str) -> None:
        self._run(f"COMMENT ON COLUMN {quoted((*name, column))} IS {literal(text)}")

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        for database, schema, table, comment, count in self._rows():
            name = (database, schema, table)
            created_on, text = self._made.get(name, (None, ""))
            yield (
                name,
                _OF_ALL[self._word]
                | {"created_on": created_on, "name": table, "text": text, "rows": count}
                | {"database_name": database, "schema_name": schema, "comment": comment or ""},
            )

    def describe(self, name: Name) -> Result:
        found = self._connection.cursor().execute(
            "SELECT column_name, data_type, is_nullable, column_default, comment "
            "FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ? "
            "ORDER BY column_index",
            list(name),
        )
        rows = [
            (column, _type(kind), "COLUMN", "Y" if nullable else "N", default, "N", "N", comment)
            for column, kind, nullable, default, comment in found.fetchall()
        ]
        if not rows:
            raise errors.missing(self._word.capitalize(), ".".join(name))
        columns = ("name", "type", "kind", "null?", "default", "primary key", "unique key")
        return Result((*columns, "comment"), rows)

    def inside(self, container: Name) -> list[Name]:
        return [row[:3] for row in self._rows() if row[: len(container)] == container]

    def _comment_columns(self, session: Session, name: Name, comments: dict[str, str]) -> None:
        for column, text in comments.items():
            self.comment_column(name, column, text)

    def _rows(self) -> list[tuple[Any, ...]]:
        """Database, schema, name, comment, count of rows."""
        tables = (
            "SELECT database_name, schema_name, table_name, comment, estimated_size "
            "FROM duckdb_tables() WHERE NOT internal"
        )
        views = (
            "SELECT database_name, schema_name, view_name, comment, NULL "
            "FROM duckdb_views() WHERE NOT internal"
        )
        query = tables if self._word == "TABLE" else views
        found = self._connection.cursor().execute(
            f"{query} AND database_name <> '_fs_global' AND schema_name <> '_fs_information_schema'"
            " ORDER BY 1, 2, 3"
        )
        return list(found.fetchall())

    def _run(self, sql: str) -> None:
        self._connection.cursor().execute(sql)


def _type(kind: str) -> str:
    """DuckDB's type in Snowflake's words."""
    known = {
        "BIGINT": "NUMBER(38,0)",
        "VARCHAR": "VARCHAR(16777216)",
        "TIMESTAMP": "TIMESTAMP_NTZ(9)",
        "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ(9)",
        "DOUBLE": "FLOAT",
        "JSON": "VARIANT",
    }
    return known.get(kind, kind.replace("DECIMAL", "NUMBER"))
