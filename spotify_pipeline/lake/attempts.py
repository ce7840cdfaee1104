"""Attempts: which playlists a run set out to capture on a day, and which of them it could not.

Without them nobody could tell a playlist that failed from one that was never asked for. One small
object a run, kept with the lake, so that it outlives every database and scheduler.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, replace
from datetime import date, datetime

from spotify_pipeline.errors import MALFORMED, FixConfiguration
from spotify_pipeline.lake import keys, raw
from spotify_pipeline.lake.store import AT_ONCE, ObjectStore


class DamagedAttempt(FixConfiguration):
    """A record can't be read."""


@dataclass(frozen=True)
class Failure:
    """Why a playlist could not be captured, in a sentence that says what to do."""

    playlist_id: str
    reason: str


@dataclass(frozen=True)
class Attempt:
    """One run's try at a day: the playlists it was configured for, and those that failed.

    `wait_until` is until when Spotify asked for no more calls, if it did.
    """

    playlist_ids: tuple[str, ...]
    failures: tuple[Failure, ...]
    wait_until: datetime | None = None


def record(store: ObjectStore, day: date, started_at: datetime, attempt: Attempt) -> None:
    """Writes the attempt as the day's next one, unless it repeats the last one."""
    if readable(store, day) == attempt:
        return
    body = json.dumps(asdict(attempt), default=datetime.isoformat).encode()
    number = max((number for number, _ in _numbered(store, day)), default=-1) + 1
    while not store.put_new(keys.attempt(day, started_at, number), body):
        number += 1


def latest(store: ObjectStore, day: date) -> Attempt | None:
    """The last attempt at `day`, or None if there was none."""
    # By number and not by time, since clocks are set back; two of one number ran at the same time.
    _, last = max(_numbered(store, day), default=(0, None))
    return _read(store, last) if last else None


def readable(store: ObjectStore, day: date) -> Attempt | None:
    """As `latest`, but None where the record is damaged: who captures need not wait for its owner,
    whom the checks tell of it."""
    try:
        return latest(store, day)
    except DamagedAttempt:
        return None


def _numbered(store: ObjectStore, day: date) -> list[tuple[int, str]]:
    found = store.list_keys(keys.attempts_prefix(day))
    return [(number, key) for key in found if (number := keys.parse_attempt(key)) is not None]


def days(store: ObjectStore) -> list[date]:
    """The days that were attempted, ascending."""
    found = map(keys.parse_day, store.list_keys(keys.ATTEMPTS))
    return sorted(set(filter(None, found)))


def last_day(store: ObjectStore, until: date) -> date | None:
    """The last day that was attempted, `until` at the latest."""
    return max((day for day in days(store) if day <= until), default=None)


def wait_until(store: ObjectStore, now: datetime) -> datetime | None:
    """Until when Spotify asked the last run to make no calls, if that is still to come."""
    day = last_day(store, now.date())
    attempt = readable(store, day) if day else None
    asked = attempt.wait_until if attempt else None
    return asked if asked and asked > now else None


def note_wait(store: ObjectStore, now: datetime, until: datetime) -> None:
    """Keeps what Spotify asked of somebody who is no run; the last attempt stays as it was."""
    day = last_day(store, now.date())
    attempt = readable(store, day) if day else None
    if day and attempt:
        record(store, day, now, replace(attempt, wait_until=until))


def missing(store: ObjectStore, day: date) -> list[Failure]:
    """The playlists of the last attempt at `day` that have no raw document, with the reason."""
    attempt = latest(store, day)
    return _lacking(store, day, attempt) if attempt else []


def by_reason(failures: Sequence[Failure], names: Mapping[str, str] | None = None) -> list[str]:
    """Failures as sentences for people: the playlists of which it is true, then why.

    `names` are those of the playlists, as far as they are known.
    """
    gathered: dict[str, list[str]] = {}
    for failure in failures:
        playlist = named(failure.playlist_id, (names or {}).get(failure.playlist_id))
        gathered.setdefault(failure.reason, []).append(playlist)
    return [f"{', '.join(playlists)}: {reason}" for reason, playlists in gathered.items()]


def named(playlist_id: str, name: str | None) -> str:
    """How people are told of a playlist: by its name, where that is known, and its id."""
    return f"{name} ({playlist_id})" if name else playlist_id


def gaps(store: ObjectStore, past_days: Sequence[date]) -> dict[date, list[Failure]]:
    """What is missing on each of `past_days` for ever; days without a gap are left out.

    A day without any attempt is measured by the playlists of the last attempt before it.
    """
    attempted = days(store)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda day: _gap(store, day, attempted), past_days)
        return {day: gap for day, gap in zip(past_days, found, strict=True) if gap}


def _gap(store: ObjectStore, day: date, attempted: Sequence[date]) -> list[Failure]:
    place = bisect_right(attempted, day)
    known = attempted[place - 1] if place else None
    attempt = latest(store, known) if known else None
    if attempt and known != day:
        reason = "no run tried it before the day ended"
        attempt = replace(
            attempt, failures=tuple(Failure(id_, reason) for id_ in attempt.playlist_ids)
        )
    return _lacking(store, day, attempt) if attempt else []


def _lacking(store: ObjectStore, day: date, attempt: Attempt) -> list[Failure]:
    captured = raw.captured(store, day)
    reasons = {failure.playlist_id: failure.reason for failure in attempt.failures}
    return [
        Failure(playlist_id, reasons.get(playlist_id, "not tried: the run ended before it"))
        for playlist_id in attempt.playlist_ids
        if playlist_id not in captured
    ]


def _read(store: ObjectStore, key: str) -> Attempt:
    try:
        return _parsed(store.get(key))
    except MALFORMED as error:
        raise DamagedAttempt(
            f"{store.uri(key)} is no record of an attempt: {error!r}. Put it back from a backup, "
            f"or move it away: then only the reasons of that run's failures are lost."
        ) from error


def _parsed(body: bytes) -> Attempt:
    fields = json.loads(body)
    asked = fields.get("wait_until")  # absent in the first release's
    attempt = Attempt(
        tuple(fields["playlist_ids"]),
        tuple(Failure(**failure) for failure in fields["failures"]),
        datetime.fromisoformat(asked) if asked else None,
    )
    texts = [*attempt.playlist_ids, *(text for f in attempt.failures for text in astuple(f))]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("ids and reasons are texts")
    if attempt.wait_until and attempt.wait_until.tzinfo is None:
        raise ValueError("wait_until has no time zone")
    return attempt
