"""What the tests of faults share: a process that forks, a Spotify, and a home with a past.

`FAULT_TRIES` is how many tries those tests make that draw their faults, and `FAULT_SEED` the
first of the seeds they are drawn by: `make faults` makes many, `make test` a few.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from spotify_pipeline_tests.faults.home import LAST, Home, Runner, Spotify

TRIES, SEED = (os.environ.get(f"FAULT_{name}") for name in ("TRIES", "SEED"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a `seed` is made so often; in the short form as its marker `tries` says."""
    if "seed" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("tries")
        assert marker
        first = int(SEED or 1)
        tries = int(TRIES) if TRIES else marker.args[0]
        seeds = range(first, first + tries) or [pytest.param(first, marks=pytest.mark.long)]
        metafunc.parametrize("seed", seeds)


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    with Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def spotify(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spotify]:
    with Spotify(tmp_path_factory.mktemp("spotify")) as spotify:
        yield spotify


@pytest.fixture(scope="session")
def _past(tmp_path_factory: pytest.TempPathFactory, runner: Runner, spotify: Spotify) -> Home:
    """A home in which the day before the last one is whole; each test has a copy."""
    home = Home(tmp_path_factory.mktemp("past") / "team", runner, spotify)
    assert home.run(LAST - timedelta(days=1)) == 0, home.said()
    return home


@dataclass(frozen=True)
class Undisturbed:
    """What a run of the last day does while nothing befalls it, and how many seconds that takes."""

    home: Home
    operations: Sequence[str]
    work: float


@pytest.fixture(scope="session")
def undisturbed(
    _past: Home, tmp_path_factory: pytest.TempPathFactory, runner: Runner
) -> Undisturbed:
    home = _past.copy(tmp_path_factory.mktemp("undisturbed") / "team")
    assert home.run(LAST) == 0, home.said()
    return Undisturbed(home, home.operations(), *runner.work)


@pytest.fixture
def whole(undisturbed: Undisturbed, tmp_path: Path) -> Home:
    """A home in which both days are whole."""
    return undisturbed.home.copy(tmp_path / "team")


@pytest.fixture
def home(_past: Home, tmp_path: Path) -> Home:
    return _past.copy(tmp_path / "team")


@pytest.fixture
def fresh(tmp_path: Path, runner: Runner, spotify: Spotify) -> Home:
    """A home in which nothing has run yet."""
    return Home(tmp_path / "team", runner, spotify)
