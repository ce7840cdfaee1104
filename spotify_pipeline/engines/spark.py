"""The Spark engine: the transform on a Spark session.

The same rows and bytes as the embedded engine, with one exception: where Spotify would send a
number with an exponent for what is text, such as 1e30 for a name, Spark writes it as 1.0E30.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StringType, StructField, StructType

from spotify_pipeline import contract
from spotify_pipeline.lake.batch import Transformed, UnreadableDocuments
from spotify_pipeline.transform.schema import ENTRY, ENVELOPE, RAW_LINE, TEXT
from spotify_pipeline.transform.tables import transform

# Nulls are empty, empty strings are quoted; by itself Spark trims blanks and escapes by backslash.
_CSV = {
    "header": True,
    "quote": '"',
    "escape": '"',
    "nullValue": "",
    "emptyValue": '""',
    "ignoreLeadingWhiteSpace": False,
    "ignoreTrailingWhiteSpace": False,
    "lineSep": "\n",
    "compression": "gzip",
}


@dataclass(frozen=True)
class SparkEngine:
    """Runs the transform in a session, which is asked for when it is needed.

    Stopping it is the business of who gave it.
    """

    session: Callable[[], SparkSession]
    name: str = "spark"

    def transform(self, documents: Sequence[Path], out: Path) -> Transformed:
        """Reads raw documents, writes `out/<table>.csv.gz` for each table of the contract.

        Raises `UnreadableDocuments` where a line is no answer or a file is damaged.
        """
        kept: list[DataFrame] = []

        def keep(frame: DataFrame) -> DataFrame:
            kept.append(frame.cache())
            return kept[-1]

        try:
            lines = keep(self._read_lines(documents))
            _require_answers(lines)
            frames = transform(F, Window, lines, keep)
            rows = {
                table.name: _write_csv(frames[table.name], table, out) for table in contract.TABLES
            }
            return Transformed(rows, frames["odd_values"].collect()[0].asDict())
        except Py4JJavaError as error:
            # Hadoop checks gzip's sums and lengths as it reads.
            if "java.io.EOFException" in str(error) or "java.io.IOException" in str(error):
                raise UnreadableDocuments(str(error.java_exception)) from error
            raise
        finally:
            for frame in reversed(kept):
                frame.unpersist()

    def _read_lines(self, documents: Sequence[Path]) -> DataFrame:
        """One row per line; what isn't JSON becomes a row of nulls."""
        lines = (
            self.session()
            .read.schema(_struct(RAW_LINE))
            .json([str(document) for document in documents])
        )
        return lines.withColumns(
            {
                "page": F.col("page").withField("items", _entries("page.items")),
                "playlist": F.col("playlist")
                .withField("items.items", _entries("playlist.items.items"))
                .withField("tracks.items", _entries("playlist.tracks.items")),
            }
        )


def _entries(path: str) -> Any:
    """A list of entries from a list of texts.

    Read as entries at once, a single one that is no object would make all of them null.
    """
    return F.transform(F.col(path), lambda text: F.from_json(text, _struct(ENTRY)))


def _struct(fields: Any) -> StructType:
    return StructType([StructField(name, _type(inner)) for name, inner in fields.items()])


def _type(field: Any) -> DataType:
    if field == TEXT:
        return StringType()
    if field == [ENTRY]:
        return ArrayType(StringType())
    return ArrayType(_type(field[0])) if isinstance(field, list) else _struct(field)


def _require_answers(lines: DataFrame) -> None:
    kind = F.col("kind")
    lacking = reduce(or_, (F.col(name).isNull() for name in ENVELOPE))
    empty = (
        F.when(kind == "playlist", F.col("playlist").isNull())
        .when(kind == "page", F.col("page").isNull())
        .otherwise(F.lit(True))
    )
    unreadable = lines.where(lacking | empty).count()
    if unreadable:
        raise UnreadableDocuments(f"{unreadable} lines are no answer of the API")


def _write_csv(frame: DataFrame, table: contract.Table, out: Path) -> int:
    """Writes the rows in the order of the key, so the same rows give the same bytes."""
    written = Observation()
    ordered = frame.repartition(1).sortWithinPartitions(*table.key)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        target = Path(folder) / table.name
        ordered.observe(written, F.count(F.lit(1)).alias("rows")).write.csv(str(target), **_CSV)
        [part] = target.glob("part-*")
        shutil.move(part, out / f"{table.name}.csv.gz")
    return int(written.get["rows"])
