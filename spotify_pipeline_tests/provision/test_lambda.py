"""The Lambda function beside Dagster, in every order: the same days, each once.

Here the handler is called as Lambda does, against the sandbox, S3 and real runs of the Glue job
(with the quick engine); as a package and with its role's rights it is `test_lambda_package`.
"""

import gzip
import json
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from time import sleep
from typing import Any, Self

import dagster as dg
import pytest
from dagster._core.pipes import utils as pipes
from starlette.types import ASGIApp, Receive, Scope, Send

from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import read_deployment
from spotify_pipeline.engines.glue_request import GlueRequest
from spotify_pipeline.errors import FixConfiguration, SkipThis
from spotify_pipeline.lake import attempts, keys, manifests, raw, stamp
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.orchestration.database import DuckDBFile
from spotify_pipeline.orchestration.glue import Glue
from spotify_pipeline.provision import lambda_handler
from spotify_pipeline.provision.lambda_secret import Secret
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.faults import Fault, with_faults
from spotify_pipeline.sandbox.server import SandboxServer
from spotify_pipeline_tests.emulators.aws import LocalAws
from spotify_pipeline_tests.emulators.glue_runs import Run
from spotify_pipeline_tests.orchestration.test_glue import QUICK_JOB, once
from spotify_pipeline_tests.synthetic import DAY, NOON

pytestmark = pytest.mark.slow

PLAYLISTS = [plan.playlist_id for plan in Catalogue().playlists]
SIGN_IN = {
    "SPOTIFY_CLIENT_ID": "app",
    "SPOTIFY_CLIENT_SECRET": "hush-secret",
    "SPOTIFY_REFRESH_TOKEN": "hush-token",
}
EVENT = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": f"{DAY}T12:00:00Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:events:eu-west-1:123456789012:rule/playlists"],
    "detail": {},
}
"""What EventBridge sends for a rule with a schedule."""


class Time:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Spotify:
    """The sandbox, which notes what it is asked and fails as a test decides."""

    def __init__(self, time: Time) -> None:
        self.asked: list[str] = []
        self._good = create_app(Catalogue(), time)
        self._app: ASGIApp = self._good

    def __enter__(self) -> Self:
        self._server = SandboxServer(self).__enter__()
        self.url = self._server.accounts_url
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    def fail(self, *faults: Fault) -> None:
        self._app = with_faults(self._good, faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await self._app(scope, receive, send)


class Team:
    """A lake of its own in one bucket, and both who fill it."""

    _numbers = count()

    def __init__(
        self, aws: LocalAws, spotify: Spotify, time: Time, patch: pytest.MonkeyPatch, home: Path
    ) -> None:
        self.aws, self.spotify, self.time, self.home = aws, spotify, time, home
        self._patch = patch
        self.secrets = aws.client("secretsmanager")
        self.secret = f"sign-in-{next(self._numbers)}"
        self.secrets.create_secret(Name=self.secret, SecretString=json.dumps(SIGN_IN))
        self.set(
            **aws.environment,
            SPOTIFY_PIPELINE_DEPLOYMENT="aws",
            SPOTIFY_PIPELINE_HOME=str(home),
            SPOTIFY_API_URL=f"{spotify.url}/v1/",
            SPOTIFY_ACCOUNTS_URL=spotify.url,
            SPOTIFY_PLAYLISTS=",".join(PLAYLISTS),
            SPOTIFY_SECRET_NAME=self.secret,
            GLUE_WAIT_MINUTES="4",
        )
        self.take_new_lake()

    def set(self, **environment: str) -> None:
        for name, value in environment.items():
            self._patch.setenv(name, value)

    def take_new_lake(self) -> None:
        prefix = f"lake{next(self._numbers)}"
        self.set(S3_PREFIX=prefix)
        self.store = S3Store(self.aws.client("s3"), self.aws.bucket, prefix)

    def invoke(self, **event: str) -> dict[str, Any]:
        """What Lambda does; the Glue job may go on then."""
        return lambda_handler.handler(EVENT | event, None)

    def settle(self) -> None:
        """Waits until the Glue job has ended."""
        for run in self.runs():
            self.aws.glue.wait_for(run.id, "SUCCEEDED")

    def settle_last(self) -> None:
        """The same, where runs before the last have failed."""
        self.aws.glue.wait_for(self.runs()[-1].id, "SUCCEEDED")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Glue begins nothing meanwhile."""
        self.aws.glue.hold = True
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        self.aws.glue.hold = False

    def dagster(self) -> dg.ExecuteInProcessResult:
        """A run of the day, as far as the lake."""
        definitions = self.definitions()
        selection = dg.AssetSelection.assets("raw_playlist_json") | dg.AssetSelection.groups("lake")
        with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
            for name, value in SIGN_IN.items():  # which Dagster has where it runs
                patch.setenv(name, value)
            return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                asset_selection=list(selection.resolve(definitions.resolve_asset_graph())),
                partition_key=str(DAY),
                instance=instance,
                raise_on_error=False,
            )

    def definitions(self) -> dg.Definitions:
        deployment = read_deployment()
        engine = Glue(
            job_name=self.aws.job_name,
            wait_minutes=deployment.glue_wait_minutes,
            poll_seconds=0.2,
        )
        # For the checks, which are not what is tested here.
        database = DuckDBFile(path=str(self.home / "spotify.duckdb"))
        return build_defs(deployment, self.time, {"engine": engine, "database": database})

    def runs(self) -> list[Run]:
        """The runs of the Glue job for this lake, the oldest first."""
        runs = self.aws.glue.runs.values()
        return [run for run in runs if run.arguments["--lake"] == self.store.uri("")]

    def contents(self, *rooms: str) -> dict[str, bytes]:
        """What lies in the lake, or in some of its rooms."""
        found = self.store.list_keys("")
        return {key: self.store.get(key) for key in found if not rooms or key.startswith(rooms)}

    def writes(self) -> Counter[str]:
        """How often each object of the lake was written."""
        pages = self.store.client.get_paginator("list_object_versions")
        found = pages.paginate(Bucket=self.store.bucket, Prefix=self.store.prefix)
        return Counter(each["Key"] for page in found for each in page["Versions"])

    def batches(self) -> dict[date, int]:
        return manifests.current_batches(self.store)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        aws.use_script(QUICK_JOB)
        aws.client("s3").put_bucket_versioning(
            Bucket=aws.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        yield aws


@pytest.fixture
def team(aws: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Team]:
    time = Time()
    monkeypatch.setattr(lambda_handler, "machine_clock", time)
    # For how long Dagster listens to a run that ended without a farewell.
    monkeypatch.setattr(pipes, "WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 1)
    with Spotify(time) as spotify:
        yield Team(aws, spotify, time, monkeypatch, tmp_path)


def outcomes(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What Dagster told of the raw documents and of the batch."""
    told = {
        event.asset_key.path[-1]: event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    raw_playlist_json = told["raw_playlist_json"]
    return {
        "captured": raw_playlist_json["captured"].value,
        "already_there": raw_playlist_json["already_there"].value,
        "batch": (told["song"]["batch"].value, told["song"]["outcome"].value),
    }


# The same as Dagster, once


def test_it_makes_what_dagster_makes_and_again_it_makes_nothing(team: Team) -> None:
    rooms = (keys.RAW, keys.ATTEMPTS, keys.TRANSFORMED, keys.STAMP)
    assert outcomes(team.dagster())["captured"] == len(PLAYLISTS)
    by_dagster, [run_of_dagster] = team.contents(*rooms), team.runs()

    team.take_new_lake()
    answer = team.invoke()
    team.settle()
    by_lambda, [run_of_lambda] = team.contents(*rooms), team.runs()
    assert answer == {
        "day": str(DAY),
        "captured": len(PLAYLISTS),
        "already_there": 0,
        "glue_run": run_of_lambda.id,
    }
    assert by_lambda == by_dagster
    assert {key.split("/")[0] for key in by_lambda} == {room.rstrip("/") for room in rooms}
    asked = GlueRequest.parse(words_of(run_of_lambda))
    assert asked == replace(GlueRequest.parse(words_of(run_of_dagster)), lake=team.store.uri(""))
    assert manifests.read(team.store, DAY, 1).engine == "glue"

    everything, calls = team.contents(), len(team.spotify.asked)
    assert team.invoke() == {
        "day": str(DAY),
        "captured": 0,
        "already_there": len(PLAYLISTS),
        "glue_run": None,
    }
    assert team.contents() == everything
    assert len(team.runs()) == 1
    assert len(team.spotify.asked) == calls


def words_of(run: Run) -> list[str]:
    return [word for pair in run.request["Arguments"].items() for word in pair]


# In every order


def test_after_it_dagster_finds_the_day_done(team: Team) -> None:
    team.invoke()
    team.settle()
    everything, calls = team.contents(), len(team.spotify.asked)
    assert outcomes(team.dagster()) == {
        "captured": 0,
        "already_there": len(PLAYLISTS),
        "batch": (1, "unchanged"),
    }
    assert team.contents() == everything
    assert len(team.runs()) == 1
    assert len(team.spotify.asked) == calls


def test_after_it_dagster_s_schedule_has_nothing_to_ask_for(team: Team) -> None:
    assert ticks(team)
    with team.held():
        team.invoke()
        assert ticks(team)  # the day's batch is to come
    team.settle()
    assert not ticks(team)


def ticks(team: Team) -> bool:
    """Whether Dagster's schedule asks for a run."""
    definitions = team.definitions()
    with (
        dg.instance_for_test() as instance,
        dg.build_schedule_context(
            scheduled_execution_time=NOON,
            instance=instance,
            repository_def=definitions.get_repository_def(),
            resources=dict(definitions.resources or {}),
        ) as context,
    ):
        return bool(definitions.resolve_schedule_def("daily").evaluate_tick(context).run_requests)


def test_after_dagster_it_finds_the_day_done(team: Team) -> None:
    assert team.dagster().success, team.aws.glue_output()
    everything = team.contents()
    assert team.invoke()["glue_run"] is None
    assert team.contents() == everything
    assert len(team.runs()) == 1


def test_dagster_waits_for_the_run_that_it_has_started(team: Team) -> None:
    with team.held():
        team.invoke()
        asked = len(team.aws.glue.calls)
        with once(lambda: len(team.aws.glue.calls) > asked + 2, team.release):
            result = team.dagster()
    assert outcomes(result)["batch"] == (1, "issued")
    assert len(team.runs()) == 1
    assert team.batches() == {DAY: 1}


def test_it_leaves_a_run_that_goes_on_alone_whoever_started_it(team: Team) -> None:
    with team.held():
        first = team.invoke()
        assert team.invoke()["glue_run"] == first["glue_run"]
    team.settle()

    team.take_new_lake()
    with team.held(), ThreadPoolExecutor() as pool:
        by_dagster = pool.submit(team.dagster)
        while not team.runs():
            sleep(0.05)
        assert team.invoke()["glue_run"] == team.runs()[0].id
        team.release()
        assert by_dagster.result().success
    assert len(team.runs()) == 1
    assert team.batches() == {DAY: 1}


def test_both_at_once_make_the_day_once(team: Team) -> None:
    team.dagster()
    alone = team.contents(keys.RAW, keys.TRANSFORMED)
    for _ in range(3):
        team.take_new_lake()
        with ThreadPoolExecutor() as pool:
            by_lambda = [pool.submit(team.invoke) for _ in range(2)]
            assert team.dagster().success, team.aws.glue_output()
            assert {invoked.result()["day"] for invoked in by_lambda} == {str(DAY)}
        team.settle()
        assert team.contents(keys.RAW, keys.TRANSFORMED) == alone
        assert team.batches() == {DAY: 1}
        assert set(team.writes().values()) == {1}


def test_a_run_that_failed_is_started_anew_by_the_next_call(team: Team) -> None:
    with team.held():
        run = team.invoke()["glue_run"]
        team.aws.glue.force(run, "FAILED")
    assert team.batches() == {}
    assert team.invoke()["glue_run"] not in (None, run)
    team.settle_last()
    assert team.batches() == {DAY: 1}


def test_it_waits_until_the_job_has_room(team: Team, aws: LocalAws) -> None:
    other = GlueRequest("s3://playlists/of-others/", (DAY,)).to_arguments()
    with team.held():
        started = aws.client("glue").start_job_run(JobName=aws.job_name, Arguments=other)
        refused = lambda: [name for name, _ in aws.glue.calls][-1] == "StartJobRun"  # noqa: E731
        stop = lambda: aws.glue.force(started["JobRunId"], "STOPPED")  # noqa: E731
        with once(refused, stop):
            assert team.invoke()["glue_run"]
    team.settle()
    assert team.batches() == {DAY: 1}


# What goes wrong


def test_a_playlist_that_is_mistyped_stops_no_other_and_is_told_at_the_end(team: Team) -> None:
    team.set(SPOTIFY_PLAYLISTS=f"{PLAYLISTS[0][:21]},{PLAYLISTS[1]}")
    with pytest.raises(SkipThis, match=f"no playlist in '{PLAYLISTS[0][:21]}'"):
        team.invoke()
    team.settle()
    assert raw.captured(team.store, DAY) == {PLAYLISTS[1]}


def test_a_playlist_that_fails_stops_no_other_and_is_told_at_the_end(team: Team) -> None:
    team.spotify.fail(Fault("not_found", PLAYLISTS[1]))
    with pytest.raises(SkipThis) as told:
        team.invoke()
    assert f"1 of {len(PLAYLISTS)} playlists of {DAY} could not be captured" in str(told.value)
    assert PLAYLISTS[1] in str(told.value)
    team.settle()
    assert raw.captured(team.store, DAY) == {*PLAYLISTS} - {PLAYLISTS[1]}
    assert [failure.playlist_id for failure in attempts.missing(team.store, DAY)] == [PLAYLISTS[1]]
    assert team.batches() == {DAY: 1}

    # Lambda tries again by itself: only what is missing is asked for, and the batch is the next.
    team.spotify.fail()
    team.spotify.asked.clear()
    assert team.invoke()["captured"] == 1
    assert {path.split("/")[3] for path in team.spotify.asked if "playlists" in path} == {
        PLAYLISTS[1]
    }
    team.settle()
    assert team.batches() == {DAY: 2}
    assert attempts.missing(team.store, DAY) == []


def test_where_nothing_could_be_captured_no_run_is_started(team: Team) -> None:
    team.secrets.put_secret_value(SecretId=team.secret, SecretString="hush, no JSON")
    with pytest.raises(SkipThis, match="4 of 4 playlists") as told:
        team.invoke()
    assert f"The secret {team.secret} holds no sign-in" in str(told.value)
    assert "hush" not in str(told.value)
    assert team.runs() == []
    # Who looks later learns what it was.
    assert {failure.reason for failure in attempts.missing(team.store, DAY)} == {
        failure.reason
        for failure in attempts.latest(team.store, DAY).failures  # type: ignore[union-attr]
    }


def test_an_event_that_comes_late_takes_nothing_from_the_next_day(team: Team) -> None:
    team.spotify.fail(Fault("not_found", PLAYLISTS[1]))
    with team.held():
        with pytest.raises(SkipThis):
            team.invoke()
        team.aws.glue.force(team.runs()[0].id, "FAILED")
    team.time.now += timedelta(days=1)
    everything, calls = team.contents(), len(team.spotify.asked)
    # Of its own day the batch is made all the same; what was recorded of it stays as it was.
    assert team.invoke()["glue_run"] == team.runs()[1].id
    assert team.contents(keys.RAW, keys.ATTEMPTS, keys.STAMP) == everything
    assert len(team.spotify.asked) == calls
    team.settle_last()
    assert team.batches() == {DAY: 1}


def test_by_hand_and_without_an_event_it_is_today(team: Team) -> None:
    assert lambda_handler.handler({}, None)["day"] == str(DAY)
    team.settle()
    assert team.batches() == {DAY: 1}


def test_a_lake_of_the_other_source_is_left_alone(team: Team) -> None:
    stamp.claim(team.store, "spotify")
    with pytest.raises(FixConfiguration, match="holds captures from spotify"):
        team.invoke()
    assert list(team.contents()) == [keys.STAMP]


# No secret


def test_a_new_refresh_token_is_kept_in_the_secret(team: Team) -> None:
    secret = Secret(team.secrets, team.secret, print)
    secret.keep("hush-new", "hush-token")
    assert secret.credentials().refresh_token == "hush-new"
    # Somebody has signed in anew since.
    secret.keep("hush-newer", "hush-token")
    assert secret.credentials().refresh_token == "hush-new"
    body = json.loads(team.secrets.get_secret_value(SecretId=team.secret)["SecretString"])
    assert body == SIGN_IN | {"SPOTIFY_REFRESH_TOKEN": "hush-new"}


def test_a_new_refresh_token_that_cannot_be_kept_ends_nothing(team: Team) -> None:
    told: list[str] = []
    Secret(team.secrets, "no-such-secret", told.append).keep("hush-new", "hush-token")
    [text] = told
    assert "ResourceNotFoundException for no-such-secret" in text
    assert "SPOTIFY_SECRET_NAME" in text
    assert "hush" not in text


@pytest.mark.parametrize(
    "body", ["[]", '"hush"', '{"SPOTIFY_CLIENT_ID": "app"}', '{"SPOTIFY_CLIENT_ID": 1}', "hush"]
)
def test_a_secret_that_is_none_is_told_with_what_to_put_there(team: Team, body: str) -> None:
    team.secrets.put_secret_value(SecretId=team.secret, SecretString=body)
    with pytest.raises(FixConfiguration, match="put-secret-value") as told:
        Secret(team.secrets, team.secret, print).credentials()
    assert "hush" not in "".join(traceback.format_exception(told.value))


def test_no_secret_lies_in_the_lake_or_in_the_log(
    team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    team.spotify.fail(Fault("invalid_grant"))
    with pytest.raises(SkipThis) as told:
        team.invoke()
    team.spotify.fail()
    team.invoke()
    team.settle()
    lake = b"".join(
        gzip.decompress(body) if key.endswith("gz") else body
        for key, body in team.contents().items()
    )
    said = capsys.readouterr()
    assert b"hush" not in lake
    assert "hush" not in f"{told.value}{said.out}{said.err}{team.aws.glue_output()}"
