"""What would go: found anew each time, in the lake and the database, so that a purge that was cut
off is gone on with by planning again."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.forgetting import rows
from spotify_pipeline.forgetting.erasing import Eraser
from spotify_pipeline.forgetting.loaders import Loader
from spotify_pipeline.forgetting.search import Naming, search
from spotify_pipeline.forgetting.subjects import Named, OldDays, Subject
from spotify_pipeline.forgetting.view import Without
from spotify_pipeline.lake import batch, keys
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading.database import Session

# In the order in which they go: first reports, which nothing else tells of, then what makes a batch
# real, last what all is known from.
ORDER = (keys.REPORTS, keys.MANIFESTS, keys.TRANSFORMED, keys.ATTEMPTS, keys.RAW)


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
    so many versions; `redacted` are objects that stay without it. As a report looks back over all
    days before it, the reports from `since` on go, the first day that names it.
    """

    subject: Subject
    gone: Sequence[date]
    rebuilt: Sequence[date]
    objects: Mapping[str, int]
    redacted: Sequence[str]
    rows: Mapping[str, int]
    since: date = date.max

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
    namings = search(place.store, place.eraser, subject, listed)

    def which(*ways: Naming) -> list[str]:
        return [key for key, naming in namings.items() if naming in ways]

    naming = which(Naming.WHOLE, Naming.IN_PART, Naming.IN_A_BATCH)
    since = min([*map(keys.day_of, naming), *(each.day for each in speaking)], default=date.max)
    days = {keys.day_of(key) for key in naming if not key.startswith(keys.ATTEMPTS)}
    days |= {each.day for each in speaking if each.table != "OPS.MISSED"}
    gone, rebuilt = _fates(place, subject, sorted(days))
    going = superseded(found, since, days, _kept(place.store, subject, rebuilt))
    going += which(Naming.WHOLE, Naming.WHEN_IT_WAS, Naming.ASIDE)
    objects = {key: listed[key] for key in going}
    redacted = which(Naming.IN_PART, Naming.BEFORE)
    return Plan(subject, gone, rebuilt, objects, redacted, counts, since)


def superseded(
    found: Iterable[tuple[str, date]],
    since: date,
    days: Collection[date],
    kept: Mapping[date, Sequence[str]],
) -> list[str]:
    """What goes of batches, all of `days` but what is kept, and of reports, all from `since` on."""
    staying = {key for each in kept.values() for key in each}
    return [
        key
        for key, day in found
        if (key.startswith(keys.REPORTS) and day >= since)
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
    return {
        day: files_of(each)
        for day, each in settled.items()
        if isinstance(each, Outcome) and not is_named_by(store, subject, each.manifest)
    }


def is_named_by(store: ObjectStore, subject: Named, manifest: Manifest) -> bool:
    """Whether a manifest names it: also as one of those that failed."""
    key = keys.manifest(manifest.snapshot_date, manifest.batch)
    return subject.is_in(key, store.get(key))
