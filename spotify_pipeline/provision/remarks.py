"""What the owner should know before saying yes: what a plan can't do, or does for good."""

from collections.abc import Iterator, Sequence

from spotify_pipeline import contract
from spotify_pipeline.loading.pipe import pipe_name
from spotify_pipeline.provision.change_set import Change
from spotify_pipeline.provision.ddl import Statement
from spotify_pipeline.provision.found import Found
from spotify_pipeline.provision.tables import lacking_columns
from spotify_pipeline.provision.wanted import Wanted


def remarks(
    wanted: Wanted, found: Found, changes: Sequence[Change], statements: Sequence[Statement]
) -> list[str]:
    """`changes` are those of the stack, `statements` those of the files."""
    return [
        *_retention(wanted, found),
        *_function(wanted, found),
        *_aws(wanted, found, changes),
        *_user(wanted, found),
        *_tables(found, statements),
        *_pipes(wanted, found, statements),
    ]


def _retention(wanted: Wanted, found: Found) -> Iterator[str]:
    days, before = wanted.retention_days, found.stack_parameters.get("RetentionDays", "0")
    if days and str(days) != before:
        yield (
            f"Files of the lake that are older than {days} days will go, for good: raw documents, "
            f"tables and manifests. What is published stays in Snowflake."
        )


def _function(wanted: Wanted, found: Found) -> Iterator[str]:
    if (
        found.stack_parameters.get("LambdaPlaylists")
        and not wanted.function
        and not wanted.removes_function
    ):
        yield (
            "The stack has a Lambda function, and SPOTIFY_SECRET_NAME is not set here: the "
            "function's code stays as it is, though the Glue job may be renewed. Set it to renew "
            "the function too, or take it away: --without-lambda."
        )


def _aws(wanted: Wanted, found: Found, changes: Sequence[Change]) -> Iterator[str]:
    """What CloudFormation doesn't look at, or doesn't see."""
    for policy in found.foreign_policies:
        yield f"{policy}, which is not of the stack; CloudFormation leaves it. Is it meant?"
    planned = {change.resource for change in changes}
    if found.has_bucket and found.job_differences and "GlueJob" not in planned:
        yield (
            f"The Glue job {wanted.stack} is not as the stack has it "
            f"({'; '.join(found.job_differences)}), and CloudFormation doesn't see it. Set it "
            f"right by hand; or `destroy`, which keeps the data, and provision again."
        )


def _user(wanted: Wanted, found: Found) -> Iterator[str]:
    user = wanted.names["service_user"]
    if found.user and found.user.is_disabled:
        yield (
            f"The user {user} is disabled, so the pipeline can't sign in. Unless that is meant: "
            f"ALTER USER {user} SET DISABLED = FALSE"
        )


def _tables(found: Found, statements: Sequence[Statement]) -> Iterator[str]:
    for column in lacking_columns(statements, found.columns):
        if column.is_required:
            yield (
                f"{column.table} has no column {column.name}, which it can't be given while it "
                f"holds rows. Make it anew (UNDROP TABLE, CREATE TABLE … AT) or empty it and "
                f"ALTER TABLE {column.table} ADD COLUMN {column.definition}"
            )
        else:
            yield (
                f"{column.table} has lost its column {column.name}. It is added again, and empty; "
                f"`spotify-pipeline run --date DAY --reload` fills a day's rows anew."
            )


def _pipes(wanted: Wanted, found: Found, statements: Sequence[Statement]) -> Iterator[str]:
    database = wanted.names["database"]
    if dead := found.dead_pipes(database):
        yield (
            f"Made anew, because nothing else brings them to life again: {', '.join(dead)}. They "
            f"forget which files they have loaded; those of the last week may land a second time, "
            f"which publishing doesn't mind."
        )
    for table in contract.TABLES:
        name = pipe_name(table)
        made = f"CREATE PIPE IF NOT EXISTS {database}.PIPES.{name}\n"
        [sql] = [each.sql for each in statements if each.sql.startswith(made)]
        _, _, expected = sql.partition("\nAS\n")
        there = found.pipes.get(name.lower())
        if there and there.definition and there.definition.split() != expected.split():
            yield (
                f"{database}.PIPES.{name} loads in another way than 070_pipes.sql says. To have "
                f"that one: pause it, wait until nothing is pending, DROP PIPE, provision."
            )
