"""The few kinds of charts that there are, each from plain values to a figure.

What they are made of, and in which order, is decided in `plots`; names come fitted.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from spotify_pipeline.insights.drawing import (
    BLUE,
    COLOURS,
    GAP,
    GREY,
    HEIGHT,
    ORANGE,
    SMALL,
    canvas,
    row_canvas,
    style,
    widest,
    write,
)
from spotify_pipeline.insights.lettering import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEAST_SPAN = 12
"""A scale of years is at least so long."""


@dataclass(frozen=True)
class Bar:
    """A row: its name, how long its bar is, and what is written behind it, plainly and in grey."""

    label: str
    value: float
    shown: str
    aside: str = ""


@dataclass(frozen=True)
class Exchange:
    """A row of two bars, away from each other: what went and what came."""

    label: str
    left: int
    entered: int
    aside: str = ""


@dataclass(frozen=True)
class Strip:
    """A row of circles along a scale, each as large as its weight, with one mark in a colour."""

    label: str
    weights: Sequence[tuple[float, int]]
    mark: float | None


@dataclass(frozen=True)
class Line:
    """A line over days, with a point for each."""

    label: str
    points: Sequence[tuple[date, float]]


def ranking(title: str, unit: str, bars: Sequence[Bar], note: str = "") -> "Figure":
    """Bars from a common start, the first on top."""
    behind = [f"  {bar.shown} {bar.aside}" for bar in bars]
    figure, axes = row_canvas(title, [bar.label for bar in bars], note, right=widest(behind) + GAP)
    write(axes, 0, -0.85, unit, size=SMALL)
    longest = max(bar.value for bar in bars) or 1
    axes.set_xlim(0, longest)
    for row, bar in enumerate(bars):
        axes.barh(row, bar.value, height=0.56, color=BLUE)
        end = write(axes, bar.value, row, f" {bar.shown}", colour=BLUE, weight="bold")
        axes.annotate(
            drawable(bar.aside),
            (1, 0.5),
            xycoords=end,
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            parse_math=False,
            **style(GREY, SMALL),
        )
    return figure


def exchange(title: str, bars: Sequence[Exchange], note: str = "") -> "Figure":
    """Bars to the left and to the right of a common line."""
    figure, axes = row_canvas(
        title, [bar.label for bar in bars], note, right=widest([bar.aside for bar in bars])
    )
    longest = max(max(bar.left, bar.entered) for bar in bars) or 1
    axes.set_xlim(-longest * 1.2, longest * 1.2)
    axes.axvline(0, color=GREY, linewidth=0.8)
    write(axes, -longest * 0.03, -0.85, "entries that left", ORANGE, SMALL, ha="right")
    write(axes, longest * 0.03, -0.85, "entered", BLUE, SMALL)
    for row, bar in enumerate(bars):
        axes.barh(row, -bar.left, height=0.56, color=ORANGE)
        axes.barh(row, bar.entered, height=0.56, color=BLUE)
        write(axes, -bar.left, row, f"{bar.left:,} ", ORANGE, weight="bold", ha="right")
        write(axes, bar.entered, row, f" {bar.entered:,}", BLUE, weight="bold")
        write(axes, longest * 1.2, row, bar.aside, size=SMALL)
    return figure


def strips(title: str, unit: str, mark: str, rows: Sequence[Strip], note: str = "") -> "Figure":
    """Circles of each row along one scale of whole numbers; `mark` says what the marks are."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = row_canvas(title, [row.label for row in rows], note, right=64, bottom=42)
    write(axes, 1.02, -0.85, mark, ORANGE, SMALL, transform=axes.get_yaxis_transform())
    places = [at for row in rows for at, _ in row.weights]
    least = (_LEAST_SPAN - (max(places) - min(places))) / 2
    axes.set_xlim(min(places) - max(2, least), max(places) + max(2, least))
    heaviest = max(weight for row in rows for _, weight in row.weights)
    for place, row in enumerate(rows):
        axes.scatter(
            [at for at, _ in row.weights],
            [place] * len(row.weights),
            s=[12 + 150 * weight / heaviest for _, weight in row.weights],
            color=BLUE,
            alpha=0.7,
            linewidth=0,
            clip_on=False,
        )
        if row.mark is not None:
            axes.plot([row.mark] * 2, [place - 0.42, place + 0.42], color=ORANGE, linewidth=2.5)
            in_column = axes.get_yaxis_transform()
            write(axes, 1.02, place, f"{row.mark:.0f}", ORANGE, weight="bold", transform=in_column)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.tick_params(bottom=True, labelbottom=True)
    axes.set_xlabel(unit, color=GREY, fontsize=SMALL)
    return figure


def lines(
    title: str, unit: str, drawn: Sequence[Line], scale: tuple[float, float], note: str = ""
) -> "Figure":
    """Lines over days on a scale from and to, each named at its end."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    right = GAP + widest([line.label for line in drawn])
    figure, axes = canvas(title, HEIGHT, left=52, right=right, bottom=44, note=note)
    days = sorted({day for line in drawn for day, _ in line.points})
    axes.set_ylim(*scale)
    if len(days) == 1:
        axes.set_xticks(days, [f"{days[0].day} {days[0]:%b %Y}"])  # type: ignore[arg-type]
    else:
        locator = AutoDateLocator(minticks=2, maxticks=6)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        around = ["", "%Y", "%b %Y", "%d %b %Y", "%d %b %Y", "%d %b %Y"]
        axes.xaxis.set_major_formatter(
            ConciseDateFormatter(locator, offset_formats=around)  # type: ignore[no-untyped-call]
        )
        axes.xaxis.get_offset_text().set(color=GREY, fontsize=SMALL)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.tick_params(bottom=True, labelbottom=True, labelleft=True)
    axes.yaxis.grid(visible=True, color=GREY, alpha=0.25, linewidth=0.8)
    write(axes, 0, 1.06, unit, size=SMALL, transform=axes.transAxes)
    for line, colour, height in zip(drawn, COLOURS, _apart(drawn, *scale), strict=False):
        at, values = [day for day, _ in line.points], [value for _, value in line.points]
        axes.plot(
            at,  # type: ignore[arg-type]
            values,
            color=colour,
            linewidth=2,
            marker="o",
            markersize=4 if len(days) <= 31 else 0,
            clip_on=False,
        )
        write(axes, 1 + GAP / 400, height, line.label, colour, transform=axes.get_yaxis_transform())
    return figure


def _apart(drawn: Sequence[Line], lowest: float, highest: float) -> list[float]:
    """Where the names of lines stand: at their ends, but never on each other."""
    least = (highest - lowest) * 0.075
    heights = [line.points[-1][1] for line in drawn]
    order = sorted(range(len(drawn)), key=heights.__getitem__)
    for below, above in itertools.pairwise(order):
        heights[above] = max(heights[above], heights[below] + least)
    # What was pushed out on top pushes back down.
    ceiling = highest
    for place in reversed(order):
        heights[place] = min(heights[place], ceiling)
        ceiling = heights[place] - least
    return heights
