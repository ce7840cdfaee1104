"""The rows that the transform makes of raw documents, for tests that look at single values."""

import gzip
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from spotify_pipeline import contract
from spotify_pipeline.engines.embedded import EmbeddedEngine

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
    """What the embedded engine makes of the documents."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.ndjson.gz" for number in range(len(documents))]
        for path, body in zip(paths, documents, strict=True):
            path.write_bytes(body)
        out = Path(folder) / "out"
        out.mkdir()
        transformed = EmbeddedEngine().transform(paths, out)
        files = {table.name: out / f"{table.name}.csv.gz" for table in contract.TABLES}
        return Tables(
            rows={name: read_csv(path) for name, path in files.items()},
            odd_values={name: count for name, count in transformed.odd_values.items() if count},
            bytes={name: gzip.decompress(path.read_bytes()) for name, path in files.items()},
        )


def read_csv(path: Path) -> list[Row]:
    """The rows of a file of a batch; only an unquoted empty field is null."""
    relation = duckdb.sql(
        f"FROM read_csv('{path}', header = true, all_varchar = true, delim = ',', quote = '\"', "
        f"escape = '\"', nullstr = '', allow_quoted_nulls = false, compression = 'gzip')"
    )
    names = relation.columns
    return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
