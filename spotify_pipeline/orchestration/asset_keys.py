"""What the assets are called: their keys, by stage and table."""

import dagster as dg

from spotify_pipeline.contract import Table
from spotify_pipeline.insights.question import Question

RAW = dg.AssetKey("raw_playlist_json")
REPORT = dg.AssetKey(["insights", "report"])


def lake(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["lake", table.name])


def landing(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["landing", table.name])


def published(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["published", table.name])


def published_current(table: Table) -> dg.AssetKey:
    """The table of one row per id, beside its history."""
    return dg.AssetKey(["published", f"tb_{table.name}"])


def insight(question: Question) -> dg.AssetKey:
    return dg.AssetKey(["insights", question.name])
