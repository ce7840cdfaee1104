"""AWS on loopback as CloudFormation leaves it: MiniStack, with its authorisation on.

It lives in an environment of its own (`make .venv-ministack/done`), as it pins another botocore. It
makes what a template says, where moto only says so, and it is mended where that was not enough
(`ministack_mended`, `ministack_drift`).

Which repairs rest on it until a real account was tried: that a job, a rule or a function's
permission that was deleted is made again, and that nothing of the bucket's shows as changed for
ever (`ministack_drift`).

Where it still differs from AWS without saying so: its Glue runs nothing and says it did (see
`aws.EmptyAws`); a misspelt property and a malformed trust policy are taken, as are notifications
with overlapping prefixes; a stack that holds a bucket with files may delete it; nothing ever
expires; of two puts at once none is told 409. An update that fails takes a bucket's settings that
were changed by hand back to none, not to what they were.
"""

import functools
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import boto3

REGION = "eu-west-1"
ROOT = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
"""Whom no policy binds."""

_PROJECT = Path(__file__).parents[2]
_PYTHON = _PROJECT / ".venv-ministack" / "bin" / "python"
_PROGRAM = "spotify_pipeline_tests.emulators.ministack_mended"
_PATIENCE_SECONDS = 30
_ONE_AT_A_TIME = threading.Lock()  # a session makes clients for one thread only


class MiniStack:
    """A fresh account; `client` speaks to it as its root, or as whoever `keys` belong to."""

    def __enter__(self) -> Self:
        if not _PYTHON.exists():
            raise RuntimeError(f"{_PYTHON} is not there: make .venv-ministack/done")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self._log = folder / "ministack.log"
            port = _free_port()
            self.url = f"http://127.0.0.1:{port}"
            log = stack.enter_context(self._log.open("wb"))
            process = subprocess.Popen(
                [_PYTHON, "-m", _PROGRAM],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    "AUTH": "true",
                    "BIND_HOST": "127.0.0.1",
                    "GATEWAY_PORT": str(port),
                    "LOG_LEVEL": "WARNING",
                    "HOME": str(folder),
                    "PYTHONPATH": str(_PROJECT),
                },
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            self._wait_for(process)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self, service: str, **keys: str) -> Any:
        """A boto3 client that needs nothing of this process's environment."""
        return client(service, self.url, **keys)

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MiniStack does not answer:\n{self._log.read_text()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def client(service: str, url: str, **keys: str) -> Any:
    """A boto3 client that needs nothing of this process's environment; of the root unless `keys`
    say of whom."""
    with _ONE_AT_A_TIME:
        return _session().client(service, endpoint_url=url, **(ROOT | keys))


@functools.cache
def _session() -> boto3.Session:
    """Kept, because it makes the second client of a service sooner than the first."""
    return boto3.Session(region_name=REGION)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
