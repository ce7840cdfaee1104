"""The deployment aws on its stand-ins, killed in its run or in the sensor and what that asks for.

Every try has a day of its own, as pipes remember names; all days are judged each time.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Any

import pytest
import snowflake.connector

from spotify_pipeline_tests.emulators.cloud import Cloud
from spotify_pipeline_tests.faults import oracle
from spotify_pipeline_tests.faults.child import TICK
from spotify_pipeline_tests.faults.home import (
    CATALOGUE,
    KILLED,
    LAST,
    PLAYLISTS,
    Home,
    Runner,
    Spotify,
)

pytestmark = pytest.mark.slow

LATER = time(13)
RUN = ("run",)


@dataclass
class CloudHome(Home):
    """A home of the deployment aws: what it made is in the bucket and in Snowflake."""

    cloud: Cloud = None  # type: ignore[assignment]
    days: list[date] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **super().environment,
            **self.cloud.environment,
            "SPOTIFY_PIPELINE_DEPLOYMENT": "aws",
            "SPOTIFY_PIPELINE_ENGINE": "embedded",
            "SNOWPIPE_WAIT_MINUTES": "0",
        }

    def step(self, words: Sequence[str], at: time, **befalls: Any) -> int:
        """A run or a tick on the current day, and then what the pipes make of it."""
        end = self.run(self.days[-1], *words, at=at, **befalls)
        self.cloud.snowflake.settle()
        return end

    @contextmanager
    def world(self) -> Iterator[oracle.World]:
        s3 = self.cloud.aws.client("s3")
        prefix = f"{self.cloud.prefix}/"
        objects = {
            key.removeprefix(prefix): s3.get_object(Bucket=self.cloud.bucket, Key=key)[
                "Body"
            ].read()
            for key in self.cloud.listing(prefix)
        }
        parameters = self.cloud.snowflake.connection_parameters
        reader: Any = {**parameters, "password": "anything", "database": "SPOTIFY_DB"}
        with (
            snowflake.connector.connect(**reader) as connection,
            connection.cursor() as cursor,
        ):

            def query(sql: str) -> list[tuple[Any, ...]]:
                return [tuple(row) for row in cursor.execute(sql).fetchall()]  # type: ignore[union-attr]

            yield oracle.World(objects, query, CATALOGUE)

    def wanted(self) -> Mapping[date, Sequence[str]]:
        return dict.fromkeys(self.days, PLAYLISTS)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, spotify: Spotify) -> Iterator[CloudHome]:
    """A team's home, in which a first day is whole."""
    folder = tmp_path_factory.mktemp("cloud")
    with (
        Cloud(folder, spotify.clock) as cloud,
        Runner("boto3", "dagster_aws.s3", "dagster_snowflake", "snowflake.connector") as runner,
    ):
        team = CloudHome(folder / "team", runner, spotify, cloud=cloud)
        team.days.append(LAST - timedelta(days=200))
        for words in (RUN, TICK):
            assert team.step(words, time(12)) == 0, team.said()
        assert team.problems(team.wanted()) == []
        yield team


@pytest.mark.tries(0)
@pytest.mark.parametrize("words", [RUN, TICK], ids=["run", "sensor"])
def test_killed_before_an_operation(team: CloudHome, words: Sequence[str], seed: int) -> None:
    draw = random.Random(seed)
    team.days.append(team.days[-1] + timedelta(days=1))
    if words == TICK:
        assert team.step(RUN, time(11)) == 0, team.said()
    undisturbed = team.operations(0 if words == RUN else 1)
    at = draw.randrange(len(undisturbed))
    assert team.step(words, time(12), operation=at) in (KILLED, 0), team.said()
    assert team.half_done() == []
    assert team.step(RUN, LATER) == 0, team.said()
    for hour in (15, 16):
        assert team.step(TICK, time(hour)) == 0, team.said()
    assert team.problems(team.wanted()) == []
    assert team.missed() == set()
