"""Runs that are killed: a reader never sees half a day, and one more run mends all.

Each try draws a point by its seed, so a try that failed can be had again:
`FAULT_TRIES=1 FAULT_SEED=<seed> .venv/bin/pytest spotify_pipeline_tests/faults/test_crashes.py`
"""

import random
import re
from collections.abc import Sequence
from datetime import date, time, timedelta

import pytest

from spotify_pipeline_tests.faults.child import ROOMS
from spotify_pipeline_tests.faults.conftest import Undisturbed
from spotify_pipeline_tests.faults.home import KILLED, LAST, OUT_OF_TIME, PLAYLISTS, Home

pytestmark = pytest.mark.slow

BEFORE, AFTER = (LAST + timedelta(days=days) for days in (-1, 1))
LATER = time(13)

STAGES = {
    "capture": r"raw_data|attempts|source|http",
    "transform": r"transformed_data|\.csv|manifests",
    "pipe": r"(?i)landing|pipes\.",
    "publish": r"begin|commit|HISTORY|PUBLIC|OPS|reports",
}
"""By what the operations of a stage are known. Drawn by stage, for they differ in number."""


def point(operations: Sequence[str], draw: random.Random) -> int:
    """The number of an operation."""
    pattern = STAGES[draw.choice(list(STAGES))]
    return draw.choice([n for n, told in enumerate(operations) if re.search(pattern, told)])


def captured(home: Home, day: date) -> set[str]:
    with home.world() as world:
        return {key.split("/")[2].split(".")[0] for key in world.keys(f"raw_data/dt={day}/")}


def require_mended_on(home: Home, day: date) -> None:
    """One run on the same day, or on the next one, and nothing is lost."""
    assert home.half_done() == []
    there = set(PLAYLISTS) if day == LAST else captured(home, LAST)
    assert home.run(day, at=LATER) == 0, home.said()
    wanted = {BEFORE: PLAYLISTS, day: PLAYLISTS} | ({LAST: there} if there else {})
    assert home.problems(wanted) == []
    assert home.missed() == {(LAST, playlist) for playlist in set(PLAYLISTS) - there}


@pytest.mark.tries(1)
def test_killed_before_an_operation(home: Home, undisturbed: Undisturbed, seed: int) -> None:
    draw = random.Random(seed)
    at = point(undisturbed.operations, draw)
    assert home.run(LAST, at=time(12), operation=at) == KILLED, home.said()
    require_mended_on(home, draw.choice([LAST, AFTER]))


@pytest.mark.tries(0)
def test_killed_after_some_work(home: Home, undisturbed: Undisturbed, seed: int) -> None:
    draw = random.Random(seed)
    end = home.run(LAST, cpu_seconds=draw.uniform(0.02, 0.98) * undisturbed.work)
    assert end in (OUT_OF_TIME, 0), home.said()  # it may have been quicker this time
    require_mended_on(home, draw.choice([LAST, AFTER]))


@pytest.mark.tries(0)
def test_killed_again_and_again(fresh: Home, undisturbed: Undisturbed, seed: int) -> None:
    """In the first days of a home, of which nothing is whole yet."""
    draw = random.Random(seed)
    for _ in range(3):
        at = point(undisturbed.operations, draw)
        assert fresh.run(LAST, operation=at) in (KILLED, 0), fresh.said()
        assert fresh.half_done() == []
    assert fresh.run(LAST, at=LATER) == 0, fresh.said()
    assert fresh.problems({LAST: PLAYLISTS}) == []


@pytest.mark.tries(3)
def test_killed_in_a_room(home: Home, undisturbed: Undisturbed, seed: int) -> None:
    draw = random.Random(seed)
    at = point(undisturbed.operations, draw)
    assert home.run(LAST, *ROOMS, operation=at) in (KILLED, 0), home.said()
    assert home.half_done() == []
    assert home.run(LAST, *ROOMS, at=LATER) == 0, home.said()
    assert home.problems({BEFORE: PLAYLISTS, LAST: PLAYLISTS}) == []
