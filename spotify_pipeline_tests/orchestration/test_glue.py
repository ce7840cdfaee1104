"""The graph's lake with Glue as its engine: real runs of the job in processes of their own.

Most tests are about the run and not about Spark; for them a job with another engine does as well,
and sooner.
"""

import gzip
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from dagster._core.pipes import utils as pipes

from spotify_pipeline import contract
from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.engines.glue import ADVICE
from spotify_pipeline.lake import keys, manifests
from spotify_pipeline.lake.store import FolderStore, S3Store
from spotify_pipeline.orchestration.glue import Glue
from spotify_pipeline_tests.emulators.aws import LocalAws
from spotify_pipeline_tests.orchestration.conftest import failure_text, range_tags
from spotify_pipeline_tests.rows import issued
from spotify_pipeline_tests.synthetic import DAY, NOON, document, entry, track

pytestmark = pytest.mark.slow

BEFORE = DAY - timedelta(days=1)
GOOD = [entry(track()), entry(None)]

# The job's script, but for its engine.
QUICK_JOB = """
import sys
from spotify_pipeline.engines import glue_job
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.engines.glue import ADVICE

class Session:
    class builder:
        appName = staticmethod(lambda name: Session.builder)
        getOrCreate = staticmethod(lambda: Session)
    version = "0"
    stop = staticmethod(lambda: None)

glue_job.SparkSession = Session
glue_job.SparkEngine = lambda session, name: EmbeddedEngine(name)
glue_job.main()
"""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    with LocalAws() as aws:
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        # For how long Dagster listens to a run that ended without a farewell.
        monkeypatch.setattr(pipes, "WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 1)
        yield aws


class Team:
    """The deployment aws, as far as the lake."""

    def __init__(self, aws: LocalAws, instance: dg.DagsterInstance) -> None:
        environment = read_environment(
            aws.environment | {"SPOTIFY_PIPELINE_DEPLOYMENT": "aws", "GLUE_WAIT_MINUTES": "4"},
            Path("/nowhere"),
        )
        self.deployment = read_deployment(environment)
        self.instance = instance
        self.store = S3Store(aws.client("s3"), aws.bucket, aws.prefix)

        self.wait_minutes = self.deployment.glue_wait_minutes

    @property
    def definitions(self) -> dg.Definitions:
        engine = Glue(job_name=LocalAws.job_name, wait_minutes=self.wait_minutes, poll_seconds=0.2)
        return build_defs(self.deployment, frozen_clock(NOON), {"engine": engine})

    def capture(self, day: date = DAY, body: bytes | None = None) -> None:
        ordinary = document(GOOD, "p", day=day)
        assert self.store.put_new(keys.raw(day, "p"), ordinary if body is None else body)

    def batches(self) -> dict[date, int]:
        return manifests.current_batches(self.store)

    def log(self) -> str:
        """All that was told in the last run."""
        run = self.instance.get_runs(limit=1)[0]
        return "\n".join(entry.user_message for entry in self.instance.all_logs(run.run_id))

    def run(self, *days: date, **config: bool) -> dg.ExecuteInProcessResult:
        """The lake's assets for these days, in one run."""
        definitions = self.definitions
        job = definitions.resolve_implicit_global_asset_job_def()
        graph = definitions.resolve_asset_graph()
        return job.execute_in_process(
            asset_selection=list(dg.AssetSelection.groups("lake").resolve(graph)),
            partition_key=str(days[0]) if len(days) == 1 else None,
            tags=range_tags(days[0], days[-1]) if len(days) > 1 else None,
            run_config={"ops": {"lake": {"config": config}}},
            instance=self.instance,
            raise_on_error=False,
        )


@pytest.fixture
def team(aws: LocalAws) -> Iterator[Team]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Team(aws, instance)


@pytest.fixture
def quick_team(team: Team, aws: LocalAws) -> Team:
    """A team whose job is the quick one; its modules are those of this process."""
    aws.use_script(QUICK_JOB)
    return team


def metadata(result: dg.ExecuteInProcessResult, table: str) -> dict[str, dict[str, Any]]:
    """What was told of a table, by day."""
    return {
        str(event.partition): {
            name: each.value for name, each in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["lake", table])
    }


# With Spark


def test_the_job_makes_the_batch_that_the_embedded_engine_makes(
    team: Team, aws: LocalAws, tmp_path: Path
) -> None:
    team.capture()
    result = team.run(DAY)
    assert result.success, aws.glue_output()

    manifest = manifests.read(team.store, DAY, 1)
    assert manifest.engine == "glue"
    embedded = FolderStore(tmp_path)
    embedded.put_new(keys.raw(DAY, "p"), document(GOOD, "p"))
    expected = issued(embedded, EmbeddedEngine())[DAY]
    for table in contract.TABLES:
        body = gzip.decompress(team.store.get(manifest.files[table.name].key))
        assert body == expected.bytes[table.name]
        assert manifest.files[table.name].rows == len(expected[table.name])

    # What the job said is in the run's log, and what it counted is on the assets.
    assert "batch 1 issued: 1 playlist, 2 playlist_entry, 1 song" in team.log()
    told = metadata(result, "playlist_entry")[str(DAY)]
    assert (told["dagster/partition_row_count"], told["engine"]) == (2, "glue")


def test_killed_half_way_it_leaves_nothing_to_be_seen_and_the_next_run_is_whole(
    team: Team, aws: LocalAws
) -> None:
    def files(day: date) -> list[str]:
        listed = aws.listing(f"{aws.prefix}/transformed_data/")
        return [key for key in listed if f"/dt={day}/" in key]

    for day in (DAY - timedelta(days=n) for n in range(6)):
        team.capture(day)
        with once(
            partial(files, day),
            lambda: aws.glue.kill(list(aws.glue.runs)[-1]),
        ):
            result = team.run(day)
        if not result.success:  # or the job was through before it was hit: then another day's
            break
    assert "ended as FAILED" in failure_text(result)
    assert "run the day again" in failure_text(result)
    remains = files(day)
    assert 1 <= len(remains) < len(contract.TABLES)
    assert day not in team.batches()

    assert team.run(day).success, aws.glue_output()
    assert team.batches()[day] == 2
    assert set(remains) < set(files(day))


def test_a_range_is_one_run_with_numbers_of_each_day_and_a_bad_day_is_named(
    team: Team, aws: LocalAws
) -> None:
    team.capture(BEFORE - timedelta(days=1))
    team.capture(BEFORE, document([*GOOD, *GOOD], "p", day=BEFORE))
    team.capture(DAY, b"no gzip")
    result = team.run(BEFORE - timedelta(days=1), BEFORE, DAY)
    assert not result.success
    assert failure_text(result).startswith("1 of 3 days failed, the others are done. ")
    assert "line 1: the compressed file is damaged" in failure_text(result)
    told = metadata(result, "playlist_entry")
    assert {day: each["dagster/partition_row_count"] for day, each in told.items()} == {
        "2026-11-20": 2,
        "2026-11-21": 4,
    }
    assert len(aws.glue.runs) == 1

    # Who accepts the loss gets a batch of what can be read.
    aws.use_script(QUICK_JOB)
    assert team.run(DAY, accept_partial=True).success, aws.glue_output()
    assert team.batches()[DAY] == 1


# With the quick job


def test_what_has_a_batch_starts_no_run(quick_team: Team, aws: LocalAws) -> None:
    quick_team.capture()
    assert quick_team.run(DAY).success, aws.glue_output()
    again = quick_team.run(DAY)
    assert again.success
    assert metadata(again, "song")[str(DAY)]["outcome"] == "unchanged"
    assert len(aws.glue.runs) == 1
    assert quick_team.run(DAY, reload=True).success, aws.glue_output()
    assert quick_team.batches() == {DAY: 2}
    assert len(aws.glue.runs) == 2


def test_dagster_s_objects_lie_below_a_prefix_of_their_own(quick_team: Team, aws: LocalAws) -> None:
    quick_team.capture()
    assert quick_team.run(DAY).success
    known = ["attempts", "glue", "manifests", "raw_data", "transformed_data"]
    others = [key for key in aws.listing() if key.split("/")[1] not in known]
    assert others
    assert all(key.startswith(f"{aws.prefix}/dagster_pipes/") for key in others)
    assert all(len(key.split("/")) == 4 for key in others)


def test_a_run_that_goes_on_is_taken_up_and_no_second_one_started(
    quick_team: Team, aws: LocalAws
) -> None:
    quick_team.capture()
    aws.glue.hold = True
    quick_team.wait_minutes = 0
    cut_off = quick_team.run(DAY)
    assert "is still WAITING after 0 minutes" in failure_text(cut_off)

    quick_team.wait_minutes = 1
    asked = len(aws.glue.calls)
    with once(lambda: len(aws.glue.calls) > asked + 2, lambda: release(aws)):
        assert quick_team.run(DAY).success, aws.glue_output()
    assert len(aws.glue.runs) == 1
    assert quick_team.batches() == {DAY: 1}
    assert "is doing this already" in quick_team.log()
    assert "batch 1 issued: 1 playlist" in quick_team.log()


@pytest.mark.parametrize("other", [{"reload": True}, {"accept_partial": True}])
def test_a_run_that_does_something_else_is_not_taken_up(
    quick_team: Team, aws: LocalAws, other: dict[str, bool]
) -> None:
    quick_team.capture()
    aws.glue.hold = True
    quick_team.wait_minutes = 0
    quick_team.run(DAY)
    assert "other runs of it go on" in failure_text(quick_team.run(DAY, **other))
    assert len(aws.glue.runs) == 1


def test_a_run_waits_until_the_job_has_room(quick_team: Team, aws: LocalAws) -> None:
    quick_team.capture(BEFORE)
    quick_team.capture(DAY)
    aws.glue.hold = True
    quick_team.wait_minutes = 0
    quick_team.run(BEFORE)
    quick_team.wait_minutes = 1
    refused = lambda: [name for name, _ in aws.glue.calls].count("StartJobRun") > 1  # noqa: E731
    with once(refused, lambda: release(aws)):
        assert quick_team.run(DAY).success, aws.glue_output()
    assert quick_team.batches() == {BEFORE: 1, DAY: 1}


def test_cancelling_the_dagster_run_stops_the_job_s(quick_team: Team, aws: LocalAws) -> None:
    quick_team.capture()
    aws.glue.hold = True
    with once(
        lambda: "GetJobRun" in [name for name, _ in aws.glue.calls],
        lambda: os.kill(os.getpid(), signal.SIGINT),
    ):
        result = quick_team.run(DAY)
    assert not result.success
    [run] = aws.glue.runs.values()
    assert run.state == "STOPPED"
    assert quick_team.batches() == {}


def test_cancelling_a_step_leaves_a_run_alone_that_does_more_for_another(
    quick_team: Team, aws: LocalAws
) -> None:
    quick_team.capture(BEFORE)
    quick_team.capture(DAY)
    aws.glue.hold = True
    quick_team.wait_minutes = 0
    quick_team.run(BEFORE, DAY)
    quick_team.wait_minutes = 1
    asked = len(aws.glue.calls)
    with once(
        lambda: len(aws.glue.calls) > asked + 2,
        lambda: os.kill(os.getpid(), signal.SIGINT),
    ):
        assert not quick_team.run(DAY).success
    [run] = aws.glue.runs.values()
    assert run.state == "WAITING"
    assert "goes on, for more days" in quick_team.log()


def test_an_outage_of_s3_where_the_job_is_told_its_context_is_explained(
    quick_team: Team, aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_team.capture()
    put = S3Store.put_new

    def put_new(store: S3Store, key: str, body: bytes) -> bool:
        if key.startswith(keys.DAGSTER_PIPES):
            store.client = boto3.client("s3", endpoint_url="http://127.0.0.1:9")
        return put(store, key, body)

    monkeypatch.setattr(S3Store, "put_new", put_new)
    assert failure_text(quick_team.run(DAY)).startswith("S3 doesn't answer: ")


def test_a_package_of_another_release_is_refused_with_what_to_do(
    quick_team: Team, aws: LocalAws
) -> None:
    aws.use_script(
        QUICK_JOB.replace("glue_job.main()", "glue_job.RELEASE = '0.9'; glue_job.main()")
    )
    quick_team.capture()
    said = failure_text(quick_team.run(DAY))
    assert "The Glue job's modules are of release 0.9" in said
    assert "spotify-pipeline provision" in said
    assert quick_team.batches() == {}


@pytest.mark.parametrize("state", ["EXPIRED", "ERROR", "STOPPED", "TIMEOUT"])
def test_every_end_of_a_run_ends_the_step(quick_team: Team, aws: LocalAws, state: str) -> None:
    quick_team.capture()
    aws.glue.hold = True
    with once(lambda: aws.glue.runs, lambda: aws.glue.force(next(iter(aws.glue.runs)), state)):
        result = quick_team.run(DAY)
    assert f"ended as {state}" in failure_text(result)
    assert ADVICE[state] in failure_text(result)


def test_a_run_that_says_it_succeeded_is_not_believed(quick_team: Team, aws: LocalAws) -> None:
    aws.use_script("pass")
    quick_team.capture()
    result = quick_team.run(DAY)
    assert "2026-11-22 has no batch" in failure_text(result)
    assert "ended as SUCCEEDED" in failure_text(result)


def test_a_script_that_fails_is_told_with_its_message(quick_team: Team, aws: LocalAws) -> None:
    aws.use_script("raise ValueError('no such thing')")
    quick_team.capture()
    assert "ValueError: no such thing" in failure_text(quick_team.run(DAY))


def test_a_job_that_is_not_there_is_told_with_what_to_set(quick_team: Team, aws: LocalAws) -> None:
    aws.client("glue").delete_job(JobName=aws.job_name)
    quick_team.capture()
    said = failure_text(quick_team.run(DAY))
    assert "Glue knows no 'spotify_pipeline'" in said
    assert "Set GLUE_JOB_NAME in .env" in said


def test_without_a_day_s_documents_no_run_is_started(quick_team: Team, aws: LocalAws) -> None:
    assert "has no raw documents" in failure_text(quick_team.run(DAY))
    assert not aws.glue.runs


@contextmanager
def once(condition: Callable[[], object], action: Callable[[], None]) -> Iterator[None]:
    """Does `action` as soon as `condition` holds, while the block goes on."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.02):
            if condition():
                action()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def release(aws: LocalAws) -> None:
    aws.glue.hold = False
