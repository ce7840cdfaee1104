"""The transform on the embedded engine, next to what people would use instead, and to its floors.

`python -m benchmarks.transform`: on each size of `--entries` all that can finish there take turns,
each in a fresh process. The documents are made first, which takes minutes, and kept in `--data`.
Both Sparks get the same settings, those of the pipeline with 4 GB of memory. What counts is the
time from asking for a session to the last file; imports stay out. The pipeline's engines issue a
batch, checksums and manifest included. What takes long is given fewer rounds: `--slow-rounds`.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import fresh_process, rounds
from benchmarks.raw_documents import DATA, DAY, folder_with
from benchmarks.rounds import Figure, Result, Row, Took
from spotify_pipeline.engines.plan import embedded_plan
from spotify_pipeline.lake import keys

NAMES: Mapping[str, str] = {
    "embedded": "embedded engine",
    "spark": "our transform on local Spark",
    "plain": "plain script on local Spark",
    "duckdb_sql": "DuckDB SQL by hand",
    "plain_python": "one pass of plain Python, orjson",
    "pandas": "pandas, json_normalize",
    "polars": "polars",
    "parsed": "DuckDB parsing the needed fields",
    "bytes_read": "unpacking the bytes",
}

FLOORS = ("duckdb_sql", "parsed", "bytes_read")
"""Contestants that are not to be beaten: the distance to them is what is told."""

GOALS: Mapping[tuple[int, str], float] = {
    (200_000, "plain"): 10,
    (2_000_000, "spark"): 4,
    (100, "spark"): 8,
    (2_000_000, "duckdb_sql"): 1.15,
    (2_000_000, "parsed"): 2.5,
}

MOST_OF_MEMORY_MB = 3000
_OF_LARGE = ("embedded", "duckdb_sql", "parsed", "bytes_read")  # the others need hours or memory
_LARGE = 1_000_000
_PAGED = 101  # from here on documents have pages, without which who infers a schema fails
_INFERRING = ("plain", "polars")


def turn(workload: str, folder: Path) -> tuple[Took, dict[str, int]]:
    """Runs it on a throwaway lake with the raw documents of `folder`; tells the rows it made."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as lake:
        there = Path(lake) / keys.raw_prefix(DAY)
        there.mkdir(parents=True)
        for document in (folder / keys.raw_prefix(DAY)).iterdir():
            os.link(document, there / document.name)
        ended = fresh_process.run("benchmarks.workloads", workload, lake, json.dumps(_config()))
    told = json.loads(ended.output.splitlines()[-1])
    seconds = told["seconds"].get("start", 0) + told["seconds"]["work"]
    return Took(seconds, ended.cpu_seconds, ended.peak_mb), told["rows"]


def _config() -> dict[str, str]:
    from spotify_pipeline.orchestration.engine import SPARK_CONFIG

    return {**SPARK_CONFIG, "spark.driver.memory": "4g"}


def compare(
    result: Result, workloads: Sequence[str], folder: Path, entries: int, number: int
) -> None:
    """Rows of the embedded engine next to each of the others."""
    made: dict[str, dict[str, int]] = {}

    def take(workload: str) -> Took:
        took, rows = turn(workload, folder)
        made[workload] = rows or made[workloads[0]]  # a floor makes none
        return took

    took = rounds.take_turns({name: partial(take, name) for name in workloads}, number)
    assert all(rows == made["embedded"] for rows in made.values()), made
    for name, turns in took.items():
        if name != "embedded":
            result.tell(
                Row(
                    f"{entries:,} entries",
                    NAMES["embedded"],
                    NAMES[name],
                    took["embedded"],
                    turns,
                    GOALS.get((entries, name)),
                    floor=name in FLOORS,
                )
            )


def grow(result: Result, sizes: Sequence[tuple[int, list[Took]]]) -> None:
    """How time and memory of the embedded engine grow."""
    for entries, turns in sizes:
        each = [turn.seconds / entries * 1e6 for turn in turns]
        result.tell(Figure(f"{entries:,} entries, time an entry", each, "µs"))
        peaks = [turn.peak_mb or 0 for turn in turns]
        goal = MOST_OF_MEMORY_MB if entries >= _LARGE else None
        result.tell(Figure(f"{entries:,} entries, most memory", peaks, "MB", goal))


def main() -> None:
    parser = rounds.arguments(__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[100, 20_000, 200_000, 2_000_000])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument(
        "--large-rounds", type=int, default=rounds.ROUNDS, help="of over a million entries"
    )
    parser.add_argument("--slow-rounds", type=int, default=1, help="of Spark on over a million")
    parser.add_argument("--data", type=Path, default=DATA, help="where documents are kept")
    asked = parser.parse_args()
    embedded_plan()  # made once for each version of the code, so not measured
    result = Result("transform")
    sizes = []
    for entries in asked.entries:
        folder, size = folder_with(entries, asked.data)
        print(size)
        chosen = [name for name in NAMES if name in {"embedded", *asked.only}]
        if entries < _PAGED:
            chosen = [name for name in chosen if name not in _INFERRING]
        if entries < _LARGE:
            compare(result, chosen, folder, entries, asked.rounds)
        else:
            quick = [name for name in chosen if name in _OF_LARGE]
            compare(result, quick, folder, entries, asked.large_rounds)
            if asked.slow_rounds and "spark" in chosen:
                compare(result, ["embedded", "spark"], folder, entries, asked.slow_rounds)
        sizes.append((entries, list(result.rows[-1].our_turns)))
        result.write(asked.results)  # what comes next may take hours
    grow(result, sizes)
    result.write(asked.results)


if __name__ == "__main__":
    main()
