"""One job script as Glue runs it: fetched from S3, in a process of its own, its output in the logs.

Simpler than Glue: none of Glue's own parameters reaches the script but `--TempDir`, and of the
others only `--extra-py-files` has an effect. What `--additional-python-modules` names has to be
installed for the interpreter that runs the script.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from spotify_pipeline_tests.emulators.glue_upstream import client

_GLUE_S_OWN = {
    "--additional-python-modules",
    "--conf",
    "--datalake-formats",
    "--executor-cores",
    "--job-bookmark-option",
    "--job-language",
    "--python-modules-installer-option",
    "--scriptLocation",
    "--spark-event-logs-path",
    "--user-jars-first",
}
_GLUE_S_OWN_FAMILIES = (
    "--continuous-log-",
    "--custom-log",
    "--customer-",
    "--enable-",
    "--extra-",
)
_EVENTS_PER_CALL = 500


class Script:
    """A command in a process, with all that it starts: they live and end together.

    It runs from the first; after the `with` block nothing of it is left but the exit code and
    the output.
    """

    def __init__(
        self,
        command: list[str],
        folder: Path,
        extra_files: list[Path],
        environment: Mapping[str, str],
    ) -> None:
        self._file = folder / "output.log"
        self._last_output = ""
        with self._file.open("wb") as file:  # a pipe would have to be emptied all the time
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**environment, **_own_variables(folder, extra_files, environment)},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()
        self._last_output = self.output

    @property
    def pid(self) -> int:
        """The process, and also its process group."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What all of them have written so far, to both streams."""
        try:
            return self._file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # the folder is gone, as it is after the end
            return self._last_output

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code; nothing where it takes longer than that."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace_seconds: float) -> None:
        """Asks it to end now, and doesn't wait; after the grace time it is killed."""
        self._signal(signal.SIGTERM)
        killer = threading.Timer(grace_seconds, self.kill)
        killer.daemon = True
        killer.start()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:  # else the number may belong to somebody else by now
            _signal_group(self.pid, number)


def fetch(uris: list[str], folder: Path, environment: Mapping[str, str]) -> list[Path]:
    """Downloads objects, each into a folder of its own: their names may be the same."""
    s3 = client("s3", environment)
    files = []
    for number, uri in enumerate(uris):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        file = folder / str(number) / Path(key).name
        file.parent.mkdir(parents=True)
        s3.download_file(bucket, key, str(file))
        files.append(file)
    return files


def command_line(arguments: Mapping[str, str]) -> list[str]:
    """The arguments that the script gets to see."""
    seen = (
        (name, value)
        for name, value in arguments.items()
        if name not in _GLUE_S_OWN and not name.startswith(_GLUE_S_OWN_FAMILIES)
    )
    return [word for pair in seen for word in pair]


def error_message(exit_code: int, output: str) -> str:
    """Why a script failed, in one line as Glue puts it."""
    if exit_code < 0:
        return f"The process was ended by signal {-exit_code} ({signal.strsignal(-exit_code)})"
    _, found, traceback = output.rpartition("Traceback (most recent call last):\n")
    for line in traceback.splitlines() if found else []:
        if line and not line[0].isspace():
            return line
    last_words = [line.strip() for line in output.splitlines() if line.strip()][-1:]
    return "; ".join([f"SystemExit: {exit_code}", *last_words])


def log_group(arguments: Mapping[str, str]) -> str:
    """What the names of a run's log groups begin with, since Glue 5.0; before, it was by
    `--continuous-log-logGroup`."""
    return arguments.get("--custom-logGroup-prefix", "/aws-glue/jobs")


def deliver(output: str, run_id: str, group: str, environment: Mapping[str, str]) -> None:
    """Puts what a script wrote where Glue has it, both streams together, a line an event."""
    logs = client("logs", environment)
    stream = {"logGroupName": f"{group}/output", "logStreamName": run_id}
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=stream["logGroupName"])
    logs.create_log_stream(**stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in output.splitlines() if line.strip()]
    for first in range(0, len(events), _EVENTS_PER_CALL):
        logs.put_log_events(**stream, logEvents=events[first : first + _EVENTS_PER_CALL])


def _own_variables(
    folder: Path, extra_files: list[Path], environment: Mapping[str, str]
) -> dict[str, str]:
    """Modules from the extra files only, and temporary files where they are cleared away."""
    paths = [str(file.parent if file.suffix == ".py" else file) for file in extra_files]
    options = environment.get("SPARK_SUBMIT_OPTS", "")
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",  # else both streams would not be in the order of writing
        "TMPDIR": str(folder),
        "SPARK_LOCAL_DIRS": str(folder),
        "SPARK_SUBMIT_OPTS": f"{options} -Djava.io.tmpdir={folder}",  # the JVM knows no TMPDIR
    }


def _signal_group(group: int, number: signal.Signals) -> None:
    # No such group, or on some systems one that has only ended processes.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
