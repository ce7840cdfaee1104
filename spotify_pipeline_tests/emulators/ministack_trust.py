"""Who may take which role on MiniStack: users of any account, as Snowflake is one of its own."""

import json

from botocore.exceptions import ClientError

from spotify_pipeline_tests.emulators.ministack import client

_MAY_TAKE_ROLES = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}],
}


def may_assume(aws_endpoint: str, role_arn: str, user_arn: str, external_id: str) -> bool:
    """Whether this user takes this role, naming that external id; AWS does not say why not.

    The user is made if it is not there, and may take every role that trusts it.
    """
    sts = client("sts", aws_endpoint, **sign_in(aws_endpoint, user_arn))
    try:
        sts.assume_role(RoleArn=role_arn, RoleSessionName="asks", ExternalId=external_id)
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDenied":
            return False
        raise
    return True


def sign_in(aws_endpoint: str, user_arn: str) -> dict[str, str]:
    """The keys of an IAM user, as boto3 takes them; see `may_assume` for who that is."""
    *_, account, resource = user_arn.split(":")
    _, *folders, name = resource.split("/")
    # An account's number is the key of its root.
    iam = client("iam", aws_endpoint, aws_access_key_id=account, aws_secret_access_key="any")
    try:
        iam.create_user(UserName=name, Path="/".join(["", *folders, ""]))
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    else:
        document = json.dumps(_MAY_TAKE_ROLES)
        iam.put_user_policy(UserName=name, PolicyName="takes-roles", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
    }
