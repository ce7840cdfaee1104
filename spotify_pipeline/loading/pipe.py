"""Pipes as values: what a pipe is called, how it fares, and what became of each file.

The words are Snowflake's (PIPE_STATUS, COPY_HISTORY), so one vocabulary serves every database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from spotify_pipeline import contract
from spotify_pipeline.lake.batch import Manifest
from spotify_pipeline.loading.database import Session

RUNNING = "RUNNING"


class LoadStatus(StrEnum):
    """What became of a file."""

    LOADED = "Loaded"
    FAILED = "Load failed"


@dataclass(frozen=True)
class PipeStatus:
    """A pipe's state; RUNNING is the healthy one."""

    pipe: str
    state: str
    pending_files: int


@dataclass(frozen=True)
class FileLoad:
    """The fate of one file, once and for ever: a pipe takes a name once."""

    table: str
    key: str
    status: LoadStatus
    rows: int
    loaded_at: datetime
    error: str | None = None
    error_row: int | None = None
    error_column: str | None = None

    def explain(self) -> str:
        """The failure in a sentence that says what to do."""
        place = f", row {self.error_row}" if self.error_row else ""
        place += f", column {self.error_column}" if self.error_column else ""
        return (
            f"{self.key}{place}: {self.error}. The name is used up; mend the cause, then issue "
            f"the rows under a new one: spotify-pipeline run --date <day> --reload"
        )


class Pipes(Protocol):
    """What can be asked about the pipes of a database, through a session on it."""

    def status(self, session: Session, table: contract.Table) -> PipeStatus:
        """The state of a table's pipe."""

    def failures(self, session: Session, file_keys: Sequence[str]) -> list[FileLoad]:
        """Those of the files that could not be loaded."""


def troubles(
    pipes: Pipes, session: Session, manifests: Sequence[Manifest], table: contract.Table
) -> list[str]:
    """What is wrong with a table's pipe and its files of these batches, each with the remedy."""
    found = []
    status = pipes.status(session, table)
    if status.state != RUNNING:
        found.append(
            f"{status.pipe} is {status.state} and {status.pending_files} files wait for it. "
            f"Resume it, then materialize landing/{table.name} again."
        )
    files = [
        manifest.files[table.name].key for manifest in manifests if table.name in manifest.files
    ]
    return found + [failure.explain() for failure in pipes.failures(session, files)]


def pipe_name(table: contract.Table) -> str:
    return f"{table.name}_pipe"
