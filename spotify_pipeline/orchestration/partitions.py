"""The days: one daily partition a snapshot date, in UTC, today included."""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.deployment import Deployment
from spotify_pipeline.lake import attempts
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.orchestration import jobs

# A bucket is not listed while definitions load; SPOTIFY_PIPELINE_START_DATE says better.
_BUCKET_START = date(2026, 1, 1)

_BY_HAND = "__ASSET_JOB"  # what Dagster calls the job of assets that somebody chose

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


def in_progress(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    """The runs that are queued or going on."""
    return instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS))


class BusyDays:
    """The days that runs of this pipeline are queued for or going on with."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._ranges = [
            _range_of(run.tags)
            for run in in_progress(instance)
            if run.job_name in (jobs.DAILY, jobs.PUBLISH) or run.job_name.startswith(_BY_HAND)
        ]

    def __contains__(self, day: date) -> bool:
        return any(first <= day.isoformat() <= last for first, last in self._ranges)


def _range_of(tags: Mapping[str, str]) -> tuple[str, str]:
    """The first and last partition of a run; the empty text for a run without any."""
    only = tags.get("dagster/partition", "")
    return (
        tags.get("dagster/asset_partition_range_start", only),
        tags.get("dagster/asset_partition_range_end", only),
    )
