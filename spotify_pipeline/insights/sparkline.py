"""Small pictures without axes: how a playlist moved over its captured days, as shapes of an SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, LINE_HEIGHT, BAR_HEIGHT = 160, 28, 24
"""Of the picture; of the line in it, and of the bars below, both ways together."""

_MARGIN = 3
_GAP = 4
_WIDEST_BAR = 8


@dataclass(frozen=True)
class Day:
    """One captured day: entries, and how many entered and left since the one before."""

    on: date
    entries: int
    entered: int = 0
    left: int = 0


@dataclass(frozen=True)
class Sparkline:
    """A line of entries and bars below it, in SVG's words: the points of a polyline, and for what
    entered and left a path of strokes, `stroke` wide. `text` says what the line shows, `since` is
    its first day."""

    points: str
    entered: str
    left: str
    stroke: str
    height: int
    text: str
    since: date


def sparkline(days: Sequence[Day]) -> Sparkline:
    """The line through the entries of some days, at least one, in their order; below it up what
    entered and down what left.

    Days lie as far apart as they are; the line's height is that between the least and the greatest.
    """
    sizes = [day.entries for day in days]
    least, greatest = min(sizes), max(sizes)
    span = (days[-1].on - days[0].on).days
    room = min(_WIDEST_BAR, (WIDTH - 2 * _MARGIN) / (span + 1))
    most = max(max(day.entered, day.left) for day in days) or 1
    middle = LINE_HEIGHT + _GAP + BAR_HEIGHT / 2

    def across(day: Day) -> str:
        share = (day.on - days[0].on).days / span if span else 0.5
        return f"{_MARGIN + room / 2 + share * (WIDTH - 2 * _MARGIN - room):.1f}"

    def up(day: Day) -> str:
        share = (day.entries - least) / (greatest - least) if greatest > least else 0.5
        return f"{LINE_HEIGHT - _MARGIN - share * (LINE_HEIGHT - 2 * _MARGIN):.1f}"

    def bar(day: Day, count: int) -> str:
        end = middle - count / most * BAR_HEIGHT / 2
        return f"M{across(day)},{middle:.0f}V{end:.1f}" if count else ""

    size = f"{least:,}" if least == greatest else f"{least:,} to {greatest:,}"
    return Sparkline(
        points=" ".join(f"{across(day)},{up(day)}" for day in days),
        entered="".join(bar(day, day.entered) for day in days),
        left="".join(bar(day, -day.left) for day in days),
        stroke=f"{room * 0.8:.1f}",
        height=LINE_HEIGHT + _GAP + BAR_HEIGHT,
        text=f"{size} on {len(days)} captured day{'' if len(days) == 1 else 's'}",
        since=days[0].on,
    )
