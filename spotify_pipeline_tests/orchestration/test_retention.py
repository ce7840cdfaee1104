"""The job `retention`: what is older than its owner keeps it goes, and nothing without a say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from spotify_pipeline.orchestration import retention
from spotify_pipeline.orchestration.schedules import hourly
from spotify_pipeline_tests.orchestration.conftest import DAY, World, failure_text

pytestmark = pytest.mark.slow


@pytest.fixture
def kept_30_days(after_a_day: World) -> World:
    after_a_day.deployment = replace(after_a_day.deployment, retention_days=30)
    return after_a_day


def run(world: World) -> dg.ExecuteInProcessResult:
    job = world.definitions.resolve_job_def("retention")
    return job.execute_in_process(instance=world.instance, raise_on_error=False)


def lake(world: World) -> list[str]:
    return [key for key in world.store.list_keys("") if key != "source.json"]


def test_a_day_is_kept_to_the_last_and_then_goes(kept_30_days: World) -> None:
    world, before = kept_30_days, lake(kept_30_days)
    world.day = DAY + timedelta(days=30)
    assert run(world).success
    assert lake(world) == before
    world.day += timedelta(days=1)
    assert run(world).success
    assert lake(world) == []
    assert world.query("SELECT * FROM history.song") == []
    assert world.query("SELECT * FROM ops.ledger") == []


def test_it_does_not_work_beside_another_run(kept_30_days: World) -> None:
    world, before = kept_30_days, lake(kept_30_days)
    world.instance.add_run(
        dg.DagsterRun(job_name="daily_snapshot", status=dg.DagsterRunStatus.STARTED)
    )
    world.day = DAY + timedelta(days=31)
    assert "A run is in progress" in failure_text(run(world))
    assert lake(world) == before


def test_without_a_retention_there_is_none(world: World) -> None:
    assert retention.jobs(world.deployment) == retention.schedules(world.deployment) == []


def test_it_is_asked_for_once_a_day_when_nothing_runs(world: World) -> None:
    [schedule] = retention.schedules(replace(world.deployment, retention_days=30))
    assert schedule.cron_schedule == hourly(45, world.deployment.hour)
    with dg.instance_for_test() as instance:

        def tick(hour: int) -> str | None:
            moment = datetime(DAY.year, DAY.month, DAY.day, hour, 45, tzinfo=UTC)
            with dg.build_schedule_context(instance, scheduled_execution_time=moment) as context:
                asked = schedule.evaluate_tick(context).run_requests
            return asked[0].run_key if asked else None

        assert tick(6) == tick(7) == DAY.isoformat()
        instance.add_run(dg.DagsterRun(job_name="publish", status=dg.DagsterRunStatus.STARTED))
        assert tick(8) is None
