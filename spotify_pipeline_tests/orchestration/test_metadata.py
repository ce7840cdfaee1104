"""What every asset's page says: from the contract and the deployment, whole, and without opening
anything."""

from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spotify_pipeline import contract
from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.orchestration import asset_keys

RAW = asset_keys.RAW
TABLES = {
    **{asset_keys.lake(table): table for table in contract.TABLES},
    **{asset_keys.landing(table): table for table in contract.TABLES},
    **{asset_keys.published(table): table for table in contract.TABLES},
    **{asset_keys.published_current(t): contract.current(t) for t in contract.CURRENT},
}
"""The assets that are tables, and what the contract says of them."""

OF_A_PERSON = {"playlist": {"owner_id", "owner_name"}, "playlist_entry": {"added_by"}}


@cache
def graph(**environ: str) -> Any:
    environment = read_environment(environ, Path("/nowhere"))
    return build_defs(read_deployment(environment)).resolve_asset_graph()


def metadata(key: dg.AssetKey, **environ: str) -> dict[str, Any]:
    return dict(graph(**environ).get(key).metadata)


def columns(key: dg.AssetKey) -> dict[str, dg.TableColumn]:
    return {column.name: column for column in metadata(key)["dagster/column_schema"].columns}


def lineage(key: dg.AssetKey) -> dict[str, list[tuple[dg.AssetKey, str]]]:
    told = metadata(key)["dagster/column_lineage"].deps_by_column
    return {name: [(dep.asset_key, dep.column_name) for dep in deps] for name, deps in told.items()}


def origins(key: dg.AssetKey, column: str) -> set[str]:
    """The raw fields from which a column comes, all the way up."""
    if key == RAW:
        return {column}
    return set().union(*(origins(*dep) for dep in lineage(key)[column]))


@pytest.mark.parametrize("key", TABLES, ids=dg.AssetKey.to_user_string)
def test_a_table_says_first_what_a_row_is(key: dg.AssetKey) -> None:
    description = graph().get(key).description
    assert description.lower().startswith(TABLES[key].grain)
    assert description.startswith("One row per ")


@pytest.mark.parametrize("key", TABLES, ids=dg.AssetKey.to_user_string)
def test_a_table_has_the_columns_of_the_contract_with_their_words(key: dg.AssetKey) -> None:
    told = [(name, column.type, column.description) for name, column in columns(key).items()]
    ours = contract.ARRIVAL if key.path[0] == "landing" else ()
    assert told == [
        (column.name, str(column.type), column.description)
        for column in (*TABLES[key].columns, *ours)
    ]


@pytest.mark.parametrize("key", TABLES, ids=dg.AssetKey.to_user_string)
def test_lineage_leads_to_columns_that_are_there(key: dg.AssetKey) -> None:
    told = lineage(key)
    assert set(told) == set(TABLES[key].column_names)
    for deps in told.values():
        assert deps
        for upstream, name in deps:
            assert upstream in graph().get(key).parent_keys
            assert name in columns(upstream)


@pytest.mark.parametrize("key", TABLES, ids=dg.AssetKey.to_user_string)
def test_every_column_goes_back_to_the_raw_fields_of_its_source(key: dg.AssetKey) -> None:
    for column in TABLES[key].columns:
        assert origins(key, column.name) == set(column.sources), column.name


def test_a_raw_document_has_each_field_that_a_column_comes_from_once() -> None:
    sources = [source for table in contract.TABLES for c in table.columns for source in c.sources]
    assert list(columns(RAW)) == list(dict.fromkeys(sources))
    assert columns(RAW)["item.name"].description == (
        "becomes playlist_entry.entry_name, song.song_name"
    )


def test_what_a_current_table_knows_of_days_comes_from_the_days_that_landed() -> None:
    song = contract.SONG
    told = lineage(asset_keys.published_current(song))
    for name in ("first_seen", "last_seen"):
        assert told[name] == [(asset_keys.landing(song), "snapshot_date")]


def test_constraints_are_those_of_the_tables() -> None:
    current = columns(asset_keys.published_current(contract.SONG))
    assert current["song_id"].constraints == dg.TableColumnConstraints(nullable=False, unique=True)
    daily = columns(asset_keys.published(contract.PLAYLIST_ENTRY))
    assert daily["song_id"].constraints.other == ["references song"]
    assert {name for name, column in daily.items() if "key" in column.constraints.other} == set(
        contract.PLAYLIST_ENTRY.key
    )
    landing = columns(asset_keys.landing(contract.PLAYLIST_ENTRY))
    assert landing["entry_type"].constraints.nullable, "an older file may lack the column"
    assert not landing["_file"].constraints.nullable


def test_what_tells_about_a_person_is_marked_wherever_it_is() -> None:
    personal = {key for key in graph().get_all_asset_keys() if "personal_data" in tags(key)}
    assert personal == {RAW, *(key for key in TABLES if key.path[-1] in OF_A_PERSON)}
    for key in personal - {RAW}:
        marked = {name for name, column in columns(key).items() if "personal" in column.tags}
        assert marked == OF_A_PERSON[key.path[-1]]
    assert {name for name, column in columns(RAW).items() if "personal" in column.tags} == {
        "playlist.owner.id",
        "playlist.owner.display_name",
        "added_by.id",
    }


def tags(key: dg.AssetKey) -> dict[str, str]:
    return dict(graph().get(key).tags)


def test_every_asset_has_the_configured_owner() -> None:
    for owner in ("team:data", "anna@music.example"):
        assets = graph(SPOTIFY_PIPELINE_OWNER=owner)
        assert {tuple(assets.get(key).owners) for key in assets.get_all_asset_keys()} == {(owner,)}


# Where it lies


def test_a_local_table_is_told_by_its_database_and_file(tmp_path: Path) -> None:
    told = metadata(asset_keys.published(contract.SONG), SPOTIFY_PIPELINE_HOME=str(tmp_path))
    assert told["dagster/table_name"] == "spotify.HISTORY.SONG"
    assert told["dagster/uri"] == (tmp_path / "spotify.duckdb").as_uri()


def test_a_local_lake_is_told_by_its_folders(tmp_path: Path) -> None:
    home = {"SPOTIFY_PIPELINE_HOME": str(tmp_path)}
    assert metadata(RAW, **home)["dagster/uri"] == (tmp_path / "lake/raw_data").as_uri()
    song = metadata(asset_keys.lake(contract.SONG), **home)
    assert song["dagster/uri"] == (tmp_path / "lake/transformed_data/song_data").as_uri()


AWS = {"SPOTIFY_PIPELINE_DEPLOYMENT": "aws", "SPOTIFY_PIPELINE_ENGINE": "embedded"}
SET = {
    "S3_BUCKET": "music",
    "S3_PREFIX": "/team/",
    "SNOWFLAKE_ACCOUNT": "org-account",
    "SNOWFLAKE_DATABASE": "SPOTIFY_DB",
}


@pytest.mark.parametrize(
    ("key", "name", "uri"),
    [
        (RAW, None, "s3://music/team/raw_data/"),
        (asset_keys.lake(contract.SONG), None, "s3://music/team/transformed_data/song_data/"),
        (
            asset_keys.landing(contract.SONG),
            "SPOTIFY_DB.LANDING.SONG",
            "snowflake://org-account/SPOTIFY_DB/LANDING/SONG",
        ),
        (
            asset_keys.published_current(contract.SONG),
            "SPOTIFY_DB.PUBLIC.TB_SONG",
            "snowflake://org-account/SPOTIFY_DB/PUBLIC/TB_SONG",
        ),
    ],
)
def test_in_the_cloud_it_is_told_by_bucket_and_account(
    key: dg.AssetKey, name: str | None, uri: str
) -> None:
    told = metadata(key, **AWS, **SET)
    assert (told.get("dagster/table_name"), told["dagster/uri"]) == (name, uri)


def test_what_is_not_configured_is_left_out() -> None:
    assert "dagster/uri" not in metadata(RAW, **AWS)
    told = metadata(asset_keys.published(contract.SONG), **AWS)
    assert told["dagster/table_name"] == "HISTORY.SONG"
    assert "dagster/uri" not in told
