"""The graph of each deployment as text, so that a change of it is seen in review.

    make graph

writes it down anew, into the folder `graph` beside this module.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import read_deployment, read_environment

FOLDER = Path(__file__).parent / "graph"
DEPLOYMENTS = ("demo", "local", "aws")

# Else it would be the first day that was captured, here or there.
_ENVIRONMENT = {"SPOTIFY_PIPELINE_START_DATE": "2026-11-01"}


def render(name: str) -> str:
    """The graph of a deployment in which nothing but the first day is configured."""
    environment = read_environment(_ENVIRONMENT, Path("/nowhere"))
    repository = build_defs(read_deployment(environment, name)).get_repository_def()
    return "\n".join(_lines(repository)) + "\n"


def _lines(repository: dg.RepositoryDefinition) -> Iterator[str]:
    graph: Any = repository.asset_graph
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    for key in (key for level in graph.toposorted_asset_keys_by_level for key in sorted(level)):
        asset = graph.get(key)
        in_jobs = [job.name for job in jobs if key in job.asset_layer.executable_asset_keys]
        yield key.to_user_string()
        yield from _told("needs", (parent.to_user_string() for parent in asset.parent_keys))
        yield from _told("table", [asset.metadata.get("dagster/table_name", "")])
        yield from _told("group", [asset.group_name])
        yield from _told("kinds", asset.kinds)
        yield from _told("owners", asset.owners)
        yield from _told("tags", (tag for tag in asset.tags if "/kind/" not in tag))
        yield from _told("partitions", [str(asset.partitions_def)])
        yield from _told("made by", [_step(asset)])
        yield from _told("jobs", in_jobs)
        yield from _told("checks", (check.name for check in asset.check_keys))
        yield ""
    for schedule in repository.schedule_defs:
        yield f"schedule {schedule.name}"
        yield from _told("job", [schedule.job_name])
        crons = schedule.cron_schedule
        each = [crons] if isinstance(crons, str) else crons
        yield from _told("at", [f"{cron} {schedule.execution_timezone}" for cron in each])
        yield from _told("from the start", [schedule.default_status.value])
        yield ""
    for sensor in repository.sensor_defs:
        yield f"sensor {sensor.name}"
        yield from _told("job", [sensor.job_name])
        yield from _told("every", [f"{sensor.minimum_interval_seconds} s"])
        yield from _told("from the start", [sensor.default_status.value])


def _told(what: str, values: Iterable[Any]) -> Iterator[str]:
    if told := ", ".join(sorted(map(str, values))):
        yield f"    {what:<15}{told}"


def _step(asset: Any) -> str:
    return f"step {asset.assets_def.node_def.name}" if asset.is_materializable else "others"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for deployment in DEPLOYMENTS:
        (FOLDER / f"{deployment}.txt").write_text(render(deployment))
