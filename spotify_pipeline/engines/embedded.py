"""The embedded engine: the transform on DuckDB, inside this process, without a JVM.

SQLFrame turns the transform into SQL once per process; each batch then is plain DuckDB.
"""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from spotify_pipeline import contract
from spotify_pipeline.lake.batch import Transformed, UnreadableDocuments
from spotify_pipeline.transform.schema import ENVELOPE, RAW_LINE, duckdb_type
from spotify_pipeline.transform.tables import Frame, transform

# What a reader needs to get the same values back: nulls are empty, empty strings are quoted.
_CSV = "FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '', COMPRESSION gzip"


@dataclass(frozen=True)
class EmbeddedEngine:
    """Runs the transform with DuckDB in this process."""

    name: str = "embedded"

    def transform(self, documents: Sequence[Path], out: Path) -> Transformed:
        """Reads raw documents, writes `out/<table>.csv.gz` for each table of the contract.

        Raises `UnreadableDocuments` where a line is no answer or a file is damaged.
        """
        plan = _plan()
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            _read_lines(connection, documents)
            for name, query in plan.kept.items():
                connection.execute(f"CREATE TABLE {name} AS {query}")
            rows = {
                table.name: _write_csv(connection, table, plan.results[table.name], out)
                for table in contract.TABLES
            }
            odd = connection.execute(plan.results["odd_values"])
            names = [column[0] for column in odd.description]
            return Transformed(rows, dict(zip(names, odd.fetchall()[0], strict=True)))


@dataclass(frozen=True)
class _Plan:
    """The transform as SQL: frames to be kept as tables, in order, and the resulting queries."""

    kept: Mapping[str, str]
    results: Mapping[str, str]


@cache
def _plan() -> _Plan:
    # The import alone takes half a second.
    from sqlframe.duckdb import DuckDBSession, Window, functions

    with duckdb.connect() as connection:
        columns = ", ".join(f'"{name}" {duckdb_type(field)}' for name, field in RAW_LINE.items())
        connection.execute(f"CREATE TABLE lines ({columns})")
        session = DuckDBSession(conn=connection)
        kept: dict[str, str] = {}

        def sql(frame: Frame) -> str:
            # Its optimizer breaks struct fields; DuckDB has one of its own.
            return str(frame.sql(dialect="duckdb", optimize=False, pretty=False))

        def table(name: str) -> Frame:
            # Names are enough; reading nested types out of the catalogue takes SQLFrame long.
            columns = connection.table(name).columns
            session.catalog.add_table(name, column_mapping=dict.fromkeys(columns, "string"))
            return session.table(name)

        def keep(frame: Frame) -> Frame:
            # A regular table: SQLFrame doesn't find the columns of a temporary one.
            name = f"kept_{len(kept)}"
            kept[name] = sql(frame)
            connection.execute(f"CREATE TABLE {name} AS {kept[name]}")
            return table(name)

        results = transform(functions, Window, table("lines"), keep)
        plan = _Plan(kept, {name: sql(frame) for name, frame in results.items()})
        session.stop()  # it is a singleton: the next one must not get this connection
        return plan


def _check_sums(documents: Sequence[Path]) -> None:
    """DuckDB doesn't look at gzip's checksums: it would read other values out of damaged files."""
    for document in documents:
        try:
            with gzip.open(document) as stream:
                while stream.read(1 << 20):
                    pass
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableDocuments(f"{document}: {error}") from error


def _read_lines(connection: duckdb.DuckDBPyConnection, documents: Sequence[Path]) -> None:
    _check_sums(documents)
    columns = ", ".join(f"'{name}': '{duckdb_type(field)}'" for name, field in RAW_LINE.items())
    try:
        # What isn't JSON becomes a row of nulls.
        connection.execute(
            f"CREATE TABLE lines AS SELECT * FROM read_json($1, format = 'newline_delimited', "
            f"ignore_errors = true, columns = {{{columns}}})",
            [[str(document) for document in documents]],
        )
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise UnreadableDocuments(str(error)) from error
    lacking = " OR ".join(f"{name} IS NULL" for name in ENVELOPE)
    unreadable = connection.execute(
        f"SELECT count(*) FROM lines WHERE {lacking} OR CASE kind "
        f"WHEN 'playlist' THEN playlist IS NULL WHEN 'page' THEN page IS NULL ELSE true END"
    ).fetchall()
    if unreadable != [(0,)]:
        raise UnreadableDocuments(f"{unreadable[0][0]} lines are no answer of the API")


def _write_csv(
    connection: duckdb.DuckDBPyConnection, table: contract.Table, query: str, out: Path
) -> int:
    """Writes the rows in the order of the key, so the same rows give the same bytes."""
    target = str(out / f"{table.name}.csv.gz").replace("'", "''")
    ordered = f"SELECT * FROM ({query}) ORDER BY {', '.join(table.key)}"
    return int(connection.execute(f"COPY ({ordered}) TO '{target}' ({_CSV})").fetchall()[0][0])
