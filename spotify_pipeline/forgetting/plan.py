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
from spotify_pipeline.forgetting.search import Fate, search
from spotify_pipeline.forgetting.subjects import Named, OldDays, Subject
from spotify_pipeline.forgetting.view import Without
from spotify_pipeline.lake import batch, keys, raw
from spotify_pipeline.lake.batch import Outcome
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
    so many versions; `redacted` are objects that stay without it, and of `cleaned` ones only what
    they once were goes. As a report looks back over all days before it, the reports from `since`
    on go, the first day that names it.
    """

    subject: Subject
    gone: Sequence[date]
    rebuilt: Sequence[date]
    objects: Mapping[str, int]
    redacted: Sequence[str]
    rows: Mapping[str, int]
    cleaned: Sequence[str] = ()
    since: date = date.max

    @property
    def is_empty(self) -> bool:
        return not (self.objects or self.redacted or self.cleaned or self.rows)


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
    fates = search(place.store, place.eraser, subject, listed)
    naming = {fate: [key for key, each in fates.items() if each is fate] for fate in Fate}
    redacted = naming[Fate.IS_REDACTED]
    remade = [*naming[Fate.GOES], *naming[Fate.GOES_WITH_ITS_BATCH]]
    remade += [key for key in redacted if keys.parse_raw(key)]
    days = {keys.day_of(key) for key in remade}
    days |= {each.day for each in speaking if each.table != "OPS.MISSED"}
    told = {*days, *map(keys.day_of, redacted), *(each.day for each in speaking)}
    since = min(told, default=date.max)
    gone, rebuilt = _fates(place, subject, sorted(days))
    going = superseded(found, since, days, _kept(place.store, subject, rebuilt))
    going += [*naming[Fate.GOES], *naming[Fate.REMAINS_GO]]
    objects = {key: listed[key] for key in going}
    redacted = [key for key in redacted if key not in objects]
    cleaned = [key for key in naming[Fate.LOSES_VERSIONS] if key not in objects]
    return Plan(subject, gone, rebuilt, objects, redacted, counts, cleaned, since)


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
    published = rows.other_playlists(place.session, days, subject)
    gone, rebuilt, lost = [], [], []
    for day in days:
        captured = raw.captured(view, day)
        if published[day] - captured:
            lost.append(day)
        elif captured:
            rebuilt.append(day)
        else:
            gone.append(day)
    if lost:
        raise FixConfiguration(
            f"{subject} is on {len(lost)} days that hold more and can't be rebuilt without it, "
            f"because raw documents of what else they hold are gone: {', '.join(map(str, lost))}. "
            f"Nothing was done. Put them back from a backup; or let the days go as a whole: "
            f"spotify-pipeline purge --before DATE."
        )
    return gone, rebuilt


def _kept(store: ObjectStore, subject: Named, days: Sequence[date]) -> dict[date, Sequence[str]]:
    """Of days whose current batch is without it already, what makes that batch."""
    settled = batch.plan(Without(store, subject), days).settled
    return {day: files_of(each) for day, each in settled.items() if isinstance(each, Outcome)}
