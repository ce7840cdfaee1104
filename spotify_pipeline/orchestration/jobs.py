"""The two jobs: a day from end to end, and publishing what a pipe has loaded."""

from typing import Any

import dagster as dg

from spotify_pipeline.deployment import Deployment

DAILY = "daily_snapshot"
PUBLISH = "publish"


def build(deployment: Deployment) -> list[Any]:  # Dagster doesn't export their type
    """Both jobs. Where Snowpipe loads, the daily one ends at the lake: the rest follows from the
    sensor once the pipe is done."""
    everything = deployment.database == "duckdb"
    return [
        dg.define_asset_job(
            DAILY,
            dg.AssetSelection.all() if everything else dg.AssetSelection.groups("raw", "lake"),
            description="One day: capture, transform, load, publish, look.",
        ),
        dg.define_asset_job(
            PUBLISH,
            dg.AssetSelection.groups("published", "insights"),
            description="Publishes one day's batch; asked for by snowpipe_load_sensor.",
        ),
    ]
