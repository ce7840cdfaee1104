"""`daily`: captures at its hour, and tries again every hour until the day is whole."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._utils.schedules import schedule_execution_time_iterator

from spotify_pipeline.errors import RetryLater
from spotify_pipeline.lake import attempts, keys, raw
from spotify_pipeline.lake.attempts import Attempt, Failure
from spotify_pipeline.orchestration.schedules import build_daily
from spotify_pipeline_tests.orchestration.conftest import DAY, RUNS_OF_DAY, World

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Schedules open their instance anew, so it is one on disk here."""
    with dg.instance_for_test() as instance:
        yield World(tmp_path / "home", instance)


def tick(world: World, hour: int, minute: int = 0) -> dg.RunRequest | None:
    """What a tick at that hour asks for, if it comes in time."""
    definitions = world.definitions
    moment = datetime(DAY.year, DAY.month, DAY.day, hour, minute, tzinfo=UTC)
    # As a block: left to the garbage collector it would end after the instance it is about.
    with dg.build_schedule_context(
        scheduled_execution_time=moment,
        instance=world.instance,
        repository_def=definitions.get_repository_def(),
        resources=dict(definitions.resources or {}),
    ) as context:
        result = definitions.resolve_schedule_def("daily").evaluate_tick(context)
    return result.run_requests[0] if result.run_requests else None


@pytest.mark.parametrize("hour", [0, 6, 22, 23])
def test_it_ticks_every_hour_from_the_configured_one_and_often_in_the_last(
    world: World, hour: int
) -> None:
    """As Dagster reads it, and not as it is written."""
    crons = build_daily(replace(world.deployment, hour=hour)).cron_schedule
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    ticks = schedule_execution_time_iterator(midnight.timestamp(), crons, "UTC", ascending=True)
    on_the_day = takewhile(lambda moment: moment.date() == DAY, ticks)
    late = [(23, minute) for minute in (20, 40, 55)]
    assert [(moment.hour, moment.minute) for moment in on_the_day] == [
        *((each, 0) for each in range(hour, 24)),
        *late,
    ]


def test_a_day_that_was_not_begun_is_asked_for(world: World) -> None:
    request = tick(world, 6)
    assert request is not None
    assert request.partition_key == DAY.isoformat()


def test_a_whole_day_is_left_alone(after_a_day: World) -> None:
    assert tick(after_a_day, 7) is None


def test_what_a_wait_leaves_of_the_last_hour_is_used(world: World) -> None:
    moment = datetime(DAY.year, DAY.month, DAY.day, 23, 10, tzinfo=UTC)
    attempt = Attempt(tuple(world.spotify.playlists), (), wait_until=moment)
    yesterday = DAY - timedelta(days=1)
    attempts.record(world.store, yesterday, moment - timedelta(days=1), attempt)
    world.minutes = 23 * 60
    assert tick(world, 23) is None
    world.minutes = 23 * 60 + 20
    asked = [tick(world, 23, minute) for minute in (20, 40)]
    assert len({request.run_key for request in asked if request}) == 2  # else it would be a repeat


def test_a_playlist_that_was_taken_out_is_not_told_as_missing_any_more(world: World) -> None:
    world.spotify.playlists["gone"] = RetryLater("Spotify said 404.")
    assert "captured" in str(world.run().red_checks)
    del world.spotify.playlists["gone"]
    assert tick(world, 8)
    assert world.run().is_well
    assert attempts.missing(world.store, DAY) == []
    assert tick(world, 9) is None


@pytest.mark.parametrize("name", ["20261121T060000-007.json", "desktop.ini"])
def test_an_attempt_that_can_not_be_read_stops_no_capture(world: World, name: str) -> None:
    for day in (DAY - timedelta(days=1), DAY):
        assert world.store.put_new(f"{keys.attempts_prefix(day)}{name}", b"")
    assert tick(world, 6)
    world.run()
    assert raw.captured(world.store, DAY) == set(world.spotify.playlists)
    assert attempts.missing(world.store, DAY) == []


def test_a_day_that_lacks_a_playlist_is_asked_for_again_every_hour(after_a_day: World) -> None:
    after_a_day.spotify.playlists["late"] = RetryLater("Spotify said 503.")
    keys = {request.run_key for hour in (7, 8) if (request := tick(after_a_day, hour))}
    assert len(keys) == 2


def test_captures_without_a_batch_are_asked_for_again(world: World) -> None:
    world.materialize("raw_playlist_json")
    assert tick(world, 7)


def test_a_batch_that_was_not_published_is_asked_for_again(after_a_day: World) -> None:
    after_a_day.query("DELETE FROM OPS.LEDGER")
    assert tick(after_a_day, 7)


def test_a_locked_database_does_not_keep_the_day_from_being_captured(world: World) -> None:
    holder = hold(world.deployment.duckdb_file)
    try:
        assert tick(world, 6)
    finally:
        holder.kill()


def test_a_locked_database_is_waited_for_and_then_named_with_its_holder(
    after_a_day: World,
) -> None:
    holder = hold(after_a_day.deployment.duckdb_file)
    try:
        with pytest.raises(RetryLater, match=rf"is in use by .*PID {holder.pid}"):
            after_a_day.query("SELECT 1")
    finally:
        holder.kill()


def test_a_day_that_is_over_is_left_alone(world: World) -> None:
    """After sleep, the tick that was missed comes late."""
    world.day = DAY + timedelta(days=1)
    assert tick(world, 23) is None


@pytest.mark.parametrize("tags", RUNS_OF_DAY, ids=["day", "range"])
def test_a_day_with_a_run_in_progress_is_left_alone(world: World, tags: dict[str, str]) -> None:
    job = world.definitions.resolve_job_def("daily_snapshot")
    run = world.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert tick(world, 7) is None
    world.instance.report_run_failed(run)
    assert tick(world, 8)


def test_a_day_whose_run_was_killed_is_asked_for_again(world: World) -> None:
    job = world.definitions.resolve_job_def("daily_snapshot")
    run = world.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags=RUNS_OF_DAY[0]
    )
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    world.instance.report_engine_event("killed", run, EngineEventData.in_process(process.pid))
    assert tick(world, 7)


def test_a_playlist_that_is_added_while_the_ui_runs_is_asked_for(after_a_day: World) -> None:
    assert tick(after_a_day, 7) is None
    after_a_day.spotify.playlists["new"] = ["song7"]
    assert tick(after_a_day, 8)


OUTAGE = RetryLater("Spotify could not be reached.")


def rescue(world: World, hours: range) -> list[int]:
    """Lives through these hours; at which of them the schedule asked for a run."""
    ran = []
    for hour in hours:
        world.minutes = hour * 60
        if tick(world, hour):
            ran.append(hour)
            world.run()
    return ran


def test_an_outage_of_three_hours_costs_nothing(world: World) -> None:
    playlists = dict(world.spotify.playlists)
    world.spotify.playlists = dict.fromkeys(playlists, OUTAGE)
    assert rescue(world, range(6, 9)) == [6, 7, 8]
    assert not world.verdict("raw_playlist_json", "captured")
    world.spotify.playlists = playlists
    assert rescue(world, range(9, 11)) == [9]
    assert world.verdict("raw_playlist_json", "captured")
    assert world.query("SELECT COUNT(*) FROM HISTORY.PLAYLIST") == [(2,)]
    assert world.query("FROM OPS.MISSED") == []


def test_an_outage_to_midnight_is_named_as_missed(world: World) -> None:
    playlists = dict(world.spotify.playlists)
    world.spotify.playlists = dict.fromkeys(playlists, OUTAGE)
    assert rescue(world, range(22, 24)) == [22, 23]
    world.day, world.minutes = DAY + timedelta(days=1), 6 * 60
    world.spotify.playlists = playlists
    outcome = world.run()
    assert (
        "2026-11-10 Playlist (chart), Playlist (radio): Spotify could not be reached."
        in "".join(outcome.warnings)
    )
    assert world.query("SELECT snapshot_date, playlist_id, reason FROM OPS.MISSED ORDER BY 2") == [
        (DAY, "chart", "Spotify could not be reached."),
        (DAY, "radio", "Spotify could not be reached."),
    ]


def test_spotifys_wish_to_wait_is_respected_and_told(world: World) -> None:
    asked = world.clock() + timedelta(hours=2, minutes=30)
    failures = tuple(Failure(name, "Spotify said 429.") for name in world.spotify.playlists)
    attempt = Attempt(tuple(world.spotify.playlists), failures, asked)
    attempts.record(world.store, DAY, world.clock(), attempt)
    for hour in (6, 7, 8):
        world.minutes = hour * 60
        assert tick(world, hour) is None
    world.minutes = 9 * 60
    assert tick(world, 9)


def test_what_was_captured_goes_on_while_spotify_asks_to_wait(world: World) -> None:
    world.materialize("raw_playlist_json")
    world.spotify.playlists["late"] = OUTAGE
    attempt = Attempt(("chart", "radio", "late"), (), world.clock() + timedelta(hours=9))
    attempts.record(world.store, DAY, world.clock(), attempt)
    assert tick(world, 7)


def hold(database: Path) -> subprocess.Popen[str]:
    """Another process that has the database open."""
    database.parent.mkdir(parents=True, exist_ok=True)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open'); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    return holder
