"""Rows for the client that come from no query, in the JSON form of Snowflake's protocol."""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Reader

Json = dict[str, Any]
Row = Mapping[str, Any]

DONE = "Statement executed successfully."


@dataclass(frozen=True)
class Result:
    """Rows under columns; moments, booleans and numbers keep their types, all else is text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]] = ()

    def as_json(self, session: Session) -> Json:
        return {
            "data": {
                "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}],
                "rowtype": [
                    _described(name, [row[place] for row in self.rows])
                    for place, name in enumerate(self.columns)
                ],
                "rowset": [[_text(value) for value in row] for row in self.rows],
                "total": len(self.rows),
                "returned": len(self.rows),
                "queryId": str(uuid.uuid4()),
                "queryResultFormat": "json",
                "statementTypeId": 0,
                "finalDatabaseName": session.database,
                "finalSchemaName": session.schema,
            },
            "success": True,
        }


def status(text: str = DONE) -> Result:
    return Result(("status",), ((text,),))


def created(kind: str, name: str) -> Result:
    return status(f"{kind} {name} successfully created.")


def kept(name: str) -> Result:
    return status(f"{name} already exists, statement succeeded.")


def dropped(name: str) -> Result:
    return status(f"{name} successfully dropped.")


def nothing_to_drop(name: str) -> Result:
    return status(f"Drop statement executed successfully ({name} already dropped).")


def listing(rows: Iterable[Row], columns: Sequence[str]) -> Result:
    """Rows by column name; what a row does not have is null."""
    return Result(columns, [[row.get(name) for name in columns] for row in rows])


def properties(properties: Mapping[str, tuple[str, str, str]]) -> Result:
    """DESC's rows: a property's type, value and default."""
    columns = ("property", "property_type", "property_value", "property_default")
    return Result(columns, [(name, *values) for name, values in properties.items()])


@dataclass(frozen=True)
class Scope:
    """What a SHOW statement asks for: `LIKE 'pattern'` and `IN` a database or schema."""

    pattern: str = "%"
    container: Name = ()

    def admits(self, name: Name) -> bool:
        return name[: len(self.container)] == self.container and is_like(name[-1], self.pattern)


def scope(reader: Reader, session: Session, depth: int) -> Scope:
    """Reads the end of a SHOW statement, of objects whose whole name has `depth` parts."""
    pattern = reader.text() if reader.accept("LIKE") else "%"
    current: Name = (str(session.database),) if session.database_set else ()
    if reader.accept("IN"):
        current = _container(reader, session, depth)
    reader.end()
    return Scope(pattern, current if depth > 1 else ())


def _container(reader: Reader, session: Session, depth: int) -> Name:
    if reader.accept("ACCOUNT"):
        return ()
    if reader.accept("DATABASE"):
        return session.place[:1] if reader.at_end else reader.name()
    is_named = reader.accept("SCHEMA")
    if reader.at_end:
        return session.place
    name = reader.name()
    if depth == 2 and not is_named:  # SHOW SCHEMAS IN <database>
        return name
    return session.qualified(name, 2)


def is_like(name: str, pattern: str) -> bool:
    """SQL's LIKE, in any case, as SHOW statements use it; a backslash takes a sign as it is."""
    expression = "".join(
        ".*" if mark == "%" else "." if mark == "_" else re.escape(mark[-1])
        for mark in re.findall(r"\\.|.", pattern, re.DOTALL)
    )
    return re.fullmatch(expression, name, re.IGNORECASE | re.DOTALL) is not None


def _described(name: str, values: Sequence[Any]) -> Json:
    kinds = {type(value) for value in values if value is not None}
    kind = "text"
    if kinds == {bool}:
        kind = "boolean"
    elif kinds == {int}:
        kind = "fixed"
    elif kinds == {datetime}:
        kind = "timestamp_ltz"
    return {
        "name": name,
        "database": "",
        "schema": "",
        "table": "",
        "nullable": True,
        "type": kind,
        "byteLength": None,
        "length": 16777216 if kind == "text" else None,
        "scale": 9 if kind == "timestamp_ltz" else 0,
        "precision": 38 if kind == "fixed" else 0,
        "collation": None,
    }


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        return f"{value.timestamp():.9f}"
    return None if value is None else str(value)
