"""What the doctor says of AWS and Snowflake where one thing in them is not as it should be."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import snowflake.connector
from botocore.exceptions import ClientError

from spotify_pipeline import cli
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.loading.snowflake import SnowflakeSession
from spotify_pipeline.orchestration.database import build_database
from spotify_pipeline.provision import ddl, uploads
from spotify_pipeline.provision.account import Account
from spotify_pipeline.provision.canary import Canary
from spotify_pipeline.provision.cloud_doctor import examine_snowflake
from spotify_pipeline.provision.ddl import Statement
from spotify_pipeline_tests.emulators.cloud import Cloud

pytestmark = pytest.mark.slow

PIPES = "SPOTIFY_DB.PIPES"
STAGE = f"{PIPES}.SPOTIFY_STAGE"
PROVISION = "spotify-pipeline provision"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def store(cloud: Cloud) -> S3Store:
    return S3Store(cloud.aws.client("s3"), cloud.bucket, cloud.prefix)


@pytest.fixture(scope="module")
def session(cloud: Cloud) -> Iterator[SnowflakeSession]:
    """As the pipeline has one."""
    environment = read_environment(cloud.environment, Path("/nowhere"))
    with build_database(read_deployment(environment)).database().session() as session:
        assert isinstance(session, SnowflakeSession)
        yield session


Stage = Callable[[], tuple[str, str]]


@pytest.fixture
def stage(session: SnowflakeSession, store: S3Store) -> Stage:
    """State and text of the stage's verdict."""

    def verdict() -> tuple[str, str]:
        found = next(examine_snowflake(session, store, ddl.DEFAULTS))
        assert found.subject == "stage"
        return found.state, found.text

    return verdict


# The stage


def test_another_stage_beside_ours_is_nobodys_business(cloud: Cloud, stage: Stage) -> None:
    cloud.execute(
        f"CREATE STAGE {PIPES}.ANOTHER URL = 's3://{cloud.bucket}/{cloud.prefix}/x/' "
        f"STORAGE_INTEGRATION = SPOTIFY_S3"
    )
    cloud.execute(f"GRANT USAGE ON STAGE {PIPES}.ANOTHER TO ROLE {ddl.DEFAULTS['service_role']}")
    assert stage() == ("ok", "Snowflake gets into the bucket")
    cloud.execute(f"DROP STAGE {PIPES}.ANOTHER")


def test_that_there_is_no_stage_is_told(
    session: SnowflakeSession, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = SnowflakeSession.rows

    def rows(self: SnowflakeSession, sql: str) -> list[dict[str, Any]]:
        found = really(self, sql)
        return [row | {"name": "OTHER"} for row in found] if "SHOW STAGES" in sql else found

    monkeypatch.setattr(SnowflakeSession, "rows", rows)
    state, text = stage()
    assert state == "FAIL"
    assert text.startswith("There is no stage PIPES.SPOTIFY_STAGE")
    assert PROVISION in text


def test_a_role_that_trusts_somebody_else_is_told_with_what_to_do(
    cloud: Cloud, stage: Stage
) -> None:
    iam, role = cloud.aws.client("iam"), f"{cloud.stack}-snowflake"
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    nobody = '{"Version": "2012-10-17", "Statement": []}'
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=nobody)
    told = stage()
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))
    _is_told(told, "AWS role and integration don't fit together", "sts:AssumeRole")


def test_a_bucket_that_does_not_let_snowflake_in_is_told_with_what_to_do(
    cloud: Cloud, stage: Stage
) -> None:
    with cloud.snowflake.access_denied(cloud.bucket):
        _is_told(stage(), "Snowflake doesn't get at the bucket", "AccessDenied")


def test_an_integration_that_is_off_is_told_with_what_to_do(cloud: Cloud, stage: Stage) -> None:
    cloud.execute("ALTER STORAGE INTEGRATION SPOTIFY_S3 SET ENABLED = FALSE")
    told = stage()
    cloud.execute("ALTER STORAGE INTEGRATION SPOTIFY_S3 SET ENABLED = TRUE")
    _is_told(told, "Snowflake doesn't get at the bucket", "integration")


def test_a_stage_without_its_integration_is_told_with_what_to_do(
    cloud: Cloud, stage: Stage
) -> None:
    cloud.execute(
        f"CREATE OR REPLACE STORAGE INTEGRATION PASSING TYPE = EXTERNAL_STAGE "
        f"STORAGE_PROVIDER = 'S3' STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' ENABLED = TRUE "
        f"STORAGE_ALLOWED_LOCATIONS = ('s3://{cloud.bucket}/')"
    )
    cloud.execute(f"ALTER STAGE {STAGE} SET STORAGE_INTEGRATION = PASSING")
    cloud.execute("DROP INTEGRATION PASSING")
    told = stage()
    cloud.execute(f"ALTER STAGE {STAGE} SET STORAGE_INTEGRATION = SPOTIFY_S3")
    _is_told(told, "lost its integration", "PASSING")
    assert stage()[0] == "ok"


def _is_told(verdict: tuple[str, str], *parts: str) -> None:
    state, text = verdict
    assert state == "FAIL"
    for part in (*parts, f"As administrator: {PROVISION}"):
        assert part in text


def test_whatever_else_snowflake_refuses_is_told_with_what_to_do(session: SnowflakeSession) -> None:
    with pytest.raises(FixConfiguration, match="SHOW NONSENSE") as refusal:
        session.rows("SHOW NONSENSE OF ANY KIND")
    assert "SNOWFLAKE_ROLE" in str(refusal.value)
    assert str(refusal.value).endswith(PROVISION)


# Without AWS


def test_without_a_region_the_doctor_says_so_and_looks_at_the_rest(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(("doctor",)) == 1
    lines = {line[8:].split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["aws"].startswith("  FAIL")
    assert "AWS_DEFAULT_REGION" in lines["aws"]
    assert lines["database"].startswith("  ok")
    assert "bucket" not in lines


# What lies in the bucket


class PartOfABucket:
    """S3 for somebody who may list below a prefix alone: what isn't there is refused to them."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def list_objects_v2(self, **given: Any) -> Any:
        assert given["Prefix"]
        return self._s3.list_objects_v2(**given)

    def head_object(self, **given: Any) -> Any:
        try:
            return self._s3.head_object(**given)
        except ClientError as error:
            told = error.response
            told["Error"] = {"Code": "403", "Message": "Forbidden"}
            told["ResponseMetadata"]["HTTPStatusCode"] = 403
            raise


def test_a_missing_file_is_outdated_for_who_may_list_only_a_part_of_the_bucket(
    cloud: Cloud,
) -> None:
    s3 = PartOfABucket(cloud.aws.client("s3"))
    files = {f"{cloud.prefix}/glue/{name}": b"body" for name in ("same", "other", "miss")}
    same, other, missing = files
    uploads.upload(cloud.aws.client("s3"), cloud.bucket, {same: b"body", other: b"old"})
    uploads.upload(cloud.aws.client("s3"), cloud.bucket, {f"{missing}ing": b"body"})
    assert set(uploads.outdated(s3, cloud.bucket, files)) == {other, missing}


def test_a_bucket_that_is_missing_or_refused_is_told(cloud: Cloud) -> None:
    with pytest.raises(FixConfiguration, match="NoSuchBucket"):
        uploads.outdated(cloud.aws.client("s3"), "no-such-bucket", {"key": b""})
    stranger = cloud.aws.client("s3", aws_access_key_id="stranger", aws_secret_access_key="any")
    with pytest.raises(FixConfiguration, match="AWS refuses"):
        uploads.outdated(stranger, cloud.bucket, {"key": b""})


# The canary


@pytest.fixture
def canary(cloud: Cloud, store: S3Store, session: SnowflakeSession) -> Iterator[Canary]:
    parameters = cloud.snowflake.connection_parameters
    with closing(snowflake.connector.connect(**parameters, password="any")) as connection:
        yield Canary(
            store, session, Account(connection), ddl.DEFAULTS, 20, lambda _: time.sleep(0.05)
        )
    for key in _files(store):
        store.client.delete_object(Bucket=store.bucket, Key=store.prefix + key)
    cloud.snowflake.settle()
    cloud.execute("DELETE FROM SPOTIFY_DB.LANDING.PLAYLIST")


ROWS = "SELECT count(*) FROM SPOTIFY_DB.LANDING.PLAYLIST"


def _files(store: S3Store) -> list[str]:
    return store.list_keys("transformed_data/")


def test_a_canary_flies_and_is_taken_away_the_file_first(canary: Canary, cloud: Cloud) -> None:
    run, files_at_delete = Account.run, []

    def noting(self: Account, statement: Statement) -> None:
        files_at_delete.append(_files(canary.store))
        run(self, statement)

    with patch.object(Account, "run", noting):
        assert "from the bucket to LANDING" in canary.fly()
    assert files_at_delete == [[]]
    assert cloud.execute(ROWS) == [(0,)]


def _refuse(**_: Any) -> Any:
    told: Any = {
        "Error": {"Code": "AccessDenied", "Message": "No."},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    raise ClientError(told, "DeleteObject")


def test_a_file_that_may_not_be_deleted_is_told_as_harmless_and_the_row_goes(
    canary: Canary, cloud: Cloud
) -> None:
    with (
        patch.object(canary.store.client, "delete_object", _refuse),
        pytest.raises(FixConfiguration, match=r"stays in the bucket, and is harmless.*Denied"),
    ):
        canary.fly()
    assert cloud.execute(ROWS) == [(0,)]
    assert len(_files(canary.store)) == 1


def test_that_a_canary_did_not_arrive_is_told_before_what_went_wrong_after_it(
    canary: Canary,
) -> None:
    late = Canary(canary.store, canary.session, canary.account, canary.names, 0, canary.sleep)

    def run(self: Account, statement: Statement) -> None:
        raise FixConfiguration("The row stays.")

    with (
        patch.object(SnowflakeSession, "execute", lambda *_: [(0,)]),
        patch.object(canary.store.client, "delete_object", _refuse),
        patch.object(Account, "run", run),
        pytest.raises(RetryLater) as told,
    ):
        late.fly()
    for part in ("was not in LANDING.PLAYLIST", "is harmless", "The row stays."):
        assert part in str(told.value)
