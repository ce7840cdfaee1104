"""The runs of Glue jobs, on this machine: their scripts really run.

It speaks Glue's protocol (AWS JSON 1.1), so boto3 comes here by AWS_ENDPOINT_URL_GLUE and by
nothing else. All that is not about runs it has answered by the Glue of AWS_ENDPOINT_URL, where job
definitions are; scripts and logs are in the S3 and CloudWatch Logs there, or where the variants by
service say. See `glue_script` for what a script finds. What there is of runs that it has not is
refused by name, not pretended. For tests and demonstrations: it checks no signature of calls about
runs, and keeps nothing.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from botocore.exceptions import ClientError

from spotify_pipeline_tests.emulators.glue_runs import OVER, GlueError, Run, Runner
from spotify_pipeline_tests.emulators.glue_upstream import Definitions

Json = dict[str, Any]

_HOST = "127.0.0.1"
_PAGE_SIZE = 200


class GlueEndpoint:
    """Glue for as long as its `with` block lasts; `url` is what AWS_ENDPOINT_URL_GLUE has to be.

    Scripts run with `python`, in this process's environment as it is now and with what
    `environment` adds; one of them has to say AWS_ENDPOINT_URL. A job's Timeout is in minutes of
    `minute_seconds`; who is asked to end is killed after `grace_seconds`. Port 0 is any free one.
    """

    def __init__(
        self,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        *,
        port: int = 0,
        minute_seconds: float = 60.0,
        grace_seconds: float = 10.0,
    ) -> None:
        self.calls: list[tuple[str, Json]] = []
        """Every call with its parameters, also the refused ones."""
        self.port = port
        self._stack = contextlib.ExitStack()
        variables = {**os.environ, **(environment or {})}
        self._definitions = Definitions(variables)
        self._runner = Runner(python, variables, minute_seconds, grace_seconds)
        self._operations: dict[str, Callable[[Json], Json]] = {
            "BatchStopJobRun": self._batch_stop_job_run,
            "GetJobRun": self._get_job_run,
            "GetJobRuns": self._get_job_runs,
            "StartJobRun": self._start_job_run,
        }

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._runner.close)
            server = stack.enter_context(_Server(self.port, self._answer))
            thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            self.port = server.server_port
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    # What a test may see and do besides

    @property
    def runs(self) -> Mapping[str, Run]:
        """By id, the oldest first."""
        return self._runner.runs

    @property
    def hold(self) -> bool:
        """While this is true, no run leaves WAITING but by being stopped or forced."""
        return self._runner.hold

    @hold.setter
    def hold(self, hold: bool) -> None:
        self._runner.hold = hold

    def output(self, run_id: str) -> str:
        """What a run's script has written so far, to both streams."""
        return self.runs[run_id].output

    def wait_for(self, run_id: str, *states: str, seconds: float = 60) -> Run:
        """Waits until a run is in one of the states, or over where none is named."""
        return self._runner.wait_for(self.runs[run_id], states or OVER, seconds)

    def force(self, run_id: str, state: str) -> None:
        """Puts a run into any state, in which it then stays; a process that it has is killed."""
        self._runner.force(self.runs[run_id], state)

    def kill(self, run_id: str) -> None:
        """Kills a run's process as soon as it has one, and waits until the run is FAILED."""
        script = self.wait_for(run_id, "RUNNING").script
        assert script is not None
        script.kill()
        self.wait_for(run_id, "FAILED")

    # The operations

    def _answer(self, operation: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        parameters = json.loads(body or b"{}")
        self.calls.append((operation, parameters))
        if "Run" not in operation:
            return self._definitions.forward(headers, body)
        try:
            return 200, json.dumps(self._of_runs(operation, parameters)).encode()
        except GlueError as error:
            return 400, json.dumps({"__type": error.code, "Message": str(error)}).encode()

    def _of_runs(self, operation: str, parameters: Json) -> Json:
        if operation not in self._operations:
            text = f"{operation} is not among what this Glue can do"
            raise GlueError("UnknownOperationException", text)
        return self._operations[operation](parameters)

    def _start_job_run(self, parameters: Json) -> Json:
        job = self._job(parameters)
        if job["MaxRetries"]:
            text = "This Glue repeats no runs: MaxRetries must be 0"
            raise GlueError("InvalidInputException", text)
        return {"JobRunId": self._runner.start(job, parameters).id}

    def _get_job_run(self, parameters: Json) -> Json:
        return {"JobRun": self._run(parameters["JobName"], parameters["RunId"]).as_json()}

    def _get_job_runs(self, parameters: Json) -> Json:
        name = self._job(parameters)["Name"]
        newest_first = reversed(list(self.runs.values()))
        told = [run.as_json() for run in newest_first if run.job_name == name]
        runs, more = _page(told, "Id", parameters)
        return {"JobRuns": runs, **more}

    def _batch_stop_job_run(self, parameters: Json) -> Json:
        stopped, errors = [], []
        for run_id in parameters["JobRunIds"]:
            subject = {"JobName": parameters["JobName"], "JobRunId": run_id}
            try:
                self._stop(parameters["JobName"], run_id)
                stopped.append(subject)
            except GlueError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": str(error)}
                errors.append({**subject, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    def _stop(self, job_name: str, run_id: str) -> None:
        run = self._run(job_name, run_id)
        if not self._runner.stop(run):
            raise GlueError("InvalidInputException", f"Job run {run.id} is {run.state}")

    def _job(self, parameters: Json) -> Json:
        try:
            job = self._definitions.get(parameters["JobName"])
        except ClientError as error:
            told = error.response["Error"]
            raise GlueError(told["Code"], told["Message"]) from error
        return job

    def _run(self, job_name: str, run_id: str) -> Run:
        run = self.runs.get(run_id)
        if run is None or run.job_name != job_name:
            raise GlueError("EntityNotFoundException", f"Job run {run_id} of {job_name} not found")
        return run


class _Server(ThreadingHTTPServer):
    def __init__(
        self, port: int, answer: Callable[[str, Mapping[str, str], bytes], tuple[int, bytes]]
    ) -> None:
        super().__init__((_HOST, port), _Handler)
        self.answer = answer


class _Handler(BaseHTTPRequestHandler):
    """One call per connection, so that none is answered after the end."""

    server: _Server

    def do_POST(self) -> None:
        given = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        status, body = self.server.answer(operation, dict(self.headers), given)
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        pass


def _page(items: Sequence[Json], key: str, parameters: Json) -> tuple[Sequence[Json], Json]:
    """Some of the items, and the token for those after them: the key of the last one."""
    token = parameters.get("NextToken")
    keys = [item[key] for item in items]
    if token is not None and token not in keys:
        raise GlueError("InvalidInputException", "The NextToken is not valid")
    first = keys.index(token) + 1 if token is not None else 0
    after = first + parameters.get("MaxResults", _PAGE_SIZE)
    more = {"NextToken": keys[after - 1]} if after < len(items) else {}
    return items[first:after], more


def main() -> None:
    parser = argparse.ArgumentParser(description="A Glue endpoint on this machine.")
    parser.add_argument("--port", type=int, default=0, help="any free one by default")
    parser.add_argument("--python", default=sys.executable, help="runs the scripts")
    options = parser.parse_args()
    # Without this the scripts, in sessions of their own, would outlive the endpoint.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with contextlib.suppress(KeyboardInterrupt), GlueEndpoint(**vars(options)) as endpoint:
        sys.stdout.write(f"AWS_ENDPOINT_URL_GLUE={endpoint.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
