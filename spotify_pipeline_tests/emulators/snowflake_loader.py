"""Puts one file's records into a table: all of them in one transaction, or none.

Text becomes what the column is; the first value that can't is told with its line and column, in
Snowflake's words. Dates and times are read in ISO form only, of all that AUTO knows; a longer text
than VARCHAR(n) admits is not noticed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from spotify_pipeline_tests.emulators.snowflake_csv import BadFile, CsvFormat, Records, read
from spotify_pipeline_tests.emulators.snowflake_syntax import Name

_TRUE = "('true', 't', 'yes', 'y', 'on', '1')"
_FALSE = "('false', 'f', 'no', 'n', 'off', '0')"
_DAY = r"\d{4}-\d{1,2}-\d{1,2}"
_TIME = r"[ T]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_ZONE = r"\s?(Z|[+-]\d{2}:?\d{2})"
_WORDS = {
    "BOOLEAN": "Boolean value",
    "DATE": "Date",
    "TIMESTAMP": "Timestamp",
    "TIMESTAMP WITH TIME ZONE": "Timestamp",
}


@dataclass(frozen=True)
class Column:
    """A table's column as DuckDB has it; `position` counts from 1."""

    name: str
    type: str
    nullable: bool
    position: int


@dataclass(frozen=True)
class Target:
    """Where a file's records go, and how its fields find their columns."""

    table: Name
    columns: Sequence[Column]
    match: str = "NONE"
    chosen: Sequence[str] | None = None
    metadata: Mapping[str, str] | None = None
    date_format: str = "AUTO"


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    rows: int
    parsed: int
    error: str | None = None
    line: int | None = None
    character: int | None = None
    column: str | None = None
    errors: int = 0


def columns_of(connection: duckdb.DuckDBPyConnection, table: Name) -> list[Column]:
    """The table's columns; none where there is no such table."""
    found = connection.execute(
        "SELECT column_name, data_type, is_nullable, column_index FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index",
        list(table),
    ).fetchall()
    return [Column(name, kind, nullable, place) for name, kind, nullable, place in found]


def load(
    connection: duckdb.DuckDBPyConnection,
    target: Target,
    body: bytes,
    form: CsvFormat,
    told: Mapping[str, Any],
) -> Outcome:
    """Loads a file; `told` are the values of the METADATA$ columns."""
    try:
        records = read(body, str(told["METADATA$FILENAME"]), form)
        fields = _fields(records, target, form)
    except BadFile as error:
        return Outcome(0, 0, str(error), error.line, error.character, errors=1)
    connection.register("file", _arrow(records, fields))
    try:
        return _first_error(connection, target, records, fields) or _insert(
            connection, target, records, fields, told
        )
    finally:
        connection.unregister("file")


def _fields(records: Records, target: Target, form: CsvFormat) -> dict[int, Column]:
    """Which field of the records goes into which column."""
    if target.match != "NONE":
        return _by_name(records.header, target)
    names = [column.name for column in target.columns]
    chosen = [target.columns[names.index(name)] for name in target.chosen or names]
    if form.switches["ERROR_ON_COLUMN_COUNT_MISMATCH"]:
        for row, line in zip(records.rows, records.lines, strict=True):
            if len(row) != len(chosen):
                raise BadFile(
                    f"Number of columns in file ({len(row)}) does not match that of the "
                    f"corresponding table ({len(chosen)}), use file format option "
                    f"error_on_column_count_mismatch=false to ignore this error",
                    line,
                    1,
                )
    return dict(enumerate(chosen))


def _by_name(header: Sequence[str], target: Target) -> dict[int, Column]:
    fold = str.upper if target.match == "CASE_INSENSITIVE" else str
    columns = {fold(column.name): column for column in target.columns}
    found: dict[int, Column] = {}
    for place, name in enumerate(map(fold, header)):
        if name in columns:
            if columns[name] in found.values():
                raise BadFile(f"Duplicate column name '{header[place]}' in the header", 1, 1)
            found[place] = columns[name]
    return found


def _arrow(records: Records, fields: Mapping[int, Column]) -> pa.Table:
    """The mapped fields as columns of text `f0`, `f1`…, and `row`, the number from 1."""
    columns = {
        f"f{place}": pa.array(
            [row[place] if place < len(row) else None for row in records.rows], pa.string()
        )
        for place in fields
    }
    return pa.table({"row": pa.array(range(1, len(records.rows) + 1), pa.int64()), **columns})


def _converted(field: str, kind: str, date_format: str) -> str:
    """SQL for the value that a column of this type gets of the text; null if it can't."""
    plain = f"trim({field})"
    if kind == "VARCHAR":
        return field
    if kind == "BOOLEAN":
        return (
            f"CASE WHEN lower({plain}) IN {_TRUE} THEN true "
            f"WHEN lower({plain}) IN {_FALSE} THEN false END"
        )
    if kind == "DATE":
        time = f"({_TIME}({_ZONE})?)?" if date_format == "AUTO" else ""
        iso = f"regexp_full_match({plain}, '{_DAY}{time}')"
        return f"CASE WHEN {iso} THEN TRY_CAST(regexp_extract({plain}, '{_DAY}') AS DATE) END"
    if kind == "TIMESTAMP":
        # Without a zone of its own, a column keeps the time that is written, not the instant.
        iso = f"regexp_full_match({plain}, '{_DAY}({_TIME}({_ZONE})?)?')"
        local = f"regexp_replace({plain}, '({_TIME}){_ZONE}$', '\\1')"
        return f"CASE WHEN {iso} THEN TRY_CAST({local} AS TIMESTAMP) END"
    if kind == "TIMESTAMP WITH TIME ZONE":
        iso = f"regexp_full_match({plain}, '{_DAY}({_TIME}({_ZONE})?)?')"
        return f"CASE WHEN {iso} THEN TRY_CAST({plain} AS TIMESTAMPTZ) END"
    if kind.startswith("DECIMAL") or kind in ("BIGINT", "INTEGER", "HUGEINT", "DOUBLE"):
        number = f"regexp_full_match({plain}, '[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?')"
        return f"CASE WHEN {number} THEN TRY_CAST({plain} AS {kind}) END"
    raise BadFile(f"Unsupported feature 'loading text into a column of type {kind}'")


def _first_error(
    connection: duckdb.DuckDBPyConnection,
    target: Target,
    records: Records,
    fields: Mapping[int, Column],
) -> Outcome | None:
    """The first value that doesn't fit its column, if there is one."""
    filled = {column.name for column in fields.values()} | set(target.metadata or ())
    for column in target.columns:
        if not column.nullable and column.name not in filled and records.rows:
            return _failed(records, target, column, 1, None, len(records.rows))
    if not fields:
        return None
    try:
        bad = [_is_bad(f"f{place}", column, target) for place, column in fields.items()]
    except BadFile as error:
        return Outcome(0, 0, str(error), errors=1)
    firsts = ", ".join(f"min(CASE WHEN {each} THEN row END)" for each in bad)
    [(count, *rows)] = connection.execute(
        f"SELECT count(CASE WHEN {' OR '.join(bad)} THEN 1 END), {firsts} FROM file"
    ).fetchall()
    if not count:
        return None
    row, place = min((row, place) for row, place in zip(rows, fields, strict=True) if row)
    value = records.rows[row - 1][place] if place < len(records.rows[row - 1]) else None
    return _failed(records, target, fields[place], row, value, count)


def _is_bad(field: str, column: Column, target: Target) -> str:
    converted = _converted(field, column.type, target.date_format)
    if not column.nullable:
        return f"({converted}) IS NULL"
    return f"({field} IS NOT NULL AND ({converted}) IS NULL)"


def _failed(
    records: Records, target: Target, column: Column, row: int, value: str | None, count: int
) -> Outcome:
    kind = _WORDS.get(column.type, "Numeric value")
    text = f"{kind} '{value}' is not recognized"
    if value is None:
        text = "NULL result in a non-nullable column"
    return Outcome(
        0,
        len(records.rows),
        text,
        records.lines[row - 1],
        column=f'"{target.table[-1]}"["{column.name}":{column.position}]',
        errors=count,
    )


def _insert(
    connection: duckdb.DuckDBPyConnection,
    target: Target,
    records: Records,
    fields: Mapping[int, Column],
    told: Mapping[str, Any],
) -> Outcome:
    values = {
        column.name: _converted(f"f{place}", column.type, target.date_format)
        for place, column in fields.items()
    }
    parameters = []
    for name, source in (target.metadata or {}).items():
        if source == "METADATA$FILE_ROW_NUMBER":
            values[name] = "row"
        else:
            values[name] = "?"
            parameters.append(_plain(told[source]))
    values = values or {target.columns[0].name: "NULL"}
    names = ", ".join(f'"{name}"' for name in values)
    table = ".".join(f'"{part}"' for part in target.table)
    connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {', '.join(values.values())} FROM file", parameters
    )
    return Outcome(len(records.rows), len(records.rows))


def _plain(value: Any) -> Any:
    """Moments are written as UTC."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
