"""What goes wrong between the lake and the published tables of the deployment aws: a row each.

A row is told from top to bottom: what happens to the day, after `yield` what the sensor says of it
(nothing: all is green), then what makes it good, and in the end the batch and songs that are
published. Each begins with a day on which the song `a` was captured.
"""

import contextlib
import gzip
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import dagster as dg
import pytest

from spotify_pipeline import contract
from spotify_pipeline.errors import RetryLater
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline_tests.orchestration.team import CLOCK, LATE, Team, arrivals, cloud, team
from spotify_pipeline_tests.orchestration.test_sensor import red

__all__ = ["cloud", "team"]  # fixtures
pytestmark = pytest.mark.slow

Row = Generator[tuple[str, ...], None, tuple[int, list[str]]]
FAULTS: list[Callable[[Team], Row]] = []

SONG = "SPOTIFY_DB.LANDING.SONG"
REPAIR, RELOAD = "doctor --repair", "--reload"


def fault(row: Callable[[Team], Row]) -> Callable[[Team], Row]:
    FAULTS.append(row)
    return row


# Notifications


@fault
def events_twice_and_in_another_order(team: Team) -> Row:
    with team.cloud.snowflake.events_held() as held:
        team.issue()
        held[:] = [*reversed(held), *held]
    team.cloud.snowflake.settle()
    yield ()
    return 1, ["a"]


@fault
def lost_events(team: Team) -> Row:
    with team.cloud.snowflake.events_held() as held:
        manifest = team.issue()
        held.clear()
    assert team.troubles() == {}, "they may still come"
    CLOCK.shift = LATE
    yield manifest.files["song"].key, "song_pipe knows nothing of it", REPAIR
    assert f"song_pipe looked again for files of {team.day}" in team.repair()
    return 1, ["a"]


# Files


@fault
def a_bad_file(team: Team) -> Row:
    with team.cloud.snowflake.events_held():
        manifest = team.issue()
        body = gzip.decompress(team.store.get(manifest.files["song"].key))
        team.overwrite(manifest, body.replace(b",200000,", b",soon,"))
    team.cloud.snowflake.settle()
    yield "line 2, column song_duration: ", "soon", RELOAD
    team.overwrite(manifest, body)  # under its own name it is ignored
    assert not team.tick().run_requests
    team.issue(reload=True)
    return 2, ["a"]


@fault
def a_file_that_is_gone_before_its_turn(team: Team) -> Row:
    with team.cloud.snowflake.events_held():
        manifest = team.issue()
        key = team.store.prefix + manifest.files["song"].key
        team.store.client.delete_object(Bucket=team.store.bucket, Key=key)
    team.cloud.snowflake.settle()
    yield "was not found", RELOAD
    team.issue(reload=True)
    return 2, ["a"]


@fault
def a_file_overwritten_under_its_name(team: Team) -> Row:
    manifest = team.issue()
    team.follow(team.tick())
    team.overwrite(manifest, gzip.decompress(team.store.get(manifest.files["song"].key)) * 2)
    yield ()
    return 1, ["a"]


@fault
def a_corrected_day(team: Team) -> Row:
    team.issue()
    team.follow(team.tick())
    team.capture("b", playlist="q")
    team.issue()
    yield ()
    return 2, ["a", "b"]


# Pipes


@fault
def a_paused_pipe(team: Team) -> Row:
    team.cloud.execute("ALTER PIPE SPOTIFY_DB.PIPES.song_pipe SET PIPE_EXECUTION_PAUSED = TRUE")
    team.issue()
    yield "song_pipe is PAUSED", "1 file waits for it", REPAIR
    assert "song_pipe resumed" in team.repair()
    return 1, ["a"]


@fault
def a_bucket_that_may_not_be_read(team: Team) -> Row:
    with team.cloud.snowflake.access_denied(team.cloud.bucket):
        team.issue()
        told = team.troubles()["landing/song pipe"]
        assert "STALLED_STAGE_PERMISSION_ERROR" in told
        assert "trust policy" in told
    # Asking for the status is what has the pipe try again; the name of the first file is used up.
    yield "AccessDenied", RELOAD
    team.issue(reload=True)
    return 2, ["a"]


@fault
def a_stage_that_was_dropped(team: Team) -> Row:
    team.cloud.execute("DROP STAGE SPOTIFY_DB.PIPES.spotify_stage")
    team.issue()
    yield "song_pipe is STOPPED_STAGE_DROPPED", "DROP PIPE <database>.PIPES.song_pipe", "070_pipes"
    team.drop_pipes()
    assert "STOPPED_MISSING_PIPE" in team.troubles()["landing/song pipe"]
    team.run_ddl("070_pipes.sql")
    team.repair()
    return 1, ["a"]


@fault
def pipes_made_anew_that_know_nothing(team: Team) -> Row:
    team.issue()
    team.drop_pipes()
    team.run_ddl("070_pipes.sql")
    CLOCK.shift = LATE
    yield ()
    return 1, ["a"]


@fault
def a_history_of_more_than_14_days_ago(team: Team) -> Row:
    team.issue()
    CLOCK.shift = timedelta(days=20)
    yield ()
    return 1, ["a"]


# Tables of LANDING


@fault
def a_table_that_is_missing_when_its_file_comes(team: Team) -> Row:
    team.cloud.execute(f"DROP TABLE {SONG}")
    team.issue()
    assert not team.tick().run_requests
    yield "song_pipe is STOPPED_MISSING_TABLE", "050_tables.sql", REPAIR
    team.run_ddl("050_tables.sql")
    team.repair()
    return 1, ["a"]


@fault
def a_table_that_is_lost_while_its_file_is_loaded(team: Team) -> Row:
    with team.cloud.snowflake.lost_while_loading(SONG):
        team.issue()
    yield "song_pipe is STOPPED_MISSING_TABLE", "050_tables.sql", REPAIR, RELOAD
    team.run_ddl("050_tables.sql")
    team.repair()  # in vain: the name is used up; that the file failed went with the table
    CLOCK.shift = LATE
    assert RELOAD in team.troubles()["landing/song pipe"]
    team.issue(reload=True)
    return 2, ["a"]


@fault
def a_table_that_was_emptied(team: Team) -> Row:
    team.issue()
    team.cloud.execute(f"TRUNCATE TABLE {SONG}")
    CLOCK.shift = LATE
    yield "song_pipe knows nothing of it", RELOAD  # the history is emptied with it
    team.issue(reload=True)
    return 2, ["a"]


@fault
def a_table_whose_rows_somebody_deleted(team: Team) -> Row:
    team.issue()
    team.cloud.execute(f"DELETE FROM {SONG}")
    CLOCK.shift = LATE
    yield "was loaded at", "LANDING.SONG holds 0", "Somebody emptied the table", RELOAD
    team.issue(reload=True)
    return 2, ["a"]


# Runs


@fault
def a_crash_between_loading_and_publishing(team: Team) -> Row:
    team.issue()
    assert team.tick().run_requests  # and nobody does it
    assert not team.tick().run_requests, "not at once again"
    CLOCK.shift = timedelta(minutes=6)
    yield ()
    team.sensor.cursor = None
    return 1, ["a"]


@fault
def a_crash_between_publishing_and_the_cursor(team: Team) -> Row:
    team.issue()
    team.follow(team.tick())
    team.sensor.cursor = None
    again = team.tick()
    assert not again.run_requests
    assert len(arrivals(again)) == len(contract.TABLES), "told once more, which does no harm"
    yield ()
    return 1, ["a"]


@fault
def a_publishing_run_that_fails_again_and_again(team: Team) -> Row:
    team.issue()
    team.cloud.execute("DROP TABLE SPOTIFY_DB.HISTORY.SONG")
    for minutes in (0, 6, 27, 90):
        CLOCK.shift = timedelta(minutes=minutes)
        result = team.tick()
        assert red(result) == {}
        with pytest.raises(dg.Failure, match="050_tables"):
            team.follow(result)
        assert not team.tick().run_requests
    yield f"batch 1 of {team.day} was tried 4 times", f"materialize published/* of {team.day}"
    team.run_ddl("050_tables.sql")
    assert team.run("published").success
    return 1, ["a"]


@fault
def an_old_batch_that_comes_late(team: Team) -> Row:
    old = team.issue()
    team.capture("b", playlist="q")
    team.issue()
    team.follow(team.tick())
    with team.session() as session:
        assert not publishing.publish(session, old, CLOCK()).is_new
    yield ()
    return 2, ["a", "b"]


@fault
def an_old_batch_that_races_a_newer_one(team: Team) -> Row:
    old = team.issue()
    team.capture("b", playlist="q")
    new = team.issue()
    at_the_start = threading.Barrier(2)

    def publish(batch: Manifest) -> None:
        with team.session() as session:
            at_the_start.wait(60)
            with contextlib.suppress(RetryLater):  # who gave way is asked for again
                publishing.publish(session, batch, CLOCK())

    with ThreadPoolExecutor() as pool:
        list(pool.map(publish, (old, new)))
    yield ()
    return 2, ["a", "b"]


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row.__name__)
def test_what_is_said_and_what_makes_it_good(team: Team, row: Callable[[Team], Row]) -> None:
    team.capture("a")
    steps = row(team)
    expected = next(steps)
    told = team.troubles()
    assert bool(told) is bool(expected), told
    for part in expected:
        assert part in "\n".join(told.values())
    with pytest.raises(StopIteration) as mended:
        next(steps)
    result = team.tick()
    assert red(result) == {}
    team.follow(result)
    assert team.published() == mended.value.value
