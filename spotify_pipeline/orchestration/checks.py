"""Checks: is what lies there whole, unique, connected and fresh?

They judge the state of the last days, not the run that carries them: rebuilding an old day can't
turn today's red check green.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock, today
from spotify_pipeline.lake import attempts, batch
from spotify_pipeline.lake.batch import Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading import quality
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.loading.pipe import troubles
from spotify_pipeline.loading.quality import Finding
from spotify_pipeline.orchestration.assets import lake as lake_assets
from spotify_pipeline.orchestration.assets import landing, published, raw
from spotify_pipeline.orchestration.metadata import explained
from spotify_pipeline.orchestration.resources import DatabaseResource, LakeResource

WINDOW_DAYS = 7
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN

PIPE = "pipe"
PUBLISHING = "publishing"


def result(
    asset: Sequence[str], name: str, finding: Finding, severity: dg.AssetCheckSeverity = ERROR
) -> dg.AssetCheckResult:
    """A finding as Dagster shows it."""
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(asset),
        check_name=name,
        passed=finding.passed,
        severity=severity,
        description=f"expected: {finding.expected}; found: {finding.found}",
        metadata={
            "expected": finding.expected,
            "found": finding.found,
            **(
                {"offenders": dg.MetadataValue.md(_list(finding.offenders))}
                if finding.offenders
                else {}
            ),
        },
    )


def window(day: date) -> list[date]:
    """The last days up to `day`, ascending."""
    return [day - timedelta(days=n) for n in reversed(range(WINDOW_DAYS))]


def recent_manifests(store: ObjectStore, day: date) -> list[Manifest]:
    """The current manifests of the last days."""
    found = (batch.current(store, recent) for recent in window(day))
    return [manifest for manifest in found if manifest]


def captured_finding(store: ObjectStore, day: date) -> tuple[Finding, dg.AssetCheckSeverity]:
    """Every playlist of the last days has its raw document; only today's can still be had."""
    missing_today = attempts.missing(store, day)
    missing_before = attempts.gaps(store, window(day)[:-1])
    offenders = [f"{day} {failure.playlist_id}: {failure.reason}" for failure in missing_today]
    offenders += [
        f"{past} {failure.playlist_id}: {failure.reason}"
        for past, failures in sorted(missing_before.items(), reverse=True)
        for failure in failures
    ]
    found = f"{len(missing_today)} missing today" if missing_today else "today is whole"
    if missing_before:
        found += f", {sum(map(len, missing_before.values()))} missed for ever before"
    finding = Finding("every configured playlist captured every day", found, tuple(offenders))
    return finding, ERROR if missing_today else WARN


def publishing_finding(failing: Sequence[str] = ()) -> Finding:
    """No batch fails to be published again and again."""
    return Finding(
        "every landed batch is published within a few tries",
        f"{len(failing)} are not" if failing else "none is stuck",
        tuple(failing),
    )


def pipe_finding(failing: Sequence[str]) -> Finding:
    """The pipe runs and took every file of the current batches."""
    return Finding(
        "the pipe runs and no file failed",
        f"{len(failing)} troubles" if failing else "so it is",
        tuple(failing),
    )


def build() -> list[dg.AssetChecksDefinition]:
    """All checks; one step a stage."""
    return [_raw(), _lake(), _landing(), _published()]


def _raw() -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name="raw_checks",
        specs=[
            dg.AssetCheckSpec(
                "captured",
                asset=raw.KEY,
                description="Every configured playlist was captured on each of the last days.",
            )
        ],
    )
    def raw_checks(
        lake: LakeResource, clock: dg.ResourceParam[Clock]
    ) -> Iterator[dg.AssetCheckResult]:
        with explained():
            finding, severity = captured_finding(lake.store(), today(clock))
        yield result(raw.KEY, "captured", finding, severity)

    return raw_checks


def _lake() -> dg.AssetChecksDefinition:
    asset = lake_assets.key(contract.PLAYLIST_ENTRY)

    @dg.multi_asset_check(
        name="lake_checks",
        specs=[
            dg.AssetCheckSpec(
                "odd_values",
                asset=asset,
                description="Values of a form that Spotify never had before; they became null.",
            ),
            dg.AssetCheckSpec(
                "readable",
                asset=asset,
                description="No line of a raw document had to be left out.",
            ),
        ],
    )
    def lake_checks(
        lake: LakeResource, clock: dg.ResourceParam[Clock]
    ) -> Iterator[dg.AssetCheckResult]:
        with explained():
            manifests = recent_manifests(lake.store(), today(clock))
        odd = tuple(
            f"{manifest.snapshot_date} {column}: {count}"
            for manifest in manifests
            for column, count in manifest.odd_values.items()
            if count
        )
        said = f"{len(odd)} columns with odd values" if odd else "none"
        yield result(asset, "odd_values", Finding("no odd values", said, odd), WARN)
        lost = tuple(
            f"{line.key}, line {line.line}: {line.reason}"
            for manifest in manifests
            for line in manifest.quarantined
        )
        said = f"{len(lost)} lines left out" if lost else "all of them"
        yield result(asset, "readable", Finding("every raw line is read", said, lost), WARN)

    return lake_checks


def _landing() -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name="landing_checks",
        specs=[
            dg.AssetCheckSpec(
                PIPE,
                asset=landing.key(table),
                description="The pipe runs, and every file of the last days' batches went in.",
            )
            for table in contract.TABLES
        ],
    )
    def landing_checks(
        lake: LakeResource, database: DatabaseResource, clock: dg.ResourceParam[Clock]
    ) -> Iterator[dg.AssetCheckResult]:
        with explained():
            store = lake.store()
            manifests = recent_manifests(store, today(clock))
            with database.database().session() as session:
                failing = {
                    table.name: troubles(EmbeddedPipe(store), session, manifests, table)
                    for table in contract.TABLES
                }
        for table in contract.TABLES:
            yield result(landing.key(table), PIPE, pipe_finding(failing[table.name]))

    return landing_checks


def _published() -> dg.AssetChecksDefinition:
    entry, playlist = contract.PLAYLIST_ENTRY, contract.PLAYLIST
    referring = [t for t in contract.TABLES if any(c.references for c in t.columns)]
    specs = [
        *(_spec("keys", t, "No two rows share a key.") for t in contract.TABLES),
        *(_spec("rows", t, "Rows written, landed and published agree.") for t in contract.TABLES),
        *(_spec("references", t, "What rows point to is there.") for t in referring),
        _spec("complete", entry, "Entries are as many as Spotify counts."),
        _spec("volume", entry, "No playlist's size jumps from one day to the next."),
        _spec("fresh", playlist, "Every playlist was captured lately."),
    ]

    @dg.multi_asset_check(name="published_checks", specs=specs)
    def published_checks(
        lake: LakeResource, database: DatabaseResource, clock: dg.ResourceParam[Clock]
    ) -> Iterator[dg.AssetCheckResult]:
        day = today(clock)
        since = window(day)[0]
        with explained():
            store = lake.store()
            manifests = recent_manifests(store, day)
            attempt = attempts.latest(store, day)
            playlist_ids = attempt.playlist_ids if attempt else ()
            with database.database().session() as session:
                findings = [
                    *(("keys", t, quality.keys(session, t, since)) for t in contract.TABLES),
                    *(
                        ("rows", t, quality.rows_agree(session, manifests, t))
                        for t in contract.TABLES
                    ),
                    *(("references", t, quality.references(session, t, since)) for t in referring),
                    ("complete", entry, quality.complete(session, since)),
                    ("volume", entry, quality.volume(session, since)),
                    ("fresh", playlist, quality.fresh(session, playlist_ids, day)),
                ]
        for name, table, finding in findings:
            severity = WARN if name == "volume" else ERROR
            yield result(published.key(table), name, finding, severity)

    return published_checks


def _spec(name: str, table: contract.Table, description: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=published.key(table), description=description)


def _list(offenders: Sequence[str]) -> str:
    return "\n".join(f"- {offender}" for offender in offenders)
