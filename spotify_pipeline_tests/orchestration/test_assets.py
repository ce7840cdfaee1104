"""The steps: what they do, what they say when something is missing, and that repeating is safe."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, RetryLater, SkipThis
from spotify_pipeline.lake import attempts, keys, manifests
from spotify_pipeline.lake.attempts import Attempt
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading import publishing
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
def test_a_batch_that_can_t_be_shown_is_made_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_head(store: FolderStore, key: str, size: int) -> bytes:
        raise RetryLater("S3 doesn't answer.")

    world.materialize("raw_playlist_json")
    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "head", no_head)
        patched.setattr(FolderStore, "get", lambda store, key: (store.root / key).read_bytes())
        result = world.materialize("group:lake")
    assert result.success
    assert "preview" not in metadata(result, "lake/song")
    run = world.instance.get_runs(limit=1)[0]
    log = [event.user_message for event in world.instance.all_logs(run.run_id)]
    assert f"batch 1 of {DAY} has nothing to show: S3 doesn't answer." in log


@pytest.mark.slow
def test_each_stage_tells_of_its_day_by_numbers_and_first_rows(world: World) -> None:
    result = world.materialize("*")
    manifest = world.store.uri(keys.manifest(DAY, 1))
    for asset, rows in (("lake/song", 3), ("landing/song", 3), ("published/song", 3)):
        told = metadata(result, asset)
        assert told["dagster/partition_row_count"] == rows
        assert (told["batch"], told["manifest"]) == (1, manifest), asset
        assert isinstance(told["seconds"], float)
        assert [str(row["song_id"]) for row in shown(told)] == ["song1", "song2", "song3"]
        assert list(told)[-1] == "preview", "numbers stand above the table"
    raw = metadata(result, "raw_playlist_json")
    assert raw["dagster/partition_row_count"] == 2
    assert isinstance(raw["seconds"], float)
    current = metadata(result, "published/tb_song")
    assert (current["dagster/row_count"], current["batch"]) == (3, 1)
    assert [row["first_seen"] for row in shown(current)] == [str(DAY)] * 3


@pytest.mark.slow
def test_no_preview_shows_anything_of_a_person(world: World) -> None:
    """The playlists' owner is called Owner and owner1, who added entries is in `added_by`."""
    result = world.materialize("*")
    for event in result.get_asset_materialization_events():
        told = {name: value.value for name, value in event.materialization.metadata.items()}
        for row in shown(told):
            assert {"owner_id", "owner_name", "added_by"}.isdisjoint(row)
            assert {"Owner", "owner1", "user1"}.isdisjoint(row.values())


def shown(told: dict[str, object]) -> list[dict[str, object]]:
    """The rows of a preview."""
    preview = told.get("preview")
    return [dict(r.data) for r in preview.records] if preview else []  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_lake_whose_files_were_taken_away_has_nothing_to_show(after_a_day: World) -> None:
    """The batch is in the database, and the step has nothing to do."""
    shutil.rmtree(after_a_day.store.root / keys.TRANSFORMED)
    result = after_a_day.materialize("group:lake")
    assert result.success
    assert shown(metadata(result, "lake/song")) == []


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_one_bad_playlist_stops_nobody_else(world: World) -> None:
    world.spotify.playlists["gone"] = SkipThis("Spotify said 404: deleted.")
    outcome = world.run()
    assert not outcome.failed_steps
    assert len(outcome.red_checks) >= 1
    assert "gone: Spotify said 404: deleted." in "".join(outcome.red_checks)
    assert world.query("SELECT COUNT(*) FROM HISTORY.PLAYLIST") == [(2,)]
    manifest = manifests.current(world.store, DAY)
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
def test_playlists_that_were_not_read_now_have_the_names_they_had(after_a_day: World) -> None:
    world = after_a_day
    again = metadata(world.materialize("raw_playlist_json"), "raw_playlist_json")
    assert names(again) == {"chart": "Playlist", "radio": "Playlist"}
    world.day = DAY + timedelta(days=1)
    world.spotify.playlists |= {"radio": RetryLater("Spotify said 503."), "new": SkipThis("404.")}
    told = metadata(world.materialize("raw_playlist_json"), "raw_playlist_json")
    assert names(told) == {"chart": "Playlist", "radio": "Playlist", "new": ""}
    world.day = DAY + timedelta(days=2)
    world.spotify.playlists = dict.fromkeys(["chart", "new"], SkipThis("Spotify said 404."))
    assert failure_text(world.materialize("raw_playlist_json")).endswith(
        "\n  Playlist (chart), new: Spotify said 404."
    )


def names(told: dict[str, object]) -> dict[str, str]:
    records = told["playlists"].records  # type: ignore[attr-defined]
    return {record.data["playlist"]: record.data["name"] for record in records}


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
    assert "Have landing/* of 2026-11-10 loaded" in text
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
    assert "song_pipe is PAUSED: somebody paused it; 1 file waits for it" in text


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


def days_told(result: dg.ExecuteInProcessResult, asset: str) -> set[str | None]:
    """The days of which a run told something of an asset."""
    return {
        event.partition
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey.from_user_string(asset)
    }


@pytest.mark.slow
def test_a_day_whose_run_was_cut_off_is_made_whole_by_the_next_days_run(world: World) -> None:
    """Nobody comes back to it before midnight, as after a power cut in the evening."""
    world.materialize("raw_playlist_json")
    world.day += timedelta(days=1)
    assert world.run().is_well
    days = [(DAY,), (world.day,)]
    assert world.query("SELECT snapshot_date FROM OPS.LEDGER ORDER BY 1") == days
    assert world.query("SELECT DISTINCT snapshot_date FROM HISTORY.SONG ORDER BY 1") == days
    lake = dg.AssetKey(["lake", "song"])
    assert world.instance.get_materialized_partitions(lake) == {str(day) for (day,) in days}


def test_a_day_that_was_cut_off_and_can_t_be_read_keeps_no_other_from_being_made(
    world: World,
) -> None:
    world.materialize("raw_playlist_json")
    (world.store.root / keys.raw(DAY, "chart")).write_bytes(b"no document")
    world.day += timedelta(days=1)
    outcome = world.run()
    assert not outcome.failed_steps
    assert world.query("SELECT snapshot_date FROM OPS.LEDGER") == [(world.day,)]
    run = world.instance.get_runs(limit=1)[0]
    log = [event.user_message for event in world.instance.all_logs(run.run_id)]
    [told] = [text for text in log if "waits for another run" in text]
    assert f"--date {DAY} --accept-partial" in told


def test_other_days_that_a_run_publishes_are_told_too(after_a_day: World) -> None:
    after_a_day.day = DAY + timedelta(days=1)
    assert after_a_day.run().is_well
    after_a_day.query("DELETE FROM OPS.LEDGER")
    result = after_a_day.materialize("group:published", DAY)
    both = {str(DAY), str(after_a_day.day)}
    for asset in ("published/song", "published/tb_song"):
        assert days_told(result, asset) == both
    assert after_a_day.query("SELECT COUNT(*) FROM OPS.LEDGER") == [(2,)]


@pytest.mark.slow
def test_what_was_published_is_told_though_the_step_fails_afterwards(
    after_a_day: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would ask for it again: the ledger has it."""
    after_a_day.query("DELETE FROM OPS.LEDGER")

    def away(*_: object) -> None:
        raise RetryLater("nobody answers")

    monkeypatch.setattr(publishing, "note_missed", away)
    result = after_a_day.materialize("group:published")
    assert failure_text(result) == "nobody answers"
    for asset in ("published/song", "published/tb_song"):
        assert days_told(result, asset) == {str(DAY)}


@pytest.mark.slow
def test_a_batch_from_before_a_table_was_added_goes_on_without_it(after_a_day: World) -> None:
    path = after_a_day.store.root / keys.manifest(DAY, 1)
    manifest = json.loads(path.read_text())
    del manifest["files"]["song_artist"]
    path.write_text(json.dumps(manifest))
    after_a_day.query("DELETE FROM OPS.LEDGER")
    for _ in range(2):
        result = after_a_day.materialize("group:landing or group:published")
        assert result.success
        assert "dagster/partition_row_count" in metadata(result, "published/song")
        for stage in ("landing", "published"):
            assert "dagster/partition_row_count" not in metadata(result, f"{stage}/song_artist")


@pytest.mark.slow
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
