"""`snowpipe_load_sensor`: reports what it sees, has landed batches published, hides no outage."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pytest

from spotify_pipeline.errors import PipelineError, RetryLater
from spotify_pipeline.lake import attempts, keys
from spotify_pipeline.lake.attempts import Attempt
from spotify_pipeline.orchestration import judging
from spotify_pipeline_tests.orchestration.conftest import DAY, RUNS_OF_DAY, World


class Sensor:
    """The sensor and its cursor, tick after tick."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cursor: str | None = None

    def tick(self) -> dg.SensorResult:
        with self._context() as (sensor, context):
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def requested(self) -> list[str | None]:
        """The days for which Dagster itself would start runs: it looks through what a tick says."""
        with self._context() as (sensor, context):
            told = sensor.evaluate_tick(context)
        return [request.partition_key for request in told.run_requests or ()]

    @contextmanager
    def _context(self) -> Iterator[tuple[dg.SensorDefinition, dg.SensorEvaluationContext]]:
        definitions = self.world.definitions
        with dg.build_sensor_context(
            instance=self.world.instance,
            cursor=self.cursor,
            repository_def=definitions.get_repository_def(),
            resources=dict(definitions.resources or {}),
        ) as context:
            yield definitions.resolve_sensor_def("snowpipe_load_sensor"), context


@pytest.fixture
def world(after_a_day: World) -> World:
    """A home whose batch is in LANDING and not published."""
    after_a_day.query("DELETE FROM OPS.LEDGER")
    return after_a_day


@pytest.fixture
def sensor(world: World) -> Sensor:
    return Sensor(world)


def raw_verdicts(result: dg.SensorResult) -> dict[str, bool]:
    """What a tick says of who is captured: whether each check told of passes."""
    return {
        event.check_name: event.passed
        for event in result.asset_events
        if isinstance(event, dg.AssetCheckEvaluation)
        and event.check_name in ("captured", "no_gaps", "fresh")
    }


def red(result: dg.SensorResult) -> dict[str, str]:
    """The red verdicts of a tick and their evidence."""
    return {
        f"{event.asset_key.to_user_string()} {event.check_name}": "\n".join(
            judging.offenders(event)
        )
        for event in result.asset_events
        if isinstance(event, dg.AssetCheckEvaluation) and not event.passed
    }


def test_a_landed_batch_is_asked_to_be_published(world: World, sensor: Sensor) -> None:
    [request] = sensor.tick().run_requests or []
    assert request.partition_key == DAY.isoformat()


@pytest.mark.slow
def test_the_requested_run_publishes_the_day(world: World, sensor: Sensor) -> None:
    [request] = sensor.tick().run_requests or []
    job = world.definitions.resolve_job_def("publish")
    assert job.execute_in_process(
        partition_key=request.partition_key, instance=world.instance
    ).success
    assert world.query("SELECT snapshot_date FROM OPS.LEDGER") == [(DAY,)]
    assert not sensor.tick().run_requests


def test_a_batch_that_is_not_whole_in_landing_is_not_asked_for(
    world: World, sensor: Sensor
) -> None:
    world.query("DELETE FROM LANDING.SONG WHERE song_id = 'song1'")
    assert not sensor.tick().run_requests


@pytest.mark.slow
def test_a_published_day_is_left_alone(world: World, sensor: Sensor) -> None:
    world.materialize("group:published")
    result = sensor.tick()
    assert not result.run_requests
    assert red(result) == {}


@pytest.mark.slow
def test_a_failed_publishing_is_asked_for_again_with_growing_distance_and_then_red(
    world: World, sensor: Sensor
) -> None:
    """The ledger decides: nothing is published here, so every request has failed."""
    asked_at = []
    for minute in range(0, 240, 5):
        world.minutes = 6 * 60 + minute
        result = sensor.tick()
        if result.run_requests:
            asked_at.append(minute)
        if stuck := red(result):
            break
    assert asked_at == [0, 5, 25, 85]
    assert "batch 1 of 2026-11-10 was tried 4 times" in stuck["published/playlist publishing"]


@pytest.mark.parametrize("tags", RUNS_OF_DAY, ids=["day", "range"])
def test_a_day_with_a_run_in_progress_is_not_asked_for_again(
    world: World, sensor: Sensor, tags: dict[str, str]
) -> None:
    job = world.definitions.resolve_job_def("publish")
    run = world.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert not sensor.tick().run_requests
    world.instance.report_run_failed(run)
    assert sensor.tick().run_requests


def test_a_run_of_somebody_elses_makes_no_day_busy(world: World, sensor: Sensor) -> None:
    @dg.job
    def nightly_report() -> None:
        pass

    world.instance.create_run_for_job(
        nightly_report, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": str(DAY)}
    )
    assert sensor.tick().run_requests


@pytest.mark.slow
def test_a_batch_of_a_day_that_no_run_can_have_is_told_and_keeps_no_other_back(
    world: World, sensor: Sensor
) -> None:
    """As where a lake was moved, or the first day set to a later one."""
    world.day = DAY + timedelta(days=1)
    assert world.materialize("key:raw_playlist_json or group:lake or group:landing").success
    assert sensor.requested() == [str(DAY), str(world.day)]
    world.deployment = replace(world.deployment, start_date=world.day)
    del world.definitions
    assert sensor.requested() == [str(world.day)]
    [told] = red(sensor.tick()).values()
    assert f"batch 1 of {DAY} is of no day that a run can have" in told
    assert f"SPOTIFY_PIPELINE_START_DATE={DAY}" in told


def test_a_day_of_which_the_ledger_has_more_than_the_lake_is_told(
    world: World, sensor: Sensor
) -> None:
    """As beside a new lake: its batches are counted from one again."""
    world.query(f"INSERT INTO OPS.LEDGER VALUES ('{DAY}', 3, 'of the old one', now(), '{{}}')")
    told = red(sensor.tick())["published/playlist publishing"]
    assert f"the ledger has batch 3 of {DAY}, and the lake's newest is 1" in told
    assert "published/playlist publishing" in world.judge()
    [remedy] = re.findall(r"\((DELETE .*?)\)", told)
    world.query(remedy)
    assert sensor.tick().run_requests


def test_a_failed_file_is_red_with_file_row_column_and_remedy(world: World, sensor: Sensor) -> None:
    world.query("DELETE FROM LANDING.SONG")
    world.query(
        "UPDATE PIPES.COPY_HISTORY SET status = 'Load failed', row_count = 0, "
        "first_error_message = 'no number', first_error_row_number = 2, "
        "first_error_column_name = 'song_duration' WHERE table_name = 'song'"
    )
    evidence = red(sensor.tick())["landing/song pipe"]
    assert "song.csv.gz, row 2, column song_duration: no number" in evidence
    assert "--reload" in evidence


def test_a_verdict_is_reported_when_it_changes_and_not_on_every_tick(
    world: World, sensor: Sensor
) -> None:
    assert sensor.tick().asset_events
    assert not sensor.tick().asset_events
    world.query("INSERT INTO PIPES.PIPE VALUES ('song_pipe', 'song', true)")
    assert set(red(sensor.tick())) == {"landing/song pipe"}


def test_a_database_that_cannot_be_looked_at_raises(world: World, sensor: Sensor) -> None:
    world.deployment.duckdb_file.write_text("no database at all")
    with pytest.raises(PipelineError, match="can't be opened as a DuckDB database"):
        sensor.tick()


def test_it_only_looks(world: World, sensor: Sensor) -> None:
    before = world.query("FROM PIPES.COPY_HISTORY ORDER BY ALL")
    sensor.tick()
    assert world.query("FROM PIPES.COPY_HISTORY ORDER BY ALL") == before
    assert world.query("FROM OPS.LEDGER") == []


# While there are no runs


def test_days_without_any_run_are_told(world: World, sensor: Sensor) -> None:
    """Whatever keeps runs away: nothing in a run could tell."""
    assert raw_verdicts(sensor.tick()) == {}
    world.day, world.minutes = DAY + timedelta(days=3), 7 * 60
    result = sensor.tick()
    assert raw_verdicts(result) == {"captured": False, "no_gaps": False, "fresh": False}
    told = red(result)
    assert (
        "2026-11-13 Playlist (chart), Playlist (radio): no run tried it by 07:00 UTC"
        in told["raw_playlist_json captured"]
    )
    assert "2026-11-12 Playlist (chart), Playlist (radio)" in told["raw_playlist_json no_gaps"]
    assert "Playlist (chart): last captured 2026-11-10" in told["published/playlist fresh"]


def test_a_day_is_not_late_within_the_hour_in_which_it_is_due(world: World, sensor: Sensor) -> None:
    world.day, world.minutes = DAY + timedelta(days=1), 6 * 60 + 59
    assert raw_verdicts(sensor.tick()) == {}
    world.minutes += 1
    assert raw_verdicts(sensor.tick()) == {"captured": False}


def test_who_is_not_captured_is_told_once_an_hour(world: World, sensor: Sensor) -> None:
    world.day = DAY + timedelta(days=1)
    told = []
    for minute in (7 * 60, 7 * 60 + 59, 8 * 60):
        world.minutes = minute
        told.append(raw_verdicts(sensor.tick()))
    assert told == [{"captured": False}, {}, {"captured": False}]


def test_while_the_days_run_goes_on_it_waits_for_what_that_tells(
    world: World, sensor: Sensor
) -> None:
    """A run says first what it sets out for: for a while nobody is captured, and nobody failed."""
    world.day, world.minutes = DAY + timedelta(days=1), 7 * 60
    run = world.instance.create_run_for_job(
        world.definitions.resolve_job_def("daily_snapshot"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": str(world.day)},
    )
    assert raw_verdicts(sensor.tick()) == {}
    world.instance.report_run_failed(run)
    assert raw_verdicts(sensor.tick()) == {"captured": False}


def test_what_it_told_as_red_it_takes_back(world: World, sensor: Sensor) -> None:
    """A run may have come without its checks, or captured a moment before a verdict came in."""
    store = world.store
    world.day, world.minutes = DAY + timedelta(days=1), 7 * 60
    assert raw_verdicts(sensor.tick()) == {"captured": False}
    for playlist in ("chart", "radio"):
        store.put_new(keys.raw(world.day, playlist), store.get(keys.raw(DAY, playlist)))
    attempt = Attempt(("chart", "radio"), ())
    attempts.record(store, world.day, world.clock(), attempt)
    world.minutes = 8 * 60
    assert raw_verdicts(sensor.tick()) == {"captured": True}
    world.minutes = 9 * 60
    assert raw_verdicts(sensor.tick()) == {}


@pytest.mark.slow
def test_a_playlist_that_a_run_told_of_stays_red_after_a_run_that_says_nothing_new(
    world: World,
) -> None:
    """The sensor's verdicts of a tried day are those of its run."""
    world.day, world.minutes = DAY + timedelta(days=1), 6 * 60
    world.spotify.playlists["radio"] = RetryLater("Spotify said 503.")
    world.run()
    world.minutes = 7 * 60
    told = red(Sensor(world).tick())["raw_playlist_json captured"]
    assert told == "2026-11-11 Playlist (radio): Spotify said 503."


def test_before_the_first_run_nobody_is_missing(world: World) -> None:
    for day in attempts.days(world.store):
        for key in world.store.list_keys(keys.attempts_prefix(day)):
            (world.deployment.lake_folder / key).unlink()
    world.day, world.minutes = DAY + timedelta(days=3), 12 * 60
    assert raw_verdicts(Sensor(world).tick()) == {}


def test_an_attempt_that_is_damaged_is_told_and_keeps_no_batch_back(world: World) -> None:
    [key] = world.store.list_keys(keys.attempts_prefix(DAY))
    (world.deployment.lake_folder / key).write_text("no attempt")
    result = Sensor(world).tick()
    name = key.split("/")[-1]
    assert f"{name} is no record of an attempt" in red(result)["raw_playlist_json captured"]
    assert result.run_requests
