"""Contestants in turns, and what came of it: rows of ratios, figures, and the file that keeps them.

All take a turn in each round, so that a machine that grows slower meanwhile does so for all. A
ratio is taken within a round; told are the median of the rounds and the spread.
"""

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

RESULTS = Path("build/benchmarks")
ROUNDS = 5


@dataclass(frozen=True)
class Took:
    """One turn: seconds by the clock; of the processors, and the memory at most, where watched."""

    seconds: float
    cpu_seconds: float | None = None
    peak_mb: float | None = None

    def __str__(self) -> str:
        cpu = "" if self.cpu_seconds is None else f", CPU {seconds(self.cpu_seconds)}"
        peak = "" if self.peak_mb is None else f", {self.peak_mb:,.0f} MB"
        return f"{seconds(self.seconds)}{cpu}{peak}"


@dataclass(frozen=True)
class Row:
    """Ours next to theirs, a pair a round.

    The ratio is theirs / ours: how many times as fast ours is. Next to a `floor`, which nothing
    can be faster than, it is ours / theirs. The goal is reached from `goal` on, or up to it.
    """

    what: str
    ours: str
    theirs: str
    our_turns: Sequence[Took]
    their_turns: Sequence[Took]
    goal: float | None = None
    floor: bool = False

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.our_turns, self.their_turns, strict=True)
        if self.floor:
            return [our.seconds / their.seconds for our, their in pairs]
        return [their.seconds / our.seconds for our, their in pairs]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def reached(self) -> bool | None:
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.floor else self.ratio >= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"; goal {'≤' if self.floor else '≥'} {self.goal:g}"
        return (
            f"{self.what}: {self.ours} {seconds(middle(self.our_turns))}, "
            f"{self.theirs} {seconds(middle(self.their_turns))}: {self.ratio:.2f} × "
            f"({min(self.ratios):.2f} to {max(self.ratios):.2f}, {len(self.ratios)} rounds{goal})"
        )


@dataclass(frozen=True)
class Figure:
    """Something measured by itself; the goal is reached up to it."""

    what: str
    values: Sequence[float]
    unit: str
    goal: float | None = None

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def reached(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"; goal ≤ {self.goal:g}"
        spread = f"{min(self.values):.3g} to {max(self.values):.3g}, {len(self.values)} rounds"
        return f"{self.what}: {self.value:.3g} {self.unit} ({spread}{goal})"


_Told = TypeVar("_Told", Row, Figure)


@dataclass
class Result:
    """All that one benchmark found."""

    name: str
    rows: list[Row] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def tell(self, *found: Row | Figure) -> None:
        """Keeps it, and prints it."""
        for one in found:
            print(one, flush=True)
            if isinstance(one, Row):
                self.rows.append(one)
            else:
                self.figures.append(one)

    def write(self, folder: Path) -> None:
        """Into its file, in the place of the same rows and figures of an earlier run; what that
        found besides stays, so that a part can be measured anew."""
        file = folder / f"{self.name}.json"
        known = read(file) if file.exists() else Result(self.name)
        rows = {(row.what, row.ours, row.theirs): row for row in [*known.rows, *self.rows]}
        figures = {figure.what: figure for figure in [*known.figures, *self.figures]}
        told = Result(self.name, _grouped(rows.values()), _grouped(figures.values()))
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(told), indent=1) + "\n")


def _grouped(found: Collection[_Told]) -> list[_Told]:
    """In their order, but those about the same thing together."""
    order = list(dict.fromkeys(one.what for one in found))
    return sorted(found, key=lambda one: order.index(one.what))


def read(file: Path) -> Result:
    """What `Result.write` wrote."""
    told = json.loads(file.read_text())
    rows = [
        Row(**row | {turns: [Took(**t) for t in row[turns]] for turns in _TURNS})
        for row in told["rows"]
    ]
    return Result(told["name"], rows, [Figure(**figure) for figure in told["figures"]])


_TURNS = ("our_turns", "their_turns")


def take_turns(contestants: Mapping[str, Callable[[], Took]], rounds: int) -> dict[str, list[Took]]:
    """Each contestant's turns, a round after the other."""
    took: dict[str, list[Took]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        for name, turn in contestants.items():
            took[name].append(turn())
            print(f"  round {number}: {name} {took[name][-1]}", flush=True)
    return took


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What every benchmark can be told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for what was found")
    return parser


def require_no_dotenv() -> None:
    """Stops where a `.env` would have whole runs go to its owner's own home and account."""
    if Path(".env").exists():
        sys.exit("This benchmark runs whole days, and .env says where to: move it away meanwhile.")


def middle(turns: Sequence[Took]) -> float:
    return median(turn.seconds for turn in turns)


def seconds(value: float) -> str:
    """With three digits at most: `0.123 s`, `1.23 s`, `123 s`."""
    return f"{value:.3g} s" if value < 100 else f"{value:,.0f} s"
