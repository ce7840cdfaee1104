"""Who or what keeps `provision` and `destroy` from doing anything, their owner too: each an
explained stop, that leaves two empty accounts empty."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotify_pipeline.provision.key_pair import KeyPair
from spotify_pipeline_tests.emulators.cloud import Accounts
from spotify_pipeline_tests.emulators.ministack_trust import sign_in
from spotify_pipeline_tests.provision.conftest import Administrator
from spotify_pipeline_tests.provision.test_provision import INTEGRATION, ROLE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def accounts() -> Iterator[Accounts]:
    with Accounts() as accounts:
        yield accounts


@pytest.fixture
def admin(
    accounts: Accounts, quick_commands: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Administrator]:
    for name, value in accounts.environment.items():
        monkeypatch.setenv(name, value)
    yield Administrator(tmp_path, accounts)
    assert accounts.execute("SHOW DATABASES LIKE 'SPOTIFY_DB'") == []
    assert accounts.aws.client("iam").list_roles()["Roles"] == []
    assert accounts.aws.client("cloudformation").describe_stacks()["Stacks"] == []
    assert not (tmp_path / ".aws").exists()


COMMANDS = (("provision", "--yes"), ("destroy", "--confirm", "spotify-pipeline"))


def refused(admin: Administrator) -> Iterator[str]:
    """What both commands say."""
    for command in COMMANDS:
        yield admin.types(*command, expect=1)


# AWS


def test_nobody_is_signed_in_to_aws(admin: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(admin.folder / "none"))
    for said in refused(admin):
        assert "Nobody is signed in to AWS" in said
        assert "AWS_PROFILE" in said


@pytest.mark.parametrize(
    ("actions", "lacking"),
    [
        ([], "iam:GetRole"),
        (["iam:Get*", "iam:List*", "s3:*"], "CloudFormation refuses"),
    ],
)
def test_who_may_do_too_little_in_aws_is_told_what(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch, actions: list[str], lacking: str
) -> None:
    keys = sign_in(admin.aws.url, "arn:aws:iam::000000000000:user/junior")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["aws_secret_access_key"])
    allowed = {"Effect": "Allow", "Action": ["sts:GetCallerIdentity", *actions], "Resource": "*"}
    admin.aws.client("iam").put_user_policy(
        UserName="junior",
        PolicyName="little",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    for said in refused(admin):
        assert "AccessDenied" in said
        assert "docs/aws.md" in said


def test_a_bucket_of_another_account_is_told_as_taken(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"aws_access_key_id": "999999999999", "aws_secret_access_key": "any"}
    admin.aws.client("s3", **theirs).create_bucket(
        Bucket="lake-of-strangers", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    monkeypatch.setenv("S3_BUCKET", "lake-of-strangers")
    said = admin.types("provision", "--yes", expect=1)
    assert "The name lake-of-strangers is taken" in said
    assert "set another S3_BUCKET" in said


# Snowflake


def test_who_may_not_administer_snowflake_is_told_which_roles_it_takes(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.asks("CREATE USER JUNIOR PASSWORD = 'anything'")
    connection = admin.environment["SNOWFLAKE_CONNECTIONS"]
    monkeypatch.setenv("SNOWFLAKE_CONNECTIONS", connection.replace("'tester'", "'JUNIOR'"))
    for said in refused(admin):
        assert "Requested role 'ACCOUNTADMIN' is not assigned" in said
        assert "SECURITYADMIN and USERADMIN" in said


def test_nobody_signs_in_to_snowflake_without_a_connection(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SNOWFLAKE_CONNECTIONS")
    monkeypatch.setenv("SNOWFLAKE_HOME", str(admin.folder))
    for said in refused(admin):
        assert "--connection NAME" in said


def test_a_user_with_two_other_keys_is_told(admin: Administrator) -> None:
    first, second = (KeyPair.of(admin.folder / name, "").public.text for name in "ab")
    admin.asks(
        f"CREATE USER SPOTIFY_SERVICE TYPE = SERVICE RSA_PUBLIC_KEY = '{first}' "
        f"RSA_PUBLIC_KEY_2 = '{second}'"
    )
    said = admin.types("provision", "--yes", expect=1)
    admin.asks("DROP USER SPOTIFY_SERVICE")
    assert "The user SPOTIFY_SERVICE has two other keys" in said
    assert "UNSET RSA_PUBLIC_KEY_2" in said


# Names and numbers


@pytest.mark.parametrize("stack", ["SpotifyProd", "my_stack", "1st", "a" * 55])
def test_a_stack_by_which_no_bucket_or_role_can_be_called_is_told(
    admin: Administrator, stack: str
) -> None:
    for command in ("provision", "destroy"):
        said = admin.types(command, "--stack", stack, expect=1)
        assert f"--stack {stack}: roles and bucket are called by" in said


def test_all_that_is_wrong_with_the_lake_is_told_at_once(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = admin.types("provision", "--stack", "a" * 54, "--retention-days", "29", expect=1)
    assert "can't be a bucket's name" in said
    assert "--retention-days 29: expected 30 at least" in said


def test_names_are_checked_before_anything_is_asked(admin: Administrator) -> None:
    said = admin.types("provision", "-D", "nope=X", "-D", "database=x; DROP", expect=1)
    assert "known names are database" in said
    assert "'x; DROP' is no name" in said


# Who has not said yes


def test_a_dry_run_shows_every_statement_and_change_and_does_nothing(admin: Administrator) -> None:
    said = admin.types("provision", "--dry-run")
    for text in (
        "STORAGE_ALLOWED_LOCATIONS = ('s3://spotify-pipeline-000000000000-eu-west-1/')",
        f"STORAGE_AWS_ROLE_ARN = '{ROLE}'",
        "CREATE PIPE IF NOT EXISTS SPOTIFY_DB.PIPES.song_artist_pipe",
        "ON_ERROR = SKIP_FILE",
        "GRANT OPERATE ON PIPE SPOTIFY_DB.PIPES.song_pipe TO ROLE SPOTIFY_PIPELINE",
        "Add SnowflakeRole",
        "Add Bucket",
    ):
        assert text in said
    assert admin.aws.client("s3").list_buckets()["Buckets"] == []


def test_nothing_is_done_without_a_yes(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "Nothing was done." in admin.types("provision", expect=1)


@pytest.mark.parametrize("answer", ["", "yes", "spotify"])
def test_only_the_stacks_name_destroys(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    admin.asks(INTEGRATION)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert "Nothing was done." in admin.types("destroy", expect=1)
    assert len(admin.asks("SHOW INTEGRATIONS")) == 1
    admin.asks("DROP INTEGRATION SPOTIFY_S3")
