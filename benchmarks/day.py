"""One day end to end, from the API into DuckDB: our graph, dlt, a bare script, and no graph.

`python -m benchmarks.day`: each contestant is a fresh process that begins with nothing on the disk;
imports and the making of the database count. `dagster dev` is the exception: it runs already, and
what counts is the time from the launch of a run to its end. Spotify answers at once, so this is
about work and not about waiting. Ours keeps raw documents, CSV files, manifests, checks and a
report besides; the others keep the tables.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic, perf_counter, sleep

import requests
from dagster_graphql import DagsterGraphQLClient

from benchmarks import fresh_process, rounds
from benchmarks.rounds import Result, Row, Took
from benchmarks.spotify import Spotify, spotify
from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.engines.plan import embedded_plan
from spotify_pipeline.orchestration import jobs

GOAL = 2
"""How many times as fast as dlt, on the large size."""

_STARTING_SECONDS, _RUNNING_SECONDS = 180, 1800

Turn = Callable[[Spotify, Path], Took]


def as_command(there: Spotify, home: Path) -> Took:
    return _process("spotify_pipeline.cli", "run", environment=_environment(there, home))


def without_dagster(there: Spotify, home: Path) -> Took:
    places = (there.api_url, there.accounts_url, str(home))
    return _process("benchmarks.without_dagster", *places, *there.playlist_ids)


def by_dlt(there: Spotify, home: Path) -> Took:
    return _other("dlt_pipeline", there, home)


def by_a_script(there: Spotify, home: Path) -> Took:
    return _other("bare_script", there, home)


def _other(name: str, there: Spotify, home: Path) -> Took:
    places = (there.api_url, there.token(), str(home / "spotify.duckdb"))
    return _process(f"benchmarks.contestants.{name}", *places, *there.playlist_ids)


def _process(module: str, *arguments: str, environment: dict[str, str] | None = None) -> Took:
    ended = fresh_process.run(module, *arguments, environment=environment)
    return Took(ended.seconds, ended.cpu_seconds, ended.peak_mb)


def under_dagster_dev(there: Spotify, home: Path) -> Took:
    """From the launch of the run to its end."""
    with _dagster_dev(_environment(there, home)) as client:
        day = today(machine_clock).isoformat()
        began = perf_counter()
        run_id = client.submit_job_execution(jobs.DAILY, tags={"dagster/partition": day})
        deadline = monotonic() + _RUNNING_SECONDS
        while (status := client.get_run_status(run_id).value) not in ("SUCCESS", "FAILURE"):
            assert monotonic() < deadline, f"the run is still {status}"
            sleep(0.1)
        assert status == "SUCCESS"
        return Took(perf_counter() - began)


def _environment(there: Spotify, home: Path) -> dict[str, str]:
    return {
        **there.environment,
        "SPOTIFY_PIPELINE_DEPLOYMENT": "local",
        "SPOTIFY_PIPELINE_HOME": str(home),
        "SPOTIFY_PIPELINE_RETENTION_DAYS": "0",
    }


@contextlib.contextmanager
def _dagster_dev(environment: dict[str, str]) -> Iterator[DagsterGraphQLClient]:
    """The UI's server, once it knows the graph."""
    port = _free_port()
    command = [sys.executable, "-m", "spotify_pipeline.cli", "dev", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(  # noqa: S603
            command, env={**os.environ, **environment}, stdout=log, stderr=log, process_group=0
        )
        try:
            yield _ready(port, server)
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _ready(port: int, server: "subprocess.Popen[bytes]") -> DagsterGraphQLClient:
    deadline = monotonic() + _STARTING_SECONDS
    while True:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/server_info", timeout=60).raise_for_status()
            return DagsterGraphQLClient("127.0.0.1", port_number=port)
        assert server.poll() is None, "dagster dev ended"
        assert monotonic() < deadline, "dagster dev doesn't answer"
        sleep(0.2)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def in_a_fresh_home(turn: Turn, there: Spotify) -> Took:
    with tempfile.TemporaryDirectory() as home:
        return turn(there, Path(home))


CONTESTANTS: dict[str, Turn] = {
    "our graph as a command": as_command,
    "our graph under dagster dev": under_dagster_dev,
    "ours without Dagster": without_dagster,
    "dlt into DuckDB": by_dlt,
    "a bare script": by_a_script,
}


def compare(result: Result, playlists: int, entries: int, goal: float | None, number: int) -> None:
    plural = "s" if playlists > 1 else ""
    what = f"{playlists} playlist{plural} of {entries:,} entries"
    with spotify(playlists, entries, latency=0) as there:
        turns = {name: partial(in_a_fresh_home, turn, there) for name, turn in CONTESTANTS.items()}
        took = rounds.take_turns(turns, number)
    ours, *others = took
    for name in others:
        result.tell(
            Row(what, ours, name, took[ours], took[name], goal if name.startswith("dlt") else None)
        )


def main() -> None:
    parser = rounds.arguments(__doc__)
    parser.add_argument("--large-rounds", type=int, default=3, help="of the large size")
    parser.add_argument("--playlists", type=int, default=300, help="of the large size")
    asked = parser.parse_args()
    rounds.require_no_dotenv()
    embedded_plan()  # made once for each version of the code, so not measured
    result = Result("day")
    compare(result, 1, 100, None, asked.rounds)
    result.write(asked.results)
    if asked.large_rounds:
        compare(result, asked.playlists, 1000, GOAL, asked.large_rounds)
        result.write(asked.results)


if __name__ == "__main__":
    main()
