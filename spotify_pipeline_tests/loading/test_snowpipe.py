"""What Snowpipe tells, as values; and what is made of it, in sentences that say what to do."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import pipe_words
from spotify_pipeline.loading.arrival import Patience
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.pipe import PATIENCE, FileLoad, LoadStatus, PipeStatus, look
from spotify_pipeline.loading.snowpipe import Snowpipe, parse_history, parse_status
from spotify_pipeline_tests.loading.rows import DAY, NOON, land, manifest

# The documented states: docs.snowflake.com/en/sql-reference/functions/system_pipe_status
DOCUMENTED = [
    "RUNNING",
    "PAUSED",
    "READ_ONLY",
    "FAILING_OVER",
    "STOPPED_BY_SNOWFLAKE_ADMIN",
    "STOPPED_CLONED",
    "STOPPED_FEATURE_DISABLED",
    "STOPPED_STAGE_ALTERED",
    "STOPPED_STAGE_DROPPED",
    "STOPPED_FILE_FORMAT_DROPPED",
    "STOPPED_NOTIFICATION_INTEGRATION_DROPPED",
    "STOPPED_MISSING_PIPE",
    "STOPPED_MISSING_TABLE",
    "STALLED_COMPILATION_ERROR",
    "STALLED_INITIALIZATION_ERROR",
    "STALLED_EXECUTION_ERROR",
    "STALLED_INTERNAL_ERROR",
    "STALLED_STAGE_PERMISSION_ERROR",
]
LATER = NOON + PATIENCE + timedelta(minutes=1)
EARLIER = NOON - timedelta(hours=2)
SONG = [{"snapshot_date": DAY, "song_id": "a"}]


class Told:
    """Pipes that tell what the test says, and note nothing."""

    def __init__(self, song: PipeStatus, *loads: FileLoad) -> None:
        self.song = song
        self.files = {load.key: load for load in loads}

    def statuses(self, session: Session) -> Mapping[str, PipeStatus]:
        well = {table.name: PipeStatus(f"{table.name}_pipe", "RUNNING", 0) for table in TABLES}
        return well | {"song": self.song}

    def loads(
        self, session: Session, keys: Sequence[str], tables: Sequence[contract.Table]
    ) -> Mapping[str, FileLoad]:
        return {key: self.files[key] for key in keys if key in self.files}

    def repair(
        self, session: Session, manifests: Sequence[Manifest], at: datetime
    ) -> Iterator[str]:
        raise AssertionError("looking repairs nothing")


TABLES = contract.TABLES
RUNNING = PipeStatus("song_pipe", "RUNNING", 0)


def said(
    session: Session,
    status: PipeStatus = RUNNING,
    *loads: FileLoad,
    at: datetime = LATER,
    batch: Manifest | None = None,
) -> list[str]:
    """What is wrong with the songs' pipe."""
    waiting = batch or manifest(DAY, 1, {"song": SONG})
    found = look(Told(status, *loads), session, [waiting], at).troubles
    assert not [name for name, told in found.items() if told and name != "song"]
    return list(found["song"])


# States


def test_every_documented_state_has_a_meaning_and_a_remedy() -> None:
    assert set(pipe_words.STATES) == set(DOCUMENTED)
    assert len(DOCUMENTED) == 18
    for name, state in pipe_words.STATES.items():
        assert state.meaning, name
        assert state.is_healthy or state.remedy, name


def test_only_what_somebody_paused_is_resumed() -> None:
    """A clone's COPY names the original's table: resumed, it would load into that."""
    assert [name for name in DOCUMENTED if pipe_words.state(name).is_resumed] == ["PAUSED"]
    assert not pipe_words.state("PAUSED_SOMEHOW").is_resumed


def test_only_pipes_that_load_are_healthy() -> None:
    healthy = {name for name in DOCUMENTED if pipe_words.state(name).is_healthy}
    assert healthy == {"RUNNING", "FAILING_OVER"}
    assert not pipe_words.state("STALLED_SOMETHING_NEW").is_healthy


@pytest.mark.parametrize("state", DOCUMENTED)
def test_a_pipe_that_does_not_load_is_told_with_state_and_remedy(
    session: Session, state: str
) -> None:
    is_healthy = pipe_words.state(state).is_healthy
    error = "" if is_healthy else "the reason"
    told = said(session, PipeStatus("song_pipe", state, 3, error=error), at=NOON)
    if is_healthy:
        assert told == []
    else:
        [sentence] = told
        assert f"song_pipe is {state}: " in sentence
        assert "(the reason); 3 files wait for it" in sentence
        assert "{" not in sentence
        if "DROP" in sentence:
            assert "as the loader role: `DROP PIPE <database>.PIPES.song_pipe`" in sentence
            assert "`snowflake_ddl/070_pipes.sql` and `080_grants.sql`" in sentence


# PIPE_STATUS


def test_a_status_has_only_the_keys_that_apply() -> None:
    assert parse_status("p", '{"executionState":"RUNNING","pendingFileCount":0}') == PipeStatus(
        "p", "RUNNING", 0
    )


def test_a_status_tells_what_waits_since_when_and_all_errors() -> None:
    told = {
        "executionState": "STALLED_STAGE_PERMISSION_ERROR",
        "pendingFileCount": 2,
        "oldestFileTimestamp": "2026-11-22T11:00:00.123Z",
        "error": "Access denied",
        "channelErrorMessage": "no queue",
        "fault": "of no use",
        "notificationChannelName": "arn:x",
        "lastReceivedMessageTimestamp": "2026-11-22T11:30:00Z",
        "lastForwardedMessageTimestamp": "2026-11-22T11:20:00Z",
    }
    status = parse_status("p", json.dumps(told))
    assert status.pending_files == 2
    assert status.oldest_pending == datetime(2026, 11, 22, 11, 0, 0, 123000, tzinfo=UTC)
    assert status.error == "Access denied; no queue"
    assert status.received == datetime(2026, 11, 22, 11, 30, tzinfo=UTC)
    assert status.forwarded == datetime(2026, 11, 22, 11, 20, tzinfo=UTC)


# COPY_HISTORY

KEY = manifest(DAY, 1, {}).files["song"].key
AT = datetime.fromisoformat("2026-11-22T03:00:00-08:00")


def row(name: str, status: str = "Loaded", at: datetime = AT, *error: Any) -> tuple[Any, ...]:
    return ("song", name, status, 7, at, *(error or (None, None, None)))


@pytest.mark.parametrize(
    "name", [KEY, f"team/{KEY}", KEY.removeprefix("transformed_data/song_data/")]
)
def test_a_file_is_known_by_the_end_of_its_name(name: str) -> None:
    [load] = parse_history([row(name)], [KEY]).values()
    assert (load.key, load.status, load.rows) == (KEY, LoadStatus.LOADED, 7)
    assert load.loaded_at == datetime(2026, 11, 22, 11, tzinfo=UTC)


def test_files_of_others_are_passed_over() -> None:
    assert parse_history([row("other.csv.gz"), row(KEY.replace("/1-", "/2-"))], [KEY]) == {}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Loaded", LoadStatus.LOADED),
        ("Load in progress", LoadStatus.IN_PROGRESS),
        ("Load failed", LoadStatus.FAILED),
        ("Partially loaded", LoadStatus.PARTIAL),
        ("Load skipped", LoadStatus.SKIPPED),
        ("LOAD_FAILED", LoadStatus.FAILED),
        ("Load postponed", LoadStatus.OTHER),
    ],
)
def test_a_status_of_a_file_is_known_or_told_as_unknown(text: str, status: LoadStatus) -> None:
    assert parse_history([row(KEY, text)], [KEY])[KEY].status is status


def test_every_status_of_a_file_has_a_meaning_and_a_remedy() -> None:
    assert set(pipe_words.LOADS) == set(LoadStatus)
    for name, word in pipe_words.LOADS.items():
        assert word.meaning, name
        assert word.is_healthy is not LoadStatus(name).is_bad
        assert word.remedy or name == "Loaded"


def test_an_unknown_status_is_told_as_it_is() -> None:
    load = parse_history([row(KEY, "Load postponed", AT, "busy", None, None)], [KEY])[KEY]
    assert f"{KEY}: Load postponed: busy. See the pipe's history" in load.explain()
    assert f"run --date {DAY} --reload" in load.explain()


def test_a_load_that_has_not_ended_comes_last() -> None:
    again = ("song", KEY, "Load in progress", None, None, None, None, None)
    [load] = parse_history([again, row(KEY, "Load failed")], [KEY]).values()
    assert (load.status, load.loaded_at) == (LoadStatus.IN_PROGRESS, None)


def test_of_a_file_that_was_loaded_again_the_last_time_counts() -> None:
    failed = row(KEY, "Load failed", AT, "bad", 3, "SONG_ID")
    loaded = row(KEY, "Loaded", AT + timedelta(hours=1))
    assert parse_history([loaded, failed], [KEY])[KEY].status is LoadStatus.LOADED


# Files


def load_of(status: LoadStatus, *error: Any) -> FileLoad:
    return FileLoad("song", KEY, status, 1, NOON, *error)


def test_a_failed_file_is_told_with_line_column_and_message(session: Session) -> None:
    [sentence] = said(
        session, RUNNING, load_of(LoadStatus.FAILED, "no number", "line 3", "DISC"), at=NOON
    )
    assert f"{KEY}, line 3, column DISC: no number" in sentence
    assert f"run --date {DAY} --reload" in sentence


def test_a_partly_loaded_file_is_told_too(session: Session) -> None:
    [sentence] = said(session, RUNNING, load_of(LoadStatus.PARTIAL, "bad"), at=NOON)
    assert "(1 rows went in)" in sentence


def test_a_file_that_was_passed_over_is_told(session: Session) -> None:
    [sentence] = said(session, RUNNING, load_of(LoadStatus.SKIPPED), at=NOON)
    assert f"{KEY}: Load skipped. The name is used up" in sentence


@pytest.mark.parametrize("at", [None, NOON])
def test_a_load_without_end_is_told(session: Session, at: datetime | None) -> None:
    [sentence] = said(session, RUNNING, replace(load_of(LoadStatus.IN_PROGRESS), loaded_at=at))
    assert "has been loading it since then" in sentence
    assert "doctor --repair" in sentence


def test_an_error_of_a_pipe_that_runs_is_told(session: Session) -> None:
    [sentence] = said(session, replace(RUNNING, error="no queue"), at=NOON)
    assert "song_pipe runs, but Snowflake says: no queue" in sentence


def test_a_table_that_is_gone_is_told_though_the_pipe_says_it_runs(session: Session) -> None:
    session.execute("BEGIN")
    session.execute("DROP TABLE LANDING.SONG")
    [sentence] = said(session, at=NOON)
    session.execute("ROLLBACK")
    assert "LANDING.SONG is gone" in sentence
    assert "050_tables.sql" in sentence


def test_a_file_has_its_time_to_come(session: Session) -> None:
    assert said(session, at=NOON + PATIENCE) == []
    assert said(session, RUNNING, load_of(LoadStatus.IN_PROGRESS), at=NOON + PATIENCE) == []


def test_a_notification_that_never_came_is_told_with_the_repair(session: Session) -> None:
    [sentence] = said(session)
    assert f"{KEY} was written at 2026-11-22 12:00 UTC, and song_pipe knows nothing" in sentence
    assert "spotify-pipeline doctor --repair" in sentence
    assert f"run --date {DAY} --reload" in sentence


@pytest.mark.parametrize(
    ("received", "forwarded", "found"),
    [
        (None, None, "no notification of the bucket has reached its queue since"),
        (EARLIER, None, "no notification of the bucket has reached its queue since"),
        (LATER, EARLIER, "none of them was for this pipe"),
        (LATER, LATER, "it had notifications of other files since"),
        # An engine may write its files long before the manifest that names them.
        (NOON - PATIENCE, NOON - PATIENCE, "it had notifications of other files since"),
    ],
)
def test_how_far_notifications_came_is_told(
    session: Session, received: datetime | None, forwarded: datetime | None, found: str
) -> None:
    [sentence] = said(session, replace(RUNNING, received=received, forwarded=forwarded))
    assert found in sentence


def test_rows_that_were_loaded_and_are_gone_need_a_new_name(session: Session) -> None:
    [sentence] = said(session, RUNNING, load_of(LoadStatus.LOADED))
    assert "was loaded at 2026-11-22 12:00 UTC with 1 rows, and LANDING.SONG holds 0" in sentence
    assert f"run --date {DAY} --reload" in sentence


def test_rows_that_were_never_read_are_not_taken_for_gone(session: Session) -> None:
    """Written anew they would be read the same way."""
    batch = manifest(DAY, 1, {"song": SONG * 2})
    land(session, manifest(DAY, 1, {"song": SONG}), {"song": SONG})
    [sentence] = said(session, RUNNING, load_of(LoadStatus.LOADED), batch=batch)
    assert "1 rows were read of the 2 that were written. Compare the file format" in sentence
    assert "emptied" not in sentence


@pytest.mark.parametrize("rows", [SONG, []], ids=["rows", "none"])
@pytest.mark.parametrize("status", [LoadStatus.SKIPPED, LoadStatus.PARTIAL, LoadStatus.OTHER])
def test_what_landed_whole_is_well_whatever_the_history_says(
    session: Session, status: LoadStatus, rows: list[Any]
) -> None:
    batch = manifest(DAY, 1, {"song": rows})
    land(session, batch, {"song": rows})
    assert said(session, RUNNING, load_of(status), batch=batch) == []
    lacking = manifest(DAY, 2, {"song": rows, "album": [{}]})
    land(session, lacking, {"song": rows})
    told = Told(RUNNING, replace(load_of(status), key=lacking.files["song"].key))
    with pytest.raises(RetryLater, match="album 0 of 1 rows"):
        Waiting().patience.wait(told, session, lacking)


def test_a_load_whose_time_is_unknown_is_a_load(session: Session) -> None:
    [sentence] = said(session, RUNNING, replace(load_of(LoadStatus.LOADED), loaded_at=None))
    assert "was loaded with 1 rows, and LANDING.SONG holds 0" in sentence


def test_a_file_that_landed_is_well_whatever_the_history_forgot(session: Session) -> None:
    land(session, manifest(DAY, 1, {"song": SONG}), {"song": SONG})
    assert said(session) == []


def test_files_that_wait_for_too_long_are_told_once_for_the_pipe(session: Session) -> None:
    status = replace(RUNNING, pending_files=4, oldest_pending=NOON)
    assert said(session, status, at=NOON + PATIENCE) == []
    [sentence] = said(session, status)
    assert "song_pipe has had files waiting since 2026-11-22 12:00 UTC, 4 by now" in sentence


# Repair


class Known(Snowpipe):
    """Snowflake's pipes, whose states the test says; all others run."""

    def __init__(self, **states: str) -> None:
        object.__setattr__(self, "states", states)

    def statuses(self, session: Session) -> Mapping[str, PipeStatus]:
        states: Mapping[str, str] = self.states  # type: ignore[attr-defined]
        return {
            table.name: PipeStatus(f"{table.name}_pipe", states.get(table.name, "RUNNING"), 0)
            for table in TABLES
        }


@dataclass
class Repaired:
    """A session that notes what is done to pipes, some of which are refused."""

    inner: Session
    refused: str = ""
    done: list[str] = field(default_factory=list)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if not sql.startswith(("ALTER PIPE", "SELECT SYSTEM$")):
            return self.inner.execute(sql, parameters)
        if self.refused and self.refused in sql:
            raise FixConfiguration("not yours")
        self.done.append(sql)
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def batches(session: Session, *ages: timedelta) -> list[Manifest]:
    """Batches so long before LATER, a day each; only their songs are not in."""
    made = []
    for number, age in enumerate(ages):
        rows = {"song": SONG, "album": [{"snapshot_date": DAY, "album_id": "a"}]}
        batch = replace(manifest(DAY - timedelta(days=number), 1, rows), created_at=LATER - age)
        land(session, batch, rows, [table for table in TABLES if table.name != "song"])
        made.append(batch)
    return made


def test_a_repair_asks_once_each_pipe_that_lacks_a_file(session: Session) -> None:
    waiting = batches(session, *(timedelta(hours=hours) for hours in range(1, 60)))
    repaired = Repaired(session)
    said = list(Known().repair(repaired, waiting, LATER))  # type: ignore[arg-type]
    since = (LATER - timedelta(hours=60)).isoformat()
    assert repaired.done == [f"ALTER PIPE PIPES.song_pipe REFRESH MODIFIED_AFTER = '{since}'"]
    [sentence] = said
    assert sentence.startswith(f"song_pipe looked again for files of {DAY}, ")


def test_a_repair_says_which_files_are_too_old_for_it(session: Session) -> None:
    young, nearly, old = batches(
        session, timedelta(hours=1), timedelta(days=6, hours=23, minutes=30), timedelta(days=7)
    )
    repaired = Repaired(session)
    said = list(Known().repair(repaired, [young, nearly, old], LATER))  # type: ignore[arg-type]
    assert repaired.done == ["ALTER PIPE PIPES.song_pipe REFRESH"]  # by itself it looks back a week
    assert len(said) == 2
    assert str(old.snapshot_date) not in said[0]
    assert f"run --date {old.snapshot_date} --reload" in said[1]


def test_a_repair_resumes_nothing_but_what_is_paused_and_goes_on_after_a_refusal(
    session: Session,
) -> None:
    pipes = Known(playlist="STOPPED_CLONED", playlist_entry="PAUSED", album="PAUSED")
    repaired = Repaired(session, refused="playlist_entry_pipe")
    said = list(pipes.repair(repaired, batches(session, timedelta(hours=1)), LATER))  # type: ignore[arg-type]
    assert [statement.split("'")[1] for statement in repaired.done[1:]] == ["PIPES.album_pipe"]
    assert repaired.done[0].startswith("ALTER PIPE PIPES.song_pipe")
    assert said[0].startswith("playlist_pipe is STOPPED_CLONED")
    assert said[1:] == [
        "playlist_entry_pipe: not yours",
        f"song_pipe looked again for files of {DAY}",
        "album_pipe resumed",
    ]


def test_where_all_is_in_there_is_nothing_to_repair(session: Session) -> None:
    batch = manifest(DAY, 1, {"song": SONG})
    land(session, batch, {"song": SONG})
    repaired = Repaired(session)
    assert list(Known().repair(repaired, [batch], LATER)) == []  # type: ignore[arg-type]
    assert repaired.done == []


# Waiting for them


@dataclass
class Waiting:
    """A run's patience of two minutes, on a clock that its sleep moves, and what it said."""

    seconds: float = 0.0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.patience = Patience(
            timedelta(minutes=2), self.said.append, self.sleep, lambda: self.seconds
        )

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_publishing_waits_no_longer_than_its_limit_for_all_batches(session: Session) -> None:
    waiting = Waiting()
    for number in (1, 2):
        batch = manifest(DAY, number, {"song": SONG})
        with pytest.raises(RetryLater, match=r"was waited for, 2 minutes.* song 0 of 1 rows"):
            waiting.patience.wait(Told(RUNNING), session, batch)
    assert waiting.seconds == 120
    [said] = waiting.said
    assert "waiting for Snowpipe: " in said


def test_publishing_does_not_wait_for_what_has_landed(session: Session) -> None:
    batch = manifest(DAY, 1, {"song": SONG})
    land(session, batch, {"song": SONG})
    waiting = Waiting()
    waiting.patience.wait(Told(RUNNING), session, batch)
    assert (waiting.seconds, waiting.said) == (0, [])


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (Told(RUNNING, load_of(LoadStatus.FAILED, "no number")), "no number"),
        (Told(replace(RUNNING, state="PAUSED")), "song_pipe is PAUSED"),
    ],
)
def test_publishing_does_not_wait_for_what_will_not_come(
    session: Session, told: Told, found: str
) -> None:
    waiting = Waiting()
    with pytest.raises(FixConfiguration, match=found):
        waiting.patience.wait(told, session, manifest(DAY, 1, {"song": SONG}))
    assert waiting.seconds == 0
