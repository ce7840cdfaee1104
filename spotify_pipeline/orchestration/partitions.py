"""The days: one daily partition a snapshot date, in UTC, today included."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.deployment import Deployment
from spotify_pipeline.lake import attempts
from spotify_pipeline.lake.store import FolderStore

# A bucket is not listed while definitions load; SPOTIFY_PIPELINE_START_DATE says better.
_BUCKET_START = date(2026, 1, 1)

_IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def daily_partitions(deployment: Deployment, clock: Clock) -> dg.DailyPartitionsDefinition:
    """From the configured first day, else from the first day that was captured, to today."""
    return dg.DailyPartitionsDefinition(
        start_date=_first_day(deployment, clock).isoformat(), end_offset=1, timezone="UTC"
    )


def _first_day(deployment: Deployment, clock: Clock) -> date:
    if deployment.start_date:
        return deployment.start_date
    if deployment.lake == "s3":
        return _BUCKET_START
    captured = attempts.days(FolderStore(deployment.lake_folder))
    return min([*captured, today(clock)])


def runs_in_progress(
    instance: dg.DagsterInstance, day: date | None = None
) -> Sequence[dg.DagsterRun]:
    """The runs that are queued or going on, of one day or of all."""
    tags = {"dagster/partition": day.isoformat()} if day else {}
    return instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS, tags=tags))


def day_of(context: dg.AssetExecutionContext) -> date:
    """The snapshot date that a step runs for."""
    return date.fromisoformat(context.partition_key)
