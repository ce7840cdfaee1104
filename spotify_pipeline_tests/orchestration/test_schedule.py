"""`daily`: captures at its hour, and tries again every hour until the day is whole."""

from datetime import UTC, datetime

import dagster as dg
import duckdb
import pytest

from spotify_pipeline.errors import RetryLater
from spotify_pipeline_tests.orchestration.conftest import DAY, World


def tick(world: World, hour: int) -> dg.RunRequest | None:
    """What a tick at that hour asks for."""
    definitions = world.definitions
    moment = datetime(DAY.year, DAY.month, DAY.day, hour, tzinfo=UTC)
    context = dg.build_schedule_context(
        scheduled_execution_time=moment,
        repository_def=definitions.get_repository_def(),
        resources=dict(definitions.resources or {}),
    )
    result = definitions.resolve_schedule_def("daily").evaluate_tick(context)
    return result.run_requests[0] if result.run_requests else None


def test_it_ticks_every_hour_from_the_configured_one_to_midnight(world: World) -> None:
    schedule = world.definitions.resolve_schedule_def("daily")
    assert schedule.cron_schedule == "0 6-23 * * *"
    assert schedule.execution_timezone == "UTC"


def test_a_day_that_was_not_begun_is_asked_for(world: World) -> None:
    request = tick(world, 6)
    assert request is not None
    assert request.partition_key == DAY.isoformat()


def test_a_whole_day_is_left_alone(after_a_day: World) -> None:
    assert tick(after_a_day, 7) is None


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
    world.deployment.duckdb_file.parent.mkdir(parents=True)
    world.deployment.duckdb_file.write_text("no database at all")
    assert tick(world, 6)
    with pytest.raises(duckdb.Error):
        duckdb.connect(world.deployment.duckdb_file)
