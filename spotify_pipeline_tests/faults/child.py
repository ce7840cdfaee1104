"""Processes in which the pipeline's own commands run, to be killed at a point that can be named.

`python -m spotify_pipeline_tests.faults.child` imports the pipeline once and then forks for each
job that it reads, so that a try costs a run and no imports. In the fork the pipeline is as it
is, but for its clock, which is shifted, and for a count of its operations: what it does to files,
sockets and databases, each of which is announced just before it is done.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from spotify_pipeline import clock


class SharedClock:
    """The machine's clock, so many seconds ahead as a file says: Spotify goes by the same one."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.shift)

    @property
    def shift(self) -> float:
        return float(os.pread(self._file, 40, 0) or 0)

    def set(self, shift: float) -> None:
        os.pwrite(self._file, f"{shift:40}".encode(), 0)


class JobsClock:
    """The clock of a fork, which is told when the job is."""

    of_job: SharedClock

    def __call__(self) -> datetime:
        return self.of_job()


CLOCK = JobsClock()


@dataclass(frozen=True)
class Job:
    """A command, where and when it runs, and what befalls it.

    `operation` is the number of that before which it happens: the process is killed, or, if
    `leap` says so, its clock leaps by so many seconds. `cpu_seconds` has the kernel kill it after
    so much work, wherever that is.
    """

    words: Sequence[str]
    folder: str
    environment: dict[str, str]
    clock: str
    log: str
    operations: str
    operation: int | None = None
    leap: float | None = None
    cpu_seconds: float | None = None
    largest_file: int | None = None


_ANNOUNCED = {"os.link", "os.mkdir", "os.remove", "os.rename", "http.client.send"}
_WRITING = os.O_WRONLY | os.O_RDWR


class Operations:
    """Counts operations, tells them to a file, and acts when it is time."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._act = self._die if job.leap is None else self._leap
        self._told = os.open(job.operations, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        self._turn = threading.Lock()
        self.count = 0

    def hear(self, event: str, arguments: Sequence[Any]) -> None:
        """What Python tells of itself; no file of Dagster's, whose history is no data of ours."""
        if event in _ANNOUNCED:
            self.announce(event, arguments[0] if event != "http.client.send" else "")
        elif event == "open" and arguments[2] & _WRITING and not isinstance(arguments[0], int):
            self.announce(event, arguments[0])

    def announce(self, event: str, subject: object) -> None:
        text = subject if isinstance(subject, str) else os.fspath(subject)  # type: ignore[call-overload]
        if "/dagster/" in text or text == "/dev/null":
            return
        with self._turn:
            if self.count == self._job.operation:
                self._act()
            self.count += 1
            os.write(self._told, f"{event} {text[:200]!r}\n".encode())

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _leap(self) -> None:
        assert self._job.leap is not None
        CLOCK.of_job.set(CLOCK.of_job.shift + self._job.leap)


class Watched:
    """A DuckDB connection whose every call is announced."""

    def __init__(self, connection: Any, announce: Callable[[str, object], None]) -> None:
        self._connection, self._announce = connection, announce

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def begin(self) -> None:
        self._announce("begin", "")
        self._connection.begin()

    def commit(self) -> None:
        self._announce("commit", "")
        self._connection.commit()

    def execute(self, sql: str, parameters: Any = None) -> Any:
        self._announce("execute", sql)
        return self._connection.execute(sql, parameters)


def _watch_duckdb(announce: Callable[[str, object], None]) -> None:
    from spotify_pipeline.loading.duckdb import DuckDBSession

    plain = DuckDBSession.__init__

    def watched(self: DuckDBSession, connection: Any) -> None:
        plain(self, Watched(connection, announce))  # type: ignore[arg-type]

    DuckDBSession.__init__ = watched  # type: ignore[method-assign]


def _do(job: Job) -> int:
    """Does a job; the exit code is that of the command."""
    log = os.open(job.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(job.folder)
    os.environ.clear()
    os.environ.update(job.environment)
    CLOCK.of_job = SharedClock(Path(job.clock))
    operations = Operations(job)
    _watch_duckdb(operations.announce)
    sys.addaudithook(operations.hear)
    if job.largest_file is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest_file, job.largest_file))
    if job.cpu_seconds is not None:
        signal.setitimer(signal.ITIMER_PROF, job.cpu_seconds)  # whose signal ends a process
    if tuple(job.words) in OURS:
        return OURS[tuple(job.words)]()
    from spotify_pipeline import cli

    return cli.main(job.words)


ROOMS = ("the rooms alone",)
"""The words of a job that does what `run` does, without Dagster: so a try takes a second."""


def _run_the_rooms() -> int:
    from spotify_pipeline import contract
    from spotify_pipeline.deployment import read_deployment
    from spotify_pipeline.engines.embedded import EmbeddedEngine
    from spotify_pipeline.ingest.day import complete_day
    from spotify_pipeline.lake import batch
    from spotify_pipeline.loading import publishing
    from spotify_pipeline.orchestration.resources import build_resources

    deployment = read_deployment()
    resources = build_resources(deployment, CLOCK)
    spotify, lake, database = (resources[name] for name in ("spotify", "lake", "database"))
    store, day = lake.claim(), clock.today(CLOCK)
    ids = spotify.playlist_ids()
    complete_day(lambda: spotify.reader(CLOCK), store, ids, day, CLOCK, print, deployment.capture)
    [outcome] = batch.issue(store, EmbeddedEngine(), [day], CLOCK).values()
    assert isinstance(outcome, batch.Outcome), outcome
    with database.database().session() as session:
        for table in contract.TABLES:
            database.pipes(store).load(session, table)
        publishing.publish(session, outcome.manifest, CLOCK())
    return 0


TICK = ("tick of the sensor",)
"""The words of a job that does what Dagster's daemon does in a minute: it evaluates the sensor,
does the runs that are asked for, and remembers the cursor."""


def _tick() -> int:
    import dagster as dg

    from spotify_pipeline.definitions import build_defs
    from spotify_pipeline.deployment import read_deployment
    from spotify_pipeline.orchestration.local_run import dagster_instance

    deployment = read_deployment()
    definitions, cursor = build_defs(deployment, CLOCK), deployment.home / "cursor"
    with (
        dagster_instance(deployment) as instance,
        dg.build_sensor_context(
            instance=instance,
            cursor=cursor.read_text() if cursor.exists() else None,
            repository_def=definitions.get_repository_def(),
            resources=dict(definitions.resources or {}),
        ) as context,
    ):
        told = definitions.resolve_sensor_def("snowpipe_load_sensor")(context)
        assert isinstance(told, dg.SensorResult)
        job = definitions.resolve_job_def("publish")
        for request in told.run_requests or ():
            job.execute_in_process(partition_key=request.partition_key, instance=instance)
        cursor.write_text(told.cursor or "")
    return 0


OURS = {ROOMS: _run_the_rooms, TICK: _tick}


def _import_all(*more: str) -> None:
    """What a run imports, so that a fork has it."""
    for name in more:
        import_module(name)
    import matplotlib.figure  # noqa: F401

    from spotify_pipeline import cli, definitions  # noqa: F401
    from spotify_pipeline.engines import embedded
    from spotify_pipeline.ingest import client  # noqa: F401
    from spotify_pipeline.insights import report  # noqa: F401
    from spotify_pipeline.loading import duckdb  # noqa: F401
    from spotify_pipeline.orchestration import local_run  # noqa: F401

    embedded.embedded_plan()  # the same for every run


def _fork(job: Job) -> int:
    if pid := os.fork():
        return pid
    code = 70  # of a fault of this program itself
    try:
        code = _do(job)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Reads a list of jobs a line, does them at the same time, and answers with their ends: of
    each its exit code, or signal as a negative number, and how many seconds of work it was."""
    clock.machine_clock = CLOCK  # type: ignore[assignment]  # before anybody takes it by name
    _import_all(*sys.argv[1:])
    for line in sys.stdin:
        pids = [_fork(Job(**each)) for each in json.loads(line)]
        sys.stdout.write(json.dumps(list(map(_wait_for, pids))) + "\n")
        sys.stdout.flush()


def _wait_for(pid: int) -> tuple[int, float]:
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
