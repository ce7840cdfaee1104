"""CREATE, ALTER, DROP, SHOW and DESC of pipes, and the functions that ask and force them."""

from collections.abc import Iterator
from datetime import datetime

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators import snowflake_results as results
from spotify_pipeline_tests.emulators.snowflake_authority import Authority
from spotify_pipeline_tests.emulators.snowflake_catalogue import Catalogue, CopyInto, Pipe, dotted
from spotify_pipeline_tests.emulators.snowflake_copy import read_copy
from spotify_pipeline_tests.emulators.snowflake_history import DAYS, CopyHistory
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_snowpipe import Snowpipe
from spotify_pipeline_tests.emulators.snowflake_storage import NoAccess, Storage
from spotify_pipeline_tests.emulators.snowflake_syntax import (
    Name,
    Options,
    Reader,
    boolean,
    only,
    parts,
    string,
)


class Pipes:
    """PIPE."""

    words = ("PIPE",)
    plural = ("PIPES",)
    depth = 3
    columns = (
        "created_on",
        "name",
        "database_name",
        "schema_name",
        "definition",
        "owner",
        "notification_channel",
        "comment",
        "integration",
        "pattern",
        "error_integration",
        "owner_role_type",
        "invalid_reason",
        "kind",
    )

    def __init__(
        self,
        catalogue: Catalogue,
        snowpipe: Snowpipe,
        storage: Storage,
        history: CopyHistory,
        authority: Authority,
        queue_arn: str,
    ) -> None:
        self._catalogue = catalogue
        self._snowpipe = snowpipe
        self._storage = storage
        self._history = history
        self._authority = authority
        self._queue_arn = queue_arn

    def exists(self, name: Name) -> bool:
        return name in self._catalogue.pipes

    def create(self, session: Session, name: Name, reader: Reader) -> None:
        """A pipe made anew has no load metadata, and its history is gone."""
        options = reader.options("AS")
        reader.expect("AS")
        only(options, {"AUTO_INGEST", "COMMENT"}, "PIPE")
        definition = reader.rest()
        if definition.startswith("("):
            definition = definition[1:-1].strip()
        copy = read_copy(self._catalogue, session, definition)
        self._check_copy(session, copy)
        auto_ingest = boolean(options, "AUTO_INGEST")
        try:
            self._storage.check(copy.stage)
        except NoAccess as error:
            raise error.error from error
        self._snowpipe.settle()  # events from before are for the pipes that were there
        named = string(copy.file_format, "FORMAT_NAME")
        form = self._catalogue.file_format(parts(named)) if named else None
        pipe = Pipe(name, self._catalogue.clock(), definition, copy, auto_ingest, form)
        pipe.comment = string(options, "COMMENT")
        if auto_ingest:
            pipe.told["notificationChannelName"] = self._queue_arn
        self._history.forget_pipe(name)
        self._catalogue.pipes[name] = pipe

    def alter(self, session: Session, name: Name, reader: Reader) -> Result | None:
        pipe = self._catalogue.pipe(name)
        if reader.accept("REFRESH"):
            return self._refresh(session, pipe, reader)
        defaults: Options = {"PIPE_EXECUTION_PAUSED": "FALSE", "COMMENT": ""}
        if reader.accept("UNSET"):
            options: Options = {key: defaults.get(key, "") for key in reader.words()}
        else:
            reader.expect("SET")
            options = reader.options()
            reader.end()
        only(options, set(defaults), "PIPE")
        pipe.comment = string(options, "COMMENT", pipe.comment)
        if "PIPE_EXECUTION_PAUSED" in options:
            self._pause(pipe, boolean(options, "PIPE_EXECUTION_PAUSED"))
        return None

    def drop(self, session: Session, name: Name) -> None:
        del self._catalogue.pipes[name]
        self._history.forget_pipe(name)

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        for pipe in list(self._catalogue.pipes.values()):
            yield pipe.name, self._row(pipe)

    def describe(self, name: Name) -> Result:
        return results.listing([self._row(self._catalogue.pipe(name))], self.columns)

    # The functions

    def status(self, session: Session, name: str) -> str:
        """SYSTEM$PIPE_STATUS."""
        return self._snowpipe.status(self._asked(session, name, "MONITOR"))

    def force_resume(self, session: Session, name: str, checks: str = "") -> str:
        """SYSTEM$PIPE_FORCE_RESUME; `checks` are those to override."""
        pipe = self._asked(session, name, "OPERATE")
        overridden = {each.strip().lower() for each in checks.split(",")}
        if self._is_stale(pipe) and "staleness_check_override" not in overridden:
            raise _stale(pipe)
        pipe.paused_at = None
        pipe.must_be_forced = False
        return f"The {pipe.name[-1]} pipe has been resumed."

    def _asked(self, session: Session, name: str, privilege: str) -> Pipe:
        """The pipe that a function is about, if the session may ask."""
        pipe = self._catalogue.pipe(session.qualified(parts(name)))
        self._authority.need(session, "PIPE", dotted(pipe.name), privilege)
        return pipe

    def _check_copy(self, session: Session, copy: CopyInto) -> None:
        """Whoever makes or refreshes a pipe has to be able to copy as it does."""
        stage = self._catalogue.stage(copy.stage.name)
        self._authority.need(session, "STAGE", dotted(stage.name), "USAGE")
        for privilege in ("SELECT", "INSERT"):
            self._authority.need(session, "TABLE", dotted(copy.table), privilege)

    def _pause(self, pipe: Pipe, paused: bool) -> None:
        if paused:
            with self._snowpipe.turn:
                pipe.paused_at = pipe.paused_at or self._catalogue.clock()
            return
        if self._is_stale(pipe):
            raise _stale(pipe)
        if pipe.must_be_forced:
            raise errors.SnowflakeError(
                3155,
                "55000",
                f"Pipe {dotted(pipe.name)} was transferred to another role. "
                f"Call SYSTEM$PIPE_FORCE_RESUME to resume it.",
            )
        pipe.paused_at = None

    def _is_stale(self, pipe: Pipe) -> bool:
        paused_at = pipe.paused_at
        return paused_at is not None and paused_at < self._catalogue.clock() - DAYS

    def _refresh(self, session: Session, pipe: Pipe, reader: Reader) -> Result:
        options = reader.options()
        reader.end()
        only(options, {"PREFIX", "MODIFIED_AFTER"}, "ALTER PIPE REFRESH")
        after = string(options, "MODIFIED_AFTER")
        if self._snowpipe.state(pipe) == "STOPPED_MISSING_TABLE":
            raise errors.missing("Table", dotted(pipe.copy.table))
        self._check_copy(session, pipe.copy)
        try:
            since = datetime.fromisoformat(after) if after else None
        except ValueError:
            raise errors.invalid_value(after, "MODIFIED_AFTER") from None
        try:
            sent = self._snowpipe.refresh(pipe, string(options, "PREFIX"), since)
        except NoAccess as error:
            raise error.error from error
        return Result(("File", "Status"), sent)

    def _row(self, pipe: Pipe) -> dict[str, object]:
        return {
            "created_on": pipe.created_on,
            "name": pipe.name[2],
            "database_name": pipe.name[0],
            "schema_name": pipe.name[1],
            "definition": pipe.definition,
            "notification_channel": self._queue_arn if pipe.auto_ingest else None,
            "comment": pipe.comment,
            "pattern": pipe.copy.pattern,
            "kind": "STAGE",
        }


def _stale(pipe: Pipe) -> errors.SnowflakeError:
    return errors.SnowflakeError(
        3154,
        "55000",
        f"Pipe {dotted(pipe.name)} is stale: it was paused for more than {DAYS.days} days. "
        f"Call SYSTEM$PIPE_FORCE_RESUME with STALENESS_CHECK_OVERRIDE.",
    )
