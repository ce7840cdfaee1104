"""The insights as the UI shows them: numbers, rows, a picture and the SQL; and the day's report."""

import base64
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from PIL import Image

from spotify_pipeline.insights.questions import POPULARITY, QUESTIONS
from spotify_pipeline.lake import keys
from spotify_pipeline_tests.orchestration.conftest import DAY, World, failure_text
from spotify_pipeline_tests.orchestration.test_assets import metadata

pytestmark = pytest.mark.slow

CHANGES = "insights/playlist_changes"
INSIGHTS = "group:insights and not key:insights/report"
TOMORROW = DAY + timedelta(days=1)


@pytest.fixture
def second_day(after_a_day: World) -> World:
    """On DAY the chart held song1 and song2; now song2 and song4."""
    world = after_a_day
    world.day = TOMORROW
    world.spotify.playlists["chart"] = ["song2", "song4"]
    assert world.run().is_well
    return world


def rows(told: dict[str, Any], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(record.data[name] for name in columns) for record in told["rows"].records]


def picture(told: dict[str, Any]) -> Image.Image:
    _, address = str(told["plot"]).split("](")
    kind, encoded = address.removesuffix(")").split(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def test_the_changes_of_the_day_are_counted_shown_and_drawn(second_day: World) -> None:
    told = metadata(second_day.materialize("key:insights/playlist_changes"), CHANGES)
    assert (told["entered"], told["left"], told["moved"]) == (1, 1, 0)
    assert told["dagster/partition_row_count"] == 2
    assert rows(told, "change", "days_stayed", "is_at_least", "present_since") == [
        ("entered", None, None, None),
        ("left", 1, True, str(DAY)),
    ]
    with picture(told) as image:
        assert image.width == 640


def test_every_insight_has_rows_and_numbers_that_can_be_drawn(second_day: World) -> None:
    result = second_day.materialize(INSIGHTS)
    assert result.success
    for question in QUESTIONS:
        told = metadata(result, f"insights/{question.name}")
        assert isinstance(told["dagster/partition_row_count"], int)
        names = {column.name for column in told["rows"].schema.columns}  # type: ignore[attr-defined]
        assert names <= {column.name for column in question.columns}
        assert not any(name.endswith(("_id", "_url")) for name in names)
    assert metadata(result, "insights/playlist_turnover")["turnover"] == pytest.approx(2 / 8)
    assert metadata(result, "insights/playlist_overlap")["greatest_share"] == pytest.approx(1 / 3)


def test_where_nothing_can_be_drawn_it_says_why(second_day: World) -> None:
    told = metadata(second_day.materialize("key:insights/popularity"), "insights/popularity")
    assert told["plot"] == POPULARITY.silence
    assert told["dagster/partition_row_count"] == 0


def test_the_history_of_a_playlist_is_drawn_and_its_day_is_shown(second_day: World) -> None:
    key = "insights/playlist_turnover"
    told = metadata(second_day.materialize(f"key:{key}"), key)
    assert told["dagster/partition_row_count"] == 4
    assert len(rows(told, "playlist_name")) == 2


def test_the_steps_are_two_whatever_is_selected(second_day: World) -> None:
    result = second_day.materialize("group:insights")
    steps = {event.step_key for event in result.all_events if event.is_step_success}
    assert steps == {"insights", "insights_report"}
    one = second_day.materialize("key:insights/popularity")
    assert [event.asset_key.path for event in one.get_asset_materialization_events()] == [  # type: ignore[union-attr]
        ["insights", "popularity"]
    ]


def test_each_insight_carries_its_sql_and_its_columns(world: World) -> None:
    graph = world.definitions.resolve_asset_graph()
    for question in QUESTIONS:
        node = graph.get(dg.AssetKey(["insights", question.name]))
        assert node.description
        assert node.description == f"O{question.grain[1:]}."
        sql = node.metadata["sql"].value
        assert sql == f"```sql\n{question.sql}```"
        described = {c.name: c.description for c in node.metadata["dagster/column_schema"].columns}
        assert described == {column.name: column.description for column in question.columns}


def test_a_day_that_is_not_published_has_neither(world: World) -> None:
    said = f"{DAY} is not published: materialize published/* of {DAY} first."
    assert failure_text(world.materialize(INSIGHTS)) == said
    assert failure_text(world.materialize("key:insights/report")) == said
    assert world.store.list_keys(keys.REPORTS) == []


# The report


def test_the_report_says_where_it_is_and_is_written_once(second_day: World) -> None:
    world = second_day
    [key] = world.store.list_keys(keys.reports_prefix(TOMORROW))
    told = metadata(world.materialize("key:insights/report"), "insights/report")
    assert told["outcome"] == "unchanged"
    assert told["dagster/uri"] == world.store.uri(key)
    assert Path(str(told["path"])).read_bytes() == world.store.get(key)
    assert (told["batch"], told["playlists_missing"], told["days_missed"]) == (1, 0, 0)
    assert world.store.list_keys(keys.reports_prefix(TOMORROW)) == [key]
    assert b"Synthetic data" in world.store.get(key)


def test_a_run_tells_the_path_of_its_report(second_day: World) -> None:
    outcome = second_day.run()
    assert outcome.report
    [key] = second_day.store.list_keys(keys.reports_prefix(TOMORROW))
    assert Path(outcome.report) == second_day.store.root / key


def test_a_run_that_failed_before_it_has_no_report(world: World) -> None:
    world.spotify.playlists = {}
    assert world.run().report is None


def test_days_of_a_range_have_numbers_and_pages_of_their_own(second_day: World) -> None:
    world = second_day
    result = world.materialize("group:insights", DAY, TOMORROW)
    told = [
        (str(event.partition), event.materialization.metadata["entered"].value)
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["insights", "playlist_changes"])
    ]
    assert sorted(told) == [(str(DAY), 0), (str(TOMORROW), 1)]
    assert len(world.store.list_keys(keys.REPORTS)) == 2


def test_a_day_of_a_range_that_is_not_published_stops_no_other(second_day: World) -> None:
    before = DAY - timedelta(days=1)
    for selection in (INSIGHTS, "key:insights/report"):
        result = second_day.materialize(selection, before, TOMORROW)
        assert failure_text(result).startswith("1 of 3 days failed, the others are done.")
        done = {str(event.partition) for event in result.get_asset_materialization_events()}
        assert done == {str(DAY), str(TOMORROW)}
