"""A whole deployment in a temporary home, with a Spotify whose playlists the test decides."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.errors import PipelineError
from spotify_pipeline.ingest.reader import Reply
from spotify_pipeline.ingest.sign_in import SignIn
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.orchestration.assets.lake import BatchOptions
from spotify_pipeline.orchestration.assets.raw import CaptureOptions
from spotify_pipeline.orchestration.local_run import RunOutcome, run_day
from spotify_pipeline_tests.synthetic import entry, page, playlist, track

DAY = date(2026, 11, 10)


def range_tags(first: date, last: date) -> dict[str, str]:
    """What a run of several days is told by."""
    return {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }


RUNS_OF_DAY = (
    {"dagster/partition": DAY.isoformat()},
    range_tags(DAY - timedelta(days=2), DAY),
)
"""The tags of runs that concern DAY."""


class FakeSpotify:
    """Playlists as lists of song ids, or the error that asking for one gives; notes the asked."""

    def __init__(self, playlists: Mapping[str, list[str] | PipelineError]) -> None:
        self.playlists = dict(playlists)
        self.user: SignIn | PipelineError | None = None
        self.is_closed: PipelineError | None = None
        self.asked: list[str] = []

    def playlist_ids(self) -> list[str]:
        return list(self.playlists)

    def sign_in(self) -> SignIn | None:
        if isinstance(self.user, PipelineError):
            raise self.user
        return self.user

    @contextmanager
    def reader(self, clock: Any) -> Iterator["FakeSpotify"]:
        if self.is_closed:
            raise self.is_closed
        yield self

    def playlist(self, playlist_id: str) -> Reply:
        self.asked.append(playlist_id)
        songs = self.playlists[playlist_id]
        if isinstance(songs, PipelineError):
            raise songs
        first_page = page([entry(track(song)) for song in songs])
        return Reply({"path": f"/v1/playlists/{playlist_id}"}, playlist(first_page))

    def page(self, playlist_id: str, listing: str, offset: int) -> Reply:
        raise AssertionError("these playlists have one page")

    def snapshot_id(self, playlist_id: str) -> str | None:
        return "version1"


class World:
    """One home, one Spotify, one clock; `day` and `minutes` are what the clock shows."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        environment = read_environment({"SPOTIFY_PIPELINE_HOME": str(home)})
        self.deployment = replace(read_deployment(environment), start_date=DAY - timedelta(days=30))
        self.instance = instance
        self.spotify = FakeSpotify({"chart": ["song1", "song2"], "radio": ["song2", "song3"]})
        self.day = DAY
        self.minutes = 6 * 60
        self.store = FolderStore(self.deployment.lake_folder)
        self.database = DuckDBDatabase(self.deployment.duckdb_file, lock_seconds=0.2)

    def clock(self) -> datetime:
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        return midnight + timedelta(minutes=self.minutes)

    @cached_property
    def definitions(self) -> dg.Definitions:
        return build_defs(self.deployment, self.clock, {"spotify": self.spotify})

    def run(
        self, day: date | None = None, capture: CaptureOptions | None = None, **options: bool
    ) -> RunOutcome:
        """The daily job for `day` (today if not said)."""
        day = day or self.day
        return run_day(self.definitions, self.instance, day, BatchOptions(**options), capture)

    def materialize(
        self, selection: str, day: date | None = None, last: date | None = None
    ) -> dg.ExecuteInProcessResult:
        """Some assets with their checks, as from the UI: of one day, or from `day` to `last`."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        graph = self.definitions.resolve_asset_graph()
        keys = dg.AssetSelection.from_string(selection).resolve(graph)
        day = day or self.day
        return job.execute_in_process(
            partition_key=None if last else day.isoformat(),
            tags=range_tags(day, last) if last else None,
            asset_selection=list(keys),
            instance=self.instance,
            raise_on_error=False,
        )

    def judge(self) -> set[str]:
        """Runs every check and nothing else; the names of the red ones."""
        definitions = self.definitions
        assert definitions.assets is not None
        assert definitions.asset_checks is not None
        result = dg.materialize(
            [*definitions.assets, *definitions.asset_checks],  # type: ignore[list-item]
            selection=dg.AssetSelection.all_asset_checks(),
            resources=dict(definitions.resources or {}),
            instance=self.instance,
        )
        return {
            f"{evaluation.asset_key.to_user_string()} {evaluation.check_name}"
            for evaluation in result.get_asset_check_evaluations()
            if not evaluation.passed
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.database.session() as session:
            return session.execute(sql)

    def verdict(self, asset: str, check: str) -> bool:
        """The last verdict of a check, as the UI shows it."""
        key = dg.AssetCheckKey(dg.AssetKey.from_user_string(asset), check)
        records = self.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        evaluation = records[0].event.dagster_event.asset_check_evaluation_data
        return bool(evaluation.passed)


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """The sentence of the step that failed."""
    [event] = [event for event in result.all_events if event.is_step_failure]
    return str(event.step_failure_data.user_failure_data.description)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A home in which nothing has run yet."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path / "home", instance)


@pytest.fixture(scope="session")
def _home_after_a_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whole") / "home"
    with dg.DagsterInstance.ephemeral() as instance:
        assert World(home, instance).run().is_well
    return home


@pytest.fixture
def after_a_day(world: World, _home_after_a_day: Path) -> World:
    """A home in which DAY is whole: a copy, because running a day takes its time."""
    shutil.copytree(_home_after_a_day, world.deployment.home)
    return world
