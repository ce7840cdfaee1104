"""Setting up and taking down what the deployment `aws` runs on: what is shown and asked."""

import argparse
import secrets
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from spotify_pipeline.cli.retention import NAME as _RETENTION
from spotify_pipeline.cli.retention import ask_retention
from spotify_pipeline.deployment import (
    Environment,
    parse_retention,
    prepare_for_aws,
    read_deployment,
    read_environment,
)
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.provision import ddl, lambda_package, removal
from spotify_pipeline.provision.account import Account, administrator
from spotify_pipeline.provision.aws import Aws
from spotify_pipeline.provision.bootstrap import Bootstrap
from spotify_pipeline.provision.ddl import Statement
from spotify_pipeline.provision.key_pair import KeyPair
from spotify_pipeline.provision.mending import look_back
from spotify_pipeline.provision.plan import Plan
from spotify_pipeline.provision.stack import Stack
from spotify_pipeline.provision.wanted import Function, Wanted, require_stack_name


def provision(arguments: argparse.Namespace) -> int:
    """Plans, shows, asks, does, and prints what belongs into `.env`."""
    require_stack_name(arguments.stack)
    environment = read_environment()
    prepare_for_aws()
    aws = Aws.signed_in()
    wanted = Wanted(
        stack=arguments.stack,
        role_arn=aws.role_arn(f"{arguments.stack}-snowflake"),
        bucket=_bucket(environment, arguments.stack, aws),
        prefix=_prefix(environment),
        names=ddl.names(environment, arguments.names),
        glue_version=environment["GLUE_VERSION"],
        function=None if arguments.without_lambda else _function(environment),
        removes_function=arguments.without_lambda,
        retention_days=_retention_days(arguments, environment, aws),
        dagster_principal=arguments.dagster_principal,
    )
    key = KeyPair.of(_key_file(environment), environment["SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"])
    with administrator(arguments.connection) as account:
        _print_place(aws, account)
        account.require(environment["SNOWFLAKE_ACCOUNT"])
        stack = Stack(aws.client("cloudformation"), wanted.stack)
        bootstrap = Bootstrap(account, aws, wanted, stack, _say)
        plan = bootstrap.plan(key, external_id=secrets.token_hex(32))
        _print_plan(plan, wanted, in_full=arguments.dry_run)
        if arguments.dry_run:
            return 0
        if not (plan.is_empty or arguments.yes or _agrees()):
            print("Nothing was done.")
            return 1
        lines = bootstrap.apply(plan)
    print("\nAll is set up. Into .env:\n")
    if wanted.retention_days is not None:
        lines = {**lines, _RETENTION: str(wanted.retention_days)}
    for name, value in lines.items():
        print(f"{name}={value}")
    role = (stack.outputs() or {})["DagsterRoleArn"]
    print(f"\n# Dagster needs no more rights in AWS than {role} has (docs/aws.md).")
    return 0


def destroy(arguments: argparse.Namespace) -> int:
    """Shows what goes and what stays, and asks for the stack's name."""
    require_stack_name(arguments.stack)
    environment = read_environment()
    prepare_for_aws()
    aws = Aws.signed_in()
    names = ddl.names(environment, arguments.names)
    stack = Stack(aws.client("cloudformation"), arguments.stack)
    made_with = stack.parameters()
    bucket = made_with.get("BucketName", _bucket(environment, arguments.stack, aws))
    # A lake at the top of the bucket has an empty one.
    prefix = made_with.get("LakePrefix", _prefix(environment))
    with administrator(arguments.connection) as account:
        _print_place(aws, account)
        account.require(environment["SNOWFLAKE_ACCOUNT"])
        found = removal.plan(
            account, stack, aws, names, bucket, prefix, with_data=arguments.with_data
        )
        if found.is_empty:
            print("There is nothing to take away.")
            return 0
        _print_removal(found, arguments.stack)
        name = arguments.confirm or _answer(
            f"\nType the stack's name, {arguments.stack}, to do it: "
        )
        if name != arguments.stack:
            print("Nothing was done.")
            return 1
        is_gone = removal.carry_out(found, account, stack, aws.client("s3"), _say)
    if is_gone:
        print("\nAll that is gone.")
    else:
        print(f"\nAll that is gone, but for the bucket {bucket}: it holds more than the lake.")
    if arguments.with_data:
        print(
            "Snowflake's Time Travel keeps a dropped database for a day, or as long as "
            "DATA_RETENTION_TIME_IN_DAYS says (UNDROP DATABASE), and Fail-safe for 7 days more."
        )
    return 0


def _print_removal(found: removal.Removal, stack: str) -> None:
    print("This goes:")
    for statement in found.statements:
        print(f"  in Snowflake the {statement.sql.removeprefix('DROP ')}")
    for name, kind in found.resources:
        print(f"  of the stack {stack}: {name}  {kind}")
    if found.bucket:
        print(f"  s3://{found.bucket}/{found.prefix} with all its files, old versions too")
    print("\nThis stays:")
    for thing in found.stays or ["nothing"]:
        print(f"  {thing}")


def _retention_days(
    arguments: argparse.Namespace, environment: Environment, aws: Aws
) -> int | None:
    """What was said here, in `.env`, or of the stack before; or now, if somebody is there."""
    if arguments.retention_days is not None:
        return int(arguments.retention_days)
    if environment[_RETENTION]:
        return parse_retention(environment[_RETENTION])
    before = Stack(aws.client("cloudformation"), arguments.stack).parameters()
    if "RetentionDays" in before:
        return None if before["RetentionDays"] == "0" else int(before["RetentionDays"])
    return ask_retention()


def _bucket(environment: Environment, stack: str, aws: Aws) -> str:
    return environment["S3_BUCKET"] or f"{stack}-{aws.account}-{aws.region}"


def _function(environment: Environment) -> Function | None:
    """The Lambda function, where there is a secret for it."""
    if not environment["SPOTIFY_SECRET_NAME"]:
        return None
    print("Packing the Lambda function", flush=True)
    package = lambda_package.build()
    key = _prefix(environment) + package.key
    return Function(package.body, lambda_package.parameters(environment, key))


def _prefix(environment: Environment) -> str:
    return S3Store(None, "", environment["S3_PREFIX"]).prefix


def _key_file(environment: Environment) -> Path:
    if named := environment["SNOWFLAKE_PRIVATE_KEY_PATH"]:
        return Path(named).expanduser()
    return read_deployment(environment, "aws").home / "snowflake_key.p8"


def _print_place(aws: Aws, account: Account) -> None:
    print(f"AWS account {aws.account} in {aws.region}; Snowflake account {account.identifier}\n")


def _print_plan(plan: Plan, wanted: Wanted, *, in_full: bool) -> None:
    for remark in plan.remarks:
        print(f"NOTE: {remark}")
    if plan.is_empty:
        print("Apart from that" if plan.remarks else "All is as it should be;", "nothing to do.")
        return
    if not plan.key.is_stored:
        print(f"A key pair for {wanted.names['service_user']}: {plan.key.path}")
    for file, statements in groupby(plan.statements, key=lambda each: each.file):
        print(f"Snowflake, {file}")
        _print_statements(statements, in_full=in_full)
    if plan.changes:
        print(f"AWS, the stack {wanted.stack} with the lake {wanted.bucket_url}")
    for change in plan.changes:
        print("\n    ".join([f"  {change.text}", *(change.details if in_full else ())]))
    for key in plan.uploads:
        print(f"Upload {key}")
    if plan.closes_bucket:
        print(f"The policy of the bucket {wanted.bucket}: TLS only")
    _print_what_follows(plan, wanted, in_full=in_full)


def _print_what_follows(plan: Plan, wanted: Wanted, *, in_full: bool) -> None:
    """What can be said in full only when the rest is there."""
    if plan.connects_pipes:
        print("Then the bucket is told the queue of each pipe (stack, Modify Bucket)")
    if plan.adds_function:
        print("Then the Lambda function, its role, log and rule (stack, Add Lambda)")
    if plan.connects_pipes or plan.waiting_days:
        print("Then each pipe looks once for files of the last week (ALTER PIPE … REFRESH)")
        if in_full:
            _print_statements(look_back(wanted.names), in_full=True)


def _print_statements(statements: Iterable[Statement], *, in_full: bool) -> None:
    for statement in statements:
        print(f"  as {statement.role}: {statement.sql if in_full else statement.headline}")


def _agrees() -> bool:
    return _answer("\nDo it? [y/N] ").lower() in ("y", "yes")


def _answer(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ""


def _say(text: str) -> None:
    print(f"  {text}", flush=True)
