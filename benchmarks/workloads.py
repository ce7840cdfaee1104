"""What `benchmarks.transform` measures: each makes the six tables out of one day's raw documents.

`python -m benchmarks.workloads embedded LAKE SPARK_CONFIG`: once, in this process; the last line
says as JSON how long each step took and how many rows came out. The lake must hold raw documents
and nothing else.
"""

import csv
import gzip
import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.raw_documents import DAY
from spotify_pipeline.clock import machine_clock
from spotify_pipeline.lake import batch, keys
from spotify_pipeline.lake.store import FolderStore

Lap = Callable[[str], None]
"""Says that a step has just ended: `import`, `start` (of a session) or `work`."""


def embedded(lake: Path, _: Mapping[str, str], lap: Lap) -> dict[str, int]:
    """A batch by the embedded engine."""
    from spotify_pipeline.engines.embedded import EmbeddedEngine

    lap("import")
    rows = _issue(lake, EmbeddedEngine())
    lap("work")
    return rows


def spark(lake: Path, config: Mapping[str, str], lap: Lap) -> dict[str, int]:
    """A batch by the pipeline's engine on Spark."""
    from spotify_pipeline.engines.spark import SparkEngine

    make_session = _session_maker(config)
    lap("import")
    session = make_session()
    lap("start")
    rows = _issue(lake, SparkEngine(lambda: session))
    lap("work")
    session.stop()
    return rows


def plain(lake: Path, config: Mapping[str, str], lap: Lap) -> dict[str, int]:
    """The tables by a plain script on Spark."""
    from benchmarks.contestants.plain_spark import TABLES, write_tables

    make_session = _session_maker(config)
    lap("import")
    session = make_session()
    lap("start")
    write_tables(session, lake / keys.raw_prefix(DAY), lake)
    lap("work")
    session.stop()
    return {name: sum(map(_rows, (lake / name).glob("part-*"))) for name in TABLES}


def script(module: str, lake: Path, _: Mapping[str, str], lap: Lap) -> dict[str, int]:
    """The tables by one of the contestants that is a script."""
    write_tables = import_module(f"benchmarks.contestants.{module}").write_tables
    lap("import")
    rows: dict[str, int] = write_tables(lake / keys.raw_prefix(DAY), lake)
    lap("work")
    return rows


def parsed(lake: Path, _: Mapping[str, str], lap: Lap) -> dict[str, int]:
    """The floor of every engine that uses DuckDB: all fields that the tables need, parsed once."""
    import duckdb

    from benchmarks.contestants.duckdb_sql import COLUMNS

    lap("import")
    columns = ", ".join(f"'{name}': '{column}'" for name, column in COLUMNS.items())
    duckdb.execute(
        f"SELECT max(hash(COLUMNS(*))) FROM read_json('{lake / keys.raw_prefix(DAY)}/*.ndjson.gz', "
        f"format = 'newline_delimited', hive_partitioning = false, columns = {{{columns}}})"
    ).fetchall()
    lap("work")
    return {}


def bytes_read(lake: Path, _: Mapping[str, str], lap: Lap) -> dict[str, int]:
    """The floor of everything: the documents unpacked, on both processors."""
    lap("import")
    with ThreadPoolExecutor() as pool:
        list(pool.map(_unpack, (lake / keys.raw_prefix(DAY)).iterdir()))
    lap("work")
    return {}


WORKLOADS = {
    "embedded": embedded,
    "spark": spark,
    "plain": plain,
    "duckdb_sql": partial(script, "duckdb_sql"),
    "plain_python": partial(script, "plain_python"),
    "pandas": partial(script, "pandas_frames"),
    "polars": partial(script, "polars_frames"),
    "parsed": parsed,
    "bytes_read": bytes_read,
}


def _unpack(document: Path) -> None:
    with gzip.open(document) as stream:
        while stream.read1(1 << 20):
            pass


def _issue(lake: Path, engine: batch.Engine) -> dict[str, int]:
    outcome = batch.issue(FolderStore(lake), engine, [DAY], machine_clock)[DAY]
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome.is_new
    return {name: file.rows for name, file in outcome.manifest.files.items()}


def _session_maker(config: Mapping[str, str]) -> Callable[[], Any]:
    from spotify_pipeline.deployment import prepare_for_spark

    prepare_for_spark()
    from pyspark.sql import SparkSession

    return SparkSession.builder.config(map=dict(config)).getOrCreate


def _rows(file: Path) -> int:
    with file.open(newline="") as text:
        return max(sum(1 for _ in csv.reader(text)) - 1, 0)


def main() -> None:
    name, lake, config = sys.argv[1:]
    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def lap(step: str) -> None:
        seconds[step] = time.perf_counter() - began - sum(seconds.values())

    rows = WORKLOADS[name](Path(lake), json.loads(config), lap)
    print(json.dumps({"seconds": seconds, "rows": rows}))


if __name__ == "__main__":
    main()
