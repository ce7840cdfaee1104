"""Job runs as in Glue: their states, and who may run when."""

import logging
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from spotify_pipeline_tests.emulators import glue_script
from spotify_pipeline_tests.emulators.glue_script import Script

Json = dict[str, Any]

OVER = ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR", "EXPIRED")
_BUSY = ("STARTING", "RUNNING", "STOPPING")
_SETTINGS = (
    "ExecutionClass",
    "GlueVersion",
    "JobRunQueuingEnabled",
    "MaxCapacity",
    "NumberOfWorkers",
    "Timeout",
    "WorkerType",
)

_log = logging.getLogger(__name__)


class GlueError(Exception):
    """An answer that refuses, by Glue's name for it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(eq=False)
class Run:
    """A run; `job` is the job's definition as it was, `request` what the run was started with."""

    job: Mapping[str, Any]
    request: Mapping[str, Any]
    id: str = field(default_factory=lambda: f"jr_{uuid.uuid4().hex}{uuid.uuid4().hex}")
    state: str = "WAITING"
    error: str | None = None
    script: Script | None = None
    started_on: float = field(default_factory=time.time)
    running_since: float | None = None
    completed_on: float | None = None
    is_forced: bool = False

    @property
    def job_name(self) -> str:
        return str(self.job["Name"])

    @property
    def pid(self) -> int | None:
        """The script's process, and its process group."""
        return self.script.pid if self.script else None

    @property
    def output(self) -> str:
        """What the script has written so far."""
        return self.script.output if self.script else ""

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def settings(self) -> Json:
        """What the job says of its runs, unless this run was started with something else."""
        sources = (self.job, self.request)
        return {name: source[name] for source in sources for name in _SETTINGS if name in source}

    @property
    def arguments(self) -> dict[str, str]:
        """The job's and those it was started with, the later ones over the earlier."""
        parts = (
            self.job.get("DefaultArguments"),
            self.request.get("Arguments"),
            self.job.get("NonOverridableArguments"),
        )
        return {name: value for part in parts for name, value in (part or {}).items()}

    def as_json(self) -> Json:
        """The run as GetJobRun tells it: of the arguments only those it was started with."""
        until = self.completed_on or time.time()
        told = {
            **self.settings,
            "Id": self.id,
            "Attempt": 0,
            "JobName": self.job_name,
            "JobRunState": self.state,
            "Arguments": self.request.get("Arguments", {}),
            "StartedOn": self.started_on,
            "LastModifiedOn": until,
            "CompletedOn": self.completed_on,
            "ExecutionTime": int(until - self.running_since) if self.running_since else 0,
            "ErrorMessage": self.error,
            "LogGroupName": glue_script.log_group(self.arguments),
            "PredecessorRuns": [],
        }
        return {name: value for name, value in told.items() if value is not None}


class Runner:
    """Runs scripts, each in a process and with a thread that looks after it."""

    def __init__(
        self,
        python: str,
        environment: Mapping[str, str],
        minute_seconds: float,
        grace_seconds: float,
    ) -> None:
        self.runs: dict[str, Run] = {}
        self._python, self._environment = python, environment
        self._minute_seconds, self._grace_seconds = minute_seconds, grace_seconds
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._hold = False

    @property
    def hold(self) -> bool:
        return self._hold

    @hold.setter
    def hold(self, hold: bool) -> None:
        with self._changed:
            self._hold = hold
            self._admit()

    def start(self, job: Mapping[str, Any], request: Mapping[str, Any]) -> Run:
        """A new run. Where there is no room it waits if the job has a queue, or is refused."""
        run = Run(job, request)
        with self._changed:
            unfinished = [other for other in self._runs_like(run) if not other.is_over]
            has_queue = run.settings.get("JobRunQueuingEnabled")
            if not has_queue and len(unfinished) >= _limit(run):
                text = f"Concurrent runs exceeded for {run.job_name}"
                raise GlueError("ConcurrentRunsExceededException", text)
            self.runs[run.id] = run
            self._admit()
        return run

    def stop(self, run: Run) -> bool:
        """Whether there was something to stop."""
        with self._changed:
            if run.is_over or run.state == "STOPPING":
                return False
            is_attended = run.state in _BUSY and not run.is_forced
            self._enter(run, "STOPPING" if is_attended else "STOPPED")
            if run.script:
                run.script.stop(self._grace_seconds)
        return True

    def force(self, run: Run, state: str) -> None:
        """Puts a run into a state, in which it stays; its process is killed."""
        with self._changed:
            run.is_forced = True
            if run.script:
                run.script.kill()
            self._enter(run, state)

    def wait_for(self, run: Run, states: tuple[str, ...], seconds: float) -> Run:
        """Waits for one of the states; a run that can't come there any more is an error."""
        with self._changed:
            self._changed.wait_for(lambda: run.state in states or run.is_over, seconds)
            if run.state in states:
                return run
        raise AssertionError(f"{run.state}, not {' or '.join(states)}: {run.error}\n{run.output}")

    def close(self) -> None:
        with self._changed:
            self._hold = True
            for run in self.runs.values():
                if not run.is_over:
                    self.force(run, "STOPPED")
        for thread in self._threads:
            thread.join()

    def _runs_like(self, run: Run) -> list[Run]:
        return [other for other in self.runs.values() if other.job_name == run.job_name]

    def _admit(self) -> None:
        """Starts what waits, the oldest first, as long as there is room."""
        for run in self.runs.values():
            busy = sum(other.state in _BUSY for other in self._runs_like(run))
            is_next = run.state == "WAITING" and not run.is_forced
            if is_next and not self._hold and busy < _limit(run):
                run.state = "STARTING"
                thread = threading.Thread(target=self._attend, args=[run], name=run.id, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._changed.notify_all()

    def _attend(self, run: Run) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="glue-", ignore_cleanup_errors=True) as folder:
                state, error = self._carry_out(run, Path(folder))
        except Exception as failure:  # whatever it is, nobody else would end the run
            state, error = "FAILED", f"{type(failure).__name__}: {failure}"
        with self._changed:
            if not run.is_forced:
                self._enter(run, state, error)

    def _carry_out(self, run: Run, folder: Path) -> tuple[str, str | None]:
        """Runs the script; how that ended, and why."""
        arguments = run.arguments
        uris = [uri for uri in arguments.get("--extra-py-files", "").split(",") if uri]
        location = run.job["Command"]["ScriptLocation"]
        script, *extra_files = glue_script.fetch([location, *uris], folder, self._environment)
        identity = {"--JOB_NAME": run.job_name, "--JOB_RUN_ID": run.id}
        words = glue_script.command_line({**arguments, **identity})
        command = [self._python, str(script), *words]
        with self._changed:
            if run.is_forced or run.state != "STARTING":  # by somebody during the download
                return "STOPPED", None
            run.script = Script(command, folder, extra_files, self._environment)
            run.running_since = time.time()
            self._enter(run, "RUNNING")
        with run.script as process:
            exit_code = process.wait(run.settings["Timeout"] * self._minute_seconds)
            if exit_code is None:
                process.stop(self._grace_seconds)
                process.wait()
        if not run.is_forced:
            self._deliver_output(run)
        return _outcome(run, exit_code)

    def _deliver_output(self, run: Run) -> None:
        try:
            group = glue_script.log_group(run.arguments)
            glue_script.deliver(run.output, run.id, group, self._environment)
        except (BotoCoreError, ClientError, LookupError) as error:
            _log.error("The output of %s could not be put into the logs: %s", run.id, error)

    def _enter(self, run: Run, state: str, error: str | None = None) -> None:
        run.state, run.error = state, error
        run.completed_on = time.time() if run.is_over else None
        self._admit()


def _limit(run: Run) -> int:
    return int(run.job["ExecutionProperty"]["MaxConcurrentRuns"])


def _outcome(run: Run, exit_code: int | None) -> tuple[str, str | None]:
    """The state at the end, and why; without an exit code the script took too long."""
    if run.state == "STOPPING":
        return "STOPPED", None
    if exit_code is None:
        return "TIMEOUT", None
    if exit_code == 0:
        return "SUCCEEDED", None
    return "FAILED", glue_script.error_message(exit_code, run.output)
