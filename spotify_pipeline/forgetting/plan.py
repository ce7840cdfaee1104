"""What would go: found anew each time, in the lake and the database, so that a purge that was cut
off is gone on with by planning again."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import MALFORMED, FixConfiguration
from spotify_pipeline.forgetting import rows
from spotify_pipeline.forgetting.erasing import Eraser
from spotify_pipeline.forgetting.loaders import Loader
from spotify_pipeline.forgetting.subjects import Named, OldDays, Subject, unsearchable
from spotify_pipeline.forgetting.view import Without
from spotify_pipeline.lake import batch, keys
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.lake.store import AT_ONCE, ObjectStore
from spotify_pipeline.loading.database import Session

# In the order in which they go: first what makes a batch real, last what all is known from.
ORDER = (keys.MANIFESTS, keys.TRANSFORMED, keys.REPORTS, keys.ATTEMPTS, keys.RAW)


@dataclass(frozen=True)
class Place:
    """Where to forget: a lake, a database and its pipes."""

    store: ObjectStore
    eraser: Eraser
    session: Session
    loader: Loader
    clock: Clock


@dataclass(frozen=True)
class Plan:
    """What goes of a subject.

    `gone` are days of which nothing stays, `rebuilt` those that stay without it. `objects` go, with
    so many versions; `redacted` are objects that stay without it.
    """

    subject: Subject
    gone: Sequence[date]
    rebuilt: Sequence[date]
    objects: Mapping[str, int]
    redacted: Sequence[str]
    rows: Mapping[str, int]

    @property
    def is_empty(self) -> bool:
        return not (self.objects or self.redacted or self.rows)


def plan(place: Place, subject: Subject) -> Plan:
    """Raises `FixConfiguration` if something can't be searched, or a day can't be rebuilt."""
    listed = {key: n for prefix in ORDER for key, n in place.eraser.found(prefix).items()}
    found = [(key, day) for key in listed if (day := keys.parse_day(key))]
    speaking = rows.find(place.session, subject)
    counts: Counter[str] = Counter()
    for each in speaking:
        counts[each.table] += each.rows
    if isinstance(subject, OldDays):
        objects = {key: listed[key] for key, day in found if day < subject.before}
        days = {day for _, day in found if day < subject.before} | {each.day for each in speaking}
        return Plan(subject, sorted(days), [], objects, [], counts)
    named = _named_in(place.store, subject, listed)
    redacted = [key for key, is_redacted in named.items() if is_redacted]
    taken = [key for key in listed if subject.takes(key)]
    days = {keys.day_of(key) for key in [*named, *taken] if not key.startswith(keys.ATTEMPTS)}
    days |= {each.day for each in speaking if each.table != "OPS.MISSED"}
    gone, rebuilt = _fates(place, subject, sorted(days))
    kept = _kept(place.store, subject, rebuilt)
    objects = {key: listed[key] for key in [*superseded(found, gone, rebuilt, kept), *taken]}
    return Plan(subject, gone, rebuilt, objects, redacted, counts)


def superseded(
    found: Iterable[tuple[str, date]],
    gone: Sequence[date],
    rebuilt: Sequence[date],
    kept: Mapping[date, Sequence[str]],
) -> list[str]:
    """What of batches goes: of the days all but what is kept; and, as a report looks back over all
    days before it, the reports from the first of them on."""
    staying = {key for each in kept.values() for key in each}
    days = {*gone, *rebuilt}
    first = min(days, default=date.max)
    return [
        key
        for key, day in found
        if (key.startswith(keys.REPORTS) and day >= first)
        or (
            key.startswith((keys.MANIFESTS, keys.TRANSFORMED))
            and day in days
            and key not in staying
        )
    ]


def listing(place: Place) -> list[tuple[str, date]]:
    """Every object of a day, with it."""
    listed = (key for prefix in ORDER for key in place.eraser.found(prefix))
    return [(key, day) for key in listed if (day := keys.parse_day(key))]


def files_of(outcome: Outcome) -> list[str]:
    """What makes a batch."""
    manifest = outcome.manifest
    number = keys.manifest(manifest.snapshot_date, manifest.batch)
    return [number, *(file.key for file in manifest.files.values())]


def _named_in(store: ObjectStore, subject: Named, listed: Iterable[str]) -> dict[str, bool]:
    """The objects that name it, and whether they can be redacted."""
    tables = [keys.table_prefix(t.name) for t in contract.TABLES if subject.columns(t)]
    searched = [
        key
        for key in listed
        if key.startswith((*subject.searched, *tables)) and keys.parse_day(key)
    ]

    def look(key: str) -> Iterator[tuple[str, bool]]:
        if subject.takes(key):
            return
        try:
            body = store.get(key)
        except KeyError:  # only old versions of it are left
            return
        try:
            if key.startswith((keys.ATTEMPTS, keys.RAW)):
                if subject.without(key, body) != body:
                    yield key, True
            elif subject.is_in(key, body):
                yield key, False
        except (*MALFORMED, csv.Error) as error:
            raise unsearchable(key, error) from error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(
            each for found in pool.map(lambda key: list(look(key)), searched) for each in found
        )


def _fates(place: Place, subject: Named, days: Sequence[date]) -> tuple[list[date], list[date]]:
    """The days of which nothing stays, and those that do."""
    view = Without(place.store, subject)
    gone, rebuilt, lost = [], [], []
    for day in days:
        if view.list_keys(keys.raw_prefix(day)):
            rebuilt.append(day)
        elif rows.playlists(place.session, day, subject):
            lost.append(day)
        else:
            gone.append(day)
    if lost:
        raise FixConfiguration(
            f"{subject} is on {len(lost)} days that hold more and can't be rebuilt without it, "
            f"because their raw documents are gone: {', '.join(map(str, lost))}. Nothing was done. "
            f"Put them back from a backup; or let the days go as a whole: spotify-pipeline purge "
            f"--before DATE."
        )
    return gone, rebuilt


def _kept(store: ObjectStore, subject: Named, days: Sequence[date]) -> dict[date, Sequence[str]]:
    """Of days whose current batch is without it already, what makes that batch."""
    settled = batch.plan(Without(store, subject), days).settled
    return {day: files_of(each) for day, each in settled.items() if isinstance(each, Outcome)}
