"""The whole graph on one page.

`build_defs` puts it together for a deployment; Dagster loads `defs`.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from spotify_pipeline.clock import Clock, machine_clock
from spotify_pipeline.deployment import Deployment, read_deployment
from spotify_pipeline.orchestration import checks, jobs, retention
from spotify_pipeline.orchestration.assets import insights, lake, landing, published, raw
from spotify_pipeline.orchestration.metadata import Stage
from spotify_pipeline.orchestration.partitions import daily_partitions
from spotify_pipeline.orchestration.progress import progress
from spotify_pipeline.orchestration.resources import build_resources
from spotify_pipeline.orchestration.schedules import build_daily
from spotify_pipeline.orchestration.sensors import build_sensor


def build_defs(
    deployment: Deployment,
    clock: Clock = machine_clock,
    resources: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """The graph for `deployment`, telling the time by `clock`; `resources` replace its own."""
    days = daily_partitions(deployment, clock)
    stage = Stage(deployment, days)
    return dg.Definitions(
        assets=[
            raw.build(stage),
            lake.build(stage),
            *landing.build(stage),
            published.build(stage),
            *insights.build(stage),
        ],
        asset_checks=checks.build(),
        jobs=[*jobs.build(deployment), *retention.jobs(deployment)],
        schedules=[build_daily(deployment), *retention.schedules(deployment)],
        sensors=[build_sensor(deployment, days)],
        loggers={"console": dg.colored_console_logger, "progress": progress},
        resources=build_resources(deployment, clock) | dict(resources or {}),
        # DuckDB has one writing process, and the steps are short: no process for each of them.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The graph for the deployment that the environment picks."""
    return build_defs(read_deployment(is_for_captures=True))
