"""`daily`: the day's run, and its hourly rescue until the day is whole."""

import dagster as dg

from spotify_pipeline.deployment import Deployment
from spotify_pipeline.lake import batch, raw
from spotify_pipeline.orchestration import jobs
from spotify_pipeline.orchestration.resources import LakeResource, SpotifyResource


def build_daily(deployment: Deployment) -> dg.ScheduleDefinition:
    """Ticks hourly from the configured hour to the end of the day."""

    @dg.schedule(
        name="daily",
        job_name=jobs.DAILY,
        cron_schedule=f"0 {deployment.hour}-23 * * *",
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
        context: dg.ScheduleEvaluationContext, lake: LakeResource, spotify: SpotifyResource
    ) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time
        day = moment.date()
        store = lake.store()
        configured = spotify.playlist_ids()
        there = raw.captured(store, day)
        missing = [playlist for playlist in configured if playlist not in there]
        manifest = batch.current(store, day)
        in_batch = {document.playlist_id for document in manifest.documents} if manifest else set()
        if not missing and there <= in_batch:
            return dg.SkipReason(f"{day} is whole: all {len(configured)} playlists are captured.")
        return dg.RunRequest(run_key=f"{moment:%Y-%m-%dT%H}", partition_key=day.isoformat())

    return daily
