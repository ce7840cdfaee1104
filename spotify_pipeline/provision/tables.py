"""The columns that the files of `snowflake_ddl` give to each table, and which of them are gone."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spotify_pipeline.provision.ddl import Statement

_CREATE = re.compile(r"CREATE TABLE IF NOT EXISTS ([\w.]+) \(\n(.*?)\n\)", re.DOTALL)
_ADD = re.compile(r"ALTER TABLE ([\w.]+) ADD COLUMN IF NOT EXISTS (.+)", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """`definition` is its line in the file, `file` and `role` are those of its statement; a
    required one can't be added to a table that holds rows."""

    table: str
    name: str
    definition: str
    is_required: bool
    file: str
    role: str


def columns(statements: Sequence[Statement]) -> Iterator[Column]:
    """Those of all tables, in their order."""
    for statement in statements:
        if made := _CREATE.match(statement.sql):
            lines = [line.strip().removesuffix(",") for line in made[2].split("\n")]
            yield from (_column(made[1], line, statement) for line in lines)
        elif added := _ADD.match(statement.sql):
            yield _column(added[1], " ".join(added[2].split()), statement)


def by_table(rows: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """The columns of each table, `LANDING.SONG`, of the rows of SHOW COLUMNS."""
    found: dict[str, set[str]] = {}
    for row in rows:
        table = f"{row['schema_name']}.{row['table_name']}".upper()
        found.setdefault(table, set()).add(row["column_name"].upper())
    return found


def lacking_columns(
    statements: Sequence[Statement], found: Mapping[str, Collection[str]]
) -> list[Column]:
    """Those that are gone from a table that is there."""
    return [
        column
        for column in columns(statements)
        if (there := found.get(column.table.partition(".")[2].upper()))
        and column.name.upper() not in there
    ]


def _column(table: str, line: str, statement: Statement) -> Column:
    definition = " ".join(line.split())
    required = " NOT NULL" in definition.partition(" COMMENT ")[0]
    return Column(
        table, definition.split()[0], definition, required, statement.file, statement.role
    )
