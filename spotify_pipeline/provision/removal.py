"""`spotify-pipeline destroy`: takes away what `provision` set up.

The data stays unless its owner says otherwise: the bucket, the database, and in Snowflake the
warehouse and the roles by which people query it and which own its tables.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.provision import objects
from spotify_pipeline.provision.account import Account
from spotify_pipeline.provision.aws import Aws, explained
from spotify_pipeline.provision.bucket import bucket_of
from spotify_pipeline.provision.ddl import ADMINISTRATOR, Statement
from spotify_pipeline.provision.facts import facts
from spotify_pipeline.provision.roles import has_role
from spotify_pipeline.provision.stack import Stack

_BUCKET = "Bucket"


@dataclass(frozen=True)
class Removal:
    """What goes, in this order, and what stays. `bucket` is None where it stays."""

    statements: Sequence[Statement]
    resources: Sequence[tuple[str, str]]
    bucket: str | None
    prefix: str
    stays: Sequence[str]

    @property
    def is_empty(self) -> bool:
        return not (self.statements or self.resources or self.bucket)


def plan(
    account: Account,
    stack: Stack,
    aws: Aws,
    names: Mapping[str, str],
    bucket: str,
    prefix: str,
    *,
    with_data: bool,
) -> Removal:
    """What is there of it all; the lake is in `bucket`, below `prefix`.

    Raises `FixConfiguration` where something belongs to another set-up, or where it can't be told
    whose it is.
    """
    resources = stack.resources()
    if obstacles := [
        *_of_another_stack(stack, aws, resources),
        *_of_another_integration(account, aws, stack.name, names),
    ]:
        raise FixConfiguration("\n".join([*obstacles, "Nothing was done."]))
    known = facts(account, names)
    found = bucket_of(aws.client("s3"), bucket)
    takes_bucket = with_data and found.stack == stack.name
    statements = [
        _drop(thing)
        for thing in (_everything(names) if with_data else _without_data(names, known))
        if thing.upper() in known
    ]
    has_integration = f"INTEGRATION {names['integration']}".upper() in known
    if statements and not (resources or has_integration or takes_bucket):
        raise _nobody_s(stack.name, names, statements)
    goes = {statement.sql for statement in statements}
    kept = [thing for thing in _everything(names) if thing.upper() in known]
    return Removal(
        statements,
        [each for each in resources if each[0] != _BUCKET],
        bucket if takes_bucket else None,
        prefix,
        [
            *(
                [f"the bucket {bucket} with all its files"]
                if found.is_there and not takes_bucket
                else []
            ),
            *(f"in Snowflake the {thing}" for thing in kept if _drop(thing).sql not in goes),
        ],
    )


def carry_out(
    removal: Removal, account: Account, stack: Stack, s3: Any, say: Callable[[str], None]
) -> bool:
    """Takes it away; says each thing before. False if the bucket has to stay, because it holds more
    than the lake. Cut off, the next one goes on.

    The lake goes first: who may not delete it has lost nothing else.
    """
    if removal.bucket:
        say(f"the files below s3://{removal.bucket}/{removal.prefix}, old versions too")
        with explained(f"deleting from the bucket {removal.bucket}"):
            _empty(s3, removal.bucket, removal.prefix)
    for statement in removal.statements:
        say(statement.sql)
        account.run(statement)
    if removal.resources:
        say(f"the stack {stack.name}")
        stack.delete()
    if removal.bucket:
        with explained(f"deleting the bucket {removal.bucket}"):
            _empty(s3, removal.bucket, removal.prefix)  # what came in between
            if s3.list_object_versions(Bucket=removal.bucket, MaxKeys=1).get("Versions"):
                return False
            say(f"the bucket {removal.bucket}")
            s3.delete_bucket(Bucket=removal.bucket)
    return True


def _of_another_stack(
    stack: Stack, aws: Aws, resources: Sequence[tuple[str, str]]
) -> Iterator[str]:
    role = aws.role_arn(f"{stack.name}-snowflake")
    if not resources and has_role(aws, role):
        yield (
            f"The role {role} is there, and no stack {stack.name} in {aws.region}. Look at "
            f"AWS_DEFAULT_REGION, AWS_PROFILE and --stack."
        )
    if stack.is_foreign():
        yield f"The stack {stack.name} is none that `provision` made. Look at --stack."


def _of_another_integration(
    account: Account, aws: Aws, stack: str, names: Mapping[str, str]
) -> Iterator[str]:
    name, role = names["integration"], aws.role_arn(f"{stack}-snowflake")
    there = objects.integration(account, name)
    if there and there.role_arn != role:
        yield (
            f"The integration {name} is for the role {there.role_arn}, not for {role} of the stack "
            f"{stack}: it is another set-up's, and so may be all that has these names. Give that "
            f"one's --stack, or the -D names that this one was provisioned with."
        )
    stage = objects.stage(account, names["database"])
    if stage and stage.integration and stage.integration.upper() != name.upper():
        yield (
            f"The database {names['database']} is loaded by the integration "
            f"{stage.integration}, not by {name}: it is another set-up's. Give the -D "
            f"names that this one was provisioned with."
        )


def _nobody_s(
    stack: str, names: Mapping[str, str], statements: Sequence[Statement]
) -> FixConfiguration:
    by_hand = "\n".join(f"  {statement.sql}" for statement in statements)
    return FixConfiguration(
        f"There is no stack {stack} and no integration {names['integration']}, so nothing says "
        f"whose the rest is. Nothing was done. If it is what a set-up left behind, run as "
        f"{ADMINISTRATOR}:\n{by_hand}"
    )


def _everything(names: Mapping[str, str]) -> list[str]:
    return [
        f"DATABASE {names['database']}",
        *_access(names),
        f"ROLE {names['loader_role']}",
        f"ROLE {names['reader_role']}",
        f"WAREHOUSE {names['warehouse']}",
    ]


def _access(names: Mapping[str, str]) -> list[str]:
    """What is the pipeline's own."""
    roles = ("service_role", "publisher_role", "monitor_role")
    return [
        f"USER {names['service_user']}",
        *(f"ROLE {names[role]}" for role in roles),
        f"INTEGRATION {names['integration']}",
    ]


def _without_data(names: Mapping[str, str], facts: Collection[str]) -> Iterator[str]:
    """Pipes first: they need the others."""
    for kind in ("PIPE", "STAGE", "FILE FORMAT"):
        place = f"{kind} {names['database']}.PIPES.".upper()
        yield from sorted(fact for fact in facts if fact.startswith(place))
    yield from _access(names)


def _drop(thing: str) -> Statement:
    return Statement("", f"DROP {thing}", ADMINISTRATOR, None, frozenset())


def _empty(s3: Any, bucket: str, prefix: str) -> None:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        found = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for each in page.get(kind, ())
        ]
        if found:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
            for refused in answer.get("Errors", ()):
                raise FixConfiguration(
                    f"s3://{bucket}/{refused['Key']} can't be deleted: {refused.get('Message')} "
                    f"Nothing but files of the lake is gone. Mend that and run it again."
                )
