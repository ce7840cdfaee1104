"""What becomes of stages and pipes while AWS lets Snowflake not, or not yet, take the role."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from spotify_pipeline_tests.emulators.snowflake import SnowflakeServer
from spotify_pipeline_tests.emulators.snowflake_lab import (
    BUCKET,
    Lab,
    ask,
    connect,
    local_s3,
    refused,
    row,
    set_up,
    tell_of_new_objects,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Arrow output on a DB-API")]

ROLE = "arn:aws:iam::123456789012:role/snowflake"


class Aws:
    """Whom IAM lets in; what it was asked."""

    def __init__(self) -> None:
        self.trusts = True
        self.asked: list[tuple[str, str, str]] = []

    def may_assume(self, role_arn: str, user_arn: str, external_id: str) -> bool:
        self.asked.append((role_arn, user_arn, external_id))
        return self.trusts


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[Any, Aws, SnowflakeServer]]:
    aws = Aws()
    with (
        local_s3() as (url, s3),
        SnowflakeServer(url, loads_by_itself=False, may_assume=aws.may_assume) as server,
    ):
        tell_of_new_objects(s3, server.queue_arn)
        with connect(server) as connection:
            set_up(connection)
        yield s3, aws, server


@pytest.fixture
def aws(account: tuple[Any, Aws, SnowflakeServer]) -> Iterator[Aws]:
    _, aws, _ = account
    aws.asked.clear()
    yield aws
    aws.trusts = True


@pytest.fixture
def lab(account: tuple[Any, Aws, SnowflakeServer], aws: Aws) -> Iterator[Lab]:
    """Its pipe works."""
    s3, _, server = account
    with connect(server) as connection:
        lab = Lab(connection, s3, server.settle)
        lab.make()
        yield lab


def test_aws_is_asked_for_the_role_in_the_name_of_the_integrations_user(lab: Lab, aws: Aws) -> None:
    told = {
        row["property"]: row["property_value"]
        for row in ask(lab.connection, "DESC INTEGRATION SPOTIFY_S3")
    }
    lab.execute(f"LIST @{lab.stage}")
    assert set(aws.asked) == {(ROLE, told["STORAGE_AWS_IAM_USER_ARN"], "ours")}
    assert told["STORAGE_AWS_ROLE_ARN"] == ROLE


def test_nothing_that_reads_the_stage_works_without_the_role(lab: Lab, aws: Aws) -> None:
    statements = (
        f"CREATE PIPE {lab.pipe}_2 AUTO_INGEST = TRUE AS COPY INTO {lab.table} FROM @{lab.stage} "
        f"FILE_FORMAT = (FORMAT_NAME = 'SPOTIFY_DB.PIPES.CSV_FILEFORMAT')",
        f"ALTER PIPE {lab.pipe} REFRESH",
        f"LIST @{lab.stage}",
    )
    aws.trusts = False
    for statement in statements:
        error = refused(lab.connection, statement)
        assert (error.errno, error.sqlstate) == (3167, "42601")
        assert "Error assuming AWS_ROLE:\nUser: arn:aws:iam::" in str(error)
        text = f"is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
        assert text in str(error)
    shown = lab.execute(f"SHOW PIPES LIKE '{lab.name}%' IN SCHEMA SPOTIFY_DB.PIPES")
    assert len(shown) == 1
    aws.trusts = True
    for statement in statements:
        lab.execute(statement)


def test_what_s3_itself_refuses_is_another_error(
    lab: Lab, account: tuple[Any, Aws, SnowflakeServer]
) -> None:
    _, _, server = account
    statements = (f"ALTER PIPE {lab.pipe} REFRESH", f"LIST @{lab.stage}")
    with server.access_denied(BUCKET):
        errors = [refused(lab.connection, statement) for statement in statements]
    cause = "Access Denied (Status Code: 403; Error Code: AccessDenied)"
    for error in errors:
        assert (error.errno, error.sqlstate) == (91003, "22000")
        assert f"Failure using stage area. Cause: [{cause}]" in str(error)
    lab.execute(f"CREATE STAGE {lab.stage}_GONE URL = 's3://no-such-bucket/'")
    error = refused(lab.connection, f"LIST @{lab.stage}_GONE")
    assert error.errno == 91003
    assert "(Status Code: 404; Error Code: NoSuchBucket)]" in str(error)


def test_a_pipe_that_is_there_is_not_made_again(lab: Lab, aws: Aws) -> None:
    """So the role is not asked for."""
    aws.trusts = False
    aws.asked.clear()
    lab.make_pipe("CREATE PIPE IF NOT EXISTS")
    assert aws.asked == []


def test_integrations_and_stages_are_made_before_the_role_trusts_anybody(
    lab: Lab, aws: Aws
) -> None:
    aws.trusts = False
    lab.execute(
        f"CREATE STORAGE INTEGRATION {lab.name} TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' "
        f"STORAGE_AWS_ROLE_ARN = '{ROLE}' ENABLED = TRUE "
        f"STORAGE_ALLOWED_LOCATIONS = ('s3://{BUCKET}/')"
    )
    lab.execute(f"ALTER STAGE {lab.stage} SET STORAGE_INTEGRATION = {lab.name}")
    lab.execute(
        f"CREATE STAGE {lab.stage}_2 URL = 's3://{BUCKET}/x/' STORAGE_INTEGRATION = {lab.name}"
    )
    assert refused(lab.connection, f"LIST @{lab.stage}_2").errno == 3167


def test_an_integration_without_the_role_is_not_valid(lab: Lab, aws: Aws) -> None:
    def proof() -> Any:
        [(text,)] = lab.execute(
            f"SELECT SYSTEM$VALIDATE_STORAGE_INTEGRATION('SPOTIFY_S3', 's3://{BUCKET}/x/', "
            f"'any.txt', 'list')"
        )
        return json.loads(text)

    assert proof() == {"status": "success", "actions": {"LIST": {"status": "success"}}}
    aws.trusts = False
    told = proof()
    assert told["status"] == told["actions"]["LIST"]["status"] == "failure"
    assert told["actions"]["LIST"]["message"].startswith("Error assuming AWS_ROLE")


def test_a_pipe_stalls_until_a_status_call_finds_the_role_trusting_again(
    lab: Lab, aws: Aws
) -> None:
    aws.trusts = False
    assert lab.status()["executionState"] == "RUNNING"  # nothing has been read yet
    lab.load("a.csv.gz", row("a"))
    lab.load("b.csv.gz", row("b"))
    told = lab.status()
    assert told["executionState"] == "STALLED_STAGE_PERMISSION_ERROR"
    assert told["error"].startswith("Error assuming AWS_ROLE")
    aws.trusts = True
    lab.settle()
    assert lab.ids() == []  # nobody has asked yet
    assert lab.status()["executionState"] == "RUNNING"
    lab.settle()
    assert lab.ids() == ["b"]
    assert lab.statuses() == [("a.csv.gz", "Load failed"), ("b.csv.gz", "Loaded")]
