"""Writes `docs/performance.md` and its plot from what the benchmarks found.

`python -m benchmarks.page`: reads the files that `make bench` left. The words stand in
`page.md`, in whose places the tables go.
"""

import argparse
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from string import Template

from benchmarks import rounds
from benchmarks.rounds import Figure, Result, Row, middle, seconds

_ROOT = Path(__file__).parents[1]
PAGE = _ROOT / "docs" / "performance.md"
PLOT = _ROOT / "docs" / "images" / "performance.png"

NAMES = ("transform", "ingest", "day", "publishing", "startup")
_BAR, _SCALE = 0.34, 0.6  # inches
_PACKAGES = ("dagster", "duckdb", "pyspark", "spotipy", "pandas", "polars", "orjson", "dlt")


def page(results: Sequence[Result], template: str, machine: str, remark: str) -> str:
    """The page's text. What a run left out stays out of its tables."""
    tables = {
        result.name: f"{_rows(result.rows)}\n{_figures(result.figures)}".strip()
        for result in results
    }
    nothing = dict.fromkeys(NAMES, "Not measured in this run.")
    return Template(template).substitute(
        nothing | tables,
        machine=machine,
        remark=f"\n\n{remark}" if remark else "",
        missed=_missed(results),
    )


def _rows(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    lines = ["| what | ours | next to it | ratio | spread | goal |", "|---|---|---|--:|--:|--:|"]
    for row in rows:
        ours = f"{row.ours}, {seconds(middle(row.our_turns))}"
        theirs = f"{row.theirs}, {seconds(middle(row.their_turns))}"
        lines.append(_line(row.what, ours, theirs, _ratio(row), _spread(row.ratios), _goal(row)))
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(row: Row) -> str:
    times = f"{_short(row.ratio)} ×"
    if row.floor:
        return f"takes {times}"
    return f"**{times}** as fast" if row.ratio > 1 else f"{times} as fast"


def _spread(values: Sequence[float]) -> str:
    return f"{_short(min(values))} to {_short(max(values))} ({len(values)})"


def _short(value: float) -> str:
    """With about two digits: 0.05, 1.3, 104, 1,845."""
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def _goal(one: Row | Figure) -> str:
    if one.goal is None:
        return ""
    sign = "≥" if isinstance(one, Row) and not one.floor else "≤"
    return f"{sign} {one.goal:g}{'' if one.reached else ', missed'}"


def _figures(figures: Sequence[Figure]) -> str:
    if not figures:
        return ""
    lines = ["", "| what | median | spread | goal |", "|---|--:|--:|--:|"]
    for figure in figures:
        value = f"{_short(figure.value)} {figure.unit}"
        lines.append(_line(figure.what, value, _spread(figure.values), _goal(figure)))
    return "\n".join(lines) + "\n"


def _missed(results: Sequence[Result]) -> str:
    found = [f"- {one}" for r in results for one in [*r.rows, *r.figures] if one.reached is False]
    return "\n".join(found) or "None."


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d} with {os.cpu_count()} processors, "
        f"Python {platform.python_version()}, {packages}"
    )


def plot(rows: Sequence[Row]) -> bytes:
    """How many times as long others take, as bars on a scale of powers."""
    from matplotlib.figure import Figure as Drawing

    from spotify_pipeline.insights.drawing import BLUE, GREY, png

    height = _BAR * len(rows) + _SCALE
    drawing = Drawing(figsize=(6.4, height), dpi=100)
    drawing.patch.set_alpha(0)
    axes = drawing.add_axes((0.47, _SCALE / height, 0.46, 1 - _SCALE / height))
    axes.patch.set_alpha(0)
    ratios = [row.ratio for row in rows]
    axes.barh(range(len(rows)), [ratio - 1 for ratio in ratios], left=1, color=BLUE, height=0.6)
    axes.set_yticks(range(len(rows)), [f"{row.theirs}\n{row.what}" for row in rows])
    axes.set_xscale("log")
    axes.set_xlim(min([1, *ratios]) * 0.3, max([1, *ratios]) * 3)
    axes.axvline(1, color=GREY, linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("times as long as ours", color=GREY, fontsize=9)
    axes.tick_params(which="both", colors=GREY, labelsize=7.5, length=0)
    axes.xaxis.set_major_formatter("{x:g}")
    for spine in axes.spines.values():
        spine.set_visible(False)
    for place, ratio in enumerate(ratios):
        side = "left" if ratio > 1 else "right"
        text = f" {_short(ratio)} "
        axes.text(ratio, place, text, ha=side, va="center", color=GREY, fontsize=8)
    return png(drawing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=rounds.RESULTS)
    parser.add_argument("--remark", default="", help="what to know of how these were measured")
    asked = parser.parse_args()
    files = [asked.results / f"{name}.json" for name in NAMES]
    results = [rounds.read(file) for file in files if file.exists()]
    template = Path(__file__).with_name("page.md").read_text()
    PAGE.write_text(page(results, template, _machine(), asked.remark))
    PLOT.write_bytes(plot([row for r in results for row in r.rows if not row.floor]))
    print(f"{PAGE} and {PLOT} written")


if __name__ == "__main__":
    main()
