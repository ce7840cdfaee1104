"""What the doctor says of the Lambda function, its rule and its secret."""

import json
from typing import Any

from spotify_pipeline.deployment import Environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.provision import lambda_package
from spotify_pipeline.provision.aws import explained

_AGAIN = (
    "spotify-pipeline provision makes it so; if that finds nothing to do, take the function away "
    "before (--without-lambda)."
)


def state(functions: Any, name: str, environment: Environment) -> str:
    """Whether it is there and captures the playlists that are configured here."""
    with explained(f"lambda:GetFunctionConfiguration of {name}"):
        try:
            found = functions.get_function_configuration(FunctionName=name)
        except functions.exceptions.ResourceNotFoundException:
            raise FixConfiguration(f"There is no function {name}. {_AGAIN}") from None
    wanted = lambda_package.parameters(environment, "")["LambdaPlaylists"]
    captured = found.get("Environment", {}).get("Variables", {}).get("SPOTIFY_PLAYLISTS")
    if captured != wanted:
        raise FixConfiguration(f"{name} captures {captured}, configured is {wanted}. {_AGAIN}")
    return f"{name} is there; its package is looked at by `provision`"


def rule(events: Any, functions: Any, name: str) -> str:
    """Whether it calls the function daily, and may."""
    with explained(f"events:DescribeRule of {name}"):
        try:
            found = events.describe_rule(Name=name)
            targets = events.list_targets_by_rule(Rule=name)["Targets"]
        except events.exceptions.ResourceNotFoundException:
            raise FixConfiguration(f"There is no rule {name}. {_AGAIN}") from None
    if found["State"] != "ENABLED":
        raise FixConfiguration(f"The rule {name} is {found['State']}, expected ENABLED. {_AGAIN}")
    if not any(each["Arn"].endswith(f":function:{name}") for each in targets):
        raise FixConfiguration(f"The rule {name} doesn't call the function {name}. {_AGAIN}")
    if not _may_call(functions, name, found["Arn"]):
        raise FixConfiguration(f"The rule {name} may not call the function {name}. {_AGAIN}")
    return f"calls the function, {found['ScheduleExpression']}"


def secret(secrets: Any, name: str) -> str:
    """Whether it is there; it is not read."""
    with explained(f"secretsmanager:DescribeSecret of {name}"):
        try:
            found = secrets.describe_secret(SecretId=name)
        except secrets.exceptions.ResourceNotFoundException:
            raise FixConfiguration(
                f"There is no secret {name}: make it as docs/without_dagster.md tells."
            ) from None
    if "DeletedDate" in found:
        raise FixConfiguration(
            f"The secret {name} is about to be deleted: aws secretsmanager restore-secret "
            f"--secret-id {name}"
        )
    return f"{name} is there"


def _may_call(functions: Any, name: str, rule_arn: str) -> bool:
    with explained(f"lambda:GetPolicy of {name}"):
        try:
            policy = json.loads(functions.get_policy(FunctionName=name)["Policy"])
        except functions.exceptions.ResourceNotFoundException:
            return False
    return any(
        statement["Effect"] == "Allow"
        and statement.get("Principal", {}).get("Service") == "events.amazonaws.com"
        and statement.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn") == rule_arn
        for statement in policy["Statement"]
    )
