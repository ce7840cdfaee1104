"""The doctor's second part: what the deployment `aws` runs on, asked with its own rights.

What only an administrator may see is told by what comes of it: that the bucket's role and
Snowflake's integration fit together, by listing the stage.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from snowflake.connector import errors

from spotify_pipeline import contract
from spotify_pipeline.deployment import Environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake import keys, stamp
from spotify_pipeline.lake.stamp import Source
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.loading.pipe import pipe_name
from spotify_pipeline.loading.snowflake import SnowflakeSession
from spotify_pipeline.provision import (
    ddl,
    file_format,
    glue_package,
    lambda_doctor,
    tables,
    uploads,
)
from spotify_pipeline.provision.aws import explained
from spotify_pipeline.provision.bucket import is_only_over_tls
from spotify_pipeline.provision.ddl import Statement
from spotify_pipeline.provision.doctor import Verdict, verdict
from spotify_pipeline.provision.facts import held

_AGAIN = "spotify-pipeline provision"
_STAGE = "SPOTIFY_STAGE"
_UNFIT: Mapping[int, str] = {
    3167: "AWS role and integration don't fit together: AWS doesn't let Snowflake take the role "
    "(just after a change of the role: not yet, wait a minute)",
    3139: "The stage has lost its integration, which was made anew or dropped",
    91003: "Snowflake doesn't get at the bucket: the bucket, the role's permissions or the "
    "integration are not as they should be",
}
"""What lies behind the numbers with which Snowflake refuses to list the stage."""

_UNKNOWN = {"public_key": "", "role_arn": "", "external_id": "", "bucket_url": ""}
_SOME_DAY = date(1970, 1, 1)


def examine_aws(
    store: S3Store, client: Callable[[str], Any], environment: Environment, source: Source
) -> Iterator[Verdict]:
    """The bucket, the Glue job and, where there is one, the Lambda function; `client` makes boto3's
    client for a service."""
    job, secret = environment["GLUE_JOB_NAME"], environment["SPOTIFY_SECRET_NAME"]
    yield verdict("bucket", lambda: _bucket(store, source))
    yield verdict("bucket policy", lambda: _bucket_policy(store))
    yield verdict("glue job", lambda: _job(store, client("glue"), job, environment["GLUE_VERSION"]))
    yield verdict("glue package", lambda: _package(store))
    if secret:
        yield verdict("function", lambda: lambda_doctor.state(client("lambda"), job, environment))
        yield verdict(
            "function's rule", lambda: lambda_doctor.rule(client("events"), client("lambda"), job)
        )
        yield verdict(
            "function's secret", lambda: lambda_doctor.secret(client("secretsmanager"), secret)
        )


def examine_snowflake(
    session: SnowflakeSession, store: S3Store, names: Mapping[str, str]
) -> Iterator[Verdict]:
    """The way from the bucket to the pipes, the tables, and the rights."""
    statements = ddl.statements({**names, **_UNKNOWN})
    yield verdict("stage", lambda: _stage(session, store))
    yield verdict("file format", lambda: _format(session, statements))
    for table in contract.TABLES:
        subject = f"{table.name} events"
        yield verdict(subject, partial(_notification, session, store, table))
    yield verdict("columns", lambda: _columns(session, names["database"], statements))
    yield verdict("rights", lambda: _rights(session, names, statements))


def _bucket(store: S3Store, source: Source) -> str:
    stamp.check(store, source)
    key = f"{store.prefix}{keys.DAGSTER_PIPES}doctor"  # nothing below it is kept
    with explained(f"writing s3://{store.bucket}/{key}"):
        store.client.put_object(Bucket=store.bucket, Key=key, Body=b"")
    return f"{store.uri('')} is readable and writable"


def _bucket_policy(store: S3Store) -> str:
    if not is_only_over_tls(store.client, store.bucket):
        raise FixConfiguration(
            f"{store.bucket} takes calls without TLS: its policy doesn't refuse them. {_AGAIN} "
            f"puts that right."
        )
    return "only over TLS"


def _job(store: S3Store, glue: Any, job: str, version: str) -> str:
    if not job:
        raise FixConfiguration(f"GLUE_JOB_NAME is not set. {_AGAIN} makes one and says its name.")
    settings = glue_package.job_settings(job, version, store.uri("glue"))
    if differences := glue_package.differences(glue, settings):
        raise FixConfiguration(
            "\n".join(
                [f"The job {job} is not as this release has it:"]
                + [f"  {each}" for each in differences]
                + [f"Bring it up to date: {_AGAIN}. Or look at S3_BUCKET, S3_PREFIX, GLUE_VERSION."]
            )
        )
    return f"{job} is there, Glue {version}"


def _package(store: S3Store) -> str:
    outdated = uploads.outdated(store.client, store.bucket, glue_package.keys(store.prefix))
    if outdated:
        raise FixConfiguration(
            f"Not as this release has it: {', '.join(sorted(outdated))}. Upload it: {_AGAIN}"
        )
    return "is this release's"


def _stage(session: SnowflakeSession, store: S3Store) -> str:
    stages = {row["name"].upper(): row for row in session.rows("SHOW STAGES IN SCHEMA PIPES")}
    found = stages.get(_STAGE)
    if found is None:
        raise FixConfiguration(
            f"There is no stage PIPES.{_STAGE}, or SNOWFLAKE_ROLE may not see it. As "
            f"administrator: {_AGAIN}"
        )
    if found["url"] != store.uri(""):
        raise FixConfiguration(
            f"The stage reads {found['url']}, the lake is {store.uri('')}. Look at S3_BUCKET, "
            f"S3_PREFIX and SNOWFLAKE_DATABASE."
        )
    _list_stage(session)
    return "Snowflake gets into the bucket"


def _list_stage(session: SnowflakeSession) -> None:
    """Raises `FixConfiguration` with what lies behind it where Snowflake can't."""
    try:
        session.rows(f"LIST @PIPES.{_STAGE}/{keys.TRANSFORMED}none/")
    except FixConfiguration as error:
        cause = error.__cause__
        if not isinstance(cause, errors.Error) or cause.errno not in _UNFIT:
            raise
        raise FixConfiguration(
            f"{_UNFIT[cause.errno]}. As administrator: {_AGAIN}\n{cause.msg}"
        ) from cause


def _notification(session: SnowflakeSession, store: S3Store, table: contract.Table) -> str:
    pipes = {row["name"].lower(): row for row in session.rows("SHOW PIPES IN SCHEMA PIPES")}
    pipe = pipes.get(pipe_name(table).lower())
    if pipe is None:
        raise FixConfiguration(f"There is no pipe {pipe_name(table)}: {_AGAIN}")
    with explained("s3:GetBucketNotification"):
        told = store.client.get_bucket_notification_configuration(Bucket=store.bucket)
    key = store.prefix + keys.batch_file(table.name, _SOME_DAY, 0, "")
    queues = [each["QueueArn"] for each in told.get("QueueConfigurations", ()) if _hears(each, key)]
    if pipe["notification_channel"] not in queues:
        raise FixConfiguration(
            f"The bucket tells {', '.join(queues) or 'nobody'} of new files of {table.name}, the "
            f"pipe listens to {pipe['notification_channel']}: {_AGAIN}"
        )
    return "the bucket tells the pipe of new files"


def _hears(configuration: Mapping[str, Any], key: str) -> bool:
    """Whether it tells of a new object at `key`, however it is written."""
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    ends = {rule["Name"].lower(): rule["Value"] for rule in rules}
    return (
        "s3:ObjectCreated:*" in configuration["Events"]
        and key.startswith(ends.get("prefix", ""))
        and key.endswith(ends.get("suffix", ""))
    )


def _format(session: SnowflakeSession, statements: Sequence[Statement]) -> str:
    rows = session.rows("SHOW FILE FORMATS IN SCHEMA PIPES")
    found = file_format.options(rows)
    if found is None:
        raise FixConfiguration(f"There is no file format {file_format.NAME}: {_AGAIN}")
    if differing := file_format.differing(statements, found):
        raise FixConfiguration(
            f"{file_format.NAME} reads files in another way than 070_pipes.sql says, expected "
            f"{', '.join(differing)}: {_AGAIN}"
        )
    return "is as 070_pipes.sql says"


def _columns(session: SnowflakeSession, database: str, statements: Sequence[Statement]) -> str:
    rows = session.rows(f"SHOW COLUMNS IN DATABASE {database}")
    if lacking := tables.lacking_columns(statements, tables.by_table(rows)):
        names = ", ".join(f"{each.table}.{each.name}" for each in lacking)
        raise FixConfiguration(f"Gone: {names}. {_AGAIN} adds what can be added.")
    return f"all {len(list(tables.columns(statements)))} are there"


def _rights(
    session: SnowflakeSession, names: Mapping[str, str], statements: Sequence[Statement]
) -> str:
    wanted = {
        fact for statement in statements for fact in statement.facts if " FUTURE " not in fact
    }
    roles = _with_its_roles(names["service_role"].upper(), wanted)
    needed = {fact for fact in wanted if fact.endswith(tuple(f" TO ROLE {role}" for role in roles))}
    has = {
        fact.upper()
        for role in roles
        for fact in held(role, session.rows(f"SHOW GRANTS TO ROLE {role}"))
    }
    if lacking := sorted(needed - has):
        raise FixConfiguration(
            "\n".join(
                [f"{names['service_role']} lacks {len(lacking)} rights:"]
                + [f"  {fact}" for fact in lacking]
                + [f"Grant them: {_AGAIN}, or 020_roles.sql and 080_grants.sql"]
            )
        )
    return f"all {len(needed)} of {', '.join(sorted(roles))}"


def _with_its_roles(role: str, facts: Collection[str]) -> set[str]:
    """The role and those that it has, and they have."""
    found = {role}
    for fact in facts:
        if fact.startswith("ROLE ") and fact.endswith(f" TO ROLE {role}"):
            found |= _with_its_roles(fact.split()[1], facts)
    return found
