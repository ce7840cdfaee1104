"""The steps: what they do, what they say when something is missing, and that repeating is safe."""

import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, RetryLater, SkipThis
from spotify_pipeline.lake import attempts, batch
from spotify_pipeline.lake.attempts import Attempt
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.orchestration.assets.raw import CaptureOptions
from spotify_pipeline_tests.orchestration.conftest import DAY, World, failure_text


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """What the step told about an asset."""
    [materialization] = [
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey.from_user_string(asset)
    ]
    return {name: value.value for name, value in materialization.metadata.items()}


def test_a_day_goes_from_the_api_to_the_published_tables(world: World) -> None:
    outcome = world.run()
    assert outcome.is_well
    assert not outcome.warnings
    assert world.query("SELECT song_id FROM PUBLIC.TB_SONG ORDER BY 1") == [
        ("song1",),
        ("song2",),
        ("song3",),
    ]
    assert world.query("SELECT COUNT(*) FROM HISTORY.PLAYLIST_ENTRY") == [(4,)]


@pytest.mark.slow
def test_running_a_day_twice_changes_nothing_and_says_so(after_a_day: World) -> None:
    world = after_a_day
    files = sorted(Path(world.store.root).rglob("*"))
    ledger = world.query("FROM OPS.LEDGER")
    world.spotify.asked.clear()
    result = world.materialize("*")
    assert result.success
    assert world.spotify.asked == []
    assert metadata(result, "lake/song")["outcome"] == "unchanged"
    assert metadata(result, "published/song")["outcome"] == "unchanged"
    assert sorted(Path(world.store.root).rglob("*")) == files
    assert world.query("FROM OPS.LEDGER") == ledger


def test_a_past_day_with_documents_is_done_without_a_call(after_a_day: World) -> None:
    world = after_a_day
    world.day = DAY + timedelta(days=1)
    world.spotify.asked.clear()
    result = world.materialize("raw_playlist_json", DAY)
    assert result.success
    assert world.spotify.asked == []
    assert metadata(result, "raw_playlist_json")["already_there"] == 2


def test_a_past_day_without_documents_is_an_error_that_says_why(world: World) -> None:
    text = failure_text(world.materialize("raw_playlist_json", DAY - timedelta(days=3)))
    assert "2026-11-07 was never captured" in text
    assert "Spotify only tells the present" in text
    assert world.spotify.asked == []


def test_one_bad_playlist_stops_nobody_else(world: World) -> None:
    world.spotify.playlists["gone"] = SkipThis("Spotify said 404: deleted.")
    outcome = world.run()
    assert not outcome.failed_steps
    assert len(outcome.red_checks) >= 1
    assert "gone: Spotify said 404: deleted." in "".join(outcome.red_checks)
    assert world.query("SELECT COUNT(*) FROM HISTORY.PLAYLIST") == [(2,)]
    manifest = batch.current(world.store, DAY)
    assert manifest is not None
    assert [failure.playlist_id for failure in manifest.failed] == ["gone"]


def test_each_playlist_has_its_line_in_the_metadata(world: World) -> None:
    world.spotify.playlists["gone"] = SkipThis("Spotify said 404: deleted.")
    told = metadata(world.materialize("raw_playlist_json"), "raw_playlist_json")
    assert isinstance(told["playlists"], dg.TableMetadataValue)
    assert [
        {key: record.data[key] for key in ("playlist", "outcome", "entries", "note")}
        for record in told["playlists"].records
    ] == [
        {"playlist": "chart", "outcome": "captured", "entries": 2, "note": ""},
        {"playlist": "radio", "outcome": "captured", "entries": 2, "note": ""},
        {
            "playlist": "gone",
            "outcome": "failed",
            "entries": 0,
            "note": "Spotify said 404: deleted.",
        },
    ]
    assert (told["captured"], told["failed"], told["entries_captured"]) == (2, 1, 4)


@pytest.mark.slow
def test_an_earlier_wish_to_wait_is_respected_unless_told_otherwise(world: World) -> None:
    until = world.clock() + timedelta(hours=5)
    attempts.record(world.store, DAY, world.clock(), Attempt(("chart", "radio"), (), until))
    outcome = world.run()
    assert world.spotify.asked == []
    assert "until 2026-11-10 11:00 UTC" in "".join(outcome.failed_steps)
    assert "--ignore-wait" in "".join(outcome.failed_steps)
    assert world.run(capture=CaptureOptions(ignore_wait=True)).is_well


@pytest.mark.slow
def test_a_wish_to_wait_outlives_runs_that_ask_for_nothing(after_a_day: World) -> None:
    world = after_a_day
    until = world.clock() + timedelta(hours=5)
    attempts.record(world.store, DAY, world.clock(), Attempt(("chart", "radio"), (), until))
    world.minutes += 60
    world.materialize("raw_playlist_json")  # all is there
    world.spotify.playlists["late"] = ["song9"]
    world.spotify.is_closed = FixConfiguration("The sign-in can't be read.")
    world.minutes += 60
    world.materialize("raw_playlist_json")
    assert attempts.wait_until(world.store, world.clock()) == until


@pytest.mark.slow
def test_trying_again_fetches_only_what_is_missing_and_makes_the_next_batch(world: World) -> None:
    world.spotify.playlists["late"] = RetryLater("Spotify said 503.")
    world.run()
    world.spotify.playlists["late"] = ["song9"]
    world.spotify.asked.clear()
    assert world.run().is_well
    assert world.spotify.asked == ["late"]
    assert world.query("SELECT batch FROM OPS.LEDGER") == [(2,)]
    assert world.query("SELECT COUNT(*) FROM HISTORY.PLAYLIST") == [(3,)]


def test_only_when_no_playlist_could_be_read_the_asset_fails(world: World) -> None:
    world.spotify.playlists = {
        "a": SkipThis("Spotify said 404."),
        "b": SkipThis("Spotify said 403."),
    }
    text = failure_text(world.materialize("raw_playlist_json"))
    assert text == (
        "None of 2 playlists could be captured:\n  a: Spotify said 404.\n  b: Spotify said 403."
    )


def test_a_step_whose_upstream_is_missing_says_so_in_one_line(world: World) -> None:
    lake = failure_text(world.materialize("key:lake/song"))
    landing = failure_text(world.materialize("key:landing/song"))
    published = failure_text(world.materialize("key:published/song"))
    insight = failure_text(world.materialize("key:insights/playlist_changes"))
    assert "materialize raw_playlist_json for 2026-11-10 first" in lake
    assert insight == ("2026-11-10 is not published: materialize published/* of 2026-11-10 first.")
    assert landing == "2026-11-10 has no batch: materialize lake/* of 2026-11-10 first."
    assert published == landing
    assert "\n" not in lake + landing + published


@pytest.mark.slow
def test_publishing_what_is_not_landed_names_tables_and_counts(world: World) -> None:
    world.materialize("raw_playlist_json")
    world.materialize("group:lake")
    text = failure_text(world.materialize("key:published/song"))
    assert "song 0 of 3 rows" in text
    assert "Materialize landing/* of 2026-11-10" in text
    assert world.query("FROM OPS.LEDGER") == []


@pytest.mark.slow
def test_the_graph_can_be_materialized_asset_by_asset(world: World) -> None:
    graph = world.definitions.resolve_asset_graph()
    for key in [key for layer in graph.toposorted_asset_keys_by_level for key in sorted(layer)]:
        assert world.materialize(f'key:"{key.to_user_string()}"').success, key


@pytest.mark.slow
def test_a_paused_pipe_is_named_with_the_files_that_wait(world: World) -> None:
    with world.database.session() as session:
        EmbeddedPipe(world.store).pause(session, contract.SONG)
    world.materialize("raw_playlist_json")
    world.materialize("group:lake")
    text = failure_text(world.materialize("group:landing"))
    assert "song_pipe is PAUSED and 1 files wait for it" in text


@pytest.mark.slow
def test_reload_issues_the_same_rows_as_a_new_batch(after_a_day: World) -> None:
    world = after_a_day
    rows = world.query("FROM HISTORY.PLAYLIST_ENTRY ORDER BY ALL")
    assert world.run(reload=True).is_well
    assert world.query("SELECT batch FROM OPS.LEDGER") == [(2,)]
    assert world.query("FROM HISTORY.PLAYLIST_ENTRY ORDER BY ALL") == rows


@pytest.mark.slow
def test_a_lost_database_comes_back_whole_with_the_next_run(after_a_day: World) -> None:
    world = after_a_day
    rows = world.query("FROM HISTORY.SONG ORDER BY ALL")
    world.deployment.duckdb_file.unlink()
    world.day = DAY + timedelta(days=1)
    assert world.run().is_well
    before = f"SELECT * FROM HISTORY.SONG WHERE snapshot_date = '{DAY}' ORDER BY ALL"
    assert world.query(before) == rows
    assert world.query("SELECT DISTINCT first_seen FROM PUBLIC.TB_SONG") == [(DAY,)]


def test_a_playlist_taken_out_of_the_configuration_is_missed_no_more(after_a_day: World) -> None:
    world = after_a_day
    world.spotify.playlists["gone"] = SkipThis("Spotify said 404.")
    assert not world.materialize("raw_playlist_json").get_asset_check_evaluations()[0].passed
    del world.spotify.playlists["gone"]
    assert world.materialize("raw_playlist_json").get_asset_check_evaluations()[0].passed


@pytest.mark.slow
def test_a_day_that_ended_without_a_playlist_is_a_named_row(after_a_day: World) -> None:
    world = after_a_day
    world.day += timedelta(days=1)
    world.spotify.playlists["radio"] = RetryLater("Spotify said 503.")
    world.run()
    # Nobody runs on the next day; and the database is lost, with what it knew.
    world.deployment.duckdb_file.unlink()
    world.day += timedelta(days=2)
    world.spotify.playlists["radio"] = ["song3"]
    world.run()
    missed = world.query("SELECT snapshot_date, playlist_id, reason FROM OPS.MISSED ORDER BY ALL")
    never = "no run tried it before the day ended"
    assert missed == [
        (DAY + timedelta(days=1), "radio", "Spotify said 503."),
        (DAY + timedelta(days=2), "chart", never),
        (DAY + timedelta(days=2), "radio", never),
    ]


@pytest.mark.slow
def test_a_home_of_the_other_source_is_refused_before_anything_is_written(
    after_a_day: World,
) -> None:
    world = after_a_day
    (world.deployment.lake_folder / "source.json").write_text('{"source": "spotify"}')
    shutil.rmtree(world.deployment.lake_folder / "manifests")
    text = failure_text(world.materialize("raw_playlist_json"))
    assert "holds captures from spotify, this run would add some from sandbox" in text
    assert "SPOTIFY_PIPELINE_HOME" in text
    assert "holds captures from spotify" in failure_text(world.materialize("key:lake/song"))


@pytest.mark.slow
def test_the_insight_counts_and_shows_the_changes_of_the_day(after_a_day: World) -> None:
    world = after_a_day
    world.day += timedelta(days=1)
    world.spotify.playlists["chart"] = ["song2", "song4"]
    world.run()
    result = world.materialize("key:insights/playlist_changes")
    told = metadata(result, "insights/playlist_changes")
    assert (told["entered"], told["left"], told["moved"]) == (1, 1, 0)
    shown = [record.data["change"] for record in told["changes"].records]  # type: ignore[attr-defined]
    assert shown == ["entered", "left"]
