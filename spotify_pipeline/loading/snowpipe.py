"""Snowpipe: what SYSTEM$PIPE_STATUS and COPY_HISTORY tell, read into the values of `pipe`.

Parsing needs no connection; a value that Snowflake leaves out is left out here. Only `repair`
changes anything.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from spotify_pipeline import contract
from spotify_pipeline.errors import MALFORMED, FixConfiguration
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import pipe_words, publishing
from spotify_pipeline.loading.database import Session, literal
from spotify_pipeline.loading.pipe import ISSUING, FileLoad, LoadStatus, PipeStatus, pipe_name

HISTORY_DAYS = 14
"""For how long COPY_HISTORY remembers a file."""

REFRESH_PERIOD = timedelta(days=7)
"""How old a file may be for ALTER PIPE … REFRESH to find it."""

# Resumes pipes that were paused for more than two weeks or changed hands, too.
_OVERRIDES = "staleness_check_override, ownership_transfer_check_override"


@dataclass(frozen=True)
class Snowpipe:
    """The pipes of the schema PIPES, as `snowflake_ddl` makes them."""

    def statuses(self, session: Session) -> Mapping[str, PipeStatus]:
        """By one query; a pipe that isn't there is one that is stopped."""
        known = {
            str(name).lower()
            for (name,) in session.execute(
                "SELECT pipe_name FROM INFORMATION_SCHEMA.PIPES WHERE pipe_schema = 'PIPES'"
            )
        }
        there = [table for table in contract.TABLES if pipe_name(table) in known]
        asked = ", ".join(f"SYSTEM$PIPE_STATUS('PIPES.{pipe_name(table)}')" for table in there)
        told = session.execute(f"SELECT {asked}")[0] if there else ()
        found = {
            table.name: parse_status(pipe_name(table), text)
            for table, text in zip(there, told, strict=True)
        }
        missing = {
            table.name: PipeStatus(pipe_name(table), "STOPPED_MISSING_PIPE", 0)
            for table in contract.TABLES
            if table not in there
        }
        return found | missing

    def loads(
        self, session: Session, keys: Sequence[str], tables: Sequence[contract.Table]
    ) -> Mapping[str, FileLoad]:
        """By one query over the tables; files older than the history are not in it."""
        if not tables:
            return {}
        rows = session.execute(
            " UNION ALL ".join(
                f"SELECT {literal(table.name)} AS loaded_table, {', '.join(_COLUMNS)} "
                f"FROM TABLE(INFORMATION_SCHEMA.COPY_HISTORY("
                f"TABLE_NAME => 'LANDING.{table.name.upper()}', "
                f"START_TIME => DATEADD('day', -{HISTORY_DAYS}, CURRENT_TIMESTAMP())))"
                for table in tables
            )
        )
        return parse_history(rows, keys)

    def repair(
        self, session: Session, manifests: Sequence[Manifest], at: datetime
    ) -> Iterator[str]:
        """Resumes pipes that are paused, and has each that lacks a file of these batches look
        again, once: its notification may be lost. What else is wrong, or refused, it only says."""
        lacking = _lacking(session, manifests)
        old = {m.snapshot_date for m in manifests if at - m.created_at >= REFRESH_PERIOD}
        for table, status in self.statuses(session).items():
            try:
                if pipe_words.state(status.state).is_resumed:
                    session.execute(
                        f"SELECT SYSTEM$PIPE_FORCE_RESUME('PIPES.{status.pipe}', '{_OVERRIDES}')"
                    )
                    yield f"{status.pipe} resumed"
                elif not status.is_healthy:
                    yield status.explain()
                    continue
                batches = [m for m in lacking[table] if m.snapshot_date not in old]
                if batches:
                    session.execute(_refresh(status.pipe, batches, at))
                    days = ", ".join(str(manifest.snapshot_date) for manifest in batches)
                    yield f"{status.pipe} looked again for files of {days}"
            except FixConfiguration as error:
                yield f"{status.pipe}: {error}"
        for day in sorted(old & {m.snapshot_date for each in lacking.values() for m in each}):
            yield (
                f"pipes look back a week; the batch of {day} is older: "
                f"`spotify-pipeline run --date {day} --reload`"
            )


def _lacking(session: Session, manifests: Sequence[Manifest]) -> Mapping[str, Sequence[Manifest]]:
    """By table, the batches of which LANDING has not all rows; none of a table that is gone."""
    there = publishing.landing_tables(session)
    landed = publishing.landed(session, manifests, there)
    return {
        table.name: [
            manifest
            for manifest in manifests
            if table in there
            and table.name in manifest.files
            and landed[manifest.snapshot_date][table.name] != manifest.files[table.name].rows
        ]
        for table in contract.TABLES
    }


def _refresh(pipe: str, batches: Sequence[Manifest], at: datetime) -> str:
    """Has a pipe look for the files of these batches: from the oldest on, or for a week."""
    since = min(manifest.created_at for manifest in batches) - ISSUING
    is_told = at - since < REFRESH_PERIOD
    after = f" MODIFIED_AFTER = '{since.isoformat(timespec='seconds')}'" if is_told else ""
    return f"ALTER PIPE PIPES.{pipe} REFRESH{after}"


def parse_status(pipe: str, text: str) -> PipeStatus:
    """What SYSTEM$PIPE_STATUS answers: JSON, whose keys are there only where they apply.

    `fault` is left out: it is for Snowflake's own use, and outlives its cause.
    """
    try:
        return _parsed(pipe, json.loads(text))
    except MALFORMED as error:
        raise FixConfiguration(
            f"What Snowflake tells of {pipe} can't be read: {error!r}, in {str(text)[:300]!r}. "
            f"Look at SELECT SYSTEM$PIPE_STATUS('PIPES.{pipe}'); if that is sound, a newer release "
            f"of this project may know it (git pull)."
        ) from error


def _parsed(pipe: str, told: Mapping[str, Any]) -> PipeStatus:
    errors = (told.get(name) for name in ("error", "channelErrorMessage"))
    state = told["executionState"]
    if not isinstance(state, str):
        raise TypeError("executionState is no text")
    return PipeStatus(
        pipe,
        state,
        int(told.get("pendingFileCount") or 0),
        _moment(told.get("oldestFileTimestamp")),
        "; ".join(str(error) for error in errors if error),
        _moment(told.get("lastReceivedMessageTimestamp")),
        _moment(told.get("lastForwardedMessageTimestamp")),
    )


_COLUMNS = (
    "file_name",
    "status",
    "row_count",
    "last_load_time",
    "first_error_message",
    "first_error_line_number",
    "first_error_column_name",
)


def parse_history(rows: Sequence[tuple[Any, ...]], keys: Sequence[str]) -> Mapping[str, FileLoad]:
    """COPY_HISTORY's rows by the key of the file; of a file that has several, the latest.

    Its file names are relative to the stage or begin at the bucket, so the ends are compared.
    """
    by_end = {_end(key): key for key in keys}
    loads: dict[str, FileLoad] = {}
    for table, name, status, count, at, message, line, column in sorted(rows, key=_load_time):
        if key := by_end.get(_end(name)):
            loads[key] = FileLoad(
                table,
                key,
                _status(status),
                int(count or 0),
                at and _utc(at),
                message if _status(status) is not LoadStatus.OTHER else f"{status}: {message}",
                f"line {line}" if line else None,
                _column(column),
            )
    return loads


def _load_time(row: tuple[Any, ...]) -> datetime:
    """When a load ended; one that has not comes last."""
    ended: datetime | None = row[4]
    return _utc(ended) if ended else datetime.max.replace(tzinfo=UTC)


def _status(text: str | None) -> LoadStatus:
    """Other functions write LOAD_FAILED where COPY_HISTORY writes `Load failed`."""
    words = (text or "").replace("_", " ").capitalize()
    return LoadStatus(words) if words in set(LoadStatus) else LoadStatus.OTHER


def _column(text: str | None) -> str | None:
    """`song_duration` of `"SONG"["SONG_DURATION":4]`, as COPY_HISTORY writes it."""
    found = re.search(r'\["(.+)":\d+\]', text or "")
    return found[1].lower() if found else text


def _end(name: str | None) -> str:
    """`dt=…/<batch>-<hash>/<table>.csv.gz`, which no two files of a lake share."""
    return "/".join((name or "").split("/")[-3:])


def _moment(text: str | None) -> datetime | None:
    return _utc(datetime.fromisoformat(text)) if text else None


def _utc(at: datetime) -> datetime:
    """A session's time is UTC, so what has no zone speaks of that."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
