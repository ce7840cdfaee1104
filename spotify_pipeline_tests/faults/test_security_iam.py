"""What the roles of the stack must not be able to do in AWS.

That they can do what they must, and that S3 enforces it, is `provision/test_stack.py`'s.
"""

import pytest

from spotify_pipeline_tests.faults.iam import ACCOUNT, BUCKET, REGION, SECRET, STACK, Role, roles

ROLES = roles()
EVERY = pytest.mark.parametrize("role", list(ROLES.values()), ids=list(ROLES))
LAKES = pytest.mark.parametrize("lake", ["team/", ""])

OURS = f"arn:aws:s3:::{BUCKET}"
FOLDERS = (
    *("source.json", "raw_data/x", "attempts/x", "transformed_data/x", "manifests/x", "reports/x"),
    *("dagster_pipes/x", "dagster_logs/x", "glue/x", "lambda/x", "anything"),
)
JOB = f"arn:aws:glue:{REGION}:{ACCOUNT}:job/{STACK}"
OTHER_JOB = f"{JOB}-of-others"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}"
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"

OPEN_ENDED = {
    "/aws-glue/*": "Glue makes the streams of a run below a group, and names both itself",
    "-??????": "AWS puts six letters of its own behind the name of a secret",
    "0-canary*": "what doctor sends and takes away carries a number of its own",
    "/lambda/playlists:*": "the streams of the function's own log group",
}
"""Where a resource may end in a wildcard besides a folder of the lake, and why."""


def test_no_role_is_left_out() -> None:
    assert set(ROLES) == {"SnowflakeRole", "GlueRole", "DagsterRole", "LambdaRole"}


@EVERY
def test_every_action_is_named_and_every_wildcard_has_a_reason(role: Role) -> None:
    folders = {f"{OURS}/team/{folder.removesuffix('x')}*" for folder in FOLDERS}
    whole_lake = f"{OURS}/team/*"
    for statement in role.statements:
        assert not [action for action in statement.actions if "*" in action]
        for resource in statement.resources:
            assert resource not in ("*", f"{OURS}/*")
            if set("*?") & set(resource) and resource not in folders:
                reasoned = [end for end in OPEN_ENDED if resource.endswith(end)]
                is_reading = set(statement.actions) == {"s3:GetObject"}
                assert reasoned or (resource == whole_lake and is_reading), resource
    assert {"s3:ListBucket", "s3:ListBucketVersions"} & {
        action for each in role.statements if each.prefixes is None for action in each.actions
    } == set()


ADMINISTRATION = (
    *("iam:PassRole", "iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"),
    *("iam:UpdateAssumeRolePolicy", "iam:CreateAccessKey", "iam:CreateUser", "sts:AssumeRole"),
    *("cloudformation:UpdateStack", "kms:Decrypt", "lambda:UpdateFunctionCode"),
    *("lambda:UpdateFunctionConfiguration", "lambda:InvokeFunction", "lambda:AddPermission"),
    *("glue:UpdateJob", "glue:CreateJob", "glue:DeleteJob", "events:PutRule", "events:PutTargets"),
    *("s3:PutBucketPolicy", "s3:DeleteBucket", "s3:PutLifecycleConfiguration"),
    *("s3:PutBucketVersioning", "s3:PutBucketNotification", "s3:PutObjectAcl", "s3:PutBucketAcl"),
    *("s3:BypassGovernanceRetention", "logs:DeleteLogGroup", "logs:DeleteLogStream"),
    *("secretsmanager:DeleteSecret", "secretsmanager:UpdateSecret", "ec2:RunInstances"),
)


@EVERY
@pytest.mark.parametrize("action", ADMINISTRATION)
def test_nobody_changes_rights_code_or_what_aws_is_set_up_with(role: Role, action: str) -> None:
    places = (
        *("*", OURS, f"{OURS}/team/glue/x", JOB, FUNCTION, f"{SECRETS}:{SECRET}-AbCdEf"),
        f"arn:aws:iam::{ACCOUNT}:role/{STACK}-glue",
        f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{STACK}",
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws-glue/jobs/{STACK}/output",
    )
    assert [place for place in places if role.may(action, place)] == []


def written(role: Role, lake: str) -> set[str]:
    return {f for f in FOLDERS if role.may("s3:PutObject", f"{OURS}/{lake}{f}")}


@LAKES
def test_each_role_writes_its_own_folders_alone(lake: str) -> None:
    """Above all none but an administrator what is run there, below glue/ and lambda/."""
    found = {name: written(role, lake) for name, role in roles(lake).items()}
    assert found == {
        "SnowflakeRole": set(),
        "GlueRole": {"transformed_data/x", "manifests/x", "dagster_pipes/x"},
        "DagsterRole": set(FOLDERS) - {"glue/x", "lambda/x", "anything"},
        "LambdaRole": {"source.json", "raw_data/x", "attempts/x"},
    }


@LAKES
def test_each_role_reads_what_it_works_with_alone(lake: str) -> None:
    found = {
        name: {f for f in FOLDERS if role.may("s3:GetObject", f"{OURS}/{lake}{f}")}
        for name, role in roles(lake).items()
    }
    assert found == {
        "SnowflakeRole": {"transformed_data/x"},
        "GlueRole": {"glue/x", "raw_data/x", "attempts/x", "transformed_data/x", "manifests/x"},
        "DagsterRole": set(FOLDERS),
        "LambdaRole": {"source.json", "raw_data/x", "attempts/x", "manifests/x"},
    }


@EVERY
@pytest.mark.parametrize(
    "place",
    [
        f"{OURS}/x",
        f"{OURS}/team2/raw_data/x",
        f"{OURS}/other/team/raw_data/x",
        f"{OURS}-of-others/team/raw_data/x",
        f"{OURS}-of-others/team/transformed_data/x",
    ],
)
def test_nobody_reaches_another_lake_in_the_bucket_or_another_bucket(
    role: Role, place: str
) -> None:
    for action in ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"):
        assert not role.may(action, place)
    for prefix in ("", "x", "team2/", "team", None):
        assert not role.may("s3:ListBucket", OURS, prefix)
    assert not role.may("s3:ListBucket", f"{OURS}-of-others", "team/raw_data/")


@LAKES
def test_nobody_deletes_anything_but_dagster_the_canary(lake: str) -> None:
    canary = f"{OURS}/{lake}transformed_data/playlist_data/dt=1970-01-01/0-canary1/playlist.csv.gz"
    for name, role in roles(lake).items():
        for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
            assert [f for f in FOLDERS if role.may(action, f"{OURS}/{lake}{f}")] == []
            real = canary.replace("1970-01-01/0-canary1", "2026-11-22/1-abc")
            assert not role.may(action, real)
            assert role.may(action, canary) is (name == "DagsterRole")


def test_snowflake_reads_csv_and_lists_it_and_nothing_else() -> None:
    snowflake = ROLES["SnowflakeRole"]
    assert {action for each in snowflake.statements for action in each.actions} == {
        *("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:GetBucketLocation"),
    }
    assert not snowflake.may("s3:ListBucket", OURS, "team/raw_data/")
    assert not snowflake.may("s3:ListBucket", OURS, "team/")


def test_only_the_function_reads_the_sign_in_and_only_that_secret() -> None:
    ours, other = f"{SECRETS}:{SECRET}-AbCdEf", f"{SECRETS}:{SECRET}-of-others-AbCdEf"
    for action in ("secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"):
        assert [n for n, role in ROLES.items() if role.may(action, ours)] == ["LambdaRole"]
        assert [n for n, role in ROLES.items() if role.may(action, other)] == []


def test_jobs_of_others_are_started_and_stopped_by_nobody() -> None:
    for action in ("glue:StartJobRun", "glue:BatchStopJobRun", "glue:GetJobRuns"):
        assert [n for n, role in ROLES.items() if role.may(action, OTHER_JOB)] == []
    stops = [n for n, role in ROLES.items() if role.may("glue:BatchStopJobRun", JOB)]
    assert stops == ["DagsterRole"]


def test_whom_each_role_trusts() -> None:
    """Snowflake by our external id; Glue for this account; nobody from outside otherwise."""
    told = {
        name: [(trust["Principal"], trust.get("Condition")) for trust in role.trusts]
        for name, role in ROLES.items()
    }
    root = {"Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    assert told == {
        "SnowflakeRole": [
            (
                {"AWS": {"Ref": "SnowflakeUserArn"}},
                {"StringEquals": {"sts:ExternalId": {"Ref": "SnowflakeExternalId"}}},
            )
        ],
        "GlueRole": [
            (
                {"Service": "glue.amazonaws.com"},
                {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
            )
        ],
        "DagsterRole": [
            ({"AWS": {"If": ["HasDagsterPrincipal", {"Ref": "DagsterPrincipal"}, root]}}, None)
        ],
        "LambdaRole": [({"Service": "lambda.amazonaws.com"}, None)],
    }
    assert {trust["Action"] for role in ROLES.values() for trust in role.trusts} == {
        "sts:AssumeRole"
    }
