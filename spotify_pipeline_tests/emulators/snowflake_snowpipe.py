"""Snowpipe: takes S3 events off a queue, gives files to pipes, and loads them.

A name is taken once per pipe, for 14 days, loaded or not: an object that is gone when its turn
comes has failed. Only one that is still being uploaded in parts is passed over, its name free:
some S3 stand-ins announce it before it is there, as S3 never does.
"""

import hashlib
import json
import re
import threading
from datetime import datetime, timedelta
from typing import Any, Protocol

import duckdb

from spotify_pipeline_tests.emulators.snowflake_catalogue import Catalogue, Pipe, Waiting
from spotify_pipeline_tests.emulators.snowflake_csv import CsvFormat
from spotify_pipeline_tests.emulators.snowflake_events import Event, EventQueue
from spotify_pipeline_tests.emulators.snowflake_history import DAYS, Attempt, CopyHistory
from spotify_pipeline_tests.emulators.snowflake_loader import Outcome, Target, columns_of, load
from spotify_pipeline_tests.emulators.snowflake_storage import NoAccess, Storage

REFRESHED = timedelta(days=7)

# After anything else that DuckDB or S3 raises a file keeps its place in the queue.
_BAD_ROWS = (duckdb.ConstraintException, duckdb.ConversionException, duckdb.OutOfRangeException)


class Formats(Protocol):
    """Finds a pipe's file format; raises where it was dropped."""

    def __call__(self, pipe: Pipe) -> CsvFormat: ...


class Snowpipe:
    """The events' queue, the bucket, and what happens in between."""

    def __init__(
        self,
        catalogue: Catalogue,
        history: CopyHistory,
        connection: duckdb.DuckDBPyConnection,
        formats: Formats,
        storage: Storage,
        queue: EventQueue,
    ) -> None:
        self.held: list[Event] | None = None
        """Where events go instead of to the pipes, while there is such a list."""
        self._catalogue = catalogue
        self._history = history
        self._connection = connection
        self._formats = formats
        self._storage = storage
        self._queue = queue
        self._turn = threading.RLock()

    @property
    def turn(self) -> threading.RLock:
        """Held while anything is loaded: whoever has it sees pipes at rest."""
        return self._turn

    def settle(self) -> None:
        """Takes all events that are there, and loads all that can be loaded."""
        with self._turn:
            while events := self._queue.receive():
                if self.held is None:
                    self.deliver(events)
                else:
                    self.held += events
            for pipe in list(self._catalogue.pipes.values()):
                self._load_waiting(pipe)

    def deliver(self, events: list[Event]) -> None:
        """Gives events to the pipes, in this order."""
        with self._turn:
            for event in events:
                for pipe in list(self._catalogue.pipes.values()):
                    self._notice(pipe, event)

    def refresh(self, pipe: Pipe, prefix: str, after: datetime | None) -> list[tuple[str, str]]:
        """Queues the stage's files of the last 7 days that the pipe has not had; their names."""
        now = self._catalogue.clock()
        oldest = max(after or now - REFRESHED, now - REFRESHED)
        sent = []
        with self._turn:
            stage, copy = pipe.copy.stage, pipe.copy
            self._storage.check(stage)
            for each in self._storage.objects(stage.bucket, copy.prefix + prefix):
                key = each.key
                if each.modified >= oldest and self._admits(pipe, key) and self._take(pipe, key):
                    sent.append((key.removeprefix(copy.prefix), "SENT"))
        return sent

    def state(self, pipe: Pipe) -> str:
        """executionState. Finds out, too, whether a stage can be read again."""
        with self._turn:
            return self._broken(pipe) or self._stalled(pipe) or self._paused(pipe)

    def status(self, pipe: Pipe) -> str:
        """What SYSTEM$PIPE_STATUS answers."""
        state = self.state(pipe)
        told: dict[str, Any] = {"executionState": state, "pendingFileCount": len(pipe.waiting)}
        if pipe.waiting:
            oldest = pipe.waiting[0]
            told["oldestFileTimestamp"] = stamp(oldest.received_at)
            told["oldestPendingFilePath"] = oldest.key
        if pipe.auto_ingest:
            told["numOutstandingMessagesOnChannel"] = len(self.held or ())
        return json.dumps(told | pipe.told)

    def _notice(self, pipe: Pipe, event: Event) -> None:
        now = self._catalogue.clock()
        if not pipe.auto_ingest:
            return
        pipe.told["lastReceivedMessageTimestamp"] = stamp(now)
        if event.bucket != pipe.copy.stage.bucket or not self._admits(pipe, event.key):
            return
        pipe.told["lastForwardedMessageTimestamp"] = stamp(now)
        pipe.told["lastForwardedFilePath"] = event.key
        if not self._broken(pipe):  # what comes for a stopped pipe is never queued
            self._take(pipe, event.key)

    def _admits(self, pipe: Pipe, key: str) -> bool:
        prefix = pipe.copy.prefix
        pattern = pipe.copy.pattern
        return key.startswith(prefix) and (
            not pattern or re.fullmatch(pattern, key.removeprefix(prefix)) is not None
        )

    def _take(self, pipe: Pipe, key: str) -> bool:
        """Queues a file unless the pipe has had the name in the last 14 days."""
        now = self._catalogue.clock()
        if key in pipe.taken and pipe.taken[key] > now - DAYS:
            return False
        pipe.taken[key] = now
        pipe.waiting.append(Waiting(key, now))
        return True

    def _load_waiting(self, pipe: Pipe) -> None:
        if not pipe.waiting or pipe.stalled or pipe.paused_at or self._broken(pipe):
            return
        oldest = self._catalogue.clock() - DAYS
        while pipe.waiting and not pipe.stalled:
            file = pipe.waiting[0]
            if file.received_at > oldest:  # older notifications are skipped
                self._load(pipe, file)
            pipe.waiting.pop(0)

    def _load(self, pipe: Pipe, file: Waiting) -> None:
        copy = pipe.copy
        try:
            self._storage.check(copy.stage)
        except NoAccess as error:
            self._stall(pipe, file, str(error))
            return
        found = self._storage.read(copy.stage.bucket, file.key)
        if found is None and self._storage.is_under_way(copy.stage.bucket, file.key):
            pipe.taken.pop(file.key, None)
            return
        if found is None:
            reason = f"Remote file 's3://{copy.stage.bucket}/{file.key}' was not found."
            self._note(pipe, file, 0, Outcome(0, 0, reason, errors=1))
            return
        body, modified = found
        form = self._formats(pipe)
        columns = columns_of(self._connection, copy.table)
        if not columns:
            reason = f"Table '{'.'.join(copy.table)}' does not exist or not authorized."
            self._note(pipe, file, len(body), Outcome(0, 0, reason, errors=1))
            return
        target = Target(
            copy.table, columns, copy.match, copy.chosen, copy.metadata, form.date_format
        )
        told = {
            "METADATA$FILENAME": file.key,
            "METADATA$FILE_CONTENT_KEY": hashlib.md5(body, usedforsecurity=False).hexdigest(),
            "METADATA$FILE_LAST_MODIFIED": modified,
            "METADATA$START_SCAN_TIME": self._catalogue.clock(),
        }
        try:
            outcome = load(self._connection, target, body, form, told)
        except _BAD_ROWS as error:
            outcome = Outcome(0, 0, str(error).splitlines()[0], errors=1)
        self._note(pipe, file, len(body), outcome)
        if not outcome.error:
            pipe.told["lastIngestedTimestamp"] = stamp(self._catalogue.clock())
            pipe.told["lastIngestedFilePath"] = file.key

    def _stall(self, pipe: Pipe, file: Waiting, reason: str) -> None:
        """The file at which it was noticed has failed; its name is used up."""
        pipe.stalled = reason
        pipe.told["lastPipeErrorTimestamp"] = stamp(self._catalogue.clock())
        pipe.told["error"] = reason
        self._note(pipe, file, 0, Outcome(0, 0, reason, errors=1))

    def _note(self, pipe: Pipe, file: Waiting, size: int, outcome: Outcome) -> None:
        stage = pipe.copy.stage
        self._history.add(
            Attempt(
                file.key.removeprefix(stage.prefix),
                stage.url,
                size,
                pipe.copy.table,
                pipe.name,
                file.received_at,
                self._catalogue.clock(),
                outcome,
            )
        )

    def _broken(self, pipe: Pipe) -> str | None:
        """The state of a pipe that lacks something it was made with."""
        stage = pipe.copy.stage
        if self._catalogue.stages.get(stage.name) is not stage:
            return "STOPPED_STAGE_DROPPED"
        if stage.url != pipe.copy.stage_url:
            return "STOPPED_STAGE_ALTERED"
        if not columns_of(self._connection, pipe.copy.table):
            return "STOPPED_MISSING_TABLE"
        form = pipe.file_format
        if form and self._catalogue.file_formats.get(form.name) is not form:
            # Whether one of the same name that is made later would do, Snowflake doesn't say.
            return "STOPPED_FILE_FORMAT_DROPPED"
        return None

    def _stalled(self, pipe: Pipe) -> str | None:
        if not pipe.stalled:
            return None
        try:
            self._storage.check(pipe.copy.stage)
        except NoAccess:
            return "STALLED_STAGE_PERMISSION_ERROR"
        pipe.stalled = None
        pipe.told.pop("error", None)
        return None

    def _paused(self, pipe: Pipe) -> str:
        return "PAUSED" if pipe.paused_at else "RUNNING"


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
