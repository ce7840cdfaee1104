"""The Glue job as seen from here: limits, outages, refusals; by a client that answers as told."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from spotify_pipeline.engines.glue import ADVICE, GlueJob
from spotify_pipeline.engines.glue_request import GlueRequest
from spotify_pipeline.errors import FixConfiguration, RetryLater

REQUEST = GlueRequest("s3://lake/", (date(2026, 11, 22),), digests=("a",), release="1.1")
Answer = dict[str, Any] | Exception


def refused(code: str, status: int = 400) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "said Glue"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "GetJobRun")  # type: ignore[arg-type]


def run(state: str, run_id: str = "jr_1", **arguments: str) -> dict[str, Any]:
    return {
        "Id": run_id,
        "JobRunState": state,
        "StartedOn": datetime(2026, 11, 22, tzinfo=UTC),
        "Arguments": REQUEST.to_arguments() | arguments,
    }


class Glue:
    """Gives its answers one after the other, the last one for ever; notes what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def answer(**_: Any) -> dict[str, Any]:
            self.asked.append(operation)
            given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if isinstance(given, Exception):
                raise given
            return given

        return answer


class Time:
    """Passes only by being slept away."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def job(glue: Glue, time: Time | None = None, minutes: float = 10) -> GlueJob:
    time = time or Time()
    return GlueJob(glue, "job", minutes * 60, 5.0, time.sleep, lambda: time.seconds)


def runs(*those: dict[str, Any]) -> dict[str, Any]:
    return {"JobRuns": list(those)}


# Finding


@pytest.mark.parametrize("state", ["STARTING", "RUNNING", "WAITING"])
def test_a_run_that_goes_on_is_found(state: str) -> None:
    found = job(Glue(runs(run("RUNNING", "other", **{"--reload": "true"}), run(state)))).find(
        REQUEST
    )
    assert found
    assert found.run_id == "jr_1"


@pytest.mark.parametrize("state", [*ADVICE, "STOPPING"])
def test_a_run_that_is_over_or_about_to_be_is_not(state: str) -> None:
    assert job(Glue(runs(run(state)))).find(REQUEST) is None


def test_a_run_that_has_not_begun_to_count_its_time_is_found() -> None:
    waiting = {name: value for name, value in run("WAITING").items() if name != "StartedOn"}
    found = job(Glue(runs(waiting))).find(REQUEST)
    assert found
    assert found.started_on is None


# Waiting


def test_a_run_is_asked_after_until_it_is_over() -> None:
    glue = Glue({"JobRun": run("RUNNING")}, {"JobRun": run("RUNNING")}, {"JobRun": run("FAILED")})
    client = job(glue)
    assert client.wait("jr_1", client.deadline()).state == "FAILED"
    assert len(glue.asked) == 3


def test_waiting_has_a_limit_that_is_told() -> None:
    time = Time()
    client = job(Glue({"JobRun": run("WAITING")}), time)
    with pytest.raises(RetryLater, match=r"still WAITING after 10 minutes.*GLUE_WAIT_MINUTES"):
        client.wait("jr_1", client.deadline())
    assert time.seconds == 600


def test_starting_and_waiting_share_the_limit() -> None:
    time = Time()
    full = refused("ConcurrentRunsExceededException")
    waiting = [full, runs(), full, runs()]
    client = job(Glue(*waiting, {"JobRunId": "jr_1"}, {"JobRun": run("RUNNING")}), time)
    deadline = client.deadline()
    with pytest.raises(RetryLater, match="still RUNNING"):
        client.wait(client.start(REQUEST, {}, deadline), deadline)
    assert time.seconds == 600


def test_a_job_without_room_is_waited_for_no_longer_than_the_limit() -> None:
    others = runs(run("RUNNING", **{"--days": "2026-11-21"}))
    client = job(Glue(*[refused("ConcurrentRunsExceededException"), others] * 200))
    with pytest.raises(RetryLater, match="other runs of it go on"):
        client.start(REQUEST, {}, client.deadline())


def test_a_run_whose_start_was_not_answered_is_found_where_there_is_no_room_for_another() -> None:
    glue = Glue(refused("ConcurrentRunsExceededException"), runs(run("RUNNING", "jr_ours")))
    client = job(glue)
    assert client.start(REQUEST, {}, client.deadline()) == "jr_ours"
    assert glue.asked == ["start_job_run", "get_job_runs"]


@pytest.mark.parametrize(
    "outage",
    [
        EndpointConnectionError(endpoint_url="https://glue"),
        refused("InternalServiceException", 500),
        refused("ThrottlingException"),
    ],
    ids=str,
)
def test_an_outage_ends_no_wait_before_its_time(outage: Exception) -> None:
    client = job(Glue(outage, outage, {"JobRun": run("SUCCEEDED")}))
    assert client.wait("jr_1", client.deadline()).state == "SUCCEEDED"
    hopeless = job(Glue(outage))
    with pytest.raises(RetryLater, match="Glue doesn't answer"):
        hopeless.wait("jr_1", hopeless.deadline())


# Refusals


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (refused("EntityNotFoundException"), FixConfiguration, "Set GLUE_JOB_NAME"),
        (refused("AccessDeniedException"), FixConfiguration, "what their role may do"),
        (refused("ExpiredTokenException"), FixConfiguration, "credentials"),
        (NoCredentialsError(), FixConfiguration, "credentials of AWS"),
        (refused("ThrottlingException"), RetryLater, "doesn't answer"),
        (refused("OperationTimeoutException"), RetryLater, "doesn't answer"),
        (refused("ResourceNumberLimitExceededException"), RetryLater, "doesn't answer"),
        (refused("InternalServiceException", 500), RetryLater, "doesn't answer"),
        (EndpointConnectionError(endpoint_url="https://glue"), RetryLater, "doesn't answer"),
    ],
    ids=str,
)
def test_refusals_are_sorted_by_what_to_do(
    answer: Exception, kind: type[Exception], text: str
) -> None:
    client = job(Glue(answer))
    with pytest.raises(kind, match=text):
        client.find(REQUEST)
    with pytest.raises(kind, match=text):
        client.start(REQUEST, {}, client.deadline())


def test_a_stop_that_is_refused_says_so() -> None:
    detail = {"ErrorDetail": {"ErrorMessage": "not running"}}
    assert job(Glue({"Errors": [detail]})).stop("jr_1") == "not running"
    assert job(Glue({"SuccessfulSubmissions": [{}], "Errors": []})).stop("jr_1") == ""
