"""The Glue job as seen from here: starting it, finding a run of it, waiting, stopping.

What it does there is `glue_job`; what it made is read from the lake.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)

from spotify_pipeline.engines.glue_request import GlueRequest
from spotify_pipeline.errors import FixConfiguration, RetryLater

ADVICE: Mapping[str, str] = {
    "SUCCEEDED": "Its log in CloudWatch, /aws-glue/jobs/…, says more. Run the day again.",
    "FAILED": "Its log in CloudWatch, /aws-glue/jobs/…, says more. Mend it and run the day again.",
    "STOPPED": "Somebody stopped it. Run the day again.",
    "TIMEOUT": "It took longer than the job allows: raise the job's timeout or its workers.",
    "ERROR": "Glue could not run it. Run the day again; should it stay so, ask AWS.",
    "EXPIRED": "It waited in Glue's queue for too long. Run the day again.",
}
"""The states in which a run is over, and what to do if a day then has no batch."""


_NOT_SIGNED_IN = (NoCredentialsError, PartialCredentialsError, TokenRetrievalError)

# Answers of Glue that look like mistakes of ours and pass by themselves.
_PASSING = frozenset(
    {"ThrottlingException", "OperationTimeoutException", "ResourceNumberLimitExceededException"}
)


class _NoRoom(Exception):
    """As many runs go on as the job allows."""


@dataclass(frozen=True)
class JobRun:
    """One run of the job, as Glue tells of it."""

    run_id: str
    state: str
    arguments: Mapping[str, str]
    message: str
    started_on: datetime | None

    @property
    def is_over(self) -> bool:
        return self.state in ADVICE


@dataclass(frozen=True)
class GlueJob:
    """A job; `client` is boto3's Glue client. Waits at most `wait_seconds` for each run."""

    client: Any
    name: str
    wait_seconds: float
    poll_seconds: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def find(self, request: GlueRequest) -> JobRun | None:
        """A run that is going on, and on to what `request` asks for."""
        with self._explained():
            answer = self.client.get_job_runs(JobName=self.name, MaxResults=100)  # newest first
        for run in map(_job_run, answer["JobRuns"]):
            is_going_on = not run.is_over and run.state != "STOPPING"
            if is_going_on and request.is_served_by(run.arguments):
                return run
        return None

    def start(
        self, request: GlueRequest, more_arguments: Mapping[str, str], deadline: float
    ) -> str:
        """Starts a run, waiting while as many runs go on as the job allows; its id.

        Or that of one which is on to it by then: boto3 asks again where an answer was lost, and
        finds no room beside the run that it has started.
        """
        arguments = request.to_arguments() | dict(more_arguments)
        while True:
            try:
                with self._explained():
                    answer = self.client.start_job_run(JobName=self.name, Arguments=arguments)
                    return str(answer["JobRunId"])
            except _NoRoom:
                if run := self.find(request):
                    return run.run_id
                self._pause(deadline, "other runs of it go on, and it allows no more at a time")

    def wait(self, run_id: str, deadline: float) -> JobRun:
        """Waits until the run is over; raises `RetryLater` after the limit, leaving it to go on."""
        while True:
            try:
                with self._explained():
                    answer = self.client.get_job_run(JobName=self.name, RunId=run_id)
                run = _job_run(answer["JobRun"])
                why = f"its run {run_id} is still {run.state}"
                if run.is_over:
                    return run
            except RetryLater as error:  # an outage ends no wait before its time
                why = str(error)
            self._pause(deadline, why)

    def stop(self, run_id: str) -> str:
        """Asks Glue to stop the run; why it won't, if it won't."""
        with self._explained():
            answer = self.client.batch_stop_job_run(JobName=self.name, JobRunIds=[run_id])
        details = (error.get("ErrorDetail", {}) for error in answer.get("Errors", ()))
        return "; ".join(str(detail.get("ErrorMessage", detail)) for detail in details)

    def deadline(self) -> float:
        """Until when a run may wait that begins now, on `monotonic`'s clock."""
        return self.monotonic() + self.wait_seconds

    def console_url(self, run_id: str) -> str:
        region = self.client.meta.region_name
        return (
            f"https://{region}.console.aws.amazon.com/gluestudio/home?region={region}"
            f"#/job/{self.name}/run/{run_id}"
        )

    def _pause(self, deadline: float, why: str) -> None:
        if self.monotonic() >= deadline:
            raise RetryLater(
                f"Glue job {self.name}: {why} after {self.wait_seconds / 60:.0f} minutes. Nothing "
                f"is lost: what goes on there goes on, and running the day again waits for it "
                f"anew. GLUE_WAIT_MINUTES in .env says how long to wait."
            )
        self.sleep(self.poll_seconds)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConcurrentRunsExceededException":
                raise _NoRoom from error
            if code == "EntityNotFoundException":
                raise FixConfiguration(
                    f"Glue knows no {self.name!r}: {_said(error)}. Set GLUE_JOB_NAME in .env to "
                    f"the job's name, and the AWS region to where it is."
                ) from error
            is_server_s = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
            if is_server_s or code in _PASSING:
                raise RetryLater(f"{self._no_answer} {_said(error)}") from error
            raise FixConfiguration(
                f"Glue refuses a call for the job {self.name}: {_said(error)}. Look at the "
                f"credentials and at what their role may do."
            ) from error
        except _NOT_SIGNED_IN as error:
            raise FixConfiguration(f"Glue needs credentials of AWS: {error}.") from error
        except BotoCoreError as error:
            raise RetryLater(f"{self._no_answer} {error}") from error

    @property
    def _no_answer(self) -> str:
        return (
            f"Glue doesn't answer for the job {self.name}. Nothing is lost: running the day again "
            f"takes up a run that goes on."
        )


def _job_run(fields: Mapping[str, Any]) -> JobRun:
    return JobRun(
        fields["Id"],
        fields["JobRunState"],
        fields.get("Arguments", {}),
        fields.get("ErrorMessage", ""),
        fields.get("StartedOn"),
    )


def _said(error: ClientError) -> str:
    return f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"
