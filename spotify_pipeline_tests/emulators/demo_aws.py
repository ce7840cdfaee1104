"""`make demo-aws`: the deployment aws whole, on stand-ins, to be watched in the UI. No account.

Set up by `spotify-pipeline provision`, then: sandbox → S3 → the Glue job's own script on a local
Spark → S3 events → pipes → sensor → published.
Everything is gone at the end but the home, `.demo-aws`, with its `.env` and Dagster's history.
"""

import argparse
import contextlib
import io
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path

from dotenv import dotenv_values

from spotify_pipeline.clock import frozen_clock, machine_clock, today
from spotify_pipeline.deployment import Environment, read_deployment, read_environment
from spotify_pipeline.ingest.day import CapturePolicy, capture_day
from spotify_pipeline.insights import overview
from spotify_pipeline.loading import publishing
from spotify_pipeline.orchestration.resources import SandboxSpotify, build_resources
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.server import SandboxServer
from spotify_pipeline_tests.emulators.cloud import Accounts
from spotify_pipeline_tests.processes import end_group

HOME = Path(".demo-aws")
PROJECT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 600


def main() -> None:
    """Starts the stand-ins and the UI, brings two days all the way, and stays until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", default="3000", help="of the UI")
    parser.add_argument("--once", action="store_true", help="end when the days are published")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C: nothing is left running
    _require_free(options.port)
    # The stand-in for Snowflake thinks aloud.
    warnings.filterwarnings("ignore", module="fakesnow")
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    with ExitStack() as stack:
        _say("Stand-ins for Spotify, S3, Glue and Snowflake: every name is invented.")
        environment = stack.enter_context(_stand_ins())
        stack.enter_context(_ui(options.port))
        _say(f"The UI: http://127.0.0.1:{options.port}")
        for day in _two_days(environment):
            _say(f"{day}: captured; a Glue run makes its batch, on Spark")
            _spotify_pipeline("run", "--date", str(day))
        _say("Snowpipe loads the files by itself; the sensor looks once a minute, and publishes")
        _wait_for("published", lambda: len(_ledger(environment)) == 2)
        _print_tables(environment)
        if not options.once:
            _say(f"Look at it: http://127.0.0.1:{options.port}, or type in {HOME}:")
            _say("  ../.venv/bin/spotify-pipeline doctor")
            _say("  SNOWFLAKE_HOME=. ../.venv/bin/spotify-pipeline provision --dry-run")
            _say("Ctrl-C ends it.")
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()


@contextmanager
def _stand_ins() -> Iterator[Environment]:
    """The environment of a team, written as its `.env`."""
    catalogue = Catalogue()
    with (
        Accounts() as accounts,
        SandboxServer(create_app(catalogue, machine_clock)) as spotify,
    ):
        connections = HOME / "connections.toml"
        connections.touch(mode=0o600)
        connections.write_text(accounts.connection)
        _say("spotify-pipeline provision sets up AWS and Snowflake (its words: provision.log)")
        lines = (
            accounts.aws.environment
            | _provision(accounts.environment)
            | {
                "SPOTIFY_PIPELINE_HOME": str(HOME.absolute()),
                "SPOTIFY_PIPELINE_START_DATE": str(today(machine_clock) - timedelta(days=1)),
                "SPOTIFY_API_URL": spotify.api_url,
                "SPOTIFY_ACCOUNTS_URL": spotify.accounts_url,
                "SPOTIFY_CLIENT_ID": "sandbox",
                "SPOTIFY_CLIENT_SECRET": "sandbox",
                "SPOTIFY_PLAYLISTS": ",".join(plan.playlist_id for plan in catalogue.playlists),
            }
        )
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        (HOME / ".env").write_text(text)
        shutil.copy(PROJECT / "workspace.yaml", HOME)
        os.environ.update(lines)  # for what this process asks boto3 and Snowflake
        yield read_environment(lines, HOME / ".env")


def _two_days(environment: Environment) -> Iterator[date]:
    """Yesterday, of which somebody kept the raw documents, and today."""
    last = today(machine_clock)
    day = last - timedelta(days=1)
    clock = frozen_clock(machine_clock() - timedelta(days=1))
    store = build_resources(read_deployment(environment), clock)["lake"].claim()
    spotify = SandboxSpotify()
    with spotify.reader(clock) as reader:
        ids = spotify.playlist_ids()
        capture_day(reader, store, ids, day, clock, lambda _: None, CapturePolicy())
    yield day
    yield last


def _provision(administrator: Mapping[str, str]) -> dict[str, str]:
    """What it says belongs into `.env`."""
    command = [sys.executable, "-m", "spotify_pipeline.cli", "provision", "--yes"]
    log = HOME / "provision.log"
    (HOME / ".env").touch()  # the command works where one is
    with log.open("wb") as told:
        subprocess.run(
            command,
            cwd=HOME,
            env=os.environ | administrator,
            stdout=told,
            stderr=subprocess.STDOUT,
            check=True,
        )
    said = dotenv_values(stream=io.StringIO(log.read_text().split("Into .env:")[1]))
    return {name: value or "" for name, value in said.items()}


@contextmanager
def _ui(port: str) -> Iterator[None]:
    """The UI with schedule and sensor, in a process group of its own; its log is in the home."""
    with (HOME / "dagster_dev.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "spotify_pipeline.cli", "dev", "--port", port],
            cwd=HOME,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for("the UI", lambda: _answers(port))
            yield
        finally:
            end_group(process)


def _require_free(port: str) -> None:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            sys.exit(f"Port {port} is taken ({error.strerror}): make demo-aws PORT=3001")


def _answers(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _spotify_pipeline(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "spotify_pipeline.cli", *words], cwd=HOME, check=True)


def _ledger(environment: Environment) -> dict[date, int]:
    database = build_resources(read_deployment(environment), machine_clock)["database"]
    with database.database().session() as session:
        return publishing.ledger(session)


def _print_tables(environment: Environment) -> None:
    database = build_resources(read_deployment(environment), machine_clock)["database"]
    with database.database().session() as session:
        for name, count in overview.row_counts(session).items():
            print(f"  {name:<24} {count:>8,}")


def _wait_for(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {_PATIENCE_SECONDS} s; see {HOME}/dagster_dev.log")
        time.sleep(1)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
