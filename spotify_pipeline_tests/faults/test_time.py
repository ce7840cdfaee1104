"""Midnight, clocks that leap, days without a run, and two runs at once."""

import random
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from spotify_pipeline_tests.faults.child import SharedClock
from spotify_pipeline_tests.faults.conftest import Undisturbed
from spotify_pipeline_tests.faults.home import LAST, PLAYLISTS, Home

pytestmark = pytest.mark.slow

BEFORE, AFTER = (LAST + timedelta(days=days) for days in (-1, 1))
LATER = time(13)
HOUR = 3600.0
LEAPS = (-2 * HOUR, 2 * HOUR, -30 * HOUR)


def captures(home: Home, day: date) -> set[str]:
    with home.world() as world:
        return {key.split("/")[2].split(".")[0] for key in world.keys(f"raw_data/dt={day}/")}


def requests_to_spotify(undisturbed: Undisturbed) -> list[int]:
    return [n for n, told in enumerate(undisturbed.operations) if told.startswith("http")]


@pytest.mark.tries(0)
def test_midnight_while_playlists_are_read(home: Home, undisturbed: Undisturbed, seed: int) -> None:
    """What was asked for before is the day's; what was not is named as missed, and the next day
    is whole."""
    requests = requests_to_spotify(undisturbed)
    at = requests[(seed + len(requests) // 2) % len(requests)]
    end = home.run(LAST, at=time(23), operation=at, leap=1.5 * HOUR)
    there = captures(home, LAST)
    assert end == (0 if there == set(PLAYLISTS) else 1), home.said()
    assert home.run(AFTER) == 0, home.said()
    wanted = {BEFORE: PLAYLISTS, AFTER: PLAYLISTS} | ({LAST: there} if there else {})
    assert home.problems(wanted) == []
    assert home.missed() == {(LAST, playlist) for playlist in set(PLAYLISTS) - there}


@pytest.mark.tries(0)
def test_a_clock_that_leaps_during_a_run(home: Home, undisturbed: Undisturbed, seed: int) -> None:
    leap = LEAPS[seed % len(LEAPS)]
    at = random.Random(seed).randrange(len(undisturbed.operations))
    home.run(LAST, operation=at, leap=leap)
    assert home.half_done() == []
    assert home.run(LAST, at=LATER) == 0, home.said()
    assert home.problems({BEFORE: PLAYLISTS, LAST: PLAYLISTS}) == []
    assert home.missed() == set()


def test_a_clock_that_is_wrong_by_a_day_is_told_and_files_nothing(home: Home) -> None:
    """As after a boot without network: it would take the day from the one that comes."""
    job = home.job(LAST, "run")
    wrong = SharedClock(home.told / "wrong clock")
    wrong.set(home.spotify.clock.shift + 24 * HOUR)
    assert home.do(replace(job, clock=str(home.told / "wrong clock"))) == [1]
    assert "Set the clock" in home.said()
    assert captures(home, AFTER) == set()
    assert home.run(LAST) == 0, home.said()
    assert home.problems({BEFORE: PLAYLISTS, LAST: PLAYLISTS}) == []


def test_days_while_the_machine_was_off_are_named(home: Home) -> None:
    """A playlist that was taken out meanwhile and added again has a gap, and nothing else."""
    later = BEFORE + timedelta(days=3)
    home.playlists = PLAYLISTS[:2]
    assert home.run(LAST) == 0, home.said()
    home.playlists = PLAYLISTS
    assert home.run(later) == 0, home.said()
    assert home.problems({BEFORE: PLAYLISTS, LAST: PLAYLISTS[:2], later: PLAYLISTS}) == []
    assert home.missed() == {(AFTER, playlist) for playlist in PLAYLISTS[:2]}


@pytest.mark.tries(1)
def test_two_runs_of_one_day_at_once(home: Home, seed: int) -> None:
    """One may have to give way and then says so; together they do what one does."""
    ends = home.do(home.job(LAST, "run"), home.job(LAST, "run"))
    assert 0 in ends, home.said()
    assert home.half_done() == []
    if ends != [0, 0]:
        assert "run it again" in home.said() or "run this again" in home.said()
        assert home.run(LAST, at=LATER) == 0, home.said()
    assert home.problems({BEFORE: PLAYLISTS, LAST: PLAYLISTS}) == []


@pytest.mark.tries(0)
def test_a_backfill_during_the_daily_run(home: Home, seed: int) -> None:
    again = home.job(LAST, "run", "--date", str(BEFORE), "--reload")
    ends = home.do(again, home.job(LAST, "run"))
    assert home.half_done() == []
    if ends != [0, 0]:
        assert home.run(LAST, at=LATER) == 0, home.said()
    assert home.problems({BEFORE: PLAYLISTS, LAST: PLAYLISTS}) == []
