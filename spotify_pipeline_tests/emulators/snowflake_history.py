"""COPY_HISTORY: the table function's rows, kept in DuckDB so that any query can use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from spotify_pipeline_tests.emulators.snowflake_loader import Outcome
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, literal

DAYS = timedelta(days=14)

_TABLE = '"_fs_global"."_snowpipe"."COPY_HISTORY"'
_COLUMNS = {
    "FILE_NAME": "VARCHAR",
    "STAGE_LOCATION": "VARCHAR",
    "LAST_LOAD_TIME": "TIMESTAMPTZ",
    "ROW_COUNT": "BIGINT",
    "ROW_PARSED": "BIGINT",
    "FILE_SIZE": "BIGINT",
    "FIRST_ERROR_MESSAGE": "VARCHAR",
    "FIRST_ERROR_LINE_NUMBER": "BIGINT",
    "FIRST_ERROR_CHARACTER_POS": "BIGINT",
    "FIRST_ERROR_COLUMN_NAME": "VARCHAR",
    "ERROR_COUNT": "BIGINT",
    "ERROR_LIMIT": "BIGINT",
    "STATUS": "VARCHAR",
    "TABLE_CATALOG_NAME": "VARCHAR",
    "TABLE_SCHEMA_NAME": "VARCHAR",
    "TABLE_NAME": "VARCHAR",
    "PIPE_CATALOG_NAME": "VARCHAR",
    "PIPE_SCHEMA_NAME": "VARCHAR",
    "PIPE_NAME": "VARCHAR",
    "PIPE_RECEIVED_TIME": "TIMESTAMPTZ",
    "BYTES_BILLED": "BIGINT",
}


@dataclass(frozen=True)
class Attempt:
    """One file that a pipe has tried to load."""

    file: str
    stage_url: str
    size: int
    table: Name
    pipe: Name
    received_at: datetime
    at: datetime
    outcome: Outcome


class CopyHistory:
    """What pipes have loaded or failed to load, for 14 days."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        connection.execute('CREATE SCHEMA IF NOT EXISTS "_fs_global"."_snowpipe"')
        connection.execute(f"CREATE TABLE {_TABLE} ({columns})")

    def add(self, attempt: Attempt) -> None:
        found = attempt.outcome
        row = [
            attempt.file,
            attempt.stage_url,
            attempt.at,
            found.rows,
            found.parsed,
            attempt.size,
            found.error,
            found.line,
            found.character,
            found.column,
            found.errors,
            1,
            "Load failed" if found.error else "Loaded",
            *attempt.table,
            *attempt.pipe,
            attempt.received_at,
            attempt.size,
        ]
        marks = ", ".join("?" * len(row))
        self._cursor().execute(f"INSERT INTO {_TABLE} VALUES ({marks})", row)

    def forget_table(self, table: Sequence[str]) -> None:
        """Dropped, re-created or truncated: its rows are no longer told. Of a part of a name:
        a schema's tables, or a database's."""
        self._forget("TABLE", table)

    def forget_pipe(self, pipe: Sequence[str]) -> None:
        self._forget("PIPE", pipe)

    def query(self, table: Name, pipe: Name | None, start: str, end: str, now: datetime) -> str:
        """DuckDB's SQL for the rows of a table; `start` and `end` are SQL too."""
        place = ("CATALOG_NAME", "SCHEMA_NAME", "NAME")
        wanted = [(f"TABLE_{part}", value) for part, value in zip(place, table, strict=True)]
        if pipe:
            wanted += [(f"PIPE_{part}", value) for part, value in zip(place, pipe, strict=True)]
        oldest = f"CAST('{(now - DAYS).isoformat()}' AS TIMESTAMPTZ)"
        conditions = [
            *(f"{name} = {literal(value)}" for name, value in wanted),
            f"LAST_LOAD_TIME >= {start}",
            f"LAST_LOAD_TIME <= {end}",
            f"LAST_LOAD_TIME > {oldest}",
        ]
        return f"SELECT * FROM {_TABLE} WHERE {' AND '.join(conditions)}"

    def _forget(self, kind: str, name: Sequence[str]) -> None:
        parts = ("CATALOG_NAME", "SCHEMA_NAME", "NAME")[: len(name)]
        conditions = " AND ".join(f"{kind}_{part} = ?" for part in parts)
        self._cursor().execute(f"DELETE FROM {_TABLE} WHERE {conditions}", list(name))

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        return self._connection.cursor()
