"""One day's graph in this process, for the command line and cron; same instance as the UI's."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import OperationalError  # how Dagster tells of its storage

from spotify_pipeline.deployment import Deployment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.orchestration import asset_keys, jobs, judging, orphans
from spotify_pipeline.orchestration.assets.lake import BatchOptions
from spotify_pipeline.orchestration.assets.raw import CaptureOptions

_INSTANCE_SETTINGS = Path(__file__).parents[2] / "dagster.yaml"

# Whose job it is, in the words of workspace.yaml: without it the UI's timeline leaves the run out.
_ORIGIN = {".dagster/repository": "__repository__@spotify_pipeline"}


@dataclass(frozen=True)
class RunOutcome:
    """How a day went: sentences for people, empty where all is well; `report` is where the day's
    page lies, if there is one."""

    run_id: str
    failed_steps: Sequence[str]
    red_checks: Sequence[str]
    warnings: Sequence[str]
    report: str | None = None

    @property
    def is_well(self) -> bool:
        return not self.failed_steps and not self.red_checks


def _prepared_home(deployment: Deployment) -> Path:
    """The absolute path of the instance's folder, with the project's settings in it."""
    folder = deployment.dagster_home.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        settings, copy = _INSTANCE_SETTINGS, folder / "dagster.yaml"
        if not copy.exists() or copy.read_bytes() != settings.read_bytes():
            shutil.copy(settings, copy)
    except OSError as error:
        raise FixConfiguration(
            f"Can't write to the home {deployment.home.absolute()}: {error.strerror} "
            f"({error.filename}). Make it writable, or set SPOTIFY_PIPELINE_HOME."
        ) from error
    return folder


@contextmanager
def dagster_instance(deployment: Deployment) -> Iterator[dg.DagsterInstance]:
    """The deployment's instance, for the length of the block; runs that were killed are ended."""
    folder = _prepared_home(deployment)
    try:
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            orphans.end(instance)
            yield instance
    except OperationalError as error:
        raise FixConfiguration(
            f"Dagster can't write its history to {folder}: {error.orig}. Look whether the disk is "
            f"full or can only be read, make room, or set SPOTIFY_PIPELINE_HOME. What was captured "
            f"is kept: run it again."
        ) from error


def run_day(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    day: date,
    options: BatchOptions | None = None,
    capture: CaptureOptions | None = None,
    *,
    is_talkative: bool = False,
) -> RunOutcome:
    """Runs the daily job for `day`; failures are told, not raised.

    If it `is_talkative`, the steps' own words go to the standard error while it runs.
    """
    job = definitions.resolve_job_def(jobs.DAILY)
    days = job.partitions_def
    if days and not days.has_partition_key(day.isoformat()):
        first, last = days.get_first_partition_key(), days.get_last_partition_key()
        raise FixConfiguration(
            f"{day} is none of the days {first} to {last}. The first one can be set with "
            f"SPOTIFY_PIPELINE_START_DATE; Spotify can't be asked about the future."
        )
    result = job.execute_in_process(
        run_config=dg.RunConfig(
            ops={
                asset_keys.RAW.to_python_identifier(): capture or CaptureOptions(),
                "lake": options or BatchOptions(),
            },
            # The outcome is told at the end; the whole log is in the UI.
            loggers={"progress": {"config": {"is_talkative": is_talkative}}},
        ),
        partition_key=day.isoformat(),
        tags=_ORIGIN,
        instance=instance,
        raise_on_error=False,
    )
    evaluations = result.get_asset_check_evaluations()
    failed = [evaluation for evaluation in evaluations if not evaluation.passed]
    return RunOutcome(
        result.run_id,
        [_step_text(event) for event in result.filter_events(lambda event: event.is_step_failure)],
        [_check_text(check) for check in failed if check.severity is dg.AssetCheckSeverity.ERROR],
        [_check_text(check) for check in failed if check.severity is dg.AssetCheckSeverity.WARN],
        _report(result),
    )


def _report(result: dg.ExecuteInProcessResult) -> str | None:
    """What the step says of the page: a path where the lake is a folder, else its address."""
    for event in result.get_asset_materialization_events():
        if event.asset_key == asset_keys.REPORT:
            told = event.materialization.metadata
            return str(told.get("path", told["dagster/uri"]).value)
    return None


def _step_text(event: dg.DagsterEvent) -> str:
    """The sentence of a step that failed; a bug has its traceback in the UI."""
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        said = failure.user_failure_data.description
    else:
        said = failure.error_display_string.strip()
    return f"{event.step_key}: {said}"


def _check_text(check: dg.AssetCheckEvaluation) -> str:
    listed = "".join(f"\n- {offender}" for offender in judging.offenders(check))
    return (
        f"{check.asset_key.to_user_string()}, check {check.check_name}: {check.description}{listed}"
    )
