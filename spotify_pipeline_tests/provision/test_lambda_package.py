"""The Lambda function as it is shipped: that its package is whole, and that the template makes it
run daily, with as many rights as it needs and no more."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.deployment import VARIABLES, read_deployment, read_environment
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake import batch, raw, stamp
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.provision import glue_package, lambda_package
from spotify_pipeline.provision.lambda_package import Package
from spotify_pipeline.provision.lambda_secret import Secret
from spotify_pipeline.provision.stack import Stack
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.server import SandboxServer
from spotify_pipeline_tests.emulators.ministack import REGION, MiniStack

pytestmark = pytest.mark.slow

PROJECT = Path(lambda_package.__file__).parents[2]
NAME, BUCKET, PREFIX, SECRET = "playlists", "lake-of-the-team", "team/", "spotify/sign-in"
PLAYLISTS = [plan.playlist_id for plan in Catalogue().playlists]
SIGN_IN = {"SPOTIFY_CLIENT_ID": "app", "SPOTIFY_CLIENT_SECRET": "hush"}


@pytest.fixture(scope="module")
def package() -> Package:
    return lambda_package.build()


@pytest.fixture(scope="module")
def spotify() -> Iterator[SandboxServer]:
    with SandboxServer(create_app(Catalogue(), machine_clock)) as server:
        yield server


# The package


def names_in(package: Package) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(package.body)).namelist()


def test_it_is_the_same_when_it_is_made_again(package: Package) -> None:
    assert lambda_package.build() == package


def test_another_module_gives_it_another_name(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambda_package, "_MODULES", (*lambda_package._MODULES, "cli/__init__.py"))
    monkeypatch.setattr(lambda_package, "_install", lambda _: None)
    with_another = lambda_package.build()
    monkeypatch.setattr(lambda_package, "_MODULES", lambda_package._MODULES[:-1])
    assert with_another.key != lambda_package.build().key


def test_its_libraries_are_those_that_were_tested(package: Package) -> None:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    tested = {line.replace("-", "_") for line in lines if "==" in line}
    metadata = [name for name in names_in(package) if name.endswith(".dist-info/METADATA")]
    found = {name.split(".dist-info")[0].replace("-", "==") for name in metadata}
    assert {"boto3", "spotipy"} <= {pin.split("==")[0] for pin in found}
    assert found <= tested


def test_nothing_in_it_is_of_this_machine(package: Package) -> None:
    archive = zipfile.ZipFile(io.BytesIO(package.body))
    assert not [name for name in archive.namelist() if name.endswith((".so", ".pyc", "RECORD"))]
    assert not [name for name in archive.namelist() if name.startswith("bin/")]
    for name in archive.namelist():
        assert sys.prefix.encode() not in archive.read(name), name


def test_it_is_small(package: Package) -> None:
    assert len(package.body) < 4_000_000


def test_without_the_index_it_is_told_what_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_package, "_CONSTRAINTS", Path("no-such-file"))
    with pytest.raises(FixConfiguration, match="pip can't fetch the libraries") as told:
        lambda_package.build()
    assert "no-such-file" in str(told.value)


def test_without_a_secret_it_is_told_what_to_set() -> None:
    environment = read_environment({"SPOTIFY_PLAYLISTS": PLAYLISTS[0]})
    with pytest.raises(FixConfiguration, match="set SPOTIFY_SECRET_NAME"):
        lambda_package.parameters(environment, "lambda/package.zip")


# On MiniStack


@pytest.fixture(scope="module")
def aws() -> Iterator[MiniStack]:
    with MiniStack() as aws:
        aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(SIGN_IN))
        aws.client("secretsmanager").create_secret(Name=f"{SECRET}2", SecretString="of others")
        yield aws


def put(package: Package, store: S3Store) -> str:
    """Its key in the bucket."""
    store.put_new(package.key, package.body)
    return store.prefix + package.key


@pytest.fixture(scope="module")
def function(aws: MiniStack, package: Package, spotify: SandboxServer) -> str:
    """The function as the template makes it; what stands in for Spotify is put in afterwards."""
    stack = Stack(aws.client("cloudformation"), NAME)
    deploy(stack, {})  # when there is no bucket yet that a package could be in
    assert not [resource for resource in resources(aws) if resource.startswith("Lambda")]
    key = put(package, lake(aws))
    deploy(stack, parameters(key))
    name = (stack.outputs() or {})["LambdaFunction"]
    variables = configuration(aws, name)["Environment"]["Variables"]
    stand_in = {"SPOTIFY_API_URL": spotify.api_url, "SPOTIFY_ACCOUNTS_URL": spotify.accounts_url}
    aws.client("lambda").update_function_configuration(
        FunctionName=name, Environment={"Variables": variables | stand_in}
    )
    # Loopback has no TLS, which the bucket's policy asks for.
    aws.client("s3").delete_bucket_policy(Bucket=BUCKET)
    return name


def deploy(stack: Stack, of_lambda: dict[str, str]) -> None:
    others = {
        "BucketName": BUCKET,
        "LakePrefix": PREFIX,
        "SnowflakeUserArn": "arn:aws:iam::000000000000:root",
        "SnowflakeExternalId": "of-our-own",
        "GlueModules": glue_package.modules(),
    }
    planned = stack.plan(others | of_lambda)
    assert planned
    stack.apply(planned)


def parameters(key: str) -> dict[str, str]:
    environment = {
        "SPOTIFY_PLAYLISTS": ",".join(f"spotify:playlist:{id_}" for id_ in PLAYLISTS),
        "SPOTIFY_SECRET_NAME": SECRET,
        "SPOTIFY_PIPELINE_HOUR": "5",
    }
    return lambda_package.parameters(read_environment(environment), key)


def resources(aws: MiniStack, stack: str = NAME) -> set[str]:
    found = aws.client("cloudformation").list_stack_resources(StackName=stack)
    return {each["LogicalResourceId"] for each in found["StackResourceSummaries"]}


def lake(aws: MiniStack) -> S3Store:
    return S3Store(aws.client("s3"), BUCKET, PREFIX)


def configuration(aws: MiniStack, function: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("lambda").get_function_configuration(FunctionName=function)
    return found


def invoke(aws: MiniStack, function: str) -> tuple[dict[str, Any], bool]:
    """What the function answers, and whether it is an error."""
    answer = aws.client("lambda").invoke(
        FunctionName=function, Payload=json.dumps({"time": f"{machine_clock():%Y-%m-%dT%H:%M:%SZ}"})
    )
    return json.loads(answer["Payload"].read()), "FunctionError" in answer


def test_it_runs_as_it_is_shipped_with_its_own_rights(aws: MiniStack, function: str) -> None:
    store, day = lake(aws), today(machine_clock)
    answer, is_error = invoke(aws, function)
    assert not is_error, answer
    assert (answer["day"], answer["captured"]) == (str(day), len(PLAYLISTS))
    assert raw.captured(store, day) == set(PLAYLISTS)
    assert stamp.read(store) == "sandbox"
    [run] = aws.client("glue").get_job_runs(JobName=NAME)["JobRuns"]
    assert run["Id"] == answer["glue_run"]
    assert run["Arguments"]["--lake"] == store.uri("")

    # Nobody plays Glue here, so the batch is made by another engine.
    assert isinstance(batch.issue(store, EmbeddedEngine(), [day], machine_clock)[day], Outcome)
    written = store.list_keys("")
    again, is_error = invoke(aws, function)
    assert not is_error, again
    assert (again["captured"], again["already_there"]) == (0, len(PLAYLISTS))
    assert again["glue_run"] is None
    assert store.list_keys("") == written


def test_it_needs_nothing_that_is_not_in_the_package(
    aws: MiniStack, function: str, package: Package, spotify: SandboxServer, tmp_path: Path
) -> None:
    unpacked = tmp_path / "task"
    zipfile.ZipFile(io.BytesIO(package.body)).extractall(unpacked)
    environment = configuration(aws, function)["Environment"]["Variables"] | {
        "S3_PREFIX": "another",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.url,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, str(unpacked), HANDLER],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer, imported = json.loads(done.stdout.splitlines()[-1])
    assert answer["captured"] == len(PLAYLISTS)
    others = {path for path in imported if not path.startswith(sys.base_prefix)}
    assert all(path.startswith(str(unpacked)) for path in others)
    ours = {name for name in names_in(package) if name.startswith("spotify_pipeline/")}
    assert {str(unpacked / name) for name in ours} <= others  # and nothing more than is needed


HANDLER = "spotify_pipeline.provision.lambda_handler.handler"
# Calls the handler as Lambda does, with the package and nothing else, and tells what it imported.
PROBE = """
import importlib, json, sys
folder, handler = sys.argv[1:]
sys.path.insert(0, folder)
module, name = handler.rsplit(".", 1)
answer = getattr(importlib.import_module(module), name)({}, None)
files = [module.__file__ for module in list(sys.modules.values())
         if getattr(module, "__file__", None)]
print(json.dumps([answer, files]))
"""


# The template


def test_it_is_called_daily_by_its_rule_and_by_nobody_else(aws: MiniStack, function: str) -> None:
    arn = configuration(aws, function)["FunctionArn"]
    events = aws.client("events")
    [rule] = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    found = events.describe_rule(Name=rule)
    assert (found["ScheduleExpression"], found["State"]) == ("cron(0 5 * * ? *)", "ENABLED")
    policy = json.loads(aws.client("lambda").get_policy(FunctionName=function)["Policy"])
    [statement] = policy["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"] == found["Arn"]


def test_it_is_as_the_package_wants_it(aws: MiniStack, function: str) -> None:
    found = configuration(aws, function)
    assert found["Runtime"] == f"python{lambda_package.PYTHON}"
    assert found["Handler"] == HANDLER
    assert found["Timeout"] <= 900


def test_its_waits_end_before_it_does(aws: MiniStack, function: str) -> None:
    found = configuration(aws, function)
    deployment = read_deployment(read_environment(found["Environment"]["Variables"]))
    waits = deployment.capture.run_wait_seconds + deployment.glue_wait_minutes * 60
    assert waits <= found["Timeout"] * 2 / 3


def test_no_secret_is_in_its_environment(aws: MiniStack, function: str) -> None:
    variables = configuration(aws, function)["Environment"]["Variables"]
    assert "hush" not in str(variables)
    assert not {each.name for each in VARIABLES if each.is_secret} & variables.keys()


def test_its_log_is_not_kept_for_ever(aws: MiniStack, function: str) -> None:
    [group] = aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{NAME}")[
        "logGroups"
    ]
    assert group["retentionInDays"] == 30


@pytest.fixture
def as_function(aws: MiniStack, function: str) -> Callable[[str], Any]:
    """Clients with the rights of the function's role, which somebody else may take for once."""
    iam, role = aws.client("iam"), configuration(aws, function)["Role"]
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
    }
    iam.update_assume_role_policy(RoleName=role.rsplit("/", 1)[1], PolicyDocument=json.dumps(trust))
    taken = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return lambda service: aws.client(
        service,
        aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"],
        aws_session_token=taken["SessionToken"],
    )


def test_it_keeps_a_new_refresh_token(aws: MiniStack, as_function: Callable[[str], Any]) -> None:
    secrets = as_function("secretsmanager")
    found = SIGN_IN | {"SPOTIFY_REFRESH_TOKEN": "hush-old"}
    aws.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=json.dumps(found))
    Secret(secrets, SECRET, pytest.fail).keep("hush-new", "hush-old")
    assert Secret(secrets, SECRET, pytest.fail).credentials().refresh_token == "hush-new"


def test_it_may_not_do_anything_else(aws: MiniStack, as_function: Callable[[str], Any]) -> None:
    s3, glue = as_function("s3"), as_function("glue")
    secrets = as_function("secretsmanager")
    aws.client("glue").create_job(Name="of-others", Role="r", Command={"Name": "glueetl"})
    key = f"{PREFIX}transformed_data/song_data/dt=2026-11-22/1-a/song.csv.gz"
    elsewhere = "raw_data/dt=2026-11-22/p.ndjson.gz"
    for each in (key, elsewhere):
        aws.client("s3").put_object(Bucket=BUCKET, Key=each, Body=b"body")
    manifest = f"{PREFIX}manifests/dt=2026-11-22/1.json"
    for denied in (
        lambda: s3.get_object(Bucket=BUCKET, Key=key),
        lambda: s3.put_object(Bucket=BUCKET, Key=key, Body=b"rows"),
        lambda: s3.put_object(Bucket=BUCKET, Key=manifest, Body=b"{}"),
        lambda: s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}lambda/x.zip", Body=b"code"),
        lambda: s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}glue/glue_job.py", Body=b"code"),
        lambda: s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}source.json"),
        lambda: s3.get_object(Bucket=BUCKET, Key=elsewhere),
        lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix="raw_data/"),
        lambda: s3.list_objects_v2(Bucket=BUCKET),
        lambda: glue.start_job_run(JobName="of-others"),
        lambda: glue.batch_stop_job_run(JobName=NAME, JobRunIds=["jr_1"]),
        lambda: glue.update_job(JobName=NAME, JobUpdate={"Role": "r"}),
        lambda: secrets.get_secret_value(SecretId=f"{SECRET}2"),
        lambda: secrets.delete_secret(SecretId=SECRET),
        lambda: as_function("lambda").list_functions(),
        lambda: as_function("iam").list_roles(),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            denied()


def test_who_wants_it_no_more_loses_nothing_else(aws: MiniStack, package: Package) -> None:
    stack = Stack(aws.client("cloudformation"), "other")
    bucket = {"BucketName": "lake-of-others"}
    deploy(stack, bucket)
    before = resources(aws, "other")
    key = put(package, S3Store(aws.client("s3"), "lake-of-others", PREFIX))
    deploy(stack, bucket | parameters(key))
    assert {name for name in resources(aws, "other") - before if "Lambda" not in name} == set()
    deploy(stack, bucket)
    assert resources(aws, "other") == before
