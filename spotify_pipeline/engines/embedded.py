"""The embedded engine: the transform on DuckDB, inside this process, without a JVM.

`plan` has the transform as SQL; here it is run.
"""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from spotify_pipeline import contract
from spotify_pipeline.engines.plan import embedded_plan
from spotify_pipeline.lake.batch import Transformed, UnreadableDocuments
from spotify_pipeline.transform.schema import ENVELOPE, RAW_LINE, duckdb_type

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
        plan = embedded_plan()
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
