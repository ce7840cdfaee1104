"""Start-up and idling: loading the definitions, a tick of the sensor, the code server's memory.

`python -m benchmarks.startup`: each load is a fresh process, next to one that imports nothing
but Dagster. The sensor looks at a DuckDB file and a lake with so many open days, whose batches have
not landed: it judges each of them anew at every tick.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic, perf_counter, sleep

import dagster as dg

from benchmarks import fresh_process, rounds
from benchmarks.raw_documents import DAY
from benchmarks.rounds import Figure, Result, Took
from spotify_pipeline import contract
from spotify_pipeline.clock import machine_clock
from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.manifests import BatchFile, Manifest
from spotify_pipeline.lake.store import FolderStore

DEPLOYMENTS = {"demo": 2.0, "local": 2.0, "aws": 5.0}
"""And the seconds that loading the definitions may take."""

OPEN_DAYS = (1, 60, 1000)
_STARTING_SECONDS = 120


def imported(module: str, deployment: str = "local") -> Took:
    with tempfile.TemporaryDirectory() as home:
        ended = fresh_process.run(module, environment=_environment(deployment, Path(home)))
    return Took(ended.seconds, ended.cpu_seconds, ended.peak_mb)


def _environment(deployment: str, home: Path) -> dict[str, str]:
    return {"SPOTIFY_PIPELINE_DEPLOYMENT": deployment, "SPOTIFY_PIPELINE_HOME": str(home)}


def open_lake(folder: Path, days: int) -> None:
    """Manifests of batches that no file and no database knows."""
    store = FolderStore(folder)
    for number in range(days):
        day = DAY - timedelta(days=number)
        files = {
            table.name: BatchFile(keys.batch_file(table.name, day, 1, "digest"), 1, "")
            for table in contract.TABLES
        }
        manifest = Manifest(day, 1, "digest", 1, 1, "embedded", machine_clock(), files, ())
        store.put_new(keys.manifest(day, 1), manifest.to_json())


def tick(home: Path, days: int) -> Took:
    """One look of the sensor."""
    environment = {
        **_environment("local", home),
        "SPOTIFY_PIPELINE_START_DATE": str(DAY - timedelta(days=days)),
    }
    defs = build_defs(read_deployment(read_environment(environment)))
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(
            instance,
            repository_def=defs.get_repository_def(),
            resources=dict(defs.resources or {}),
        ) as context,
    ):
        began = perf_counter()
        defs.resolve_sensor_def("snowpipe_load_sensor").evaluate_tick(context)
        return Took(perf_counter() - began)


def code_server_mb(deployment: str) -> float:
    """Memory of a process that serves the graph to daemon and UI, once it does."""
    with tempfile.TemporaryDirectory() as home, _code_server(deployment, Path(home)) as pid:
        return fresh_process.memory_mb(pid)


@contextlib.contextmanager
def _code_server(deployment: str, home: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "api", "grpc", "-m", "spotify_pipeline.definitions"]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(  # noqa: S603
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **_environment(deployment, home)},
            stdout=log,
            stderr=log,
            process_group=0,
        )
        try:
            deadline = monotonic() + _STARTING_SECONDS
            while not _is_open(port):
                assert server.poll() is None, "the code server ended"
                assert monotonic() < deadline, "the code server doesn't answer"
                sleep(0.1)
            yield server.pid
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    asked = rounds.arguments(__doc__).parse_args()
    rounds.require_no_dotenv()
    result = Result("startup")
    turns = {name: partial(imported, "benchmarks.load_definitions", name) for name in DEPLOYMENTS}
    alone = {"dagster": partial(imported, "benchmarks.only_dagster")}
    took = rounds.take_turns(alone | turns, asked.rounds)
    result.tell(Figure("import dagster", [turn.seconds for turn in took["dagster"]], "s"))
    for name, goal in DEPLOYMENTS.items():
        each = [turn.seconds for turn in took[name]]
        result.tell(Figure(f"load the definitions, {name}", each, "s", goal))
    ticks = {}
    for days in OPEN_DAYS:
        with tempfile.TemporaryDirectory() as home:
            open_lake(Path(home) / "lake", days)
            tick(Path(home), days)  # makes the database's file
            ticks[days] = [tick(Path(home), days) for _ in range(asked.rounds)]
        each = [turn.seconds for turn in ticks[days]]
        result.tell(Figure(f"a tick with {days:,} open days", each, "s"))
    for name in DEPLOYMENTS:
        result.tell(Figure(f"memory of the code server, {name}", [code_server_mb(name)], "MB"))
    result.write(asked.results)


if __name__ == "__main__":
    main()
