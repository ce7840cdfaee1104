"""What is there in AWS and Snowflake before `provision` does anything: looked at, not judged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from spotify_pipeline import contract
from spotify_pipeline.clock import machine_clock
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.pipe import pipe_name
from spotify_pipeline.loading.snowpipe import REFRESH_PERIOD
from spotify_pipeline.provision import glue_package, objects, uploads
from spotify_pipeline.provision.account import Account
from spotify_pipeline.provision.account_refusals import StageLostIntegration
from spotify_pipeline.provision.aws import Aws
from spotify_pipeline.provision.bucket import Bucket, bucket_of, is_only_over_tls
from spotify_pipeline.provision.facts import facts
from spotify_pipeline.provision.objects import Integration, Pipe, Stage, User
from spotify_pipeline.provision.roles import foreign_policies, has_role
from spotify_pipeline.provision.stack import Stack as AwsStack
from spotify_pipeline.provision.wanted import Wanted

_DEAD = ("STAGE_DROPPED", "STAGE_ALTERED", "FILE_FORMAT_DROPPED", "MISSING_TABLE")
"""Why a pipe has stopped for good: it holds on to what it was made with."""


@dataclass(frozen=True)
class Found:
    """`facts` are those of `ddl`, `columns` those of each table, `pipes` by name in lower case.
    `stack_parameters` are empty where there is no stack; `is_foreign_stack` says that it is not
    ours, `has_bucket` that it has the bucket, `is_closed` that the bucket takes calls over TLS
    alone, `has_role` that the AWS role is there, whosever. `outdated` are files by key; the batches
    of `waiting_days` are young, and neither published nor landed."""

    facts: frozenset[str]
    integration: Integration | None
    user: User | None
    stage: Stage | None
    is_stage_linked: bool
    pipes: Mapping[str, Pipe]
    columns: Mapping[str, Collection[str]]
    format_options: Mapping[str, Any]
    stack_parameters: Mapping[str, str]
    is_foreign_stack: bool
    has_bucket: bool
    is_closed: bool
    has_role: bool
    foreign_policies: Sequence[str]
    job_differences: Sequence[str]
    bucket: Bucket
    outdated: Sequence[str]
    waiting_days: Sequence[date]

    def dead_pipes(self, database: str) -> list[str]:
        """Those that stand still for good, also once what they miss is there again."""
        place = f"{database}.PIPES".upper()
        needed = {f"STAGE {place}.SPOTIFY_STAGE", f"FILE FORMAT {place}.CSV_FILEFORMAT"}
        return [
            pipe_name(table)
            for table in contract.TABLES
            if (there := self.pipes.get(pipe_name(table).lower()))
            and (
                there.state in [f"STOPPED_{why}" for why in _DEAD]
                or not {*needed, f"TABLE {database}.LANDING.{table.name}".upper()} <= self.facts
            )
        ]

    def queues(self, database: str) -> str:
        """What the stack wants as SnowpipeQueueArns; empty unless every pipe is there and alive."""
        if self.dead_pipes(database) or len(self.pipes) < len(contract.TABLES):
            return ""
        return queues_of(self.pipes)


def look(account: Account, stack: AwsStack, aws: Aws, wanted: Wanted) -> Found:
    """Asks both sides."""
    names, database, s3 = wanted.names, wanted.names["database"], aws.client("s3")
    known = facts(account, names)
    has_database = f"DATABASE {database}".upper() in known
    has_pipes = f"SCHEMA {database}.PIPES".upper() in known
    integration = objects.integration(account, names["integration"])
    stage = objects.stage(account, database)
    owns_bucket = has_bucket(s3, stack, wanted)
    files = wanted.files
    return Found(
        known,
        integration,
        objects.user(account, names["service_user"]),
        stage,
        stage is None or (integration is not None and _is_linked(account, names)),
        objects.pipes(account, database) if has_pipes else {},
        objects.columns(account, database) if has_database else {},
        objects.format_options(account, database) if has_database else {},
        stack.parameters(),
        stack.is_foreign(),
        owns_bucket,
        owns_bucket and is_only_over_tls(s3, wanted.bucket),
        has_role(aws, wanted.role_arn),
        foreign_policies(aws, wanted.stack),
        glue_package.differences(aws.client("glue"), wanted.job_settings) if owns_bucket else [],
        bucket_of(s3, wanted.bucket),
        sorted(uploads.outdated(s3, wanted.bucket, files) if owns_bucket else files),
        _waiting_days(account, S3Store(s3, wanted.bucket, wanted.prefix), names, known)
        if owns_bucket
        else [],
    )


def has_bucket(s3: Any, stack: AwsStack, wanted: Wanted) -> bool:
    """Whether the stack has the bucket: its outputs name it also when it was deleted by hand."""
    named = (stack.outputs() or {}).get("Bucket") == wanted.bucket
    return named and bucket_of(s3, wanted.bucket).is_there


def queues_of(pipes: Mapping[str, Pipe]) -> str:
    """Where each pipe hears of new files, as the stack wants it."""
    return ",".join(pipes[pipe_name(table).lower()].queue for table in contract.TABLES)


def _is_linked(account: Account, names: Mapping[str, str]) -> bool:
    try:
        account.list_stage(names)
    except StageLostIntegration:
        return False
    except FixConfiguration:  # the other statements' and the stack's matter
        return True
    return True


def _waiting_days(
    account: Account, store: S3Store, names: Mapping[str, str], facts: Collection[str]
) -> list[date]:
    """None where there is nothing to ask: the pipes are then made anew, and look in any case."""
    database = names["database"]
    needed = {
        f"WAREHOUSE {names['warehouse']}",
        f"TABLE {database}.OPS.LEDGER",
        *(f"TABLE {database}.LANDING.{table.name}" for table in contract.TABLES),
    }
    if not {fact.upper() for fact in needed} <= set(facts):
        return []
    session = account.session(database, names["warehouse"], store.prefix)
    young = [
        manifest
        for manifest in publishing.unpublished(session, store)
        if machine_clock() - manifest.created_at < REFRESH_PERIOD
    ]
    landed = publishing.landed(session, young)
    return [
        manifest.snapshot_date
        for manifest in young
        if not publishing.is_landed(manifest, landed[manifest.snapshot_date])
    ]
