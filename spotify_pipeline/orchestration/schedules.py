"""`daily`: the day's run, and its hourly rescue until the day is whole."""

from datetime import date, timedelta

import dagster as dg

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.deployment import Deployment
from spotify_pipeline.lake import attempts, batch, raw
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.orchestration import jobs, orphans
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline.orchestration.partitions import BusyDays
from spotify_pipeline.orchestration.resources import LakeResource, SpotifyResource

_LATE = "20,40,55 23 * * *"
"""In the last hour, which a wait may leave a part of: for tomorrow is too late."""


def hourly(minute: int, hour: int) -> str:
    """At a minute of each hour from one to the last of a day: `23-23` Dagster takes for all."""
    return f"{minute} {hour}-23 * * *" if hour < 23 else f"{minute} 23 * * *"


def build_daily(deployment: Deployment) -> dg.ScheduleDefinition:
    """Ticks hourly from the configured hour on, and more often before the day ends."""

    @dg.schedule(
        name="daily",
        job_name=jobs.DAILY,
        cron_schedule=[hourly(0, deployment.hour), _LATE],
        execution_timezone="UTC",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING
            if deployment.is_on
            else dg.DefaultScheduleStatus.STOPPED
        ),
        description=(
            f"Captures the day at {deployment.hour:02}:00 UTC; while a playlist is missing it "
            f"tries again every hour, fetching only what is missing."
        ),
    )
    def daily(
        context: dg.ScheduleEvaluationContext,
        lake: LakeResource,
        spotify: SpotifyResource,
        database: DatabaseResource,
        clock: dg.ResourceParam[Clock],
    ) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time
        day = moment.date()
        if day != today(clock):
            return dg.SkipReason(f"{day} is over; Spotify only tells the present.")
        orphans.end(context.instance)
        if day in BusyDays(context.instance):
            return dg.SkipReason(f"A run of {day} is in progress.")
        store = lake.store()
        configured, captured = spotify.playlist_ids(), raw.captured(store, day)
        missing = [id_ for id_ in configured if id_ not in captured]
        # A short wait the run itself waits out.
        soon = clock() + timedelta(seconds=deployment.capture.playlist_wait_seconds)
        wait_until = attempts.wait_until(store, soon)
        lacking = None
        if missing and not wait_until:
            lacking = f"{len(missing)} playlists are not captured"
        if not lacking and not batch.is_whole(store, day):
            lacking = "no batch holds all that is captured"
        if not lacking and not missing and attempts.missing(store, day):
            lacking = "what was missing is not configured any more, and is still told as missing"
        # Where Snowpipe loads, publishing is the sensor's business.
        if not lacking and deployment.database == "duckdb":
            lacking = _unpublished(store, database, day)
        if not lacking and missing:
            return dg.SkipReason(
                f"{len(missing)} playlists are not captured, and Spotify asked for no calls until "
                f"{wait_until:%Y-%m-%d %H:%M} UTC."
            )
        if not lacking:
            return dg.SkipReason(f"{day} is whole.")
        context.log.info(f"{day}: {lacking}")
        return dg.RunRequest(run_key=f"{moment:%Y-%m-%dT%H:%M}", partition_key=day.isoformat())

    return daily


def _unpublished(store: ObjectStore, database: DatabaseResource, day: date) -> str | None:
    with database.database().session() as session:
        days = [manifest.snapshot_date for manifest in publishing.unpublished(session, store)]
    return "its batch is not published" if day in days else None
