"""`retention`: forgets what is older than the owner keeps it; only where its owner has said so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import dagster as dg

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.deployment import Deployment
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.forgetting.erasing import eraser_of
from spotify_pipeline.forgetting.loaders import HereLoader, Loader, SnowpipeLoader
from spotify_pipeline.forgetting.plan import Place, plan
from spotify_pipeline.forgetting.purge import carry_out
from spotify_pipeline.forgetting.subjects import OldDays
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading.arrival import Patience
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline.orchestration.metadata import explained
from spotify_pipeline.orchestration.partitions import in_progress
from spotify_pipeline.orchestration.resources import LakeResource
from spotify_pipeline.orchestration.schedules import hourly

RETENTION = "retention"


def jobs(deployment: Deployment) -> list[dg.JobDefinition]:
    """The job, where there is a retention."""
    return [_job(deployment)] if deployment.retention_days else []


def schedules(deployment: Deployment) -> list[dg.ScheduleDefinition]:
    """Its schedule, where there is a retention: once a day, as soon as no run is going on."""
    return [_schedule(deployment)] if deployment.retention_days else []


def _job(deployment: Deployment) -> dg.JobDefinition:
    @dg.op(name="forget_old_days", out=dg.Out(dg.Nothing))
    def forget_old_days(
        context: dg.OpExecutionContext,
        lake: LakeResource,
        database: DatabaseResource,
        clock: dg.ResourceParam[Clock],
    ) -> None:
        subject = OldDays(last_kept(deployment, clock))
        with explained():
            require_quiet(context.instance, besides=context.run_id)
            store = lake.store()
            with place(deployment, store, database, clock, context.log.info) as here:
                found = plan(here, subject)
                if found.is_empty:
                    context.log.info(f"There is nothing of {subject}.")
                else:
                    try:
                        carry_out(here, found, context.log.info)
                    except FixConfiguration as error:
                        by_hand = _by_hand(deployment, subject)
                        raise FixConfiguration(f"{error}\n{by_hand}") from error
            # Where nothing is found, too: a run may have been cut off just before this.
            compact(database)
            context.add_output_metadata(
                {"days": len(found.gone), "objects": len(found.objects), **found.rows}
            )

    @dg.job(
        name=RETENTION,
        description=f"Deletes what is older than {deployment.retention_days} days, for good.",
    )
    def retention() -> None:
        forget_old_days()

    return retention


def _schedule(deployment: Deployment) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=RETENTION,
        job_name=RETENTION,
        cron_schedule=hourly(45, deployment.hour),
        execution_timezone="UTC",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING
            if deployment.is_on
            else dg.DefaultScheduleStatus.STOPPED
        ),
        description=(
            f"Deletes what is older than {deployment.retention_days} days, once a day; while a run "
            f"is going on it waits for the next hour."
        ),
    )
    def retention(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if in_progress(context.instance):
            return dg.SkipReason("A run is in progress.")
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}")

    return retention


def last_kept(deployment: Deployment, clock: Clock) -> date:
    """The first day that is kept: what is older goes."""
    return today(clock) - timedelta(days=deployment.retention_days)


def require_quiet(instance: dg.DagsterInstance, besides: str = "") -> None:
    """Raises `RetryLater` while another run is going on: it would write what is to be forgotten."""
    others = [run.run_id for run in in_progress(instance) if run.run_id != besides]
    if others:
        raise RetryLater(
            f"A run is in progress ({', '.join(others)}). Nothing was done. Try again when it is "
            f"over; if its process has died, terminate it in the UI, under Runs."
        )


@contextmanager
def place(
    deployment: Deployment,
    store: ObjectStore,
    database: DatabaseResource,
    clock: Clock,
    say: Callable[[str], None],
) -> Iterator[Place]:
    """Where a deployment forgets, by its own rights. Nobody else gets at a DuckDB file then."""
    with database.database().session() as session:
        yield Place(
            store, eraser_of(store), session, loader(deployment, database.pipes(store), say), clock
        )


def loader(deployment: Deployment, pipes: Any, say: Callable[[str], None]) -> Loader:
    """The pipes of a deployment."""
    if isinstance(pipes, EmbeddedPipe):
        return HereLoader(pipes)
    return SnowpipeLoader(Patience(timedelta(minutes=deployment.snowpipe_wait_minutes), say))


def compact(database: DatabaseResource) -> None:
    """Takes deleted rows out of a DuckDB file for good; Snowflake sees to that by itself."""
    opened = database.database()
    if isinstance(opened, DuckDBDatabase):
        opened.rewrite()


def _by_hand(deployment: Deployment, subject: OldDays) -> str:
    if deployment.database == "duckdb":
        return "The next run of `retention` goes on."
    return (
        f"The pipeline's own rights don't suffice to delete, unless you gave them to it "
        f"(docs/operating.md, Forgetting). As an administrator of AWS and Snowflake: "
        f"spotify-pipeline purge --before {subject.before} --yes"
    )
