"""The deployment aws on its stand-ins: from raw documents to published tables, what runs of it do,
and how often its sensor asks and tells. Its faults are in `test_aws_faults`.
"""

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from spotify_pipeline import contract
from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.definitions import build_defs
from spotify_pipeline.errors import RetryLater
from spotify_pipeline.lake import attempts, keys
from spotify_pipeline.lake.attempts import Attempt
from spotify_pipeline.loading.database import Session
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline_tests.loading.rows import contents
from spotify_pipeline_tests.orchestration.conftest import World, failure_text, range_tags
from spotify_pipeline_tests.orchestration.team import (
    CLOCK,
    DAYS,
    Team,
    arrivals,
    cloud,
    team,
    verdicts,
)
from spotify_pipeline_tests.orchestration.test_sensor import red

__all__ = ["cloud", "team"]  # fixtures
pytestmark = pytest.mark.slow

# All is well


def test_from_the_lake_to_the_published_tables(team: Team) -> None:
    team.capture("a", "b")
    team.issue()
    result = team.tick()
    assert red(result) == {}
    assert {event.asset_key.path[-1] for event in arrivals(result)} == {
        table.name for table in contract.TABLES
    }
    [song] = [event for event in arrivals(result) if event.asset_key.path[-1] == "song"]
    assert song.partition == str(team.day)
    assert song.metadata["dagster/partition_row_count"].value == 2
    assert song.metadata["seconds"].value >= 0
    manifest = song.metadata["manifest"].value
    assert manifest == f"s3://playlists/team/manifests/dt={team.day}/1.json"
    assert song.metadata["loaded_at"].value <= song.metadata["reported_at"].value
    team.follow(result)
    assert team.published() == (1, ["a", "b"])
    record = team.instance.get_latest_materialization_event(dg.AssetKey(["published", "tb_song"]))
    assert record
    assert record.asset_materialization
    shown = record.asset_materialization.metadata["preview"]
    assert isinstance(shown, dg.TableMetadataValue)
    assert [row.data["song_id"] for row in shown.records] == ["a", "b"]
    assert {row.data["first_seen"] for row in shown.records} == {str(team.day)}
    quiet = team.tick()
    assert (quiet.run_requests, arrivals(quiet), red(quiet)) == ([], [], {})


def test_the_same_documents_give_the_rows_of_the_deployment_local(team: Team, world: World) -> None:
    days = [team.day, next(DAYS)]
    for number, day in enumerate(days):
        songs = ["a", "b", "c"][number:]
        team.capture(*songs, day=day)
        team.capture("c", "d", playlist="q", day=day)
        for playlist in ("p", "q"):
            world.store.put_new(keys.raw(day, playlist), team.store.get(keys.raw(day, playlist)))
    world.deployment = replace(world.deployment, start_date=days[0])
    for day in days:
        team.run("lake", day)
        assert world.materialize("group:lake or group:landing or group:published", day).success
    team.cloud.snowflake.settle()
    team.follow(team.tick())
    with team.session() as snowflake, world.database.session() as duckdb:
        assert contents(snowflake) == contents(duckdb)
        for view in ("PLAYLIST_TODAY", "PLAYLIST_CHANGES"):
            rows = [
                sorted(session.execute(f"SELECT * FROM PUBLIC.{view}"), key=str)
                for session in (snowflake, duckdb)
            ]
            assert rows[0] == rows[1]
            assert rows[0]


# Events


# Files


# Pipes


# Crashes and races


def test_publishing_by_hand_waits_for_the_pipe_and_then_says_what_is_lacking(team: Team) -> None:
    team.capture("a")
    with team.cloud.snowflake.events_held() as held:
        team.issue()
        held.clear()
    said = failure_text(team.run("published"))
    assert "is not whole in LANDING" in said
    assert "Snowpipe does so by itself" in said


def test_a_batch_of_empty_files_is_reported_whole(team: Team) -> None:
    team.capture()
    team.issue()
    result = team.tick()
    reported = {event.asset_key.path[-1]: event for event in arrivals(result)}
    assert reported.keys() == {table.name for table in contract.TABLES}
    assert "loaded_at" not in reported["song"].metadata
    assert "loaded_at" in reported["playlist"].metadata


def test_a_published_day_needs_landing_no_more(team: Team) -> None:
    team.capture("a")
    team.issue()
    team.follow(team.tick())
    team.cloud.execute("DELETE FROM SPOTIFY_DB.LANDING.SONG")
    again = team.run("published")
    assert again.success
    assert team.published() == (1, ["a"])


def test_one_day_that_can_t_be_published_stops_no_other(team: Team) -> None:
    first = team.day
    team.capture("a")
    team.issue()
    team.day = next(DAYS)
    team.capture("b")
    team.issue()
    team.cloud.execute(f"DELETE FROM SPOTIFY_DB.LANDING.SONG WHERE snapshot_date = '{first}'")
    definitions = team.definitions
    job = definitions.resolve_implicit_global_asset_job_def()
    selection = dg.AssetSelection.groups("published")
    run = job.execute_in_process(
        asset_selection=list(selection.resolve(definitions.resolve_asset_graph())),
        tags=range_tags(first, team.day),
        instance=team.instance,
        raise_on_error=False,
    )
    assert not run.success
    assert team.published() == (1, ["b"])
    assert "is not whole in LANDING" in failure_text(run)


def test_a_batch_that_was_tried_too_often_stays_red_while_a_run_goes_on(team: Team) -> None:
    team.capture("a")
    team.issue()
    for minutes in (0, 6, 27, 90):
        CLOCK.shift = timedelta(minutes=minutes)
        assert team.tick().run_requests
    CLOCK.shift = timedelta(hours=3)
    assert "published/playlist publishing" in red(team.tick())
    team.instance.create_run_for_job(
        team.definitions.resolve_job_def("publish"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": str(team.day)},
    )
    CLOCK.shift = timedelta(hours=5)
    assert "published/playlist publishing" in red(team.tick())


def test_a_cursor_of_another_release_is_read_as_far_as_it_is_known(team: Team) -> None:
    team.sensor.cursor = '{"requests": {}, "of_another_release": 1}'
    team.tick()


# Rest


def test_while_all_is_published_snowflake_is_left_alone_for_an_hour(team: Team) -> None:
    team.capture("a")
    team.issue()
    team.follow(team.tick())
    assert "'every batch is published'" in str(team.tick().skip_reason)
    definitions = team.definitions
    team.definitions = build_defs(team.deployment, CLOCK, {"database": _Gone()})
    assert "Snowflake is asked again at" in str(team.tick().skip_reason)
    CLOCK.shift = timedelta(minutes=61)
    with pytest.raises(RetryLater):
        team.tick()
    team.definitions, CLOCK.shift = definitions, timedelta()
    team.capture("b", playlist="q")
    team.issue()
    team.follow(team.tick())
    assert team.published() == (2, ["a", "b"])


def test_days_without_any_run_are_told_and_wake_no_warehouse(team: Team) -> None:
    team.capture("a")
    attempts.record(team.store, team.day, CLOCK(), Attempt(("p",), ()))
    team.issue()
    team.follow(team.tick())
    assert "'every batch is published'" in str(team.tick().skip_reason)
    team.definitions = build_defs(team.deployment, CLOCK, {"database": _Gone()})
    team.sensor.cursor = json.dumps(json.loads(team.sensor.cursor or "") | {"hour": ""})
    result = team.tick()
    assert "Snowflake is asked again at" in str(result.skip_reason)
    assert "p" in red(result)["published/playlist fresh"]
    assert verdicts(team.tick()) == []


def test_verdicts_are_told_when_files_came_in_and_again_after_an_hour(team: Team) -> None:
    told = len(contract.TABLES) + 1
    assert len(verdicts(team.tick())) == told
    team.capture("a")
    team.issue()
    assert len(verdicts(team.tick())) == told
    assert verdicts(team.tick()) == []
    CLOCK.shift = timedelta(minutes=61)
    assert len(verdicts(team.tick())) == told


# Outages and mistakes


class _Gone(DatabaseResource):
    def database(self) -> Any:
        raise RetryLater("Snowflake doesn't answer")


def test_an_outage_makes_the_sensor_fail_and_not_skip(team: Team) -> None:
    team.definitions = build_defs(team.deployment, CLOCK, {"database": _Gone()})
    with pytest.raises(RetryLater):
        team.tick()


def test_a_tick_asks_as_much_for_many_days_as_for_one_and_takes_no_20_seconds(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    from spotify_pipeline.loading import snowflake

    execute = snowflake.SnowflakeSession.execute

    def counting(self: Session, sql: str, parameters: Any = ()) -> Any:
        asked.append(sql)
        return execute(self, sql, parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(snowflake.SnowflakeSession, "execute", counting)
    counts = []
    for days in (1, 59):
        first = LONG_AGO - timedelta(days=len(counts))
        team.has_landed(*(first - timedelta(days=n) for n in range(days)))
        asked.clear()
        before = time.process_time()  # of both sides; other processes may keep us waiting
        assert len(team.tick().run_requests or ()) == days
        counts.append(len(asked))
        assert time.process_time() - before < 20
    assert counts[0] == counts[1] <= 10
    assert max(map(len, asked)) < 100_000, "Snowflake takes 1 MB"


# What is reported as landed

LONG_AGO = today(machine_clock) - timedelta(days=100)


def days_told(result: dg.SensorResult) -> set[str | None]:
    return {event.partition for event in arrivals(result)}


def test_a_batch_of_long_ago_is_reported_once_when_it_comes(team: Team) -> None:
    team.has_landed(LONG_AGO)
    result = team.tick()
    assert days_told(result) == {str(LONG_AGO)}
    assert days_told(team.tick()) == set()
    team.follow(result)
    assert days_told(team.tick()) == set()


def test_a_published_day_whose_manifest_is_gone_is_no_news(team: Team) -> None:
    """Manifests may expire as raw documents do; the ledger keeps its rows for ever."""
    team.capture("a")
    team.issue()
    team.follow(team.tick())
    for key in team.store.list_keys(keys.MANIFESTS):
        team.store.client.delete_object(Bucket=team.store.bucket, Key=team.store.prefix + key)
    team.sensor.cursor = None
    result = team.tick()
    assert (days_told(result), red(result)) == (set(), {})
