"""`provision` and `destroy`, on MiniStack and the stand-in for Snowflake: from nothing to all, from
anything between, and back."""

import io
import json
import random
import re
import stat
import time
import zipfile
from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from spotify_pipeline import cli
from spotify_pipeline.cli import provisioning
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.provision import lambda_package
from spotify_pipeline.provision.bootstrap import _SETTLE_SECONDS
from spotify_pipeline.provision.change_set import ChangeSet
from spotify_pipeline.provision.lambda_package import Package
from spotify_pipeline.provision.stack import Stack
from spotify_pipeline_tests.provision.conftest import Administrator

pytestmark = pytest.mark.slow

STACK = "spotify-pipeline"
BUCKET = Administrator.bucket
ROLE = "arn:aws:iam::000000000000:role/spotify-pipeline-snowflake"

NOTHING = "nothing to do"


WITHOUT_SPOTIFY = ["credentials", "playlists", "token"]
"""Where the doctor fails as long as nobody gave it Spotify."""


def failing(verdicts: str) -> list[str]:
    return re.findall(r"^  FAIL  (.*?)  ", verdicts, re.MULTILINE)


# From nothing


def test_from_nothing_to_all_and_the_doctor_finds_nothing_wrong(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = admin.types("provision", "--yes")
    key = admin.folder / ".aws" / "snowflake_key.p8"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in said
    (admin.folder / ".env").write_text(said.split("Into .env:")[1])
    assert read_deployment(read_environment()).name == "aws"
    verdicts = admin.types("doctor", "--canary", expect=1)  # nobody gave it Spotify
    assert failing(verdicts) == WITHOUT_SPOTIFY
    for subject in ("bucket", "glue package", "stage", "song events", "rights", "canary"):
        assert f"  ok    {subject}  " in verdicts
    assert admin.asks("SELECT count(*) FROM SPOTIFY_DB.LANDING.PLAYLIST") == [(0,)]
    assert admin.lake() == ["dagster_pipes/doctor", "glue/glue_job.py", "glue/spotify_pipeline.zip"]


def test_cut_off_anywhere_it_is_finished_by_those_that_follow(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each dies at another step, before it is done."""
    chance = random.Random(7)
    for _ in range(20):
        dies_at = chance.randint(1, 60)

        def say(text: str) -> None:
            nonlocal dies_at
            dies_at -= 1
            if not dies_at:
                raise KeyboardInterrupt

        monkeypatch.setattr(provisioning, "_say", say)
        code = cli.main(["provision", "--yes"])
        if code == 0:
            break
        assert code == 130
    assert code == 0
    assert NOTHING in admin.types("provision", "--yes")


# A second time

INTEGRATION = "CREATE OR REPLACE STORAGE INTEGRATION SPOTIFY_S3 TYPE = EXTERNAL_STAGE "
INTEGRATION += f"STORAGE_PROVIDER = 'S3' STORAGE_AWS_ROLE_ARN = '{ROLE}' ENABLED = TRUE "
INTEGRATION += f"STORAGE_ALLOWED_LOCATIONS = ('s3://{BUCKET}/')"


def test_a_second_run_touches_nothing(admin: Administrator) -> None:
    admin.types("provision", "--yes")
    events = admin.stack_events()
    pipes = admin.asks("SHOW PIPES IN SCHEMA SPOTIFY_DB.PIPES")
    assert NOTHING in admin.types("provision", "--yes")
    assert admin.stack_events() == events
    assert admin.asks("SHOW PIPES IN SCHEMA SPOTIFY_DB.PIPES") == pipes


# What stands in the way


def test_what_belongs_to_somebody_else_is_told_and_nothing_is_done(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.asks(INTEGRATION.replace(ROLE, "arn:aws:iam::999999999999:role/theirs"))
    said = admin.types("provision", "--yes", expect=1)
    assert "arn:aws:iam::999999999999:role/theirs" in said
    assert "-D integration=NAME" in said
    assert admin.asks("SHOW DATABASES LIKE 'SPOTIFY_DB'") == []
    assert NOTHING not in admin.types("provision", "--dry-run", "-D", "integration=OURS")


def test_a_lake_does_not_move(admin: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    admin.types("provision", "--yes")
    monkeypatch.setenv("S3_BUCKET", "elsewhere")
    said = admin.types("provision", "--yes", expect=1)
    assert f"The stack {STACK} has its lake at s3://{BUCKET}/" in said
    assert "The stage SPOTIFY_DB.PIPES.SPOTIFY_STAGE reads" in said


def test_a_bucket_of_somebody_else_is_left_alone_unless_its_owner_says_so(
    admin: Administrator,
) -> None:
    s3 = admin.aws.client("s3")
    place = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    said = admin.types("provision", "--yes", expect=1)
    assert f"The bucket {BUCKET} is there already" in said
    assert "put the tag spotify-pipeline with the value spotify-pipeline on it" in said
    assert admin.asks("SHOW DATABASES LIKE 'SPOTIFY_DB'") == []
    tag = {"Key": "spotify-pipeline", "Value": "another"}
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [tag]})
    said = admin.types("provision", "--yes", expect=1)
    assert f"The bucket {BUCKET} is the lake of the stack another" in said
    tag["Value"] = STACK
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [tag]})
    admin.types("provision", "--yes")
    assert NOTHING in admin.types("provision", "--dry-run")


def test_a_name_that_is_taken_costs_nothing_but_another_name(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the run that met it had come as far as the integration."""
    admin.asks(INTEGRATION.replace(BUCKET, "taken"))
    said = admin.types("provision", "--yes")
    assert "SPOTIFY_S3 SET STORAGE_ALLOWED_LOCATIONS" in said
    assert NOTHING in admin.types("provision", "--dry-run")


def test_another_region_or_account_is_told_and_nothing_is_done(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.types("provision", "--yes")
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "OTHER-ACCOUNT")
    for command in (["provision", "--yes"], ["destroy", "--confirm", STACK]):
        assert "SNOWFLAKE_ACCOUNT says OTHER-ACCOUNT" in admin.types(*command, expect=1)
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "loopback_standin")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for command in (["provision", "--yes"], ["destroy", "--confirm", STACK]):
        assert "AWS_DEFAULT_REGION" in admin.types(*command, expect=1)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert NOTHING in admin.types("provision", "--dry-run")


def test_who_makes_the_user_at_the_same_time_is_told_to_try_again(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def say(text: str) -> None:
        if "CREATE USER" in text:
            admin.asks("CREATE USER SPOTIFY_SERVICE")

    with monkeypatch.context() as patch:
        patch.setattr(provisioning, "_say", say)
        assert "somebody else sets it up" in admin.types("provision", "--yes", expect=1)
    admin.types("provision", "--yes")
    assert NOTHING in admin.types("provision", "--dry-run")


# While IAM settles


def test_a_role_that_is_not_believed_in_yet_is_waited_for(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, asked = admin.aws.may_assume, []

    def believed_later(*words: str) -> bool:
        asked.append(words)
        return len(asked) > 2 and truth(*words)

    monkeypatch.setattr(admin.aws, "may_assume", believed_later)
    monkeypatch.setattr("spotify_pipeline.provision.bootstrap._POLL_SECONDS", 0)
    apply, later = Stack.apply, 0.0

    def apply_slowly(self: Stack, change_set: ChangeSet) -> Mapping[str, str]:
        """So slowly that who counted from the beginning would wait no more."""
        nonlocal later
        later += _SETTLE_SECONDS + 100
        return apply(self, change_set)

    monkeypatch.setattr(Stack, "apply", apply_slowly)
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + later, sleep=time.sleep)
    monkeypatch.setattr("spotify_pipeline.provision.bootstrap.time", clock)
    said = admin.types("provision", "--yes")
    assert said.count("AWS does not let Snowflake in yet") == 2


# And back


def test_destroy_keeps_the_data_and_provision_takes_it_up_again(admin: Administrator) -> None:
    admin.types("provision", "--yes")
    admin.aws.client("s3").put_object(Bucket=BUCKET, Key="raw_data/kept", Body=b"raw")
    said = admin.types("destroy", "--confirm", STACK)
    stays = said.split("This stays:")[1]
    assert f"the bucket {BUCKET} with all its files" in stays
    assert "DATABASE SPOTIFY_DB" in stays
    assert "ROLE SPOTIFY_READER" in stays
    assert admin.asks("SHOW INTEGRATIONS") == []
    assert admin.asks("SHOW PIPES IN SCHEMA SPOTIFY_DB.PIPES") == []
    assert "There is nothing to take away" in admin.types("destroy", "--confirm", STACK)
    admin.aws.client("s3").delete_bucket_lifecycle(Bucket=BUCKET)
    admin.types("provision", "--yes")
    assert "raw_data/kept" in admin.lake()
    assert admin.aws.client("s3").get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert NOTHING in admin.types("provision", "--yes")


def test_destroy_with_data_leaves_nothing(admin: Administrator) -> None:
    admin.types("provision", "--yes")
    admin.types("destroy", "--with-data", "--confirm", STACK)
    assert admin.asks("SHOW DATABASES LIKE 'SPOTIFY_DB'") == []
    assert admin.asks("SHOW ROLES LIKE 'SPOTIFY%'") == []
    assert admin.aws.client("s3").list_buckets()["Buckets"] == []
    assert admin.aws.client("iam").list_roles()["Roles"] == []


def everything(admin: Administrator) -> dict[str, object]:
    """What of two set-ups somebody could miss."""
    buckets = admin.aws.client("s3").list_buckets()["Buckets"]
    roles = admin.aws.client("iam").list_roles()["Roles"]
    return {
        "buckets": [each["Name"] for each in buckets],
        "lake": admin.lake(),
        "roles in AWS": sorted(each["RoleName"] for each in roles),
        **{
            kind: sorted(str(row[1]) for row in admin.asks(f"SHOW {kind}"))
            for kind in ("DATABASES", "WAREHOUSES", "ROLES", "PIPES IN SCHEMA SPOTIFY_DB.PIPES")
        },
        **{kind: sorted(str(row[0]) for row in admin.asks(f"SHOW {kind}")) for kind in KINDS},
    }


KINDS = ("USERS", "INTEGRATIONS")


def test_destroy_takes_nothing_of_another_set_up(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.types("provision", "--yes")
    admin.aws.client("s3").put_object(Bucket=BUCKET, Key="raw_data/kept", Body=b"raw")
    monkeypatch.setenv("S3_BUCKET", BUCKET)
    before = everything(admin)
    for words in ((), ("--with-data",)):
        for names in ((), ("-D", "integration=THEIRS"), ("-D", "database=THEIRS")):
            said = admin.types(
                "destroy", "--stack", "second", "--confirm", "second", *words, *names, expect=1
            )
            assert "another set-up's" in said
            assert "Nothing was done." in said
    theirs = ("-D", "integration=THEIRS", "-D", "database=THEIRS")
    said = admin.types(
        "destroy", "--stack", "second", "--confirm", "second", "--with-data", *theirs, expect=1
    )
    assert "no stack second and no integration THEIRS" in said
    assert "  DROP USER SPOTIFY_SERVICE" in said
    assert everything(admin) == before
    assert NOTHING in admin.types("provision", "--dry-run")


def test_a_stack_of_another_kind_is_neither_taken_over_nor_taken_away(
    admin: Administrator,
) -> None:
    cloudformation = admin.aws.client("cloudformation")
    topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(topic))
    said = admin.types("provision", "--yes", expect=1)
    assert f"The stack {STACK} is none that this command made" in said
    said = admin.types("destroy", "--confirm", STACK, expect=1)
    assert f"The stack {STACK} is none that `provision` made" in said
    [resource] = cloudformation.list_stack_resources(StackName=STACK)["StackResourceSummaries"]
    assert resource["LogicalResourceId"] == "Topic"


def test_a_lake_at_the_top_of_the_bucket_goes_as_it_was_made(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever S3_PREFIX says today."""
    admin.types("provision", "--yes")
    admin.aws.client("s3").put_object(Bucket=BUCKET, Key="raw_data/kept", Body=b"raw")
    monkeypatch.setenv("S3_PREFIX", "team")
    admin.types("destroy", "--with-data", "--confirm", STACK)
    assert admin.aws.client("s3").list_buckets()["Buckets"] == []


def test_a_bucket_that_holds_more_than_the_lake_is_told_to_stay(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_PREFIX", "team")
    admin.types("provision", "--yes")
    admin.aws.client("s3").put_object(Bucket=BUCKET, Key="others/kept", Body=b"other")
    said = admin.types("destroy", "--with-data", "--confirm", STACK)
    assert f"but for the bucket {BUCKET}: it holds more than the lake" in said
    assert admin.lake() == ["others/kept"]


# Without Dagster


def packed(text: str) -> Package:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(zipfile.ZipInfo("text"), text)
    return Package(body.getvalue(), f"lambda/{text}.zip")


def test_the_function_comes_with_its_secret_and_goes_with_it(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = packed("first")
    monkeypatch.setattr(lambda_package, "build", lambda: code)
    monkeypatch.setenv("SPOTIFY_SECRET_NAME", "spotify")
    monkeypatch.setenv("SPOTIFY_PLAYLISTS", "37i9dQZF1DXcBWIGoYBM5M")
    assert (
        "Lambda" not in admin.types("provision", "--dry-run").split("Upload")[0].split("AWS, ")[1]
    )
    admin.types("provision", "--yes")
    functions = admin.aws.client("lambda")
    assert [each["FunctionName"] for each in functions.list_functions()["Functions"]] == [STACK]
    assert code.key in admin.lake()
    assert NOTHING in admin.types("provision", "--dry-run")
    monkeypatch.setattr(lambda_package, "build", lambda: packed("second"))
    said = admin.types("provision", "--yes")
    assert "Modify Lambda" in said
    assert packed("second").key in admin.lake()
    monkeypatch.delenv("SPOTIFY_SECRET_NAME")
    assert NOTHING in admin.types("provision", "--dry-run")
    assert "Remove Lambda" in admin.types("provision", "--yes", "--without-lambda")
    assert functions.list_functions()["Functions"] == []
