"""The Glue endpoint as boto3 sees it; job definitions, S3 and the logs are MiniStack's."""

import contextlib
import functools
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from spotify_pipeline_tests.emulators.glue import GlueEndpoint
from spotify_pipeline_tests.emulators.ministack import REGION, ROOT, MiniStack
from spotify_pipeline_tests.emulators.ministack_trust import sign_in

Json = dict[str, Any]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aws")]

BUCKET = "code"
SLEEP = "import time; time.sleep(60)"
# Ignores the request to end, as does its child; both hold a connection for as long as they live.
STUBBORN = """
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as connection:
    connection.send(b"here")
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def ministack() -> Iterator[MiniStack]:
    with MiniStack() as ministack:
        ministack.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield ministack


@pytest.fixture
def aws(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment in which boto3 finds AWS, with a bucket for scripts and without a job."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name, value in ROOT.items():
        monkeypatch.setenv(name.upper(), value)
    yield
    ministack.client("glue").delete_job(JobName="job")


@pytest.fixture
def endpoint(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[GlueEndpoint]:
    with GlueEndpoint(minute_seconds=0.5, grace_seconds=0.2) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", endpoint.url)
        yield endpoint


@pytest.fixture
def glue(endpoint: GlueEndpoint) -> Any:
    return client("glue")


@functools.cache
def session() -> boto3.Session:
    """Kept, because it makes the second client of a service sooner than the first."""
    return boto3.Session()


def client(service: str) -> Any:
    return session().client(service)


def upload(key: str, body: bytes) -> str:
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def create_job(glue: Any, script: str, **definition: Any) -> None:
    command = {"Name": "glueetl", "ScriptLocation": upload("job.py", script.encode())}
    glue.create_job(Name="job", Role="role", Command=command, **definition)


def start(glue: Any, **request: Any) -> str:
    return str(glue.start_job_run(JobName="job", **request)["JobRunId"])


def job_run(glue: Any, run_id: str) -> Json:
    return dict(glue.get_job_run(JobName="job", RunId=run_id)["JobRun"])


def code_of(call: Callable[..., object], **parameters: Any) -> str:
    """By what name the call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def test_a_script_finds_its_arguments_and_the_shipped_modules(
    endpoint: GlueEndpoint, glue: Any
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("spotify_pipeline/__init__.py", "ORIGIN = 'shipped'")
    extra = [upload("a/code.zip", archive.getvalue()), upload("b/helper.py", b"ANSWER = 42")]
    create_job(
        glue,
        "import sys, json, spotify_pipeline, helper\n"
        "print(json.dumps([spotify_pipeline.ORIGIN, helper.ANSWER, sys.argv[1:]]))\n"
        "print('a warning', file=sys.stderr)",
        GlueVersion="5.1",
        WorkerType="G.1X",
        NumberOfWorkers=2,
        DefaultArguments={
            "--extra-py-files": ",".join(extra),
            "--enable-metrics": "true",
            "--day": "2026-11-09",
            "--config": "kept",
        },
    )
    run_id = start(glue, Arguments={"--day": "2026-11-10"})
    endpoint.wait_for(run_id, "SUCCEEDED")

    words = ["--day", "2026-11-10", "--config", "kept", "--JOB_NAME", "job", "--JOB_RUN_ID", run_id]
    lines = endpoint.output(run_id).splitlines()
    assert [json.loads(lines[0]), lines[1]] == [["shipped", 42, words], "a warning"]
    stream = {"logGroupName": "/aws-glue/jobs/output", "logStreamName": run_id}
    events = client("logs").get_log_events(**stream, startFromHead=True)["events"]
    assert [event["message"] for event in events] == lines

    told = job_run(glue, run_id)
    assert told["StartedOn"] <= told.pop("LastModifiedOn") == told["CompletedOn"]
    assert told.pop("ExecutionTime") in range(60)
    assert {name: told[name] for name in told if not name.endswith("On")} == {
        "Id": run_id,
        "Attempt": 0,
        "JobName": "job",
        "JobRunState": "SUCCEEDED",
        "Arguments": {"--day": "2026-11-10"},
        "GlueVersion": "5.1",
        "WorkerType": "G.1X",
        "NumberOfWorkers": 2,
        "Timeout": 480,
        "LogGroupName": "/aws-glue/jobs",
        "PredecessorRuns": [],
    }


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("try:\n 1/0\nfinally:\n raise ValueError('no\\nrows')", "ValueError: no"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise SystemExit('no rows')", "SystemExit: 1; no rows"),
    ],
)
def test_a_script_that_fails_says_why(
    endpoint: GlueEndpoint, glue: Any, script: str, message: str
) -> None:
    create_job(glue, script)
    run_id = start(glue)
    endpoint.wait_for(run_id, "FAILED")
    assert job_run(glue, run_id)["ErrorMessage"] == message


def test_a_script_that_is_not_there_is_a_failed_run(endpoint: GlueEndpoint, glue: Any) -> None:
    location = f"s3://{BUCKET}/nowhere.py"
    glue.create_job(Name="job", Role="role", Command={"ScriptLocation": location})
    run_id = start(glue)
    endpoint.wait_for(run_id, "FAILED")
    assert "404" in job_run(glue, run_id)["ErrorMessage"]


def test_a_job_is_made_once_and_replaced_as_a_whole(glue: Any) -> None:
    create_job(glue, SLEEP, Description="old")
    create_job_again = {"Name": "job", "Role": "role", "Command": {}}
    assert code_of(glue.create_job, **create_job_again) == "AlreadyExistsException"
    glue.update_job(JobName="job", JobUpdate={"Role": "other", "Command": {"Name": "glueetl"}})
    job = glue.get_job(JobName="job")["Job"]
    assert (job["Role"], job["Command"]) == ("other", {"Name": "glueetl"})
    assert "Description" not in job
    assert glue.get_jobs()["Jobs"] == [job]
    glue.delete_job(JobName="job")
    glue.delete_job(JobName="job")
    assert glue.get_jobs()["Jobs"] == []


def test_what_is_not_there_or_can_t_be_done_is_refused_by_name(
    endpoint: GlueEndpoint, glue: Any
) -> None:
    assert code_of(glue.get_job, JobName="job") == "EntityNotFoundException"
    assert code_of(glue.start_job_run, JobName="job") == "EntityNotFoundException"
    create_job(glue, SLEEP)
    assert code_of(glue.get_job_run, JobName="job", RunId="jr_0") == "EntityNotFoundException"
    assert code_of(glue.get_job_runs, JobName="job", NextToken="x") == "InvalidInputException"
    command = {"ScriptLocation": "s3://nowhere"}
    glue.update_job(JobName="job", JobUpdate={"Role": "role", "Command": command, "MaxRetries": 1})
    assert code_of(glue.start_job_run, JobName="job") == "InvalidInputException"
    with pytest.raises(ClientError, match="StartWorkflowRun") as caught:
        glue.start_workflow_run(Name="flow")
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert endpoint.calls[-1] == ("StartWorkflowRun", {"Name": "flow"})


def test_a_job_that_cloudformation_made_runs_here(
    ministack: MiniStack, endpoint: GlueEndpoint, glue: Any
) -> None:
    properties = {
        "Name": "job",
        "Role": "role",
        "Command": {"Name": "glueetl", "ScriptLocation": upload("of_stack.py", b"print('here')")},
        "DefaultArguments": {"--custom-logGroup-prefix": "/of/the/stack"},
        "ExecutionProperty": {"MaxConcurrentRuns": 2},
        "Timeout": 7,
    }
    resources = {
        "Job": {"Type": "AWS::Glue::Job", "Properties": properties},
        "Logs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": "/of/the/stack/output"},
        },
    }
    cloudformation = ministack.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": resources}))
    made = cloudformation.get_waiter("stack_create_complete")
    made.wait(StackName="s", WaiterConfig={"Delay": 1})
    endpoint.hold = True
    both = [start(glue), start(glue)]
    assert code_of(glue.start_job_run, JobName="job") == "ConcurrentRunsExceededException"
    endpoint.hold = False
    for run_id in both:
        endpoint.wait_for(run_id, "SUCCEEDED")
    told = job_run(glue, both[0])
    assert (told["Timeout"], told["LogGroupName"]) == (7, "/of/the/stack")
    stream = {"logGroupName": "/of/the/stack/output", "logStreamName": both[0]}
    [event] = client("logs").get_log_events(**stream)["events"]
    assert event["message"] == "here"


def test_whether_a_job_may_be_seen_or_changed_is_decided_where_it_is(
    ministack: MiniStack, endpoint: GlueEndpoint, glue: Any
) -> None:
    create_job(glue, SLEEP)
    nobody = sign_in(ministack.url, "arn:aws:iam::000000000000:user/nobody")
    theirs = session().client("glue", endpoint_url=endpoint.url, **nobody)
    assert code_of(theirs.get_job, JobName="job") == "AccessDeniedException"
    assert code_of(theirs.delete_job, JobName="job") == "AccessDeniedException"
    assert glue.get_job(JobName="job")["Job"]["Name"] == "job"


def test_a_second_run_at_once_is_refused_unless_the_job_has_a_queue(
    endpoint: GlueEndpoint, glue: Any
) -> None:
    create_job(glue, SLEEP)
    first = start(glue)
    assert code_of(glue.start_job_run, JobName="job") == "ConcurrentRunsExceededException"
    second = start(glue, JobRunQueuingEnabled=True)
    endpoint.wait_for(first, "RUNNING")
    assert job_run(glue, second)["JobRunState"] == "WAITING"
    glue.batch_stop_job_run(JobName="job", JobRunIds=[first])
    endpoint.wait_for(second, "RUNNING")
    assert job_run(glue, first)["JobRunState"] == "STOPPED"


def test_what_is_stopped_ends_with_all_that_it_has_started(
    endpoint: GlueEndpoint, glue: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        create_job(glue, STUBBORN)
        run_id = start(glue, Arguments={"--port": str(listener.getsockname()[1])})
        connections = [listener.accept()[0] for _ in range(2)]
        assert [connection.recv(4) for connection in connections] == [b"here"] * 2
        answer = glue.batch_stop_job_run(JobName="job", JobRunIds=[run_id, "jr_0"])
        endpoint.wait_for(run_id, "STOPPED")
        assert [connection.recv(4) for connection in connections] == [b""] * 2
        for connection in connections:
            connection.close()
    assert answer["SuccessfulSubmissions"] == [{"JobName": "job", "JobRunId": run_id}]
    assert [error["JobRunId"] for error in answer["Errors"]] == ["jr_0"]
    [error] = glue.batch_stop_job_run(JobName="job", JobRunIds=[run_id])["Errors"]
    assert error["ErrorDetail"]["ErrorMessage"] == f"Job run {run_id} is STOPPED"


def test_a_run_that_takes_too_long_is_ended(endpoint: GlueEndpoint, glue: Any) -> None:
    create_job(glue, SLEEP, Timeout=1000)
    run_id = start(glue, Timeout=1)
    endpoint.wait_for(run_id, "TIMEOUT")
    told = job_run(glue, run_id)
    assert told["Timeout"] == 1
    assert (told["CompletedOn"] - told["StartedOn"]).total_seconds() < 10


def test_a_killed_process_is_a_failed_run(endpoint: GlueEndpoint, glue: Any) -> None:
    create_job(glue, SLEEP)
    run_id = start(glue)
    endpoint.kill(run_id)
    assert "signal 9" in job_run(glue, run_id)["ErrorMessage"]
    pid = endpoint.runs[run_id].pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_runs_are_listed_from_the_newest_page_by_page(endpoint: GlueEndpoint, glue: Any) -> None:
    endpoint.hold = True
    create_job(glue, SLEEP, JobRunQueuingEnabled=True)
    run_ids = [start(glue) for _ in range(5)]
    page = glue.get_job_runs(JobName="job", MaxResults=2)
    listed = [run["Id"] for run in page["JobRuns"]]
    start(glue)  # does not move what is on the other pages
    while "NextToken" in page:
        page = glue.get_job_runs(JobName="job", MaxResults=2, NextToken=page["NextToken"])
        assert len(page["JobRuns"]) <= 2
        listed += [run["Id"] for run in page["JobRuns"]]
    assert listed == run_ids[::-1]


def test_a_run_can_be_held_released_and_forced(endpoint: GlueEndpoint, glue: Any) -> None:
    endpoint.hold = True
    create_job(glue, "print('done')", ExecutionProperty={"MaxConcurrentRuns": 2})
    released, expired = start(glue), start(glue)
    assert job_run(glue, released)["JobRunState"] == "WAITING"
    endpoint.force(expired, "EXPIRED")
    endpoint.hold = False
    endpoint.wait_for(released, "SUCCEEDED")
    assert job_run(glue, expired)["JobRunState"] == "EXPIRED"
    with pytest.raises(AssertionError, match=r"SUCCEEDED, not RUNNING: None\ndone"):
        endpoint.wait_for(released, "RUNNING")


def test_a_forced_state_stays_and_the_process_ends(endpoint: GlueEndpoint, glue: Any) -> None:
    create_job(glue, SLEEP)
    run_id = start(glue)
    script = endpoint.wait_for(run_id, "RUNNING").script
    assert script is not None
    endpoint.force(run_id, "ERROR")
    assert script.wait() == -signal.SIGKILL
    assert job_run(glue, run_id)["JobRunState"] == "ERROR"


def test_where_there_are_no_logs_the_run_goes_on_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with GlueEndpoint(environment={"AWS_ENDPOINT_URL_LOGS": "http://127.0.0.1:1"}) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", endpoint.url)
        glue = client("glue")
        create_job(glue, "print('done')")
        run_id = start(glue)
        endpoint.wait_for(run_id, "SUCCEEDED")
        assert endpoint.output(run_id) == "done\n"
    assert f"The output of {run_id} could not be put into the logs" in caplog.text


def test_after_the_end_nothing_runs_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with GlueEndpoint() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", endpoint.url)
        glue = client("glue")
        create_job(glue, SLEEP)
        run = endpoint.wait_for(start(glue), "RUNNING")
        assert list(tmp_path.glob("glue-*"))
    assert run.state == "STOPPED"
    assert run.script is not None
    assert run.script.wait() == -signal.SIGKILL
    assert not list(tmp_path.glob("glue-*"))


def test_as_a_program_it_takes_its_scripts_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "spotify_pipeline_tests.emulators.glue", "--port", "0"]
    root = Path(__file__).parents[2]
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as program,
        contextlib.ExitStack() as end,
    ):
        end.callback(program.terminate)  # else a failure here would wait for it for ever
        assert program.stdout is not None
        name, _, url = program.stdout.readline().strip().partition("=")
        monkeypatch.setenv(name, url)
        glue = client("glue")
        create_job(glue, STUBBORN)
        start(glue, Arguments={"--port": str(listener.getsockname()[1])})
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(4) == b"here"
            program.terminate()
            assert program.wait(20) == 0
            assert connection.recv(4) == b""
