"""`snowpipe_load_sensor`: what did the pipes load, and what is to be published now?

It only looks and reports. What it can't look at raises: a skipped tick always means that it
looked and found nothing new. Once an hour it also reports who is not captured, which else only runs
tell: while there are none, nothing would.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock
from spotify_pipeline.deployment import Deployment
from spotify_pipeline.lake import keys, manifests
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.pipe import Seen, look
from spotify_pipeline.orchestration import asset_keys, checks, jobs, judging
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline.orchestration.partitions import BusyDays
from spotify_pipeline.orchestration.resources import LakeResource, SpotifyResource

WAITS = (timedelta(0), timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=1))
"""How long to wait before each request to publish a batch; after the last one a check is red."""

REPORTED_FOR = timedelta(days=60)
"""How far back the sensor looks for published batches of which it has not reported the landing."""

REST = timedelta(hours=1)
"""For how long Snowflake is left alone while every batch is published: each look costs a minute of
its warehouse."""

REPEATED = timedelta(hours=1)
"""After how long verdicts are reported although they are the same: one that was given by hand
meanwhile does not stand for long."""


@dataclass
class Cursor:
    """What the sensor remembers.

    Its requests by batch; the verdicts that it reported, and when; the landed batch of each of the
    last days that it reported; if all was well and published at the last look at Snowflake, when
    that was and of which batches; and in which hour it last looked for who is not captured, and
    which checks were red of that.
    """

    requests: dict[str, list[str]] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    reported_at: str = ""
    landed: dict[str, int] = field(default_factory=dict)
    rested_since: str = ""
    batches: str = ""
    hour: str = ""
    red: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, text: str | None) -> "Cursor":
        """What was remembered, as far as this release knows it: the rest can be seen again."""
        told = json.loads(text) if text else {}
        return cls(**{each.name: told[each.name] for each in fields(cls) if each.name in told})

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def rests_until(self, batches: str) -> datetime | None:
        """When to look again, if all was well and published and no batch came since."""
        if not self.rested_since or self.batches != batches:
            return None
        return datetime.fromisoformat(self.rested_since) + REST


def build_sensor(deployment: Deployment, days: dg.DailyPartitionsDefinition) -> dg.SensorDefinition:
    """The sensor for one deployment, whose runs can be of these days."""
    # Elsewhere an ordinary step has the pipe load, and tells of it.
    is_external = deployment.database == "snowflake"

    @dg.sensor(
        name="snowpipe_load_sensor",
        job_name=jobs.PUBLISH,
        minimum_interval_seconds=60,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if deployment.is_on else dg.DefaultSensorStatus.STOPPED
        ),
        description=(
            "Reports the pipes' health and who is not captured, and has landed batches published."
        ),
    )
    def snowpipe_load_sensor(
        context: dg.SensorEvaluationContext,
        lake: LakeResource,
        spotify: SpotifyResource,
        database: DatabaseResource,
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        cursor, now = Cursor.from_json(context.cursor), clock()
        store = lake.store()
        batches = manifests.current_batches(store)
        digest = _digest(batches)
        look_at_lake = partial(judging.facts_of, lake, database, spotify, clock)
        not_captured = _not_captured(cursor, now, deployment.hour, context.instance, look_at_lake)
        if is_external and (rest := cursor.rests_until(digest)) and now < rest:
            text = f"every batch is published; Snowflake is asked again at {rest:%H:%M} UTC"
            return dg.SensorResult(
                asset_events=not_captured, cursor=cursor.to_json(), skip_reason=text
            )
        with database.for_a_look().session() as session:
            unpublished = publishing.unpublished(session, store)
            seen = look(database.pipes(store), session, unpublished, now)
            ahead = publishing.ahead(session, store)
            arrivals = _arrivals(cursor, session, store, batches, seen, now) if is_external else []
        is_quiet = not unpublished and not any(seen.troubles.values())
        cursor.rested_since = now.isoformat() if is_quiet else ""
        cursor.batches = digest
        possible, strange = _possible(unpublished, days, now)
        requests, stuck = _requests(cursor, possible, seen, BusyDays(context.instance), now)
        findings = {
            check: checks.pipe_finding(seen.troubles[name]) for name, check in checks.PIPES.items()
        } | {checks.PUBLISHING: checks.publishing_finding([*stuck, *strange, *ahead])}
        evaluations = [check.event(finding) for check, finding in findings.items()]
        if arrivals:
            cursor.verdicts = {}  # that the new files came in is to be seen with them
        return dg.SensorResult(
            run_requests=requests,
            asset_events=[*arrivals, *not_captured, *_news(cursor, evaluations, now)],
            cursor=cursor.to_json(),
            skip_reason=None if requests else _waiting(unpublished, seen),
        )

    return snowpipe_load_sensor


def _not_captured(
    cursor: Cursor,
    now: datetime,
    hour: int,
    instance: dg.DagsterInstance,
    look_at_lake: Callable[[], AbstractContextManager[judging.Facts]],
) -> list[dg.AssetCheckEvaluation]:
    """The red verdicts that no run tells while there is none, and what became of them; each hour.

    Green ones are left to runs, which see more: that it is published, too.
    """
    this_hour = f"{now:%Y-%m-%dT%H}"
    if cursor.hour == this_hour or now.date() in BusyDays(instance):  # that run will tell
        return []
    with look_at_lake() as facts:
        found = [check.event(finding) for check, finding in checks.without_runs(facts, hour)]
    before = cursor.red
    cursor.hour, cursor.red = this_hour, [each.check_name for each in found if not each.passed]
    return [each for each in found if not each.passed or each.check_name in before]


def _waiting(unpublished: Sequence[Manifest], seen: Seen) -> str:
    if not unpublished:
        return "every batch is published"
    return (
        f"{len(unpublished)} batches are not published, {len(seen.whole)} of them whole in "
        f"LANDING; none is due"
    )


def _digest(batches: Mapping[date, int]) -> str:
    return hashlib.sha256(str(sorted(batches.items())).encode()).hexdigest()


def _arrivals(
    cursor: Cursor,
    session: Session,
    store: ObjectStore,
    current: Mapping[date, int],
    seen: Seen,
    now: datetime,
) -> list[dg.AssetMaterialization]:
    """The landing assets of batches that came in since the last tick, whoever published them."""
    if not seen.has_all_tables:
        return []  # which is told as trouble; what came in is told when the table is back
    first = now.date() - REPORTED_FOR
    batches = {
        day: number
        for day, number in publishing.ledger(session).items()
        if day >= first and current.get(day) == number  # others' manifests may be gone
    } | {manifest.snapshot_date: manifest.batch for manifest in seen.whole}
    news = [
        manifests.read(store, day, number)
        for day, number in sorted(batches.items())
        if cursor.landed.get(day.isoformat()) != number
    ]
    cursor.landed = {day.isoformat(): number for day, number in batches.items()}
    arrivals = publishing.arrivals(session, news) if news else {}
    return [
        dg.AssetMaterialization(
            asset_keys.landing(contract.table(name)),
            partition=manifest.snapshot_date.isoformat(),
            metadata={
                "dagster/partition_row_count": file.rows,
                "batch": manifest.batch,
                "manifest": store.uri(keys.manifest(manifest.snapshot_date, manifest.batch)),
                # The event's own time is that of the report.
                "reported_at": dg.MetadataValue.timestamp(now),
                **_loaded(arrivals.get(file.key), manifest),
            },
        )
        for manifest in news
        for name, file in manifest.files.items()
        if file.key in arrivals or not file.rows
    ]


def _loaded(at: datetime | None, manifest: Manifest) -> dict[str, Any]:
    """When a file came, and how long after its batch was made; of one without rows nobody knows."""
    if not at:
        return {}
    # It may come before the manifest, which is written last.
    seconds = max(0.0, (at - manifest.created_at).total_seconds())
    return {"loaded_at": dg.MetadataValue.timestamp(at), "seconds": round(seconds, 2)}


def _possible(
    unpublished: Sequence[Manifest], days: dg.DailyPartitionsDefinition, now: datetime
) -> tuple[list[Manifest], list[str]]:
    """The batches of days that a run can have, and the others in sentences that say what to do.

    One request for another day would have Dagster refuse all of them.
    """
    first, last = days.start.date(), now.date()
    possible = [m for m in unpublished if first <= m.snapshot_date <= last]
    return possible, [
        f"batch {m.batch} of {m.snapshot_date} is of no day that a run can have, which are "
        f"{first} to {last}: set SPOTIFY_PIPELINE_START_DATE={m.snapshot_date} and start Dagster "
        f"again"
        for m in unpublished
        if m not in possible
    ]


def _requests(
    cursor: Cursor, unpublished: Sequence[Manifest], seen: Seen, busy: BusyDays, now: datetime
) -> tuple[list[dg.RunRequest], list[str]]:
    """What is due to be published now, and what was asked for in vain too often.

    The ledger says what is published; requests are only remembered to keep growing distances.
    """
    requests, stuck, kept = [], [], {}
    for manifest in unpublished:
        day = manifest.snapshot_date.isoformat()
        name = f"{day}/{manifest.batch}"
        asked = cursor.requests.get(name, [])
        if asked:
            kept[name] = asked
        if len(asked) == len(WAITS):
            stuck.append(
                f"batch {manifest.batch} of {day} was tried {len(asked)} times, the last time at "
                f"{asked[-1]}: see the failed runs of {day}, then materialize published/* of {day}"
            )
        elif manifest.snapshot_date in busy or manifest not in seen.whole:
            continue
        elif not asked or now - datetime.fromisoformat(asked[-1]) >= WAITS[len(asked)]:
            kept[name] = [*asked, now.isoformat()]
            # The time makes the key new: the ledger decides, not what was asked for before.
            requests.append(dg.RunRequest(run_key=f"{name}/{now.isoformat()}", partition_key=day))
    cursor.requests = kept
    return requests, stuck


def _news(
    cursor: Cursor, evaluations: Sequence[dg.AssetCheckEvaluation], now: datetime
) -> list[dg.AssetCheckEvaluation]:
    """The verdicts that differ from the last reported ones, or all if these are old."""
    told = {
        f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}": str(
            (evaluation.description, judging.offenders(evaluation))
        )
        for evaluation in evaluations
    }
    last = cursor.reported_at
    if not last or now - datetime.fromisoformat(last) >= REPEATED:
        cursor.verdicts, cursor.reported_at = {}, now.isoformat()
    before, cursor.verdicts = cursor.verdicts, told
    return [
        evaluation
        for evaluation, (name, verdict) in zip(evaluations, told.items(), strict=True)
        if before.get(name) != verdict
    ]
