"""What DuckDB has no notion of, as values: integrations, file formats, stages, pipes."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from spotify_pipeline.clock import Clock
from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_grant_book import ACCOUNT
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Options

IAM_USER = "arn:aws:iam::123456789001:user/abc1-b-self1234"
"""Who comes to AWS for this account: one user for all its integrations."""


@dataclass(eq=False)
class Integration:
    """A storage integration. Stages hold the object, so a replaced one is no longer theirs."""

    name: str
    created_on: datetime
    role_arn: str
    external_id: str
    enabled: bool
    allowed: tuple[str, ...]
    blocked: tuple[str, ...] = ()
    comment: str = ""

    def admits(self, url: str) -> bool:
        return any(
            location == "*" or url.startswith(location) for location in self.allowed
        ) and not any(url.startswith(location) for location in self.blocked)


@dataclass(eq=False)
class FileFormat:
    name: Name
    created_on: datetime
    options: Options
    comment: str = ""


@dataclass(eq=False)
class Stage:
    """An external stage; `url` ends as it was written."""

    name: Name
    created_on: datetime
    url: str
    integration: Integration | None
    file_format: Options = field(default_factory=dict)
    comment: str = ""

    @property
    def bucket(self) -> str:
        return self.url.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        return self.url.removeprefix("s3://").partition("/")[2]


@dataclass(frozen=True)
class Waiting:
    """A file in a pipe's queue."""

    key: str
    received_at: datetime


@dataclass(frozen=True)
class CopyInto:
    """What a pipe does with each file."""

    table: Name
    stage: Stage
    stage_url: str
    path: str
    file_format: Options
    chosen: tuple[str, ...] | None
    match: str
    metadata: dict[str, str]
    on_error: str
    pattern: str | None

    @property
    def prefix(self) -> str:
        """Where its files lie in the bucket."""
        return self.stage.prefix + self.path


@dataclass(eq=False)
class Pipe:
    """A pipe. `file_format` is the one that its COPY names, `taken` its load metadata: every file
    name it has ever been given, and when."""

    name: Name
    created_on: datetime
    definition: str
    copy: CopyInto
    auto_ingest: bool
    file_format: "FileFormat | None" = None
    comment: str = ""
    paused_at: datetime | None = None
    must_be_forced: bool = False
    stalled: str | None = None
    waiting: list[Waiting] = field(default_factory=list)
    taken: dict[str, datetime] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    """What SYSTEM$PIPE_STATUS says besides."""


class Catalogue:
    """All of them, by name."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.integrations: dict[str, Integration] = {}
        self.file_formats: dict[Name, FileFormat] = {}
        self.stages: dict[Name, Stage] = {}
        self.pipes: dict[Name, Pipe] = {}

    def integration(self, name: str) -> Integration:
        return found(self.integrations, name, "Integration", name)

    def stage(self, name: Name) -> Stage:
        return found(self.stages, name, "Stage", dotted(name))

    def file_format(self, name: Name) -> FileFormat:
        return found(self.file_formats, name, "File format", dotted(name))

    def pipe(self, name: Name) -> Pipe:
        return found(self.pipes, name, "Pipe", dotted(name))

    def is_linked(self, stage: Stage) -> bool:
        """Whether the stage's integration is still the one it was made with."""
        integration = stage.integration
        return integration is None or self.integrations.get(integration.name) is integration

    def drop_inside(self, container: Name) -> list[Pipe]:
        """Drops what is in a database or schema; the pipes that were dropped."""
        _drop_inside(self.stages, container)
        _drop_inside(self.file_formats, container)
        return _drop_inside(self.pipes, container)


Key = TypeVar("Key")
Thing = TypeVar("Thing")


def found(things: Mapping[Key, Thing], key: Key, kind: str, name: str) -> Thing:
    if key not in things:
        raise errors.missing(kind, name)
    return things[key]


def dotted(name: Name) -> str:
    return ".".join(name)


def generated_external_id() -> str:
    return f"{ACCOUNT}_SFCRole=2_{secrets.token_urlsafe(20)}="


def _drop_inside(things: dict[Name, Thing], container: Name) -> list[Thing]:
    inside = [name for name in things if name[: len(container)] == container]
    return [things.pop(name) for name in inside]
