"""The Spark engine: the transform on a Spark session, all days of a run at once.

Workers read the raw documents from the lake and write the files into it themselves, so it runs
alike on this machine, on a cluster and in Glue, whatever file systems that Spark knows.

The same rows and bytes as the embedded engine, of whatever is JSON by the book: before Spark sees a
line, a worker narrows it to what DuckDB would take of it. What only DuckDB takes is refused here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StringType, StructField, StructType

from spotify_pipeline import contract
from spotify_pipeline.engines.files import compressed
from spotify_pipeline.errors import PipelineError, RetryLater
from spotify_pipeline.lake import batch, raw
from spotify_pipeline.lake.batch import Draft, Transformed
from spotify_pipeline.lake.keys import day_of
from spotify_pipeline.lake.manifests import BatchFile
from spotify_pipeline.lake.store import ObjectStore, open_store
from spotify_pipeline.transform.fitting import fitted
from spotify_pipeline.transform.schema import RAW_LINE, TEXT
from spotify_pipeline.transform.tables import GUARDED, transform

# Nulls are empty, empty strings are quoted; by itself Spark trims blanks and escapes by backslash.
_CSV = {
    "quote": '"',
    "escape": '"',
    "nullValue": "",
    "emptyValue": '""',
    "ignoreLeadingWhiteSpace": "false",
    "ignoreTrailingWhiteSpace": "false",
}

_READ = "key string, number int, line string, reason string"

# What stands for the number of a line where a whole document could not be fetched.
_NOT_FETCHED = 0


@dataclass(frozen=True)
class SparkEngine:
    """Runs the transform in a session, which is asked for when it is needed.

    Stopping it is the business of who gave it.
    """

    session: Callable[[], SparkSession]
    name: str = "spark"

    def transform(
        self, store: ObjectStore, drafts: Sequence[Draft], *, accept_partial: bool
    ) -> Iterator[tuple[Draft, Transformed | PipelineError]]:
        """See `lake.batch.Engine`."""
        if not drafts:
            return
        kept: list[DataFrame] = []

        def keep(frame: DataFrame) -> DataFrame:
            kept.append(frame.cache())
            return kept[-1]

        try:
            lines = keep(self._read(store, drafts))
            unreadable = _unreadable(lines)
            taken = []
            for draft in drafts:
                found = unreadable.get(draft.day, [])
                if found and found[0].line == _NOT_FETCHED:
                    yield draft, RetryLater(f"A worker can't read {found[0].reason}")
                elif found and not accept_partial:
                    yield draft, batch.refusal(store, draft, found)
                else:
                    taken.append(draft)
            if taken:
                made = _transform(store, taken, lines, keep)
                for draft in taken:
                    quarantined = tuple(unreadable.get(draft.day, ()))
                    yield draft, _result(made, draft, quarantined)
        finally:
            for frame in reversed(kept):
                frame.unpersist()

    def _read(self, store: ObjectStore, drafts: Sequence[Draft]) -> DataFrame:
        """A row per line: where it stood, why it can't be read if so, and what it says."""
        session = self.session()
        keys = [document.key for draft in drafts for document in draft.documents]
        slices = min(len(keys), max(session.sparkContext.defaultParallelism, len(keys) // 64))
        read = session.sparkContext.parallelize(keys, slices).mapPartitions(
            partial(_read_documents, store.uri(""))
        )
        lines = session.createDataFrame(read, _READ, verifySchema=False)
        # Of fitted lines Spark can read every one; should it not, no null may hide that.
        answer = F.from_json("line", _struct(RAW_LINE), {"mode": "FAILFAST"}).alias("answer")
        return lines.select("key", "number", "reason", answer).select(
            "key", "number", "reason", "answer.*"
        )


def _read_documents(root: str, keys: Iterable[str]) -> Iterator[tuple[str, int, str, str | None]]:
    """Runs on a worker: the lines of some documents, with an empty one for each of no use."""
    store = open_store(root)
    for key in keys:
        try:
            for line in raw.read_lines(store, key):
                yield key, line.number, "{}" if line.problem else fitted(line.fields), line.problem
        except PipelineError as error:
            yield key, _NOT_FETCHED, "{}", f"{store.uri(key)}: {error}"


def _struct(fields: Any) -> StructType:
    return StructType([StructField(name, _type(inner)) for name, inner in fields.items()])


def _type(field: Any) -> DataType:
    if field == TEXT:
        return StringType()
    return ArrayType(_type(field[0])) if isinstance(field, list) else _struct(field)


def _unreadable(lines: DataFrame) -> Mapping[Any, list[raw.Unreadable]]:
    """What can't be read, by day; what could not be fetched first."""
    found = lines.where(F.col("reason").isNotNull()).select("key", "number", "reason").collect()
    by_day = defaultdict(list)
    for row in sorted(found, key=lambda row: (row.number != _NOT_FETCHED, row)):
        by_day[day_of(row.key)].append(raw.Unreadable(*row))
    return by_day


@dataclass(frozen=True)
class _Made:
    """What came out for all days: files by table and day, and counts of odd values by day."""

    files: Mapping[str, Mapping[str, BatchFile | PipelineError]]
    odd_values: Mapping[str, Mapping[str, int]]


def _transform(
    store: ObjectStore,
    drafts: Sequence[Draft],
    lines: DataFrame,
    keep: Callable[[DataFrame], DataFrame],
) -> _Made:
    days = [draft.day.isoformat() for draft in drafts]
    answers = lines.where(F.col("reason").isNull() & F.col("snapshot_date").isin(days))
    frames = transform(F, Window, answers, keep)
    files = {
        table.name: _write(store, drafts, table, frames[table.name]) for table in contract.TABLES
    }
    odd = frames["odd_values"].select("snapshot_date", *GUARDED).collect()
    return _Made(files, {day: dict(zip(GUARDED, counts, strict=True)) for day, *counts in odd})


def _result(
    made: _Made, draft: Draft, quarantined: tuple[raw.Unreadable, ...]
) -> Transformed | PipelineError:
    day = draft.day.isoformat()
    files = {}
    for table, written in made.files.items():
        file = written[day]
        if isinstance(file, PipelineError):
            return file
        files[table] = file
    return Transformed(files, made.odd_values.get(day, dict.fromkeys(GUARDED, 0)), quarantined)


def _write(
    store: ObjectStore, drafts: Sequence[Draft], table: contract.Table, frame: DataFrame
) -> Mapping[str, BatchFile | PipelineError]:
    """Writes the table's file of every day, its rows in the order of the key, so that the same
    rows give the same bytes."""
    keys = {draft.day.isoformat(): draft.key(table) for draft in drafts}
    write_days = partial(_write_days, store.uri(""), table, keys)
    written = dict(
        frame.repartition(len(drafts), "snapshot_date")
        .sortWithinPartitions(*table.key)
        .select("snapshot_date", F.to_csv(F.struct(*table.column_names), _CSV))
        .rdd.mapPartitions(write_days)
        .collect()
    )
    empty = {day: _put(store, table, keys[day], ()) for day in keys.keys() - written.keys()}
    return written | empty


def _write_days(
    root: str, table: contract.Table, keys: Mapping[str, str], rows: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, BatchFile | PipelineError]]:
    """Runs on a worker: the files of the days whose rows it got, day after day."""
    store = open_store(root)
    for day, of_day in groupby(rows, key=itemgetter(0)):
        yield day, _put(store, table, keys[day], map(itemgetter(1), of_day))


def _put(
    store: ObjectStore, table: contract.Table, key: str, lines: Iterable[str]
) -> BatchFile | PipelineError:
    count = 0

    def chunks() -> Iterator[bytes]:
        nonlocal count
        yield (",".join(table.column_names) + "\n").encode()
        for line in lines:
            count += 1
            yield f"{line}\n".encode()

    body = compressed(chunks())
    try:
        return batch.store_file(store, key, body, count)
    except PipelineError as error:
        return error
