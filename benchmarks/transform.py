"""The transform on the embedded engine, on Spark as one plainly writes it, and on our own Spark.

`python -m benchmarks.transform`: about 500 MB of raw JSON, three rounds of all three, each in a
fresh process; then the embedded engine alone on growing sizes. The documents are made first, which
takes minutes, and kept in `--data`. Both Sparks get the same settings, those of the pipeline with
4 GB of memory. What counts is the time from asking for a session to the last file; imports stay
out, and the whole process, with interpreter and imports, is told beside it, as is the time of the
processors, which a busy machine changes less. The pipeline's engines issue a batch, checksums and
manifest included.
"""

import argparse
import json
import os
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import fresh_process
from benchmarks.raw_documents import DATA, DAY, Size, folder_with
from benchmarks.workloads import WORKLOADS
from spotify_pipeline.engines.plan import embedded_plan
from spotify_pipeline.lake import keys

_NAMES = {"embedded": "embedded", "plain": "plain Spark", "spark": "our Spark"}


@dataclass(frozen=True)
class Measurement:
    """One workload, once. `seconds` are by step, `whole` and `cpu` those of the process."""

    workload: str
    seconds: dict[str, float]
    whole: float
    cpu: float
    peak_mb: float
    rows: dict[str, int]

    @property
    def total(self) -> float:
        """From asking for the engine to the last file."""
        return self.seconds.get("start", 0) + self.seconds["work"]

    def __str__(self) -> str:
        return (
            f"{_NAMES[self.workload]} {self.total:.1f} s "
            f"(CPU {self.cpu:.1f} s, {self.peak_mb:,.0f} MB)"
        )


def measure(workload: str, folder: Path) -> Measurement:
    """Runs it on a throwaway lake with the raw documents of `folder`."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as lake:
        there = Path(lake) / keys.raw_prefix(DAY)
        there.mkdir(parents=True)
        for document in (folder / keys.raw_prefix(DAY)).iterdir():
            os.link(document, there / document.name)
        ended = fresh_process.run("benchmarks.workloads", workload, lake, json.dumps(_config()))
    told = json.loads(ended.output.splitlines()[-1])
    return Measurement(
        workload, told["seconds"], ended.seconds, ended.cpu_seconds, ended.peak_mb, told["rows"]
    )


def _config() -> dict[str, str]:
    from spotify_pipeline.orchestration.engine import SPARK_CONFIG

    return {**SPARK_CONFIG, "spark.driver.memory": "4g"}


def compare(workloads: list[str], size: Size, folder: Path, runs: int) -> list[Measurement]:
    """Takes turns, so that a machine that grows slower meanwhile does so for all."""
    print(size)
    made: dict[str, list[Measurement]] = {workload: [] for workload in workloads}
    for number in range(1, runs + 1):
        for workload in workloads:
            made[workload].append(measure(workload, folder))
        print(f"run {number}: {', '.join(str(these[-1]) for these in made.values())}", flush=True)
    everything = [one for these in made.values() for one in these]
    rows = everything[0].rows
    assert all(one.rows == rows for one in everything), "they don't give the same rows"
    print("rows: " + ", ".join(f"{table} {count:,}" for table, count in rows.items()))
    for these in made.values():
        _print_steps(these)
    for workload in workloads:
        if workload != "embedded" and "embedded" in workloads:
            _print_ratios(made[workload], made["embedded"])
    return everything


def _print_steps(these: list[Measurement]) -> None:
    steps = ", ".join(
        f"{step} {statistics.median(one.seconds[step] for one in these):.1f} s"
        for step in these[0].seconds
    )
    print(
        f"{_NAMES[these[0].workload]}: median {statistics.median(one.total for one in these):.1f} "
        f"s ({min(one.total for one in these):.1f} to {max(one.total for one in these):.1f}); "
        f"{steps}; peak {max(one.peak_mb for one in these):,.0f} MB"
    )


def _print_ratios(theirs: list[Measurement], ours: list[Measurement]) -> None:
    pairs = list(zip(theirs, ours, strict=True))
    for what, ratios in {
        "": [their.total / our.total for their, our in pairs],
        ", without the start of the session": [
            their.seconds["work"] / our.seconds["work"] for their, our in pairs
        ],
        ", whole processes": [their.whole / our.whole for their, our in pairs],
        ", CPU": [their.cpu / our.cpu for their, our in pairs],
    }.items():
        print(
            f"{_NAMES[theirs[0].workload]} / embedded{what}: {statistics.median(ratios):.1f} × "
            f"({min(ratios):.1f} to {max(ratios):.1f})"
        )


def grow(sizes: list[int], data: Path) -> list[dict[str, Any]]:
    """The embedded engine on each of the sizes."""
    found = []
    for entries in sizes:
        folder, size = folder_with(entries, data)
        one = measure("embedded", folder)
        found.append({"size": asdict(size), "measurement": asdict(one)})
        print(
            f"{entries:>9,} entries, {size.raw_bytes / 1e6:>5,.0f} MB: {one.total:6.1f} s, "
            f"{entries / one.total:>6,.0f} entries a second, peak {one.peak_mb:,.0f} MB",
            flush=True,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=240_000, help="to compare on")
    parser.add_argument("--runs", type=int, default=3, help="0: no comparison")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--sizes", default="20000,200000,2000000", help="empty: no growing")
    parser.add_argument("--data", type=Path, default=DATA, help="where documents are kept")
    parser.add_argument("--json", type=Path, help="file for all that was measured")
    asked = parser.parse_args()
    embedded_plan()  # made once for each version of the code, so not measured
    result: dict[str, Any] = {}
    if asked.runs:
        folder, size = folder_with(asked.entries, asked.data)
        made = compare(asked.only, size, folder, asked.runs)
        result |= {"size": asdict(size), "compared": list(map(asdict, made))}
    result["grown"] = grow([int(size) for size in asked.sizes.split(",") if size], asked.data)
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
