"""The graph as one reviewed value, the same in every deployment, loaded without credentials."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import Deployment, read_deployment, read_environment
from spotify_pipeline_tests.orchestration import graph_text

TABLES = ("playlist", "playlist_entry", "song", "album", "artist", "song_artist")

INSIGHTS = (
    "playlist_changes",
    "artist_presence",
    "catalogue_age",
    "playlist_turnover",
    "playlist_overlap",
    "popularity",
)

ASSETS = {
    "raw_playlist_json",
    *(f"{stage}/{table}" for stage in ("lake", "landing", "published") for table in TABLES),
    "published/tb_album",
    "published/tb_artist",
    "published/tb_song",
    *(f"insights/{name}" for name in INSIGHTS),
    "insights/report",
}

PROJECT = Path(__file__).parents[2]


def deployment(name: str) -> Deployment:
    return read_deployment(read_environment({}), name)


@pytest.mark.parametrize("name", ["demo", "local", "aws"])
def test_every_deployment_loads_the_same_assets_without_credentials(name: str) -> None:
    definitions = build_defs(deployment(name))
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == ASSETS


@pytest.mark.parametrize("name", graph_text.DEPLOYMENTS)
def test_the_graph_is_the_one_that_was_reviewed(name: str) -> None:
    reviewed = (graph_text.FOLDER / f"{name}.txt").read_text()
    assert graph_text.render(name) == reviewed, (
        "The graph changed. If it is meant to: `make graph`, and commit what that changes."
    )


def test_landing_is_a_step_where_the_embedded_pipe_loads_and_external_where_snowpipe_does() -> None:
    landing = dg.AssetKey(["landing", "song"])
    assert build_defs(deployment("local")).resolve_asset_graph().get(landing).is_materializable
    assert not build_defs(deployment("aws")).resolve_asset_graph().get(landing).is_materializable


def test_data_takes_its_way_from_stage_to_stage() -> None:
    graph = build_defs(deployment("demo")).resolve_asset_graph()

    def parents(key: str) -> set[str]:
        node = graph.get(dg.AssetKey.from_user_string(key))
        return {parent.to_user_string() for parent in node.parent_keys}

    assert parents("lake/song") == {"raw_playlist_json"}
    assert parents("landing/song") == {"lake/song"}
    assert parents("published/song") == {"landing/song"}
    assert parents("published/tb_song") == {"landing/song"}
    assert parents("insights/playlist_overlap") == {
        "published/playlist",
        "published/playlist_entry",
    }
    assert parents("insights/report") == {f"insights/{name}" for name in INSIGHTS}


def test_synthetic_assets_are_tagged_and_real_ones_are_not() -> None:
    for name, tag in (("demo", "true"), ("local", None)):
        graph = build_defs(deployment(name)).resolve_asset_graph()
        assert {graph.get(key).tags.get("synthetic") for key in graph.get_all_asset_keys()} == {tag}


def test_schedule_and_sensor_are_on_from_the_start_except_in_the_demo() -> None:
    for name, status in (("demo", "STOPPED"), ("local", "RUNNING"), ("aws", "RUNNING")):
        definitions = build_defs(deployment(name))
        assert definitions.resolve_schedule_def("daily").default_status.value == status
        assert definitions.resolve_sensor_def("snowpipe_load_sensor").default_status.value == status


def test_days_reach_from_the_configured_one_to_today() -> None:
    environment = read_environment({"SPOTIFY_PIPELINE_START_DATE": "2026-11-01"})
    graph = build_defs(read_deployment(environment)).resolve_asset_graph()
    partitions = graph.get(dg.AssetKey("raw_playlist_json")).partitions_def
    assert partitions is not None
    assert partitions.get_first_partition_key() == "2026-11-01"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo", "local"])
def test_loading_imports_only_what_the_deployment_needs(name: str) -> None:
    heavy = [
        "dagster_aws",
        "dagster_snowflake",
        "jinja2",
        "matplotlib",
        "pandas",
        "pyspark",
        "sqlalchemy",
        "sqlframe",
        "uvicorn",
    ]
    code = (
        f"import sys, spotify_pipeline.definitions as d; d.defs(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={"SPOTIFY_PIPELINE_DEPLOYMENT": name},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo", "local", "aws"])
def test_dagster_itself_finds_a_code_location_in_the_workspace(name: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        env={"SPOTIFY_PIPELINE_DEPLOYMENT": name, "DAGSTER_DISABLE_TELEMETRY": "yes"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    # It also says that all is well where it found nothing to load.
    assert "Validation successful for code location spotify_pipeline" in answer.stdout
