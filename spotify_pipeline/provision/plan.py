"""What has to be done, judged by what is there; nothing is asked here, and nothing done."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from spotify_pipeline import contract
from spotify_pipeline.provision import ddl
from spotify_pipeline.provision.change_set import Change
from spotify_pipeline.provision.ddl import Statement
from spotify_pipeline.provision.found import Found
from spotify_pipeline.provision.key_pair import KeyPair
from spotify_pipeline.provision.mending import mending
from spotify_pipeline.provision.remarks import remarks
from spotify_pipeline.provision.wanted import Wanted

NO_QUEUES = "," * (len(contract.TABLES) - 1)


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order.

    `queues` are those that are known beforehand; `connects_pipes` says that others come with the
    pipes, and `adds_function` that the function comes when there is a bucket for its code.
    `waiting_days` are not published: the pipes look again for files of the last week. `remarks` are
    for its owner to know, and nothing that is done.
    """

    key: KeyPair
    statements: Sequence[Statement]
    changes: Sequence[Change]
    uploads: Sequence[str]
    queues: str
    connects_pipes: bool
    adds_function: bool
    waiting_days: Sequence[date]
    closes_bucket: bool
    remarks: Sequence[str]

    @property
    def is_empty(self) -> bool:
        return self.key.is_stored and not (
            self.statements
            or self.changes
            or self.uploads
            or self.connects_pipes
            or self.adds_function
            or self.waiting_days
            or self.closes_bucket
        )


def parameters(wanted: Wanted, found: Found, key: KeyPair, new_id: str) -> dict[str, str]:
    """Those of `snowflake_ddl`; `new_id` is the external id of an integration that is not there
    yet, unless AWS trusts another already."""
    known = found.integration.external_id if found.integration else None
    return {
        **wanted.names,
        "public_key": key.public.text,
        "role_arn": wanted.role_arn,
        "external_id": known or found.stack_parameters.get("SnowflakeExternalId") or new_id,
        "bucket_url": wanted.bucket_url,
    }


def queues(wanted: Wanted, found: Found) -> str:
    """What is known of them beforehand; what the bucket was told stays until there is better."""
    return found.queues(wanted.names["database"]) or _told(found)


def plan(
    wanted: Wanted,
    found: Found,
    key: KeyPair,
    changes: Sequence[Change],
    ddl_parameters: Mapping[str, str],
) -> Plan:
    """`changes` are those of the stack."""
    database, statements = wanted.names["database"], ddl.statements(ddl_parameters)
    facts = _but_for(found.dead_pipes(database), database, found.facts)
    todo = [*mending(wanted, found, key, statements), *ddl.lacking(statements, facts)]
    return Plan(
        key,
        sorted(todo, key=lambda each: each.file),
        changes,
        found.outdated,
        queues(wanted, found),
        found.queues(database) != _told(found),
        wanted.function is not None and not found.has_bucket,
        found.waiting_days,
        found.has_bucket and not found.is_closed,
        remarks(wanted, found, changes, statements),
    )


def _but_for(pipes: Sequence[str], database: str, facts: frozenset[str]) -> frozenset[str]:
    """The facts, as if these pipes and all rights on them were gone."""
    gone = [re.compile(rf"\bPIPE {database}\.PIPES\.{pipe}\b", re.IGNORECASE) for pipe in pipes]
    return frozenset(fact for fact in facts if not any(each.search(fact) for each in gone))


def _told(found: Found) -> str:
    """The queues that the bucket tells of new files."""
    return found.stack_parameters.get("SnowpipeQueueArns", NO_QUEUES)
