"""The deployment aws run with the role for Dagster, which may do no more than the stack gives it.

Loopback has no TLS, so the bucket's policy is put aside here.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from spotify_pipeline import cli
from spotify_pipeline_tests.emulators.cloud import Cloud
from spotify_pipeline_tests.emulators.ministack_trust import sign_in
from spotify_pipeline_tests.orchestration.test_aws import Team

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.aws.client("s3").delete_bucket_policy(Bucket=cloud.bucket)
        yield cloud


@pytest.fixture(autouse=True)
def as_dagster(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    sts = cloud.aws.client("sts", **sign_in(cloud.aws.url, "arn:aws:iam::000000000000:user/ops"))
    taken = sts.assume_role(
        RoleArn=f"arn:aws:iam::000000000000:role/{cloud.stack}-dagster", RoleSessionName="dagster"
    )["Credentials"]
    environment = cloud.environment | {
        "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
        "AWS_SESSION_TOKEN": taken["SessionToken"],
        "SNOWFLAKE_CONNECTIONS": cloud.connection,  # the canary's administrator
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cloud, "environment", environment)


def test_from_the_lake_to_the_published_tables(cloud: Cloud) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        team = Team(cloud, instance)
        team.capture("a", "b")
        team.issue()
        team.follow(team.tick())
        assert team.published() == (1, ["a", "b"])


def test_the_doctor_and_its_canary(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(("doctor", "--canary")) == 1
    said = capsys.readouterr().out
    failing = [line.split("  ")[2].strip() for line in said.splitlines() if "  FAIL" in line]
    # Nobody gave it Spotify, and the policy is aside.
    assert failing == ["credentials", "playlists", "token", "bucket policy"]
    assert "  ok    canary  " in said
    assert cloud.listing(f"{cloud.prefix}/transformed_data/playlist_data/dt=1970-01-01/") == []


def test_forgetting_takes_more_than_its_role(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """To delete for good takes an administrator: a stolen key of Dagster's is not enough."""
    with dg.DagsterInstance.ephemeral() as instance:
        team = Team(cloud, instance)
        team.capture("a", "b")
        team.issue()
        team.follow(team.tick())
        before = str(team.day + timedelta(days=1))
        assert cli.main(("purge", "--before", before, "--yes")) == 1
        said = capsys.readouterr().err
        assert "S3 refuses it: AccessDenied" in said
        assert "Run spotify-pipeline purge with an administrator's AWS_PROFILE" in said
        assert team.published() == (1, ["a", "b"])
