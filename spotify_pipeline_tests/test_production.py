"""The files of `production`, as they are: services on a real PostgreSQL server, their logs in S3.

What systemd does is done here: each unit's command is started in the unit's folder, with the
environment of the example, in a group of its own, and ended by SIGTERM to that group.
"""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import boto3
import dagster as dg
import pytest
import requests
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster_aws.s3 import S3ComputeLogManager

from spotify_pipeline.deployment import VARIABLES
from spotify_pipeline_tests.emulators.s3 import s3_server
from spotify_pipeline_tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

PRODUCTION = Path(__file__).parents[1] / "production"
CHECKOUT = "/opt/spotify-pipeline"
BUCKET, LOGS = "playlists", "team/dagster_logs"
SECRETS = {
    # With what a URL, a shell or YAML would take for something else.
    "DAGSTER_POSTGRES_PASSWORD": "p@ss wo:rd%/#",
    "SPOTIFY_CLIENT_SECRET": "s3cret-of-the-app",
    "AWS_SECRET_ACCESS_KEY": "s3cret-of-aws",
}
PATIENCE_SECONDS = 60


def section(file: str, name: str) -> Mapping[str, str]:
    """A section of a unit file."""
    parser = configparser.ConfigParser(interpolation=None, delimiters="=")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(PRODUCTION / file)
    return parser[name]


def services() -> list[str]:
    """The files of the services that the target starts."""
    return section("spotify-pipeline.target", "Unit")["Wants"].split()


def example() -> dict[str, str]:
    """What `environment.example` sets."""
    lines = (PRODUCTION / "environment.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# What the files say


def test_the_target_starts_every_service() -> None:
    assert sorted(services()) == sorted(path.name for path in PRODUCTION.glob("*.service"))


@pytest.mark.parametrize("file", services())
def test_services_differ_in_their_command_only(file: str) -> None:
    first = dict(section(services()[0], "Service"))
    other = dict(section(file, "Service"))
    for its_own in ("ExecStart", "OOMPolicy"):
        first.pop(its_own, None)
        other.pop(its_own, None)
    assert other == first
    assert section(file, "Unit")["PartOf"] == "spotify-pipeline.target"


def test_systemd_has_nothing_against_the_units(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if not verify:
        pytest.skip("systemd-analyze is not here")
    for file in ("spotify-pipeline.target", *services()):
        text = (PRODUCTION / file).read_text()
        # It asks whether the commands are there.
        (tmp_path / file).write_text(re.sub(rf"{CHECKOUT}/\S+", sys.executable, text))
    said = subprocess.run(
        [verify, "verify", "--man=no", *sorted(tmp_path.glob("spotify-pipeline*"))],
        capture_output=True,
        text=True,
    )
    assert (said.returncode, said.stderr) == (0, "")


def test_the_example_has_every_variable_that_the_files_name() -> None:
    texts = [path.read_text() for path in PRODUCTION.iterdir()]
    named = {name for text in texts for name in re.findall(r"env: (\w+)|\$\{(\w+)\}", text)}
    assert {a or b for a, b in named} <= set(example())


def test_the_example_has_no_secret_and_no_unknown_variable() -> None:
    known = {variable.name for variable in VARIABLES}
    ours = {
        name for name in example() if name.startswith(("SPOTIFY_", "S3_", "GLUE_", "SNOWFLAKE_"))
    }
    assert ours <= known
    secrets = {variable.name for variable in VARIABLES if variable.is_secret} | set(SECRETS)
    assert {example()[name] for name in secrets & set(example())} == {""}


# What they do


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(SECRETS["DAGSTER_POSTGRES_PASSWORD"]) as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Where S3 is."""
    with s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def environment(
    postgres: PostgresServer, s3: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The example, filled in: the demo's graph, as that needs no account."""
    folder = tmp_path_factory.mktemp("machine")
    state = folder / "state"
    state.mkdir()
    (state / "dagster.yaml").symlink_to(PRODUCTION / "dagster.yaml")
    (folder / "aws").write_text(
        f"[profile dagster]\nendpoint_url = {s3}\naws_access_key_id = nobody\n"
        f"aws_secret_access_key = {SECRETS['AWS_SECRET_ACCESS_KEY']}\n"
    )
    filled_in = {
        "SPOTIFY_PIPELINE_DEPLOYMENT": "demo",
        "SPOTIFY_PIPELINE_HOME": str(folder / "home"),
        "SPOTIFY_CLIENT_SECRET": SECRETS["SPOTIFY_CLIENT_SECRET"],
        "S3_BUCKET": BUCKET,
        "AWS_CONFIG_FILE": str(folder / "aws"),
        "AWS_DEFAULT_REGION": "eu-west-1",
        "DAGSTER_HOME": str(state),
        "DAGSTER_POSTGRES_PORT": str(postgres.port),
        "DAGSTER_POSTGRES_DB": postgres.database,
        "DAGSTER_POSTGRES_PASSWORD": postgres.password,
        "DAGSTER_LOGS_PREFIX": LOGS,
        "DAGSTER_WEBSERVER_PORT": str(free_port()),
        "DAGSTER_CODE_SERVER_PORT": str(free_port()),
    }
    assert set(filled_in) <= set(example())
    return {"PATH": os.environ["PATH"], "HOME": str(state)} | example() | filled_in


class Services:
    """The target's services, as processes."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.url = f"http://127.0.0.1:{environment['DAGSTER_WEBSERVER_PORT']}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.runs: list[str] = []
        self.info = ""
        self.logs = folder / "logs"
        self.logs.mkdir()
        # A checkout without whatever `.env` a developer has.
        self._checkout = folder / "checkout"
        (self._checkout / ".venv").mkdir(parents=True)
        (self._checkout / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        (self._checkout / "production").symlink_to(PRODUCTION)

    def start(self) -> None:
        """As docs/production.md has it: first the tables, then all at once."""
        self.info = self.do("dagster", "instance", "info")
        for file in services():
            self.processes[file] = self._start(file)

    def do(self, *command: str) -> str:
        """What a command says that is done as the services would."""
        program = self._checkout / ".venv" / "bin" / command[0]
        return subprocess.run(
            [program, *command[1:]],
            cwd=self._checkout,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def stop(self) -> dict[str, int]:
        """Ends them as systemd does, and waits for all that they started; their exit codes."""
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGTERM)
        codes = {file: process.wait(PATIENCE_SECONDS) for file, process in self.processes.items()}
        groups = [process.pid for process in self.processes.values()]
        self.wait_until(lambda: not any(map(is_group, groups)), "the end of what they started")
        self.processes.clear()
        return codes

    def clear(self) -> None:
        """Leaves nothing, whatever went before."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for run_id in self.runs:
            # There Dagster has a run's output before it uploads it; a service has its own /tmp.
            shutil.rmtree(Path("/tmp") / run_id, ignore_errors=True)

    def ask(self, query: str, **variables: Any) -> Any:
        """What the webserver answers to GraphQL."""
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=30
        )
        return answer.json()["data"]

    def launch(self, *assets: str) -> str:
        """Has today's graph run, or some of its assets; the id of the run."""
        selector = {
            "repositoryLocationName": "spotify_pipeline",
            "repositoryName": "__repository__",
            "jobName": "daily_snapshot",
        }
        selection = [{"path": [asset]} for asset in assets] or None
        tag = {"key": "dagster/partition", "value": datetime.now(UTC).date().isoformat()}
        answer = self.ask(
            "mutation ($params: ExecutionParams!) {launchRun(executionParams: $params) "
            "{... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}",
            params={
                "selector": selector | {"assetSelection": selection},
                "executionMetadata": {"tags": [tag]},
            },
        )
        run_id = str(answer["launchRun"]["run"]["runId"])
        self.runs.append(run_id)
        return run_id

    def status(self, run_id: str) -> str:
        query = "query ($id: ID!) {runOrError(runId: $id) {... on Run {status}}}"
        return str(self.ask(query, id=run_id)["runOrError"]["status"])

    def has_definitions(self) -> bool:
        ended = [file for file, process in self.processes.items() if process.poll() is not None]
        assert not ended, f"ended by itself: {ended}\n{self.said()}"
        query = "{repositoriesOrError {... on RepositoryConnection {nodes {name}}}}"
        try:
            return bool(self.ask(query)["repositoriesOrError"].get("nodes"))
        except requests.ConnectionError:
            return False

    def is_daemon_healthy(self) -> bool:
        query = "{instance {daemonHealth {allDaemonStatuses {required healthy}}}}"
        daemons = self.ask(query)["instance"]["daemonHealth"]["allDaemonStatuses"]
        return all(daemon["healthy"] for daemon in daemons if daemon["required"])

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"Waited for {what} in vain.\n{self.said()}")
            time.sleep(0.3)

    def said(self) -> str:
        return "\n".join(path.read_text() for path in self.logs.iterdir())

    def _start(self, file: str) -> subprocess.Popen[bytes]:
        service = section(file, "Service")
        line = Template(service["ExecStart"]).substitute(self.environment)
        before = signal.getsignal(signal.SIGINT)
        # A shell has what it starts in the background ignore it, and Dagster takes SIGTERM alike.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            with (self.logs / file).open("wb") as log:
                return subprocess.Popen(
                    shlex.split(line.replace(CHECKOUT, str(self._checkout))),
                    cwd=service["WorkingDirectory"].replace(CHECKOUT, str(self._checkout)),
                    env=self.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        finally:
            signal.signal(signal.SIGINT, before)


def is_group(group: int) -> bool:
    """Whether any of its processes is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def running(
    environment: dict[str, str], s3: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """All services, with the graph loaded."""
    bucket(s3).create(CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    started = Services(tmp_path_factory.mktemp("services"), environment)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("NO_PROXY", "127.0.0.1")
        stack.callback(started.clear)
        started.start()
        started.wait_until(started.has_definitions, "the code server")
        yield started


@pytest.fixture(scope="module")
def run_id(running: Services) -> str:
    """A run of today's capture, by queue and code server; it is over."""
    run_id = running.launch("raw_playlist_json")
    running.wait_until(
        lambda: running.status(run_id) in ("SUCCESS", "FAILURE", "CANCELED"), "the run's end"
    )
    return run_id


@pytest.fixture
def instance(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[dg.DagsterInstance]:
    """The services' instance, seen from this process, which has none of their files."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dagster_shared.seven.get_system_temp_directory", lambda: str(tmp_path))
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        yield instance


def bucket(s3: str) -> Any:
    session = boto3.Session("nobody", "nothing", region_name="eu-west-1")
    return session.resource("s3", endpoint_url=s3).Bucket(BUCKET)


def test_a_run_and_its_events_are_in_postgres(
    run_id: str, instance: dg.DagsterInstance, postgres: PostgresServer
) -> None:
    run = instance.get_run_by_id(run_id)
    assert run
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert instance.get_materialized_partitions(dg.AssetKey("raw_playlist_json"))
    assert run_id in postgres.dump()


def test_what_a_run_prints_is_in_s3(run_id: str, instance: dg.DagsterInstance, s3: str) -> None:
    below = f"{LOGS}/storage/{run_id}/compute_logs/"
    keys = [object_.key for object_ in bucket(s3).objects.all()]
    assert keys
    assert all(key.startswith(below) for key in keys)
    logs = instance.compute_log_manager
    assert isinstance(logs, S3ComputeLogManager)
    [captured] = [
        entry.get_dagster_event().logs_captured_data.file_key
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
    ]
    said, _ = logs.get_log_data_for_type(
        [run_id, "compute_logs", captured], ComputeIOType.STDERR, 0, None
    )
    assert b"STEP_SUCCESS" in (said or b"")


def test_webserver_and_daemon_answer(running: Services) -> None:
    answer = requests.get(f"{running.url}/server_info", timeout=30)
    assert answer.json()["dagster_version"] == dg.__version__
    running.wait_until(running.is_daemon_healthy, "the daemon")
    assert "Daemon live" in running.do("dagster-daemon", "liveness-check")


def test_a_secret_is_nowhere(
    running: Services,
    run_id: str,
    postgres: PostgresServer,
    s3: str,
    environment: dict[str, str],
) -> None:
    folder = Path(environment["DAGSTER_HOME"])
    places = {
        "dagster instance info": running.info,
        "the UI": json.dumps(running.ask("{instance {info}}")),
        "PostgreSQL": postgres.dump(),
        "S3": str([object_.get()["Body"].read() for object_ in bucket(s3).objects.all()]),
        "the services' words": running.said(),
        "the commands": str([process.args for process in running.processes.values()]),
    } | {
        str(path): path.read_bytes().decode(errors="replace")
        for path in (*folder.rglob("*"), *PRODUCTION.iterdir())
        if path.is_file()
    }
    assert "PostgresRunStorage" in places["dagster instance info"]
    assert run_id in places["PostgreSQL"]
    assert "STEP_SUCCESS" in places["S3"]
    spellings = [
        text
        for secret in SECRETS.values()
        for text in (secret, quote(secret), quote(secret, safe=""))
    ]
    assert [
        place for place, text in places.items() if any(each in text for each in spellings)
    ] == []


def test_all_end_on_sigterm_and_a_run_ends_with_them(
    running: Services, run_id: str, instance: dg.DagsterInstance
) -> None:
    under_way = running.launch()
    running.wait_until(lambda: running.status(under_way) == "STARTED", "the run's begin")
    codes = running.stop()
    assert set(codes) == set(services())
    assert set(codes.values()) <= {0, -signal.SIGTERM}
    run = instance.get_run_by_id(under_way)
    assert run
    assert run.status is dg.DagsterRunStatus.FAILURE
