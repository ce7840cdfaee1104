"""Single things in Snowflake as they are there; whether all are there is told by `facts`."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from spotify_pipeline.provision import file_format, tables
from spotify_pipeline.provision.account import Account
from spotify_pipeline.provision.ddl import ADMINISTRATOR


@dataclass(frozen=True)
class Integration:
    """What DESC INTEGRATION tells: whom AWS has to trust, and for what. All of it is empty in one
    that is not for storage on S3."""

    user_arn: str
    external_id: str
    role_arn: str
    locations: tuple[str, ...]
    is_enabled: bool


@dataclass(frozen=True)
class User:
    """A user; `keys` are the fingerprints of both public keys, `SHA256:…`, None where there is
    none."""

    keys: tuple[str | None, str | None]
    is_disabled: bool


class Stage(NamedTuple):
    """Where a stage reads, and by which integration; empty where it has lost it."""

    url: str
    integration: str


class Pipe(NamedTuple):
    """`queue` is the ARN of the queue where it hears of new files, `state` what SYSTEM$PIPE_STATUS
    calls executionState, `definition` its COPY INTO."""

    queue: str
    state: str
    definition: str


def integration(account: Account, name: str) -> Integration | None:
    """None if there is none of any kind."""
    account.use(ADMINISTRATOR)
    if not account.named(f"SHOW INTEGRATIONS LIKE '{name}'", name):
        return None
    told = {
        row["property"].upper(): str(row["property_value"])
        for row in account.ask(f"DESC INTEGRATION {name}")
    }
    return Integration(
        told.get("STORAGE_AWS_IAM_USER_ARN", ""),
        told.get("STORAGE_AWS_EXTERNAL_ID", ""),
        told.get("STORAGE_AWS_ROLE_ARN", ""),
        tuple(told.get("STORAGE_ALLOWED_LOCATIONS", "").split(",")),
        told.get("ENABLED", "").lower() == "true",
    )


def user(account: Account, name: str) -> User | None:
    """None if there is no such user."""
    account.use(ADMINISTRATOR)
    if not account.named(f"SHOW USERS LIKE '{name}'", name):
        return None
    told = {
        row["property"].upper(): None if row["value"] in ("", "null") else row["value"]
        for row in account.ask(f"DESC USER {name}")
    }
    keys = (told.get("RSA_PUBLIC_KEY_FP"), told.get("RSA_PUBLIC_KEY_2_FP"))
    return User(keys, str(told.get("DISABLED")).lower() == "true")


def stage(account: Account, database: str) -> Stage | None:
    """The lake's stage in this database; None if there is none."""
    account.use(ADMINISTRATOR)
    if not account.named(f"SHOW DATABASES LIKE '{database}'", database):
        return None
    for row in account.ask(f"SHOW STAGES IN DATABASE {database}"):
        if (row["schema_name"], row["name"]) == ("PIPES", "SPOTIFY_STAGE"):
            return Stage(row["url"], row["storage_integration"] or "")
    return None


def pipes(account: Account, database: str) -> dict[str, Pipe]:
    """By name, in lower case; there has to be the schema."""
    account.use(ADMINISTRATOR)
    rows = account.ask(f"SHOW PIPES IN SCHEMA {database}.PIPES")
    states = _states(account, [f"{database}.PIPES.{row['name']}" for row in rows])
    return {
        row["name"].lower(): Pipe(row["notification_channel"] or "", state, row["definition"] or "")
        for row, state in zip(rows, states, strict=True)
    }


def columns(account: Account, database: str) -> Mapping[str, Collection[str]]:
    """Those of each table of the database, `LANDING.SONG`."""
    return tables.by_table(account.ask(f"SHOW COLUMNS IN DATABASE {database}"))


def format_options(account: Account, database: str) -> Mapping[str, Any]:
    """What the file format of the pipes says; nothing if there is none."""
    return file_format.options(account.ask(f"SHOW FILE FORMATS IN DATABASE {database}")) or {}


def _states(account: Account, pipes: Iterable[str]) -> list[str]:
    asked = [f"SYSTEM$PIPE_STATUS('{pipe}') AS s{n}" for n, pipe in enumerate(pipes)]
    if not asked:
        return []
    [row] = account.ask(f"SELECT {', '.join(asked)}")
    return [json.loads(status)["executionState"] for status in row.values()]
