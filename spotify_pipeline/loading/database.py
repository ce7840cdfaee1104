"""What publishing and pipes need of a database, be it the DuckDB file or Snowflake."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Session(Protocol):
    """One connection. Statements outside a transaction commit by themselves."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement; the rows, or for DML one row with the number of rows it changed.

        Each `?` in it stands for one of the parameters: so text of others gets in as it is.
        """

    def transaction(self) -> AbstractContextManager[None]:
        """Commits at the end of the block; rolls back if it raises."""

    def file_name(self, key: str) -> str:
        """What a pipe writes into `_file` for an object of the lake."""


class Database(Protocol):
    """Opens sessions; every session sees a schema of exactly this code's version, or raises."""

    def session(self) -> AbstractContextManager[Session]:
        """A session that is closed with the block, whatever happens in it."""


def literal(value: object) -> str:
    """`value` as a SQL literal. For dates, numbers and our own keys; text of others is bound.

    Raises ValueError for text with a backslash: to Snowflake it begins an escape, to DuckDB it is
    a character. (A path may have one, for no path gets to Snowflake.)
    """
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and "\\" in value:
        raise ValueError(f"{value!r} has a backslash, so it must be bound, not written into SQL.")
    return "'" + str(value).replace("'", "''") + "'"


def literals(values: Sequence[object]) -> str:
    """`values` for an IN list; one that matches nothing where there are none."""
    return ", ".join(map(literal, values)) or "NULL"
