"""The embedded engine: the transform on DuckDB, inside this process, without a JVM.

`plan` has the transform as SQL; here it is run, a day at a time.

In documents that this pipeline did not write DuckDB lets pass what is no JSON by the book, and what
`lake.raw` and so Spark refuse: NaN, numbers beyond a double or of thousands of digits, nesting of a
thousand levels, a comma before a closing bracket, a vertical tab before a line. Of a key that is
twice in one object it takes the first, and they the last. To look for these would take longer than
all the rest.
"""

import glob
import gzip
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from spotify_pipeline import contract
from spotify_pipeline.engines.files import compressed
from spotify_pipeline.engines.plan import embedded_plan
from spotify_pipeline.errors import PipelineError
from spotify_pipeline.lake import batch, raw
from spotify_pipeline.lake.batch import Draft, Transformed, UnreadableDocuments
from spotify_pipeline.lake.manifests import BatchFile
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.transform import values
from spotify_pipeline.transform.schema import ENTRY, ENVELOPE, RAW_LINE, duckdb_type
from spotify_pipeline.transform.tables import GUARDED

# What a reader needs to get the same values back: nulls are empty, empty strings are quoted.
# By itself DuckDB quotes what holds a comment sign (#), which Spark doesn't.
_CSV = "FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '', COMMENT ''"

# What doesn't fit goes to the disk for a while: a million entries take 1.7 GB in all. Nothing
# depends on the order of rows within.
_CONFIG: Mapping[str, Any] = {"memory_limit": "1500MB", "preserve_insertion_order": "false"}


class _Damaged(Exception):
    """Something in a day's documents is not as it should be."""


@dataclass(frozen=True)
class EmbeddedEngine:
    """Runs the transform with DuckDB in this process."""

    name: str = "embedded"

    def transform(
        self, store: ObjectStore, drafts: Sequence[Draft], *, accept_partial: bool
    ) -> Iterator[tuple[Draft, Transformed | PipelineError]]:
        """See `lake.batch.Engine`."""
        for draft in drafts:
            try:
                yield draft, _make(store, draft, accept_partial)
            except PipelineError as error:
                yield draft, error


def _make(store: ObjectStore, draft: Draft, accept_partial: bool) -> Transformed:
    document_keys = [document.key for document in draft.documents]
    with store.files(document_keys) as paths:
        try:
            return _transform(store, draft, paths)
        except _Damaged as error:
            quarantined = tuple(
                raw.Unreadable(key, line.number, line.problem)
                for key in document_keys
                for line in raw.read_lines(store, key)
                if line.problem
            )
            if not quarantined:
                raise UnreadableDocuments(f"DuckDB can't read {draft.day}: {error}") from error
        if not accept_partial:
            raise batch.refusal(store, draft, quarantined)
        damaged = {line.key for line in quarantined}
        with tempfile.TemporaryDirectory() as folder:
            salvaged = list(paths)
            for number, key in enumerate(document_keys):
                if key in damaged:
                    salvaged[number] = Path(folder) / f"{number}.ndjson.gz"
                    salvaged[number].write_bytes(raw.salvage(store, key))
            return _transform(store, draft, salvaged, quarantined)


def _transform(
    store: ObjectStore,
    draft: Draft,
    documents: Sequence[Path],
    quarantined: tuple[raw.Unreadable, ...] = (),
) -> Transformed:
    plan = embedded_plan()
    with (
        tempfile.TemporaryDirectory() as folder,
        duckdb.connect(config={**_CONFIG, "temp_directory": folder}) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        paths = [str(document) for document in documents]
        with _checked_sums(documents):
            _read_json(connection, "CREATE TABLE answers", _without_entries(RAW_LINE), paths)
        _require_answers(connection, draft)
        # Entries are read where they are used: as a table they would take most of the memory.
        _read_json(connection, "CREATE VIEW lines", RAW_LINE, paths)
        for name, query in plan.kept.items():
            connection.execute(f"CREATE TABLE {name} AS {query}")
        connection.execute("CREATE OR REPLACE VIEW lines AS FROM answers")
        files = _write_files(connection, plan.results, Path(folder), store, draft)
        odd_values = _odd_values(connection, plan.results["odd_values"])
        return Transformed(files, odd_values, quarantined)


@contextmanager
def _checked_sums(documents: Sequence[Path]) -> Iterator[None]:
    """DuckDB doesn't look at gzip's checksums, and would read other values out of damaged files. So
    they are checked beside a reading that leaves a processor free."""
    with ThreadPoolExecutor(1) as pool:
        checked = pool.map(_check_sum, documents)
        yield
        list(checked)


def _check_sum(document: Path) -> None:
    try:
        with gzip.open(document) as stream:
            while stream.read1(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise _Damaged(f"{document}: {error}") from error


def _without_entries(field: Any) -> Any:
    if isinstance(field, Mapping):
        return {name: _without_entries(inner) for name, inner in field.items() if inner != [ENTRY]}
    return field


def _read_json(
    connection: duckdb.DuckDBPyConnection,
    create: str,
    fields: Mapping[str, Any],
    documents: Sequence[str],
) -> None:
    """Makes a table or view of the lines; what isn't JSON becomes a row of nulls."""
    columns = ", ".join(f"'{name}': '{duckdb_type(field)}'" for name, field in fields.items())
    # To DuckDB a name is a pattern, which others' files would match as well.
    names = ", ".join(_quoted(glob.escape(document)) for document in documents)
    try:
        connection.execute(
            f"{create} AS SELECT * FROM read_json([{names}], "
            f"format = 'newline_delimited', compression = 'gzip', ignore_errors = true, "
            f"hive_partitioning = false, "
            f"columns = {{{columns}}})"
        )
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise _Damaged(str(error)) from error


def _require_answers(connection: duckdb.DuckDBPyConnection, draft: Draft) -> None:
    """Asks of all lines what `raw.read_lines` asks of each, which then says which one it is."""
    lacking = " OR ".join(f"{name} IS NULL" for name in ENVELOPE)
    offset = (
        "CASE kind WHEN 'page' THEN page.offset "
        "ELSE coalesce(playlist['items'].offset, playlist.tracks.offset) END"
    )
    unreadable = connection.execute(
        f"SELECT count(*) FROM answers WHERE {lacking} OR snapshot_date <> $1 OR CASE kind "
        f"WHEN 'playlist' THEN playlist IS NULL WHEN 'page' THEN page IS NULL ELSE true END "
        f"OR NOT regexp_full_match(fetched_at, $2) "
        f"OR NOT regexp_full_match(coalesce({offset}, '0'), '[0-9]{{1,18}}')",
        [draft.day.isoformat(), values.TIMESTAMP],
    ).fetchall()
    if unreadable != [(0,)]:
        raise _Damaged(f"{unreadable[0][0]} lines are no answer of the API")


def _write_files(
    connection: duckdb.DuckDBPyConnection,
    queries: Mapping[str, str],
    folder: Path,
    store: ObjectStore,
    draft: Draft,
) -> Mapping[str, BatchFile]:
    """A file per table; one is compressed and stored while DuckDB makes the next."""

    def put(table: contract.Table, path: Path, rows: int) -> BatchFile:
        with path.open("rb") as stream:
            body = compressed(iter(lambda: stream.read(1 << 20), b""))
        return batch.store_file(store, draft.key(table), body, rows)

    with ThreadPoolExecutor() as pool:
        under_way = {}
        for table in contract.TABLES:
            path = folder / f"{table.name}.csv"
            rows = _write_csv(connection, table, queries[table.name], path)
            under_way[table.name] = pool.submit(put, table, path, rows)
        return {name: stored.result() for name, stored in under_way.items()}


def _write_csv(
    connection: duckdb.DuckDBPyConnection, table: contract.Table, query: str, path: Path
) -> int:
    """Writes the rows in the order of the key, so the same rows give the same bytes."""
    ordered = f"SELECT * FROM ({query}) ORDER BY {', '.join(table.key)}"
    copy = f"COPY ({ordered}) TO {_quoted(str(path))} ({_CSV})"
    return int(connection.execute(copy).fetchall()[0][0])


def _odd_values(connection: duckdb.DuckDBPyConnection, query: str) -> Mapping[str, int]:
    """Counts by column; a day without entries has nothing odd."""
    selected = ", ".join(GUARDED)
    rows = connection.execute(f"SELECT {selected} FROM ({query})").fetchall()
    return dict(zip(GUARDED, rows[0] if rows else (0,) * len(GUARDED), strict=True))


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"
