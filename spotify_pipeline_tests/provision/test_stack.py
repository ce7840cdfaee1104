"""The CloudFormation template: what it makes on MiniStack, who may do what then, and that it says
what the code says."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from cfnlint.api import ManualArgs, lint_file  # type: ignore[import-untyped]

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake import keys
from spotify_pipeline.provision import glue_package
from spotify_pipeline.provision.bucket import close, is_only_over_tls
from spotify_pipeline.provision.change_set import Change, ChangeSet
from spotify_pipeline.provision.stack import TEMPLATE, Stack, _template
from spotify_pipeline_tests.emulators.ministack import REGION, MiniStack, client
from spotify_pipeline_tests.emulators.ministack_trust import may_assume, sign_in

pytestmark = pytest.mark.slow

NAME, BUCKET, PREFIX, EXTERNAL_ID = "playlists", "lake-of-the-team", "team/", "of-our-own"
SNOWFLAKE = "arn:aws:iam::123456789001:user/externalstages/ci0123456"


def test_cfn_lint_has_nothing_against_it() -> None:
    assert lint_file(TEMPLATE, config=ManualArgs(regions=[REGION])) == []


# On MiniStack


@pytest.fixture(scope="module")
def aws() -> Iterator[MiniStack]:
    with MiniStack() as aws:
        yield aws


@pytest.fixture(scope="module")
def queues(aws: MiniStack) -> list[str]:
    """The URL of a queue for each pipe, that a bucket may write to, as Snowflake's are."""
    sqs = aws.client("sqs")
    urls = []
    for table in contract.TABLES:
        url = sqs.create_queue(QueueName=f"{table.name}_pipe")["QueueUrl"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "s3.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn_of(aws, url),
                }
            ],
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        urls.append(url)
    return urls


def arn_of(aws: MiniStack, queue: str) -> str:
    answer = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn: str = answer["Attributes"]["QueueArn"]
    return arn


@pytest.fixture(scope="module")
def parameters(aws: MiniStack, queues: list[str]) -> dict[str, str]:
    """Those of a stack with pipes."""
    return {
        "BucketName": BUCKET,
        "LakePrefix": PREFIX,
        "SnowflakeUserArn": SNOWFLAKE,
        "SnowflakeExternalId": EXTERNAL_ID,
        "SnowpipeQueueArns": ",".join(arn_of(aws, queue) for queue in queues),
        "GlueModules": glue_package.modules(),
    }


@pytest.fixture(scope="module")
def stack(aws: MiniStack, parameters: dict[str, str]) -> Mapping[str, str]:
    """The stack as it is made: without queues, for there are no pipes yet, and then with them; its
    outputs."""
    made = Stack(aws.client("cloudformation"), NAME, sleep=quick)
    deploy(made, {name: parameters[name] for name in parameters if name != "SnowpipeQueueArns"})
    return deploy(made, parameters)


def quick(_: float) -> None:
    time.sleep(0.05)


def deploy(stack: Stack, parameters: Mapping[str, str]) -> Mapping[str, str]:
    planned = stack.plan(parameters)
    assert planned
    return stack.apply(planned)


def test_the_same_again_changes_nothing(
    aws: MiniStack, stack: Mapping[str, str], parameters: dict[str, str]
) -> None:
    again = Stack(aws.client("cloudformation"), NAME, sleep=quick)
    assert again.plan(parameters) is None
    assert again.outputs() == stack


def test_a_plan_names_what_would_become_of_each_resource_and_does_nothing(
    aws: MiniStack, stack: Mapping[str, str], parameters: dict[str, str]
) -> None:
    again = Stack(aws.client("cloudformation"), NAME, sleep=quick)
    planned = again.plan(parameters | {"GlueVersion": "6.0"})
    assert planned
    assert Change("Modify", "GlueJob", "AWS::Glue::Job", is_replaced=False) in planned.changes
    again.discard(planned)
    assert aws.client("glue").get_job(JobName=NAME)["Job"]["GlueVersion"] == "5.1"
    assert again.plan(parameters) is None


def test_each_pipe_hears_of_the_files_of_its_own_table_and_of_nothing_else(
    aws: MiniStack, stack: Mapping[str, str], queues: list[str]
) -> None:
    put = aws.client("s3").put_object
    written = {
        table.name: PREFIX + keys.batch_prefix(table.name, date(2026, 11, 22), 1, "digest")
        for table in contract.TABLES
    }
    for name, folder in written.items():
        put(Bucket=BUCKET, Key=f"{folder}{name}.csv.gz", Body=b"rows")
        put(Bucket=BUCKET, Key=f"{folder}_SUCCESS", Body=b"")
    put(Bucket=BUCKET, Key=f"{PREFIX}raw_data/dt=2026-11-22/p.ndjson.gz", Body=b"raw")
    heard = {
        table.name: [
            record["s3"]["object"]["key"]
            for message in messages(aws, queue)
            for record in message.get("Records", ())
        ]
        for table, queue in zip(contract.TABLES, queues, strict=True)
    }
    assert {name: len(found) for name, found in heard.items()} == dict.fromkeys(written, 1)
    for name, [key] in heard.items():
        assert f"/{name}_data/" in key


def messages(aws: MiniStack, queue: str) -> Iterator[dict[str, Any]]:
    sqs = aws.client("sqs")
    while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            yield json.loads(message["Body"])


def test_the_job_is_the_one_that_the_package_is_for(
    aws: MiniStack, stack: Mapping[str, str]
) -> None:
    made = aws.client("glue").get_job(JobName=stack["GlueJob"])["Job"]
    settings = glue_package.job_settings(NAME, "5.1", f"s3://{BUCKET}/{PREFIX}glue")
    assert {name: made[name] for name in settings} == settings


def test_the_bucket_is_versioned_encrypted_and_nobody_elses(
    aws: MiniStack, stack: Mapping[str, str]
) -> None:
    s3 = aws.client("s3")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    blocked = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert all(blocked.values())
    assert s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=BUCKET)["Policy"]


def expiring(aws: MiniStack, bucket: str) -> dict[str, int]:
    """After how many days a file goes, by what its key begins with."""
    rules = aws.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    return {
        rule["Filter"]["Prefix"]: rule["Expiration"]["Days"]
        for rule in rules
        if "Expiration" in rule
    }


def test_no_file_of_the_lake_ever_goes_unless_somebody_says_when(
    aws: MiniStack, stack: Mapping[str, str], parameters: dict[str, str]
) -> None:
    words = {f"{PREFIX}dagster_pipes/": 14, f"{PREFIX}dagster_logs/": 90}
    assert expiring(aws, BUCKET) == words
    again = Stack(aws.client("cloudformation"), NAME, sleep=quick)
    deploy(again, parameters | {"RetentionDays": "400"})
    lake = ("raw_data/", "transformed_data/", "manifests/", "reports/")
    assert expiring(aws, BUCKET) == words | {f"{PREFIX}{folder}": 400 for folder in lake}
    deploy(again, parameters)
    assert expiring(aws, BUCKET) == words


# What was changed by hand

ROLE = f"{NAME}-snowflake"
LOGS = f"/aws-glue/jobs/{NAME}/output"
ADMIN = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)

CHANGED: dict[str, tuple[str, Callable[[MiniStack], object]]] = {
    "no queue is told": (
        "Bucket",
        lambda aws: aws.client("s3").put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={}
        ),
    ),
    "not versioned": (
        "Bucket",
        lambda aws: aws.client("s3").put_bucket_versioning(
            Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}
        ),
    ),
    "nothing expires": (
        "Bucket",
        lambda aws: aws.client("s3").delete_bucket_lifecycle(Bucket=BUCKET),
    ),
    "another encryption": (
        "Bucket",
        lambda aws: aws.client("s3").put_bucket_encryption(
            Bucket=BUCKET,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
            },
        ),
    ),
    "public": (
        "Bucket",
        lambda aws: aws.client("s3").delete_public_access_block(Bucket=BUCKET),
    ),
    "files of others": (
        "Bucket",
        lambda aws: aws.client("s3").put_bucket_ownership_controls(
            Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        ),
    ),
    "nobody is trusted": (
        "SnowflakeRole",
        lambda aws: aws.client("iam").update_assume_role_policy(
            RoleName=ROLE, PolicyDocument='{"Version": "2012-10-17", "Statement": []}'
        ),
    ),
    "other rights": (
        "SnowflakeRole",
        lambda aws: aws.client("iam").put_role_policy(
            RoleName=ROLE, PolicyName="reads-csv", PolicyDocument=ADMIN
        ),
    ),
    "another script": (
        "GlueJob",
        lambda aws: aws.client("glue").update_job(
            JobName=NAME, JobUpdate={"Role": "any", "Command": {"Name": "glueetl"}}
        ),
    ),
    "logs for ever": (
        "GlueLogs",
        lambda aws: aws.client("logs").delete_retention_policy(logGroupName=LOGS),
    ),
}


def delete_role(aws: MiniStack) -> None:
    iam = aws.client("iam")
    iam.delete_role_policy(RoleName=ROLE, PolicyName="reads-csv")
    iam.delete_role(RoleName=ROLE)


DELETED: dict[str, Callable[[MiniStack], object]] = {
    "SnowflakeRole": delete_role,
    "GlueJob": lambda aws: aws.client("glue").delete_job(JobName=NAME),
    "GlueLogs": lambda aws: aws.client("logs").delete_log_group(logGroupName=LOGS),
}


def look(call: Callable[..., Mapping[str, Any]], **at: str) -> Mapping[str, Any]:
    """What AWS tells, but for times and for names that it gives by itself."""
    try:
        told = dict(call(**at))
    except ClientError as error:
        return {"refused": error.response["Error"]["Code"]}
    del told["ResponseMetadata"]
    for name in ("CreatedOn", "LastModifiedOn"):
        told.get("Job", {}).pop(name, None)
    for each in told.get("QueueConfigurations", ()):
        del each["Id"]
    return told


def all_that_is_set(aws: MiniStack) -> dict[str, Any]:
    s3, iam, logs = aws.client("s3"), aws.client("iam"), aws.client("logs")
    retention = logs.describe_log_groups(logGroupNamePrefix=LOGS)["logGroups"]
    return {
        "notification": look(s3.get_bucket_notification_configuration, Bucket=BUCKET),
        "versioning": look(s3.get_bucket_versioning, Bucket=BUCKET),
        "lifecycle": look(s3.get_bucket_lifecycle_configuration, Bucket=BUCKET),
        "encryption": look(s3.get_bucket_encryption, Bucket=BUCKET),
        "access": look(s3.get_public_access_block, Bucket=BUCKET),
        "ownership": look(s3.get_bucket_ownership_controls, Bucket=BUCKET),
        "policy": look(s3.get_bucket_policy, Bucket=BUCKET),
        "trust": look(iam.get_role, RoleName=ROLE).get("Role", {}).get("AssumeRolePolicyDocument"),
        "rights": {
            name: look(iam.get_role_policy, RoleName=ROLE, PolicyName=name)
            for name in look(iam.list_role_policies, RoleName=ROLE).get("PolicyNames", ())
        },
        "job": look(aws.client("glue").get_job, JobName=NAME),
        "retention": [group.get("retentionInDays") for group in retention],
    }


@pytest.mark.parametrize("what", CHANGED)
def test_what_was_changed_by_hand_is_planned_and_put_back(
    aws: MiniStack, stack: Mapping[str, str], parameters: dict[str, str], what: str
) -> None:
    resource, change = CHANGED[what]
    planned = planned_after(aws, parameters, change)
    assert planned[resource] == "Modify"


@pytest.mark.parametrize("resource", DELETED)
def test_what_was_deleted_by_hand_is_planned_and_made_again(
    aws: MiniStack, stack: Mapping[str, str], parameters: dict[str, str], resource: str
) -> None:
    planned = planned_after(aws, parameters, DELETED[resource])
    assert planned[resource] == "Add"


def planned_after(
    aws: MiniStack, parameters: dict[str, str], act: Callable[[MiniStack], object]
) -> dict[str, str]:
    """The action planned for each resource after somebody acted; done, all is as it was."""
    before = all_that_is_set(aws)
    act(aws)
    assert all_that_is_set(aws) != before
    again = Stack(aws.client("cloudformation"), NAME, sleep=quick)
    planned = again.plan(parameters)
    assert planned
    again.apply(planned)
    assert all_that_is_set(aws) == before
    assert again.plan(parameters) is None
    return {change.resource: change.action for change in planned.changes}


def test_what_is_set_again_to_what_it_is_changes_nothing(
    aws: MiniStack, stack: Mapping[str, str], parameters: dict[str, str]
) -> None:
    s3 = aws.client("s3")
    told = s3.get_bucket_notification_configuration(Bucket=BUCKET)["QueueConfigurations"]
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": told[::-1]}
    )
    again = Stack(aws.client("cloudformation"), NAME, sleep=quick)
    assert again.plan(parameters) is None


# Rights


@pytest.fixture
def as_snowflake(aws: MiniStack, stack: Mapping[str, str]) -> dict[str, str]:
    """The keys with which Snowflake reads the bucket."""
    sts = aws.client("sts", **sign_in(aws.url, SNOWFLAKE))
    taken = sts.assume_role(
        RoleArn=stack["SnowflakeRoleArn"], RoleSessionName="test", ExternalId=EXTERNAL_ID
    )["Credentials"]
    return {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }


def test_snowflake_alone_takes_its_role_and_with_our_external_id_alone(
    aws: MiniStack, stack: Mapping[str, str]
) -> None:
    role = stack["SnowflakeRoleArn"]
    assert may_assume(aws.url, role, SNOWFLAKE, EXTERNAL_ID)
    assert not may_assume(aws.url, role, SNOWFLAKE, "somebody else's")
    assert not may_assume(aws.url, role, f"{SNOWFLAKE}7", EXTERNAL_ID)
    assert not may_assume(aws.url, stack["DagsterRoleArn"], SNOWFLAKE, EXTERNAL_ID)


def test_who_comes_without_tls_gets_nothing(aws: MiniStack, as_snowflake: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        aws.client("s3", **as_snowflake).list_objects_v2(
            Bucket=BUCKET, Prefix=f"{PREFIX}transformed_data/"
        )


@pytest.fixture
def as_with_tls(aws: MiniStack, stack: Mapping[str, str]) -> Iterator[None]:
    """Loopback has no TLS, so the bucket's policy is put aside."""
    s3 = aws.client("s3")
    policy = s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    s3.delete_bucket_policy(Bucket=BUCKET)
    yield
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)


@pytest.mark.usefixtures("as_with_tls")
def test_snowflake_reads_csv_and_nothing_else(aws: MiniStack, as_snowflake: dict[str, str]) -> None:
    csv, raw = f"{PREFIX}transformed_data/a.csv.gz", f"{PREFIX}raw_data/a.ndjson.gz"
    for key in (csv, raw):
        aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"body")
    s3 = aws.client("s3", **as_snowflake)
    assert s3.get_object(Bucket=BUCKET, Key=csv)["Body"].read() == b"body"
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}transformed_data/")["Contents"]
    calls: tuple[Callable[[], object], ...] = (
        lambda: s3.get_object(Bucket=BUCKET, Key=raw),
        lambda: s3.put_object(Bucket=BUCKET, Key=csv, Body=b"other"),
        lambda: s3.delete_object(Bucket=BUCKET, Key=csv),
        lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}raw_data/"),
    )
    for call in calls:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def taking(aws: MiniStack, role: str) -> dict[str, str]:
    """The keys of who has the role, which a service takes otherwise."""
    tester = "arn:aws:iam::000000000000:user/tester"
    keys, iam = sign_in(aws.url, tester), aws.client("iam")
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    statement = {"Effect": "Allow", "Principal": {"AWS": tester}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=policy)
    taken = aws.client("sts", **keys).assume_role(
        RoleArn=f"arn:aws:iam::000000000000:role/{role}", RoleSessionName="test"
    )["Credentials"]
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))
    return {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }


LAKE = {"raw_data/", "attempts/", "transformed_data/", "manifests/"}
WORDS = {"dagster_pipes/", "dagster_logs/", "reports/"}
CODE = {"glue/", "lambda/"}


@pytest.mark.usefixtures("as_with_tls", "stack")
@pytest.mark.parametrize(
    ("role", "writes", "reads"),
    [
        ("glue", {"transformed_data/", "manifests/", "dagster_pipes/"}, {*LAKE, "glue/"}),
        ("dagster", LAKE | WORDS, LAKE | WORDS | CODE),
    ],
)
def test_each_role_writes_and_reads_what_is_its_own_and_deletes_nothing(
    aws: MiniStack, role: str, writes: set[str], reads: set[str]
) -> None:
    s3, written, read = aws.client("s3", **taking(aws, f"{NAME}-{role}")), set(), set()
    for room in LAKE | WORDS | CODE:
        key = f"{PREFIX}{room}of-{role}"
        if may(lambda key=key: s3.put_object(Bucket=BUCKET, Key=key, Body=b"", IfNoneMatch="*")):
            written.add(room)
        else:
            aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")
        if may(lambda key=key: s3.get_object(Bucket=BUCKET, Key=key)):
            read.add(room)
        assert not may(lambda key=key: s3.delete_object(Bucket=BUCKET, Key=key))
        elsewhere = f"elsewhere/{room}"
        assert not may(lambda key=elsewhere: s3.put_object(Bucket=BUCKET, Key=key, Body=b""))
    assert (written, read) == (writes, reads)


def may(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDenied":
            return False
        raise
    return True


@pytest.mark.usefixtures("as_with_tls", "stack")
def test_dagster_takes_away_the_doctors_canary_with_its_versions(aws: MiniStack) -> None:
    s3 = aws.client("s3", **taking(aws, f"{NAME}-dagster"))
    key = PREFIX + keys.batch_file("playlist", date(1970, 1, 1), 0, "canary0123456789ab")
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"row")
    [version] = s3.list_object_versions(Bucket=BUCKET, Prefix=key)["Versions"]
    s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version["VersionId"])
    assert "Versions" not in aws.client("s3").list_object_versions(Bucket=BUCKET, Prefix=key)


# The bucket's policy, which CloudFormation gives and then doesn't look at


def test_a_bucket_is_closed_again_to_who_comes_without_tls(
    aws: MiniStack, stack: Mapping[str, str]
) -> None:
    s3 = aws.client("s3")
    made = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    assert is_only_over_tls(s3, BUCKET)
    assert not close(s3, BUCKET)
    s3.delete_bucket_policy(Bucket=BUCKET)
    assert not is_only_over_tls(s3, BUCKET)
    assert close(s3, BUCKET)
    assert json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"]) == made


def test_what_else_a_buckets_policy_says_is_left_to_its_owner(
    aws: MiniStack, stack: Mapping[str, str]
) -> None:
    s3 = aws.client("s3")
    made = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    theirs = {
        "Sid": "Theirs",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    weaker = made["Statement"][0] | {"Resource": f"arn:aws:s3:::{BUCKET}"}
    for statements in ([theirs, weaker], theirs):
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
        assert close(s3, BUCKET)
        found = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
        assert found == [theirs, *made["Statement"]]
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(made))


# A stack of its own


@pytest.fixture
def other(aws: MiniStack) -> Iterator[Stack]:
    other = Stack(aws.client("cloudformation"), "other", sleep=quick)
    yield other
    other.delete()


@pytest.fixture
def of_other(parameters: dict[str, str]) -> dict[str, str]:
    return parameters | {"BucketName": "lake-of-others", "SnowpipeQueueArns": ",,,,,"}


def test_a_plan_for_no_stack_names_all_that_would_be_made_and_makes_nothing(
    other: Stack, of_other: dict[str, str]
) -> None:
    planned = other.plan(of_other)
    assert planned
    assert {change.action for change in planned.changes} == {"Add"}
    named = {change.resource for change in planned.changes}
    assert {"Bucket", "BucketPolicy", "GlueJob", "SnowflakeRole"} <= named
    assert not any(name.startswith("Lambda") for name in named)
    other.discard(planned)
    assert other.outputs() is None


def test_the_lake_outlives_the_stack_and_is_taken_up_again(
    aws: MiniStack, other: Stack, of_other: dict[str, str]
) -> None:
    deploy(other, of_other)
    s3 = aws.client("s3")
    s3.put_object(Bucket="lake-of-others", Key="team/raw_data/a", Body=b"raw")
    other.delete()
    assert other.outputs() is None
    other.delete()  # which is done already
    planned = other.plan(of_other)
    assert planned
    assert Change("Import", "Bucket", "AWS::S3::Bucket", is_replaced=False) in planned.changes
    assert other.apply(planned)["Bucket"] == "lake-of-others"
    assert s3.get_object(Bucket="lake-of-others", Key="team/raw_data/a")["Body"].read() == b"raw"
    assert other.plan(of_other) is None


def test_a_lake_that_is_taken_up_is_set_anew_by_the_next_plan(
    aws: MiniStack, other: Stack, of_other: dict[str, str]
) -> None:
    """CloudFormation takes up what is there as it is."""
    bucket = {"BucketName": "lake-of-somebody"}
    aws.client("s3").create_bucket(
        Bucket=bucket["BucketName"], CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    deploy(other, of_other | bucket)
    planned = other.plan(of_other | bucket)
    assert planned
    assert Change("Modify", "Bucket", "AWS::S3::Bucket", is_replaced=False) in planned.changes
    other.apply(planned)
    words = {f"{PREFIX}dagster_pipes/": 14, f"{PREFIX}dagster_logs/": 90}
    assert expiring(aws, bucket["BucketName"]) == words
    assert other.plan(of_other | bucket) is None


def test_what_keeps_a_stack_from_being_made_is_told_and_the_next_run_makes_it(
    aws: MiniStack, other: Stack, of_other: dict[str, str]
) -> None:
    closed = aws.client("sqs").create_queue(QueueName="closed")["QueueUrl"]
    bucket = {"BucketName": "lake-that-is-made-late"}
    with pytest.raises(FixConfiguration, match=r"took everything back.*\n  Bucket: "):
        deploy(
            other, of_other | bucket | {"SnowpipeQueueArns": ",".join([arn_of(aws, closed)] * 6)}
        )
    there = [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]
    assert bucket["BucketName"] not in there
    assert (other.outputs(), other.parameters()) == (None, {})
    assert deploy(other, of_other | bucket)["GlueJob"] == "other"


def stacks(aws: MiniStack) -> dict[str, tuple[str, int]]:
    """The state of each stack, and how much ever happened to it."""
    cloudformation = aws.client("cloudformation")
    return {
        each["StackName"]: (
            each["StackStatus"],
            len(cloudformation.describe_stack_events(StackName=each["StackName"])["StackEvents"]),
        )
        for each in cloudformation.describe_stacks()["Stacks"]
    }


def test_to_plan_where_a_creation_failed_deletes_nothing(
    aws: MiniStack, other: Stack, of_other: dict[str, str]
) -> None:
    bucket = {"BucketName": "lake-after-a-failure"}
    closed = aws.client("sqs").create_queue(QueueName="closed")["QueueUrl"]
    with pytest.raises(FixConfiguration, match="ROLLBACK_COMPLETE"):
        deploy(
            other, of_other | bucket | {"SnowpipeQueueArns": ",".join([arn_of(aws, closed)] * 6)}
        )
    before = stacks(aws)
    planned = other.plan(of_other | bucket)
    assert planned
    other.discard(planned)
    assert stacks(aws) == before
    rest, *more = planned.changes
    assert rest.text.startswith("Delete what is left of a creation that failed")
    assert Change("Add", "Bucket", "AWS::S3::Bucket", is_replaced=False) in more
    assert other.apply(planned)["GlueJob"] == "other"
    assert other.plan(of_other | bucket) is None


def test_a_lake_that_is_taken_up_when_all_is_made_anew_is_set_at_once(
    aws: MiniStack, other: Stack, of_other: dict[str, str]
) -> None:
    bucket = {"BucketName": "lake-that-was-kept"}
    aws.client("s3").create_bucket(
        Bucket=bucket["BucketName"], CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    assert other.apply(ChangeSet("", (), of_other | bucket))["Bucket"] == bucket["BucketName"]
    assert f"{PREFIX}dagster_pipes/" in expiring(aws, bucket["BucketName"])
    assert other.plan(of_other | bucket) is None


def test_a_role_of_somebody_else_is_not_taken_over(
    aws: MiniStack, other: Stack, of_other: dict[str, str]
) -> None:
    aws.client("iam").create_role(
        RoleName="other-snowflake",
        AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}',
    )
    bucket = {"BucketName": "lake-beside-a-role"}
    with pytest.raises(FixConfiguration, match=r"SnowflakeRole: .*already exists"):
        deploy(other, of_other | bucket)
    aws.client("iam").delete_role(RoleName="other-snowflake")
    assert deploy(other, of_other | bucket)["SnowflakeRoleArn"].endswith("role/other-snowflake")


def test_a_plan_that_is_refused_is_told(other: Stack, of_other: dict[str, str]) -> None:
    with pytest.raises(FixConfiguration, match="BucketName"):
        other.plan(of_other | {"BucketName": "No Name For A Bucket"})
    assert other.outputs() is None


# What no stand-in does


@dataclass
class Busy:
    """A CloudFormation whose stack has this status for ever."""

    status: str

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": self.status}]}

    def execute_change_set(self, ChangeSetName: str) -> None: ...


@dataclass
class Recorded:
    """A CloudFormation that gives these answers to calls, in this order."""

    answers: Sequence[tuple[str, Mapping[str, Any] | str]]

    def __enter__(self) -> Stack:
        made = client("cloudformation", "http://127.0.0.1:9")
        self._stubber = Stubber(made)
        for call, answer in self.answers:
            if isinstance(answer, str):
                code, _, message = answer.partition(": ")
                self._stubber.add_client_error(call, code, message)
            else:
                asked = answer.get("asked")
                told = {key: value for key, value in answer.items() if key != "asked"}
                self._stubber.add_response(call, told, asked)
        self._stubber.activate()
        return Stack(made, NAME, sleep=lambda _: None)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._stubber.assert_no_pending_responses()


GONE = ("describe_stacks", f"ValidationError: Stack with id {NAME} does not exist")
MADE = ("create_change_set", {"Id": "arn:made"})
PLANNED = ("describe_change_set", {"Status": "CREATE_COMPLETE"})
DISCARDED: tuple[str, dict[str, Any]] = ("delete_change_set", {})
NO_PLAN: tuple[str, dict[str, Any]] = ("list_change_sets", {"Summaries": []})
MINIMAL = {"BucketName": "lake"}


def in_state(status: str) -> tuple[str, dict[str, Any]]:
    stack = {"StackName": NAME, "CreationTime": datetime(2026, 1, 1), "StackStatus": status}
    told = {"OutputKey": "Bucket", "OutputValue": "lake"}
    given = {"ParameterKey": "BucketName", "ParameterValue": "lake"}
    return "describe_stacks", {"Stacks": [stack | {"Outputs": [told], "Parameters": [given]}]}


def changes(*told: Mapping[str, Any], **more: str) -> tuple[str, dict[str, Any]]:
    changed = {"LogicalResourceId": "Job", "ResourceType": "AWS::Glue::Job", "Action": "Modify"}
    asked = {"ChangeSetName": "arn:made", "IncludePropertyValues": True}
    return "describe_change_set", more | {
        "asked": asked,
        "Changes": [{"Type": "Resource", "ResourceChange": changed | each} for each in told],
    }


def event(
    resource: str, status: str, reason: str = "", *, day: int = 1, kind: str = "AWS::S3::Bucket"
) -> dict[str, Any]:
    return {
        "StackId": "arn:stack",
        "EventId": f"{resource}-{status}-{day}",
        "StackName": NAME,
        "LogicalResourceId": resource,
        "ResourceType": "AWS::CloudFormation::Stack" if resource == NAME else kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": datetime(2026, 1, day),
    }


def events(*newest_first: dict[str, Any], **more: str) -> tuple[str, dict[str, Any]]:
    return "describe_stack_events", more | {"StackEvents": list(newest_first)}


def found_wrong(*told: dict[str, Any], **asked: str) -> tuple[str, dict[str, Any]]:
    """Answer of DescribeEvents."""
    of_stack = ("EventId", "StackId", "LogicalResourceId", "ResourceStatus", "Timestamp")
    known = (*of_stack, "ResourceStatusReason", "ValidationStatusReason", "ValidationFailureMode")
    kept = [{key: each[key] for key in known if key in each} for each in told]
    return "describe_events", {
        "asked": asked | {"Filters": {"FailedEvents": True}},
        "OperationEvents": kept,
    }


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"])
def test_a_stack_that_holds_nothing_was_made_with_nothing(status: str) -> None:
    with Recorded([in_state(status), in_state(status)]) as stack:
        assert stack.parameters() == {}
        assert stack.outputs() is None


def test_a_stack_that_holds_something_tells_what_it_was_made_with() -> None:
    with Recorded([in_state("UPDATE_COMPLETE"), in_state("UPDATE_COMPLETE")]) as stack:
        assert stack.parameters() == MINIMAL
        assert stack.outputs() == {"Bucket": "lake"}


@pytest.mark.parametrize(
    ("status", "rest"),
    [
        ("ROLLBACK_FAILED", "what is left of a creation that failed"),
        ("DELETE_FAILED", "what is left of a deletion that failed"),
    ],
)
def test_of_a_rest_that_holds_something_only_the_deletion_is_planned(
    status: str, rest: str
) -> None:
    with Recorded([in_state(status)]) as stack:  # and no call that does anything
        planned = stack.plan(MINIMAL)
        assert planned
        stack.discard(planned)
    assert [change.resource for change in planned.changes] == [rest, "all that the template says"]
    assert (planned.id, planned.parameters) == ("", MINIMAL)


@pytest.mark.parametrize(
    ("found", "kind", "way"),
    [
        (GONE, "CREATE", {"ImportExistingResources": True}),
        (in_state("UPDATE_COMPLETE"), "UPDATE", {"DeploymentMode": "REVERT_DRIFT"}),
    ],
)
def test_only_what_is_made_takes_up_what_is_there_and_only_what_is_changed_is_put_back(
    found: tuple[str, Any], kind: str, way: dict[str, Any]
) -> None:
    names = ("StackName", "ChangeSetName", "TemplateBody", "Parameters", "Capabilities")
    asked = dict.fromkeys(names, ANY) | {"ChangeSetType": kind} | way
    made = ("create_change_set", {"asked": asked, "Id": "arn:made"})
    with Recorded([found, made, PLANNED, changes()]) as stack:
        assert stack.plan(MINIMAL) == ChangeSet("arn:made", [])


def test_all_pages_of_a_plan_are_read() -> None:
    first, second = changes({"Action": "Add"}, NextToken="more"), changes({"Action": "Remove"})
    second[1]["asked"] |= {"NextToken": "more"}
    with Recorded([in_state("UPDATE_COMPLETE"), MADE, PLANNED, first, second]) as stack:
        planned = stack.plan(MINIMAL)
    assert planned
    assert [change.action for change in planned.changes] == ["Add", "Remove"]


def test_a_plan_tells_what_becomes_of_which_property() -> None:
    target = {"Attribute": "Properties", "Name": "Timeout", "RequiresRecreation": "Never"}
    timeout = {"Path": "/Properties/Timeout", "BeforeValue": "60", "AfterValue": "30"}
    told = {
        "Details": [
            {"Target": target | timeout, "Evaluation": "Static"},
            {"Target": target | timeout, "Evaluation": "Dynamic", "CausingEntity": "Minutes"},
            {"Target": target | {"AfterValue": "long\n  " + "x" * 99}},
            {"Target": target | {"Path": "/Properties/Tags/0", "BeforeValue": "old"}},
            {"Target": {"Attribute": "Tags"}},
        ]
    }
    with Recorded([GONE, MADE, PLANNED, changes(told, {})]) as stack:
        planned = stack.plan(MINIMAL)
    assert planned
    assert [change.details for change in planned.changes] == [
        (
            "Properties/Timeout: 60 → 30",
            f"Properties/Timeout: nothing → long {'x' * 54}…",
            "Properties/Tags/0: old → nothing",
        ),
        (),
    ]


REFUSED = (
    "describe_change_set",
    {
        "Status": "FAILED",
        "StatusReason": "The following hook(s)/validation failed: "
        "[AWS::EarlyValidation::PropertyValidation]. Use the DescribeEvents API.",
    },
)


def test_why_a_plan_is_refused_early_is_told() -> None:
    why = {"ValidationStatusReason": "#/Timeout: 0 is not greater", "ValidationFailureMode": "FAIL"}
    warning = {"ValidationStatusReason": "not empty", "ValidationFailureMode": "WARN"}
    wrong = found_wrong(
        event("Job", "CREATE_FAILED") | why,
        event("Bucket", "CREATE_FAILED") | warning,
        ChangeSetName="arn:made",
    )
    with (
        Recorded([GONE, MADE, REFUSED, wrong, DISCARDED, GONE]) as stack,
        pytest.raises(
            FixConfiguration, match=r"EarlyValidation[^\n]*\n  Job: #/Timeout: 0"
        ) as told,
    ):
        stack.plan(MINIMAL)
    assert "not empty" not in str(told.value)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "InvalidAction"])
def test_a_plan_that_is_refused_is_told_to_who_may_not_ask_why(code: str) -> None:
    wrong = ("describe_events", f"{code}: no")
    with (
        Recorded([GONE, MADE, REFUSED, wrong, DISCARDED, GONE]) as stack,
        pytest.raises(FixConfiguration, match=r"can't plan the stack .*EarlyValidation"),
    ):
        stack.plan(MINIMAL)


def test_a_stack_that_was_only_planned_is_gone_when_the_plan_is_discarded() -> None:
    review, going = in_state("REVIEW_IN_PROGRESS"), in_state("DELETE_IN_PROGRESS")
    delete: tuple[str, dict[str, Any]] = ("delete_stack", {})
    with Recorded([DISCARDED, review, NO_PLAN, delete, review, going, GONE]) as stack:
        stack.discard(ChangeSet("arn:made", ()))


def test_a_stack_that_somebody_else_plans_too_stays() -> None:
    theirs = ("list_change_sets", {"Summaries": [{"ChangeSetName": "theirs"}]})
    with Recorded([DISCARDED, in_state("REVIEW_IN_PROGRESS"), theirs]) as stack:
        stack.discard(ChangeSet("arn:made", ()))


@pytest.mark.parametrize("code", ["ChangeSetNotFound", "InvalidChangeSetStatus"])
def test_a_plan_that_somebody_else_overtook_is_to_be_made_again(code: str) -> None:
    with (
        Recorded([("execute_change_set", f"{code}: it is OBSOLETE")]) as stack,
        pytest.raises(RetryLater, match=r"changed by somebody else at the same time.*Run it again"),
    ):
        stack.apply(ChangeSet("arn:made", ()))


LAST_YEAR = (
    event(NAME, "UPDATE_ROLLBACK_COMPLETE", day=2),
    event("Bucket", "UPDATE_FAILED", "of last year", day=1),
    event(NAME, "UPDATE_IN_PROGRESS", "User Initiated", day=1),
)
TODAY = (
    event(NAME, "ROLLBACK_FAILED", "The following resource(s) failed", day=9),
    event(NAME, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed", day=9),
    event("Queue", "UPDATE_FAILED", "Resource update cancelled", day=9),
    event("Job", "UPDATE_FAILED", "of today", day=9),
    # A stack within it, and a second word of the same beginning.
    event("Inner", "UPDATE_IN_PROGRESS", day=9, kind="AWS::CloudFormation::Stack"),
    event(NAME, "UPDATE_IN_PROGRESS", "Transformation succeeded", day=8),
    event("Role", "UPDATE_FAILED", "first of all", day=8),
)
BEGUN = event(NAME, "UPDATE_IN_PROGRESS", "User Initiated", day=8)


def reasons(*more: tuple[str, Any]) -> str:
    """What is told of a stack that is stuck."""
    with (
        Recorded([in_state("UPDATE_ROLLBACK_FAILED"), *more]) as stack,
        pytest.raises(FixConfiguration) as told,
    ):
        stack.plan(MINIMAL)
    assert "continue-update-rollback" in str(told.value)
    return "\n".join(line for line in str(told.value).split("\n") if line.startswith("  "))


def test_only_failures_of_the_last_operation_are_told() -> None:
    checked = found_wrong(
        event("Logs", "UPDATE_FAILED", "checked today", day=8),
        event("Logs", "UPDATE_FAILED", "checked last year", day=1),
        StackName=NAME,
    )
    told = reasons(
        events(*TODAY[:3], NextToken="m"), events(*TODAY[3:], BEGUN, *LAST_YEAR), checked
    )
    assert told == "  Logs: checked today\n  Role: first of all\n  Job: of today"


def test_failures_are_told_to_who_may_not_ask_what_was_checked() -> None:
    refused = ("describe_events", "AccessDenied: no")
    told = reasons(events(*TODAY, BEGUN, *LAST_YEAR), refused)
    assert told == "  Role: first of all\n  Job: of today"


def test_a_failure_without_a_word_is_told_as_such() -> None:
    assert reasons(events(BEGUN), found_wrong(StackName=NAME)) == "  it doesn't say why"


@pytest.mark.parametrize("name", ["2026-11-22", "true", "1e3"])
def test_a_buckets_name_is_a_text_whatever_yaml_reads_in_it(name: str) -> None:
    assert f'BucketName: "{name}"\n' in _template({"BucketName": name})


@pytest.mark.parametrize(
    "written", ["BucketName: {Ref: BucketName}", "BucketName: !Ref BucketName"]
)
def test_a_template_in_which_the_buckets_name_cannot_be_put_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    reformatted = TEMPLATE.read_text().replace("BucketName: !Ref BucketName", written * 2)
    (tmp_path / "stack.yaml").write_text(reformatted)
    monkeypatch.setattr("spotify_pipeline.provision.stack.TEMPLATE", tmp_path / "stack.yaml")
    with Recorded([GONE]) as stack, pytest.raises(ValueError, match="once"):
        stack.plan(MINIMAL)


def test_a_stack_that_somebody_else_changes_is_left_alone() -> None:
    with pytest.raises(RetryLater, match="being changed by somebody else"):
        Stack(Busy("UPDATE_IN_PROGRESS"), NAME).plan({})


def test_nothing_is_waited_for_without_end() -> None:
    with pytest.raises(RetryLater, match=r"for 0 minutes\. It goes on by itself"):
        Stack(Busy("UPDATE_IN_PROGRESS"), NAME, wait_seconds=0).apply(ChangeSet("c", ()))
