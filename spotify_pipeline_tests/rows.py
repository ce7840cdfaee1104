"""The rows that the transform makes of raw documents, for tests that look at single values."""

import gzip
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.errors import PipelineError
from spotify_pipeline.lake import batch, keys
from spotify_pipeline.lake.batch import Engine, Outcome, Result
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.synthetic import DAY, NOON

Row = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """All six tables as lists of rows of text, null as None, and the counts of odd values."""

    rows: Mapping[str, list[Row]]
    odd_values: Mapping[str, int]
    bytes: Mapping[str, bytes]

    def __getitem__(self, table: str) -> list[Row]:
        return self.rows[table]

    def column(self, table: str, name: str) -> list[Any]:
        return [row[name] for row in self.rows[table]]

    def only(self, table: str) -> Row:
        [row] = self.rows[table]
        return row


def tables_of(*documents: bytes) -> Tables:
    """What the embedded engine makes of the documents, which are of one day."""
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        for number, body in enumerate(documents):
            store.put_new(keys.raw(DAY, f"{number:05}"), body)
        return issued(store, EmbeddedEngine())[DAY]


def issued(store: FolderStore, engine: Engine, days: Sequence[date] = (DAY,)) -> dict[date, Tables]:
    """What an engine makes of the days' documents; raises what keeps a day from being made."""
    results = batch.issue(store, engine, days, frozen_clock(NOON), reload=True)
    return {day: _read(store, settled(result).manifest) for day, result in results.items()}


def settled(result: Result) -> Outcome:
    """The outcome of a day, if it has one; else its error is raised."""
    if isinstance(result, PipelineError):
        raise result
    return result


def _read(store: FolderStore, manifest: Manifest) -> Tables:
    files = {name: store.root / file.key for name, file in manifest.files.items()}
    return Tables(
        rows={name: read_csv(path) for name, path in files.items()},
        odd_values={name: count for name, count in manifest.odd_values.items() if count},
        bytes={name: gzip.decompress(path.read_bytes()) for name, path in files.items()},
    )


def read_csv(path: Path) -> list[Row]:
    """The rows of a file of a batch; only an unquoted empty field is null."""
    relation = duckdb.sql(
        "FROM read_csv($1, header = true, all_varchar = true, delim = ',', quote = '\"', "
        "escape = '\"', nullstr = '', allow_quoted_nulls = false, compression = 'gzip', "
        "hive_partitioning = false)",
        params=[str(path)],
    )
    names = relation.columns
    return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
