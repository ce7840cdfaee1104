"""A range of days in one run: numbers of their own for all days, and bad ones that stop none."""

from datetime import date, timedelta

import dagster as dg
import pytest

from spotify_pipeline.lake import keys, manifests
from spotify_pipeline_tests.orchestration.conftest import DAY, World, failure_text
from spotify_pipeline_tests.synthetic import document, entry, track

pytestmark = pytest.mark.slow

DAYS = [DAY - timedelta(days=2), DAY - timedelta(days=1), DAY]
STEPS = [
    ["raw_playlist_json"],
    ["lake", "playlist_entry"],
    ["landing", "playlist_entry"],
    ["published", "playlist_entry"],
    ["insights", "playlist_changes"],
]


@pytest.fixture
def captured(world: World) -> World:
    """A lake with raw documents of three days: of one entry, of two, of three."""
    for entries, day in enumerate(DAYS, start=1):
        capture(world, day, entries)
    world.day = DAY + timedelta(days=1)
    return world


def capture(world: World, day: date, entries: int) -> None:
    songs = [entry(track(f"song{number}")) for number in range(entries)]
    world.store.put_new(keys.raw(day, "chart"), document(songs, "chart", day=day))


def damage(world: World, day: date) -> None:
    (world.store.root / keys.raw(day, "chart")).write_bytes(b"no gzip")


def told(result: dg.ExecuteInProcessResult, path: list[str], name: str) -> dict[str, object]:
    """A number of an asset, by day."""
    return {
        str(event.partition): event.materialization.metadata[name].value
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(path)
    }


def test_a_range_goes_all_the_way_in_one_run(captured: World) -> None:
    result = captured.materialize("*", DAYS[0], DAYS[-1])
    assert result.success
    for path in STEPS:
        name = "already_there" if path == STEPS[0] else "dagster/partition_row_count"
        counts = told(result, path, name)
        expected = {STEPS[0][0]: [1, 1, 1], "insights": [0, 1, 1]}.get(path[0], [1, 2, 3])
        assert counts == dict(zip(map(str, DAYS), expected, strict=True)), path
    assert captured.query("SELECT count(*) FROM OPS.LEDGER") == [(3,)]


def test_each_day_tells_of_the_batch_and_the_files_of_its_own(captured: World) -> None:
    captured.materialize("group:lake", DAYS[1])
    result = captured.materialize("group:lake or group:landing", DAYS[0], DAYS[-1])
    assert list(told(result, STEPS[1], "outcome").values()) == ["issued", "unchanged", "issued"]
    uris = told(result, STEPS[1], "dagster/uri")
    assert all(f"{day}/1-" in str(uri) for day, uri in uris.items())
    assert set(told(result, STEPS[2], "files_loaded").values()) == {1}


def test_the_last_day_alone_has_a_preview_and_each_its_share_of_the_time(captured: World) -> None:
    """On Snowflake every preview is a query."""
    result = captured.materialize("*", DAYS[0], DAYS[-1])
    for path in STEPS[1:4]:
        shown = {
            str(event.partition)
            for event in result.get_asset_materialization_events()
            if event.asset_key == dg.AssetKey(path) and "preview" in event.materialization.metadata
        }
        assert shown == {str(DAYS[-1])}, path
        assert len(set(told(result, path, "seconds").values())) == 1
        assert set(told(result, path, "manifest")) == set(map(str, DAYS))


def test_a_bad_day_is_named_and_the_good_ones_have_their_batches(captured: World) -> None:
    damage(captured, DAYS[1])
    result = captured.materialize("group:lake or group:landing", DAYS[0], DAYS[-1])
    assert not result.success
    said = failure_text(result)
    assert said.startswith(
        f"1 of 3 days failed, the others are done. What comes after this step was run for none of "
        f"them.\n{DAYS[1]}: {DAYS[1]} is not published"
    )
    assert "--accept-partial" in said
    good = [DAYS[0], DAYS[2]]
    assert list(manifests.current_batches(captured.store)) == good
    counts = told(result, STEPS[1], "dagster/partition_row_count")
    assert counts == {str(DAYS[0]): 1, str(DAYS[2]): 3}


def test_after_the_mending_the_same_range_is_whole(captured: World) -> None:
    body = captured.store.get(keys.raw(DAYS[1], "chart"))
    damage(captured, DAYS[1])
    assert not captured.materialize("*", DAYS[0], DAYS[-1]).success
    (captured.store.root / keys.raw(DAYS[1], "chart")).write_bytes(body)
    assert captured.materialize("*", DAYS[0], DAYS[-1]).success
    assert captured.query("SELECT max(batch) FROM OPS.LEDGER") == [(1,)]
    rows = captured.query("SELECT count(*) FROM HISTORY.PLAYLIST_ENTRY GROUP BY snapshot_date")
    assert sorted(rows) == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        ("raw", "was never captured and can't be any more"),
        ("lake", "has no raw documents"),
        ("landing", "has no batch"),
        ("published", "has no batch"),
        ("insights", "is not published"),
    ],
)
def test_every_step_names_the_days_that_it_can_not_do(
    captured: World, group: str, reason: str
) -> None:
    before = DAYS[0] - timedelta(days=1)
    captured.materialize("*", DAYS[0], DAYS[-1])
    result = captured.materialize(f"group:{group}", before, DAYS[-1])
    assert failure_text(result).startswith("1 of 4 days failed, the others are done.")
    assert f"{before}: {before} {reason}" in failure_text(result)
    done = {str(event.partition) for event in result.get_asset_materialization_events()}
    assert done == set(map(str, DAYS))


def test_today_can_be_part_of_a_range(captured: World) -> None:
    result = captured.materialize("*", DAYS[0], captured.day)
    assert result.success
    assert captured.spotify.asked == ["chart", "radio"]
    assert told(result, STEPS[0], "captured") == {
        **dict.fromkeys(map(str, DAYS), 0),
        str(captured.day): 2,
    }
