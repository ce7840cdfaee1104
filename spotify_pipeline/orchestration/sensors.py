"""`snowpipe_load_sensor`: what did the pipes load, and what is to be published now?

It only looks and reports. What it can't look at raises: a skipped tick always means that it
looked and found nothing new.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock
from spotify_pipeline.deployment import Deployment
from spotify_pipeline.lake.batch import Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.loading.pipe import troubles
from spotify_pipeline.orchestration import checks, jobs
from spotify_pipeline.orchestration.partitions import runs_in_progress
from spotify_pipeline.orchestration.resources import DatabaseResource, LakeResource

WAITS = (timedelta(0), timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=1))
"""How long to wait before each request to publish a batch; after the last one a check is red."""


@dataclass
class Cursor:
    """What the sensor remembers: its requests by batch, and the verdicts it has reported."""

    requests: dict[str, list[str]] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | None) -> "Cursor":
        return cls(**json.loads(text)) if text else cls()

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def build_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """The sensor for one deployment."""

    @dg.sensor(
        name="snowpipe_load_sensor",
        job_name=jobs.PUBLISH,
        minimum_interval_seconds=60,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if deployment.is_on else dg.DefaultSensorStatus.STOPPED
        ),
        description="Reports the pipes' health and has landed batches published.",
    )
    def snowpipe_load_sensor(
        context: dg.SensorEvaluationContext,
        lake: LakeResource,
        database: DatabaseResource,
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        cursor = Cursor.from_json(context.cursor)
        store = lake.store()
        with database.database().session() as session:
            unpublished = publishing.unpublished(session, store)
            landed = publishing.whole(session, unpublished)
            findings = {
                check: checks.pipe_finding(
                    troubles(EmbeddedPipe(store), session, unpublished, contract.table(name))
                )
                for name, check in checks.PIPES.items()
            }
        busy = {run.tags.get("dagster/partition", "") for run in runs_in_progress(context.instance)}
        requests, stuck = _requests(cursor, landed, busy, clock())
        findings[checks.PUBLISHING] = checks.publishing_finding(stuck)
        evaluations = [check.event(finding) for check, finding in findings.items()]
        news = [evaluation for evaluation in evaluations if _is_news(cursor, evaluation)]
        skipped = None if requests else f"{len(landed)} landed batches wait, none is due"
        return dg.SensorResult(
            run_requests=requests,
            asset_events=news,
            cursor=cursor.to_json(),
            skip_reason=skipped,
        )

    return snowpipe_load_sensor


def _requests(
    cursor: Cursor, landed: Sequence[Manifest], busy: set[str], now: datetime
) -> tuple[list[dg.RunRequest], list[str]]:
    """What is due to be published now, and what was asked for in vain too often.

    The ledger says what is published; requests are only remembered to keep growing distances.
    """
    requests, stuck, kept = [], [], {}
    for manifest in landed:
        day = manifest.snapshot_date.isoformat()
        name = f"{day}/{manifest.batch}"
        asked = cursor.requests.get(name, [])
        kept[name] = asked
        if day in busy:
            continue
        if len(asked) == len(WAITS):
            stuck.append(
                f"batch {manifest.batch} of {day} was tried {len(asked)} times, the last time at "
                f"{asked[-1]}: see the failed runs of {day}, then materialize published/* of {day}"
            )
        elif not asked or now - datetime.fromisoformat(asked[-1]) >= WAITS[len(asked)]:
            kept[name] = [*asked, now.isoformat()]
            # The time makes the key new: the ledger decides, not what was asked for before.
            requests.append(dg.RunRequest(run_key=f"{name}/{now.isoformat()}", partition_key=day))
    cursor.requests = kept
    return requests, stuck


def _is_news(cursor: Cursor, evaluation: dg.AssetCheckEvaluation) -> bool:
    """Whether the verdict differs from the last reported one; remembers it."""
    name = f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}"
    verdict = str({key: str(value.value) for key, value in evaluation.metadata.items()})
    is_news = cursor.verdicts.get(name) != verdict
    cursor.verdicts[name] = verdict
    return is_news
