"""Pipes as values: what a pipe is called, how it fares, and what became of each file.

The words are Snowflake's (PIPE_STATUS, COPY_HISTORY), so one vocabulary serves every database.
What each of them means, and what to do about it, is `pipe_words`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from spotify_pipeline import contract
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import pipe_words, publishing
from spotify_pipeline.loading.database import Session

PATIENCE = timedelta(minutes=30)
"""For how long a file may be under way before that is worth a red check."""

ISSUING = timedelta(hours=1)
"""How much older than its manifest a file may be: an engine writes all days of a range first."""


class LoadStatus(StrEnum):
    """What became of a file, in COPY_HISTORY's words; OTHER is one that is new to this release."""

    LOADED = "Loaded"
    IN_PROGRESS = "Load in progress"
    FAILED = "Load failed"
    PARTIAL = "Partially loaded"
    SKIPPED = "Load skipped"
    OTHER = "Other"

    @property
    def is_bad(self) -> bool:
        return self not in (LoadStatus.LOADED, LoadStatus.IN_PROGRESS)


@dataclass(frozen=True)
class PipeStatus:
    """A pipe's state; `oldest_pending` is since when the first of its pending files waits,
    `received` when its queue last had a message, for whichever pipe, `forwarded` when this pipe
    last had one."""

    pipe: str
    state: str
    pending_files: int
    oldest_pending: datetime | None = None
    error: str = ""
    received: datetime | None = None
    forwarded: datetime | None = None

    @property
    def is_healthy(self) -> bool:
        return pipe_words.state(self.state).is_healthy

    def explain(self) -> str:
        """The state in sentences that say what to do."""
        state = pipe_words.state(self.state)
        error = f" ({self.error})" if self.error else ""
        return (
            f"{self.pipe} is {self.state}: {state.meaning}{error}; {self._waiting()} for it. "
            f"{state.remedy.format(pipe=self.pipe)}"
        )

    def _waiting(self) -> str:
        return "1 file waits" if self.pending_files == 1 else f"{self.pending_files} files wait"


@dataclass(frozen=True)
class FileLoad:
    """The fate of one file, once and for ever: a pipe takes a name once.

    `error_place` is a line of the file or a row of its table, as the pipe counts. `loaded_at` is
    when the load ended.
    """

    table: str
    key: str
    status: LoadStatus
    rows: int
    loaded_at: datetime | None
    error: str | None = None
    error_place: str | None = None
    error_column: str | None = None

    def explain(self) -> str:
        """The failure in sentences that say what to do."""
        place = f", {self.error_place}" if self.error_place else ""
        place += f", column {self.error_column}" if self.error_column else ""
        partly = f" ({self.rows} rows went in)" if self.status is LoadStatus.PARTIAL else ""
        remedy = pipe_words.LOADS[self.status].remedy.format(day=keys.day_of(self.key))
        return f"{self.key}{place}: {self.error or self.status}{partly}. {remedy}"


class Pipes(Protocol):
    """What can be asked about the pipes of a database, through a session on it."""

    def statuses(self, session: Session) -> Mapping[str, PipeStatus]:
        """The state of every pipe, by its table."""

    def loads(
        self, session: Session, keys: Sequence[str], tables: Sequence[contract.Table]
    ) -> Mapping[str, FileLoad]:
        """What became of those of the files that the history of `tables` knows, by key."""

    def repair(
        self, session: Session, manifests: Sequence[Manifest], at: datetime
    ) -> Iterator[str]:
        """Sets going what can be set going for these batches; says each thing when it is done."""


@dataclass(frozen=True)
class Seen:
    """What a look at the pipes found: what is wrong, by table, the batches that are whole in
    LANDING, and whether LANDING has all its tables."""

    troubles: Mapping[str, Sequence[str]]
    whole: Sequence[Manifest]
    has_all_tables: bool


def look(pipes: Pipes, session: Session, manifests: Sequence[Manifest], at: datetime) -> Seen:
    """How the pipes fare, and the files of these batches.

    The number of queries depends on neither batches nor tables.
    """
    statuses = pipes.statuses(session)
    there = publishing.landing_tables(session)
    files = [file.key for manifest in manifests for file in manifest.files.values()]
    loads = pipes.loads(session, files, there) if files else {}
    landed = publishing.landed(session, manifests, there) if files else {}
    troubles = {}
    for table in contract.TABLES:
        status = statuses[table.name]
        found = _of_pipe(status, at)
        if table not in there and status.is_healthy:
            found.append(f"LANDING.{table.name.upper()} is gone. {pipe_words.NO_TABLE}")
        for manifest in manifests:
            if table in there and table.name in manifest.files:
                rows = landed[manifest.snapshot_date]
                found += _of_file(manifest, table, status, loads, rows, at)
        troubles[table.name] = found
    whole = publishing.whole(session, manifests, landed)
    return Seen(troubles, whole, len(there) == len(contract.TABLES))


def _of_pipe(status: PipeStatus, at: datetime) -> list[str]:
    if not status.is_healthy:
        return [status.explain()]
    if status.oldest_pending and at - status.oldest_pending > PATIENCE:
        error = f" ({status.error})" if status.error else ""
        return [
            f"{status.pipe} has had files waiting since {_moment(status.oldest_pending)}, "
            f"{status.pending_files} by now{error}. {pipe_words.PENDING}"
        ]
    if status.error:
        return [f"{status.pipe} runs, but Snowflake says: {status.error} {pipe_words.TROUBLED}"]
    return []


def _of_file(
    manifest: Manifest,
    table: contract.Table,
    status: PipeStatus,
    loads: Mapping[str, FileLoad],
    landed: Mapping[str, int],
    at: datetime,
) -> list[str]:
    file = manifest.files[table.name]
    load = loads.get(file.key)
    if landed[table.name] == file.rows:
        return []  # whatever the history says of it
    if load and load.status.is_bad:
        return [load.explain()]
    is_waited_for = status.is_healthy and not status.pending_files
    if not is_waited_for or at - manifest.created_at <= PATIENCE:
        return []
    day = manifest.snapshot_date
    if load and load.status is LoadStatus.LOADED:
        when = f" at {_moment(load.loaded_at)}" if load.loaded_at else ""
        if load.rows == landed[table.name]:
            return [
                f"{file.key} was loaded{when}, and {load.rows} rows were read of the {file.rows} "
                f"that were written. {pipe_words.MISREAD.format(day=day)}"
            ]
        return [
            f"{file.key} was loaded{when} with {load.rows} rows, and "
            f"LANDING.{table.name.upper()} holds {landed[table.name]} that say so in _file. "
            f"{pipe_words.GONE.format(day=day)}"
        ]
    written = f"{file.key} was written at {_moment(manifest.created_at)}, and {status.pipe}"
    if load:
        remedy = pipe_words.LOADS[load.status].remedy
        return [f"{written} has been loading it since then. {remedy.format(day=day)}"]
    return [
        f"{written} knows nothing of it; {_messages(status, manifest.created_at - ISSUING)}. "
        f"{pipe_words.UNKNOWN.format(day=day)}"
    ]


def _messages(status: PipeStatus, since: datetime) -> str:
    """How far the bucket's notifications have come since a file may have been written."""
    from_then = f"since {_moment(since)}"
    if not status.received or status.received < since:
        return f"no notification of the bucket has reached its queue {from_then}"
    if not status.forwarded or status.forwarded < since:
        return f"notifications reached its queue {from_then}, but none of them was for this pipe"
    return f"it had notifications of other files {from_then}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def pipe_name(table: contract.Table) -> str:
    return f"{table.name}_pipe"
