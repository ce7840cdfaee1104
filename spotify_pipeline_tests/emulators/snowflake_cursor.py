"""fakesnow's cursor, put right where it would answer otherwise than Snowflake.

Whatever goes wrong comes out as a `ProgrammingError`, which fakesnow's server tells the client;
anything else it would answer with HTTP 500, and the connector would try for minutes.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import sqlglot
from fakesnow.arrow import timestamp_to_sf_struct
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.rowtype import describe_as_rowtype
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

from spotify_pipeline_tests.emulators import snowflake_errors as errors

_ERRORS: tuple[tuple[type[duckdb.Error], int, str], ...] = (
    (duckdb.ConstraintException, 100072, "22000"),
    (duckdb.ConversionException, 100038, "22018"),
    (duckdb.TransactionException, 625, "57014"),
    (duckdb.CatalogException, 2003, "02000"),
    (duckdb.Error, 603, "XX000"),
)
_MERGED = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}


class Cursor(FakeSnowflakeCursor):
    """The same, but for sums, null times, MERGE and failures.

    MERGE is DuckDB's own, which refuses to change a row twice as Snowflake does; fakesnow's picks
    one of the changes, and doesn't work within a transaction.
    """

    def execute(self, command: str, *args: Any, **more: Any) -> FakeSnowflakeCursor:
        with _told():
            super().execute(command, *args, **more)
            if more.get("server") and self._arrow_table is not None:
                self._arrow_table = _with_null_times(self._with_integers(self._arrow_table))
            return self

    def _with_integers(self, table: pa.Table) -> pa.Table:
        """Sums of integers as integers; DuckDB would send HUGEINT as floating point."""
        places = [n for n, kind in enumerate(table.schema.types) if pa.types.is_float64(kind)]
        kinds = [row[1] for row in self._describe_last_sql()] if places else []
        for place in places:
            if kinds[place] == "HUGEINT":
                name = table.schema.field(place).name
                table = table.set_column(place, name, table.column(place).cast(pa.int64()))
        return table

    def _transform(self, expression: Any, params: Any) -> Any:
        """Sums of numbers as they are; fakesnow makes them floating point."""
        transformed = super()._transform(expression, params)
        for total in transformed.find_all(exp.Sum):
            if isinstance(total.this, exp.TryCast) and total.this.to.is_type("DOUBLE"):
                total.set("this", total.this.this)
        return transformed

    def _transform_explode(self, expression: Any) -> list[Any]:
        if not isinstance(expression, exp.Merge):
            return list(super()._transform_explode(expression))
        expression.set("returning", exp.Returning(expressions=[exp.column("merge_action")]))
        return [expression]

    def _execute(self, transformed: Any, params: Any = None) -> None:
        super()._execute(transformed, params)
        if isinstance(transformed, exp.Update | exp.Delete):
            self._conn.keep_lock_if(bool(self._rowcount))
        if isinstance(transformed, exp.Merge):
            actions = [str(action) for (action,) in self.fetchall()]
            super()._execute(sqlglot.parse_one(_merged(transformed, actions), read="duckdb"))
            self._rowcount = len(actions)  # type: ignore[assignment]
            self._conn.keep_lock_if(any(action != "INSERT" for action in actions))

    def _describe_only(self, command: str) -> list[Any] | None:
        with _told():
            return super()._describe_only(command)

    def _describe_last_sql(self) -> list[Any]:
        with _told():
            described = super()._describe_last_sql()
            describe_as_rowtype(described)  # a type that can't be sent is refused here
            return described


def _with_null_times(table: pa.Table) -> pa.Table:
    """Times as Snowflake sends them, null where they are null; fakesnow would say 1970."""
    for place, column in enumerate(table.columns):
        if pa.types.is_timestamp(column.type):
            known = pc.fill_null(column, pa.scalar(0, column.type))
            sent = timestamp_to_sf_struct(known)
            missing = pc.is_null(column).combine_chunks()
            sent = pa.StructArray.from_arrays(sent.flatten(), fields=list(sent.type), mask=missing)
            table = table.set_column(place, table.schema.field(place).name, sent)
    return table


def _merged(merge: exp.Merge, actions: list[str]) -> str:
    """A query for Snowflake's answer: how many rows each kind of clause has changed."""
    clauses = merge.args["whens"].expressions
    kinds = {when.args["then"].key.upper() for when in clauses} | {
        str(when.args["then"]).upper() for when in clauses
    }
    counts = [
        f"{actions.count(kind)} AS 'number of rows {word}'"
        for kind, word in _MERGED.items()
        if kind in kinds
    ]
    return f"SELECT {', '.join(counts)}"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ProgrammingError:
        raise
    except duckdb.Error as error:
        if "same target row more than once" in str(error):
            text = "Duplicate row detected during DML action"
            raise ProgrammingError(msg=text, errno=100090, sqlstate="42P18") from error
        if "Current transaction is aborted" in str(error):
            refusal = errors.unsupported("going on in a transaction after a failed statement")
            raise ProgrammingError(
                msg=str(refusal), errno=refusal.code, sqlstate=refusal.state
            ) from error
        code, state = next(
            (code, state) for kind, code, state in _ERRORS if isinstance(error, kind)
        )
        raise ProgrammingError(msg=str(error), errno=code, sqlstate=state) from error
    except Exception as error:
        refusal = errors.unsupported(f"{type(error).__name__}: {error}")
        raise ProgrammingError(
            msg=str(refusal), errno=refusal.code, sqlstate=refusal.state
        ) from error
