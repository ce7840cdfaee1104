"""Much at once, and much over the years: within 2 GB of memory, and within the time of a small day.

`pytest -m load spotify_pipeline_tests/faults/test_load.py`; an hour. A million entries in a day,
through the command as cron calls it; a lake of a million keys; and three years of days, after which
a day takes no longer than before, and the UI answers.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import requests

from benchmarks.spotify import spotify
from spotify_pipeline import contract
from spotify_pipeline.clock import frozen_clock, machine_clock, today
from spotify_pipeline.deployment import read_deployment, read_environment, with_dagster_home
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.lake import attempts, batch, keys
from spotify_pipeline.lake.attempts import Attempt
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.local_run import dagster_instance
from spotify_pipeline_tests.synthetic import document, entry, track

pytestmark = [pytest.mark.slow, pytest.mark.load]

PROJECT = Path(__file__).parents[2]
MOST_MEMORY = 2_000_000_000

PLAYLISTS, ENTRIES = 1000, 1000


def ran(folder: Path, environment: dict[str, str], *words: str) -> tuple[float, int]:
    """A command that has to go well: its seconds, and its memory at most."""
    (folder / ".env").write_text("".join(f"{n}={value}\n" for n, value in environment.items()))
    began = time.monotonic()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "spotify_pipeline.cli", *words],
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (folder / "said").read_text()[-4000:]
    return time.monotonic() - began, used.ru_maxrss * 1024


def test_a_million_entries_in_a_day_stay_below_two_gigabytes(tmp_path: Path) -> None:
    with spotify(PLAYLISTS, ENTRIES, latency=0) as there:
        environment = {
            **there.environment,
            "SPOTIFY_PIPELINE_DEPLOYMENT": "local",
            "SPOTIFY_PIPELINE_HOME": str(tmp_path / "home"),
        }
        seconds, memory = ran(tmp_path, environment, "run")
    print(f"{PLAYLISTS * ENTRIES:,} entries: {seconds:.0f} s, {memory / 1e6:.0f} MB")
    with duckdb.connect(tmp_path / "home" / "spotify.duckdb", read_only=True) as database:
        counted = database.execute("SELECT count(*) FROM HISTORY.PLAYLIST_ENTRY").fetchall()
    assert counted == [(PLAYLISTS * ENTRIES,)]
    assert memory < MOST_MEMORY


# A million keys

LAST = today(machine_clock)
LONG_AGO = [LAST - timedelta(days=n) for n in range(100, 1100)]


def test_among_a_million_keys_a_day_takes_no_longer_and_old_days_can_go(tmp_path: Path) -> None:
    """A thousand raw documents on each of a thousand days, of which nothing else is known."""
    with spotify(2, 100, latency=0) as there:
        took = {}
        for name, days in (("young", []), ("old", LONG_AGO)):
            folder = tmp_path / name
            store = FolderStore(folder / "home" / "lake")
            for day in days:
                body = store.root / keys.raw(day, f"{0:022}")
                body.parent.mkdir(parents=True)
                body.write_bytes(document([entry(track("SO"))], f"{0:022}", day=day))
                for number in range(1, 1000):
                    os.link(body, store.root / keys.raw(day, f"{number:022}"))
            folder.mkdir(exist_ok=True)
            environment = {
                **there.environment,
                "SPOTIFY_PIPELINE_DEPLOYMENT": "local",
                "SPOTIFY_PIPELINE_HOME": str(folder / "home"),
            }
            took[name], _ = ran(folder, environment, "run")
            print(f"{name}, a run: {took[name]:.1f} s")
        assert took["old"] < 1.5 * took["young"] + 5
        seconds, memory = ran(folder, environment, "purge", "--before", str(LONG_AGO[0]), "--yes")
        print(f"{len(LONG_AGO) - 1} days gone: {seconds:.0f} s, {memory / 1e6:.0f} MB")
        assert memory < MOST_MEMORY
    assert {keys.day_of(key) for key in store.list_keys(keys.RAW)} == {LONG_AGO[0], LAST}


# Three years

YEARS, OF_TWENTY = 3 * 365, [f"{number:022}" for number in range(20)]
DAYS = [LAST - timedelta(days=n) for n in reversed(range(YEARS))]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def fill(home: Path, days: list[date]) -> None:
    """Days of playlists of which a part changes every day, through lake, pipe and publishing."""
    store, database = FolderStore(home / "lake"), DuckDBDatabase(home / "spotify.duckdb")
    store.put_new(keys.STAMP, b'{"source": "sandbox"}')
    for day in days:
        for number, playlist_id in enumerate(OF_TWENTY):
            first = day.toordinal() // 5 + number * 50
            songs = [entry(track(f"SO{first + place}")) for place in range(30)]
            body = document(songs, playlist_id, day=day, fetched_at=noon(day))
            assert store.put_new(keys.raw(day, playlist_id), body)
        attempts.record(store, day, noon(day), Attempt(tuple(OF_TWENTY), ()))
    made = batch.issue(store, EmbeddedEngine(), days, frozen_clock(noon(days[-1])))
    with database.session() as session:
        for table in contract.TABLES:
            EmbeddedPipe(store, frozen_clock(noon(days[-1]))).load(session, table)
        for day, outcome in made.items():
            assert isinstance(outcome, Outcome), outcome
            publishing.publish(session, outcome.manifest, noon(day))


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    done = act()
    return time.monotonic() - began, done


def test_after_three_years_a_day_takes_no_longer_and_the_ui_answers(tmp_path: Path) -> None:
    young, old = tmp_path / "young", tmp_path / "old"
    for folder, days in ((young, DAYS[-30:]), (old, DAYS)):
        folder.mkdir()
        seconds, _ = timed(lambda folder=folder, days=days: fill(folder / "home", days))
        print(f"{folder.name}: {len(days)} days made in {seconds:.0f} s")
    took = {}
    for folder in (young, old):
        environment = {
            "SPOTIFY_PIPELINE_DEPLOYMENT": "local",
            "SPOTIFY_PIPELINE_HOME": str(folder / "home"),
            "SPOTIFY_API_URL": "http://127.0.0.1:9/v1/",
            "SPOTIFY_CLIENT_ID": "app",
            "SPOTIFY_CLIENT_SECRET": "secret",
            "SPOTIFY_PLAYLISTS": ",".join(OF_TWENTY),
        }
        remember_in_dagster(folder, environment)
        took[folder.name] = ran(folder, environment, "run")
        print(f"{folder.name}, a run: {took[folder.name][0]:.1f} s")
    assert took["old"][1] < MOST_MEMORY / 2
    # A day's work is the same; the questions look back over all days, which are 36 times as many.
    assert took["old"][0] < 3 * took["young"][0] + 30
    with webserver(old) as ask:
        for name, query in QUERIES.items():
            seconds, answer = timed(lambda query=query: ask(query))
            print(f"{name}: {seconds:.1f} s")
            assert "errors" not in answer, answer
            assert "PythonError" not in str(answer), answer
            assert seconds < 30, name


def remember_in_dagster(folder: Path, environment: dict[str, str]) -> None:
    """Has the instance know of each asset's materialization on each day."""
    deployment = read_deployment(read_environment(environment, Path("/nowhere")))
    days = sorted(attempts.days(FolderStore(deployment.lake_folder)))
    stages = (asset_keys.lake, asset_keys.landing, asset_keys.published)
    known = [asset_keys.RAW, *(key(table) for key in stages for table in contract.TABLES)]
    with dagster_instance(deployment) as instance:
        for key in known:
            for day in days:
                event = dg.AssetMaterialization(key, partition=day.isoformat())
                instance.report_runless_asset_event(event)


QUERIES = {
    "the asset's partitions": """{assetNodes(assetKeys: [{path: ["published", "song"]}]) {
        ... on AssetNode {partitionKeys partitionStats {numMaterialized}}}}""",
    "every asset's partitions": """{assetNodes {
        assetKey {path} partitionStats {numMaterialized numFailed}
        assetPartitionStatuses {
            ... on TimePartitionStatuses {ranges {startKey endKey status}}}}}""",
    "the asset's history": """{assetOrError(assetKey: {path: ["published", "song"]}) {
        ... on Asset {assetMaterializations(limit: 100) {partition timestamp}}}}""",
    "the runs": "{runsOrError(limit: 25) {... on Runs {results {runId status}}}}",
    "a tick of the sensor": """mutation {sensorDryRun(cursor: null, selectorData: {
        repositoryName: "__repository__", repositoryLocationName: "spotify_pipeline",
        sensorName: "snowpipe_load_sensor"}) {
        __typename ... on DryRunInstigationTick {evaluationResult {error {message}}}
        ... on PythonError {message}}}""",
}


@contextmanager
def webserver(folder: Path) -> Iterator[Callable[[str], Any]]:
    """The UI's server; what answers a query to it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = with_dagster_home(folder / "home" / "dagster")
    with (folder / "webserver").open("wb") as said:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)),
                *("-w", str(PROJECT / "workspace.yaml")),
            ],
            cwd=folder,
            env={**home, "PYTHONPATH": str(PROJECT)},
            stdout=said,
            stderr=subprocess.STDOUT,
        )

        def ask(query: str) -> Any:
            url = f"http://127.0.0.1:{port}/graphql"
            return requests.post(url, json={"query": query}, timeout=120).json()

        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    ask("{version}")
                    break
                except requests.ConnectionError:
                    assert process.poll() is None, (folder / "webserver").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.5)
            yield ask
        finally:
            process.terminate()
            process.wait(30)
