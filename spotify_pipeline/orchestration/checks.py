"""Checks: is what lies there whole, unique, connected and fresh?

They judge the state of the last days, not the run that carries them: rebuilding an old day can't
turn today's red check green. One step a stage, so that a stage's checks share what they look at.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest import sign_in
from spotify_pipeline.lake import attempts, preview, raw
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.loading import publishing, quality
from spotify_pipeline.loading.quality import Finding
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.judging import WARN, Check, Facts, step


def build() -> list[dg.AssetChecksDefinition]:
    """All checks, a step a stage."""
    stages = {
        "raw_checks": RAW,
        "lake_checks": LAKE,
        "landing_checks": tuple(PIPES.values()),
        "published_checks": PUBLISHED,
    }
    return [step(name, checks) for name, checks in stages.items()]


def _captured(facts: Facts) -> Finding:
    """Of the last day that was tried: what today still lacks, nobody knows before its run."""
    day = attempts.last_day(facts.store, facts.day)
    if not day:
        return Finding("every configured playlist is captured", "no day was tried yet")
    missing = attempts.gaps(facts.store, [day])
    return _capture_finding(facts, f"every configured playlist is captured on {day}", missing)


def _captured_before(facts: Facts) -> Finding:
    first, *_, last, _ = facts.days
    gaps = attempts.gaps(facts.store, facts.days[:-1])
    return _capture_finding(facts, f"no playlist is missed from {first} to {last}", gaps)


def _capture_finding(facts: Facts, expected: str, missing: dict[date, list[Failure]]) -> Finding:
    ids = [failure.playlist_id for failures in missing.values() for failure in failures]
    names = preview.playlist_names(facts.store, ids)
    offenders = [
        f"{day} {reason}"
        for day, failures in missing.items()
        for reason in attempts.by_reason(failures, names)
    ]
    trouble, troubles = "playlist is missing", "playlists are missing"
    return Finding.of(expected, trouble, troubles, offenders, count=len(ids))


def without_runs(facts: Facts, hour: int) -> list[tuple[Check, Finding]]:
    """What runs would tell if there were any: who is not captured, where the day's run was due at
    `hour`. Of the lake alone, since looking at Snowflake wakes its warehouse."""
    judges: dict[Check, Callable[[Facts], Finding]] = {
        CAPTURED: partial(_captured_in_time, hour),
        NO_GAPS: _captured_before,
        FRESH: _fresh_in_lake,
    }
    found = []
    for check, judge in judges.items():
        try:
            finding = judge(facts)
        except FixConfiguration as error:  # of one file; what the sensor is for besides goes on
            finding = Finding(check.description, "the lake can't be read", (str(error),))
        found.append((check, finding))
    return found


def _captured_in_time(hour: int, facts: Facts) -> Finding:
    """As `_captured`, but a day that no run tried within the hour after it was due lacks all."""
    day = facts.day
    if facts.now.hour <= hour or attempts.last_day(facts.store, day) in (None, day):
        return _captured(facts)
    reason = (
        f"no run tried it by {hour + 1:02}:00 UTC. See what the ticks of `daily` say under "
        f"Automation, or type `spotify-pipeline run`"
    )
    missing = {
        day: [replace(failure, reason=reason) for failure in failures]
        for day, failures in attempts.gaps(facts.store, [day]).items()
    }
    return _capture_finding(facts, f"every configured playlist is captured on {day}", missing)


def _signed_in(facts: Facts) -> Finding:
    """Dates alone tell: what Spotify says to the token, each capture finds out."""
    expected = f"the user's consent holds for {sign_in.WARN_DAYS} more days"
    try:
        found = sign_in.consent(facts.spotify.sign_in(), facts.day)
    except FixConfiguration as error:
        return Finding(expected, "the sign-in can't be read", (str(error),))
    is_worth_a_look = found.ends_soon or not found.is_known
    return Finding(
        expected,
        found.text,
        (found.text,) if found.is_over or is_worth_a_look else (),
        only_warns=is_worth_a_look,
    )


def _odd_values(facts: Facts) -> Finding:
    return Finding.of(
        f"every value has a form that is known of Spotify, since {facts.days[0]}",
        "column has odd values",
        "columns have odd values",
        [
            f"{manifest.snapshot_date} {column}: {count} became null"
            for manifest in facts.manifests
            for column, count in manifest.odd_values.items()
            if count
        ],
    )


def _readable(facts: Facts) -> Finding:
    return Finding.of(
        f"every line of the raw documents is read, since {facts.days[0]}",
        "line was left out",
        "lines were left out",
        [
            f"{line.key}, line {line.line}: {line.reason}"
            for manifest in facts.manifests
            for line in manifest.quarantined
        ],
    )


def _pipe(table: contract.Table, facts: Facts) -> Finding:
    return pipe_finding(facts.waiting.troubles[table.name])


def pipe_finding(failing: Sequence[str]) -> Finding:
    """Whether a pipe runs and took every file it should."""
    return Finding.of("the pipe runs and took every file", "trouble", "troubles", failing)


def _publishing(facts: Facts) -> Finding:
    return publishing_finding(
        [
            f"batch {manifest.batch} of {manifest.snapshot_date}: "
            f"materialize published/* of {manifest.snapshot_date}"
            for manifest in facts.waiting.whole
        ]
        + publishing.ahead(facts.session, facts.store)
    )


def publishing_finding(waiting: Sequence[str]) -> Finding:
    """Whether landed batches are published."""
    expected = "every landed batch is published"
    return Finding.of(expected, "batch waits", "batches wait", waiting)


def _complete(facts: Facts) -> Finding:
    accepted = [manifest.snapshot_date for manifest in facts.manifests if manifest.quarantined]
    return quality.complete(facts.session, facts.days[0], accepted)


def _keys(table: contract.Table, facts: Facts) -> Finding:
    return quality.keys(facts.session, table, facts.days[0])


def _current_keys(table: contract.Table, facts: Facts) -> Finding:
    return quality.current_keys(facts.session, table)


def _references(table: contract.Table, facts: Facts) -> Finding:
    return quality.references(facts.session, table, facts.days[0])


def _rows(table: contract.Table, facts: Facts) -> Finding:
    return quality.rows_agree(facts.session, facts.manifests, table)


def _volume(facts: Facts) -> Finding:
    return quality.volume(facts.session, facts.days[0])


def _fresh(facts: Facts) -> Finding:
    return quality.fresh(facts.session, _wanted_long(facts), facts.day)


def _fresh_in_lake(facts: Facts) -> Finding:
    """As `_fresh`: what was never captured can't be published either."""
    last = {id_: day for day in facts.days for id_ in raw.captured(facts.store, day)}
    wanted = _wanted_long(facts)
    stale = [id_ for id_ in wanted if last.get(id_, date.min) < facts.day - timedelta(days=1)]
    names = preview.playlist_names(facts.store, stale)
    before = f"before {facts.days[0]}, or never"
    return quality.fresh_finding(
        [(id_, names.get(id_), last.get(id_, before)) for id_ in stale], facts.day
    )


def _wanted_long(facts: Facts) -> list[str]:
    """The playlists that were wanted before yesterday too: of newer ones `captured` tells."""
    before = _wanted(facts, facts.day - timedelta(days=2))
    return [id_ for id_ in _wanted(facts, facts.day) if id_ in before]


def _wanted(facts: Facts, until: date) -> Sequence[str]:
    """The playlists of the last day that was tried, `until` at the latest."""
    day = attempts.last_day(facts.store, until)
    attempt = attempts.latest(facts.store, day) if day else None
    return attempt.playlist_ids if attempt else ()


CAPTURED = Check(
    asset_keys.RAW,
    "captured",
    "Every configured playlist was captured when last tried.",
    _captured,
)

NO_GAPS = Check(
    asset_keys.RAW,
    "no_gaps",
    "No playlist was missed on the days before; what was missed can't be had any more.",
    _captured_before,
    WARN,
)

RAW = (
    CAPTURED,
    NO_GAPS,
    Check(
        asset_keys.RAW,
        "signed_in",
        "The user's consent, which Spotify ends after six months, holds for a while.",
        _signed_in,
    ),
)

LAKE = (
    Check(
        asset_keys.lake(contract.PLAYLIST_ENTRY),
        "odd_values",
        "Values of a form that Spotify never had before; they became null.",
        _odd_values,
        WARN,
    ),
    Check(
        asset_keys.lake(contract.PLAYLIST_ENTRY),
        "readable",
        "No line of a raw document had to be left out.",
        _readable,
        WARN,
    ),
)

PIPES = {
    table.name: Check(
        asset_keys.landing(table),
        "pipe",
        "The pipe runs, and every file of the batches that are not published went in.",
        partial(_pipe, table),
    )
    for table in contract.TABLES
}

PUBLISHING = Check(
    asset_keys.published(contract.PLAYLIST),
    "publishing",
    "Every landed batch is published.",
    _publishing,
)

FRESH = Check(
    asset_keys.published(contract.PLAYLIST),
    "fresh",
    "Every playlist was captured lately.",
    _fresh,
)

PUBLISHED = (
    *(
        Check(
            asset_keys.published(table), "keys", "No two rows share a key.", partial(_keys, table)
        )
        for table in contract.TABLES
    ),
    *(
        Check(
            asset_keys.published_current(table),
            "keys",
            "No id stands twice.",
            partial(_current_keys, table),
        )
        for table in contract.CURRENT
    ),
    *(
        Check(
            asset_keys.published(table),
            "rows",
            "Rows written, landed and published agree.",
            partial(_rows, table),
        )
        for table in contract.TABLES
    ),
    *(
        Check(
            asset_keys.published(table),
            "references",
            "What rows point to is there.",
            partial(_references, table),
        )
        for table in contract.TABLES
        if any(column.references for column in table.columns)
    ),
    Check(
        asset_keys.published(contract.PLAYLIST_ENTRY),
        "complete",
        "Entries are as many as Spotify counts.",
        _complete,
    ),
    Check(
        asset_keys.published(contract.PLAYLIST_ENTRY),
        "volume",
        "No playlist's size jumps from one day to the next.",
        _volume,
        WARN,
    ),
    FRESH,
    PUBLISHING,
)
