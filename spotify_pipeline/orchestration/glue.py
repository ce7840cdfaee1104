"""The Glue job as engine: a run of it under Dagster Pipes.

What it made is read from the lake; Pipes brings its words while it runs, and its reasons. A step
that was cut off leaves its run going: the next one finds it by what it does, and listens to it
from the start.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

import boto3
import dagster as dg
from botocore.exceptions import NoRegionError, ProfileNotFound
from dagster_aws.pipes import PipesS3MessageReader
from dagster_pipes import (
    DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT,
    PipesContextData,
    PipesParams,
    decode_param,
)

from spotify_pipeline.clock import Clock
from spotify_pipeline.engines.glue import ADVICE, GlueJob, JobRun
from spotify_pipeline.engines.glue_request import GlueRequest
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis
from spotify_pipeline.lake import batch, keys, manifests
from spotify_pipeline.lake.batch import Draft, Outcome, Result
from spotify_pipeline.lake.store import ObjectStore, S3Store
from spotify_pipeline.orchestration.engine import EngineResource

_POLL_SECONDS = 1


class Glue(EngineResource):
    """A Glue job, which reads the lake's raw documents and writes its batches."""

    job_name: str
    wait_minutes: int
    poll_seconds: float = 5.0

    def issue(
        self,
        context: dg.AssetExecutionContext,
        store: ObjectStore,
        days: Sequence[date],
        clock: Clock,  # noqa: ARG002 - the job has its own
        *,
        reload: bool,
        accept_partial: bool,
    ) -> Mapping[date, Result]:
        if not isinstance(store, S3Store):
            raise FixConfiguration("Glue reaches only a lake on S3. Set the engine to spark.")
        batches = manifests.current_batches(store)
        planned = batch.plan(store, days, reload=reload)
        if not planned.drafts:
            return planned.settled
        request = GlueRequest.of(
            store.uri(""), planned.drafts, reload=reload, accept_partial=accept_partial
        )
        run, problems = self._run(context, store, request)
        made = {
            draft.day: _result(store, draft, batches.get(draft.day, 0), problems, run)
            for draft in planned.drafts
        }
        return dict(sorted((dict(planned.settled) | made).items()))

    def _run(
        self, context: dg.AssetExecutionContext, store: S3Store, request: GlueRequest
    ) -> tuple[JobRun, Mapping[str, PipelineError]]:
        """Has the job do it; the run when it is over, and what it said of days that failed."""
        job = self._job()
        deadline = job.deadline()
        going_on = job.find(request)
        with _session(context, store, going_on) as session:
            try:
                if going_on:
                    run_id = going_on.run_id
                    context.log.info(f"Glue job {job.name}: run {run_id} is doing this already")
                else:
                    pipes_arguments = session.get_bootstrap_cli_arguments()
                    run_id = job.start(request, pipes_arguments, deadline)
                context.log.info(f"Glue job {job.name}: {job.console_url(run_id)}")
                run = job.wait(run_id, deadline)
            except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
                _stop(context, job, request)
                raise
        context.log.info(f"Glue job {job.name}: run {run_id} ended as {run.state}")
        messages = session.get_custom_messages()
        return run, {said["day"]: _problem(said) for said in messages if "problem" in said}

    def _job(self) -> GlueJob:
        if not self.job_name:
            raise FixConfiguration("The engine glue needs a job: set GLUE_JOB_NAME in .env.")
        try:
            client = boto3.client("glue")
        except (NoRegionError, ProfileNotFound) as error:
            raise FixConfiguration(
                f"{error} Look at AWS_DEFAULT_REGION and AWS_PROFILE in .env."
            ) from error
        return GlueJob(client, self.job_name, self.wait_minutes * 60, self.poll_seconds)


def _stop(context: dg.AssetExecutionContext, job: GlueJob, request: GlueRequest) -> None:
    """Stops the run that does what was asked for, whether or not its id came back; one that does
    more was started by another step, which waits for it."""
    try:
        run = job.find(request)
        if run and not request.is_all_of(run.arguments):
            context.log.warning(f"Glue job {job.name}: run {run.run_id} goes on, for more days")
        elif run:
            context.log.warning(f"Glue job {job.name}: stopping run {run.run_id}")
            if refused := job.stop(run.run_id):
                context.log.error(f"Glue job {job.name}: run {run.run_id} goes on: {refused}")
    except PipelineError as error:
        context.log.error(f"Glue job {job.name}: its run could not be stopped: {error}")


def _problem(said: Mapping[str, str]) -> PipelineError:
    """An error as the job had it."""
    kinds = {kind.__name__: kind for kind in (RetryLater, SkipThis)}
    return kinds.get(said["kind"], FixConfiguration)(said["problem"])


def _result(
    store: S3Store,
    draft: Draft,
    number_before: int,
    problems: Mapping[str, PipelineError],
    run: JobRun,
) -> Result:
    manifest = manifests.current(store, draft.day)
    if (
        manifest
        and manifest.digest == draft.digest
        # A run that was taken up may have made it before we looked.
        and (
            manifest.batch > number_before
            or (run.started_on and manifest.created_at >= run.started_on)
        )
    ):
        return Outcome(manifest, is_new=True)
    if problem := problems.get(draft.day.isoformat()):
        return problem
    return RetryLater(
        f"{draft.day} has no batch. Glue's run {run.run_id} ended as {run.state}"
        f"{': ' if run.message else ''}{run.message}\n{ADVICE[run.state]}"
    )


# Dagster Pipes


@contextmanager
def _session(
    context: dg.AssetExecutionContext, store: S3Store, going_on: JobRun | None
) -> Iterator[dg.PipesSession]:
    """A session whose objects lie below a prefix of their own; for a run that goes on, its own."""
    old = _messages_of(going_on) if going_on else None
    new = f"{keys.DAGSTER_PIPES}{context.run.run_id}-{uuid.uuid4().hex[:8]}"
    injector = _Context(store, new, is_needed=not going_on)
    messages = _Messages(store, old or f"{store.prefix}{new}")
    with dg.open_pipes_session(context, injector, messages) as session:
        yield session


def _messages_of(run: JobRun) -> str | None:
    """Where a run puts its messages, if Dagster started it."""
    argument = run.arguments.get(DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT)
    return str(decode_param(argument)["key_prefix"]) if argument else None


class _Context(dg.PipesContextInjector):
    """Leaves the context beside the messages; a run that goes on has its own."""

    def __init__(self, store: S3Store, prefix: str, *, is_needed: bool) -> None:
        self._store = store
        self._key = f"{prefix}/context.json"
        self._is_needed = is_needed

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Iterator[PipesParams]:
        if self._is_needed:
            self._store.put_new(self._key, json.dumps(context_data).encode())
        yield {"bucket": self._store.bucket, "key": f"{self._store.prefix}{self._key}"}

    def no_messages_debug_text(self) -> str:
        return f"The context lies in {self._store.uri(self._key)}."


class _Messages(PipesS3MessageReader):  # type: ignore[misc]
    """Reads the messages below a prefix that is known, where Dagster's own draws a new one."""

    def __init__(self, store: S3Store, prefix: str) -> None:
        super().__init__(interval=_POLL_SECONDS, bucket=store.bucket, client=store.client)
        self._prefix = prefix

    @property
    def expected_writer_count(self) -> int:
        return 1  # as Dagster's own, which warns that it is new

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        with super().get_params() as params:
            yield {**params, "key_prefix": self._prefix}

    def no_messages_debug_text(self) -> str:
        return f"Messages were expected in s3://{self.bucket}/{self._prefix}/."
