"""What must hold of published data, as questions with evidence.

Each function looks at the days from `since` on and returns a `Finding`: what was expected, what
was found, and the offending keys. Judging severity and reporting is orchestration's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from spotify_pipeline import contract
from spotify_pipeline.lake.attempts import named
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session, literal, literals

SHOWN = 20
"""How many offenders people are shown; `found` counts all of them."""

DRIFT_SHARE, DRIFT_ENTRIES = 0.5, 20
"""A playlist that changes its size by more than both from one day to the next is worth a look."""


@dataclass(frozen=True)
class Finding:
    """The answer to one question; one that `only_warns` is not yet as bad as its question."""

    expected: str
    found: str
    offenders: tuple[str, ...] = ()
    only_warns: bool = False

    @property
    def passed(self) -> bool:
        return not self.offenders

    @classmethod
    def of(
        cls,
        expected: str,
        trouble: str,
        troubles: str,
        offenders: Sequence[str],
        count: int | None = None,
    ) -> "Finding":
        """What the offenders are: `troubles`, or `trouble` if there is one.

        `count` is how many, where an offender tells of several.
        """
        number = len(offenders) if count is None else count
        found = f"{number or 'no'} {trouble if number < 2 else troubles}"
        return cls(expected, found, tuple(offenders))

    @property
    def shown(self) -> tuple[str, ...]:
        """The first offenders, and how many more there are."""
        more = len(self.offenders) - SHOWN
        return self.offenders[:SHOWN] + ((f"and {more} more",) if more > 0 else ())


def keys(session: Session, table: contract.Table, since: date) -> Finding:
    """No two rows share a key. (That keys are never null the schema itself sees to.)"""
    key = ", ".join(table.key)
    rows = session.execute(
        f"SELECT {key}, COUNT(*) AS copies, MAX({_name(table)}) AS name FROM HISTORY.{table.name} "
        f"WHERE snapshot_date >= {literal(since)} GROUP BY {key} HAVING COUNT(*) > 1 ORDER BY {key}"
    )
    offenders = [
        f"({', '.join(map(str, values))}){_aside('', name, values)}: {copies} times"
        for *values, copies, name in rows
    ]
    return Finding.of(
        f"({key}) is unique since {since}",
        "key stands more than once",
        "keys stand more than once",
        offenders,
    )


def current_keys(session: Session, table: contract.Table) -> Finding:
    """No id stands twice in `PUBLIC.TB_<table>`."""
    identity = table.key[-1]
    rows = session.execute(
        f"SELECT {identity}, COUNT(*) AS copies FROM PUBLIC.TB_{table.name} "
        f"GROUP BY {identity} HAVING COUNT(*) > 1 ORDER BY {identity}"
    )
    offenders = [f"{value} {copies} times" for value, copies in rows]
    return Finding.of(
        f"{identity} is unique", "id stands more than once", "ids stand more than once", offenders
    )


def references(session: Session, table: contract.Table, since: date) -> Finding:
    """What a row points to is there, on the same day."""
    offenders = []
    pointing = [column for column in table.columns if column.references]
    for column in pointing:
        target = contract.table(str(column.references))
        rows = session.execute(
            f"SELECT r.snapshot_date, r.{column.name}, MAX(r.{_name(table)}) AS name "
            f"FROM HISTORY.{table.name} AS r "
            f"LEFT JOIN HISTORY.{target.name} AS t ON t.snapshot_date = r.snapshot_date "
            f"AND t.{target.key[-1]} = r.{column.name} "
            f"WHERE r.snapshot_date >= {literal(since)} AND r.{column.name} IS NOT NULL "
            f"AND t.{target.key[-1]} IS NULL GROUP BY r.snapshot_date, r.{column.name} "
            f"ORDER BY r.snapshot_date, r.{column.name}"
        )
        offenders += [
            f"{day} {column.name} {value}{_aside(' of', name, [value])}: no such {target.name}"
            for day, value, name in rows
        ]
    names = ", ".join(f"{column.name} is in {column.references}" for column in pointing)
    return Finding.of(
        f"every {names}, since {since}",
        "reference is broken",
        "references are broken",
        offenders,
    )


def _aside(before: str, name: str | None, said: Sequence[object]) -> str:
    """A name behind what was said; nothing if it is unknown, or was said itself."""
    return f"{before} {name}" if name and name not in said else ""


def _name(table: contract.Table) -> str:
    """The column by which people know a row: where it has no name, the first id in it."""
    return next((name for name in table.column_names if name.endswith("_name")), table.key[1])


def complete(session: Session, since: date, accepted: Sequence[date] = ()) -> Finding:
    """Each captured playlist has as many entries as Spotify counted.

    On the days in `accepted` somebody has said that some may be missing.
    """
    rows = session.execute(
        f"SELECT p.snapshot_date, p.playlist_id, p.playlist_name, p.total_entries, "
        f"COUNT(e.position) AS entries "
        f"FROM HISTORY.PLAYLIST AS p LEFT JOIN HISTORY.PLAYLIST_ENTRY AS e "
        f"ON e.snapshot_date = p.snapshot_date AND e.playlist_id = p.playlist_id "
        f"WHERE p.snapshot_date >= {literal(since)} "
        f"GROUP BY p.snapshot_date, p.playlist_id, p.playlist_name, p.total_entries "
        f"HAVING COUNT(e.position) <> COALESCE(p.total_entries, -1) ORDER BY 1, 2"
    )
    offenders = [
        f"{day} {named(playlist, name)}: {entries} entries, Spotify counted {total}"
        for day, playlist, name, total, entries in rows
        if day not in accepted
    ]
    return Finding.of(
        f"as many entries as Spotify counted, in every playlist since {since}",
        "playlist differs",
        "playlists differ",
        offenders,
    )


def volume(session: Session, since: date) -> Finding:
    """No playlist suddenly has far more or fewer entries than on its previous captured day."""
    rows = session.execute(
        f"SELECT * FROM (SELECT snapshot_date, playlist_id, playlist_name, total_entries, "
        f"LAG(total_entries) OVER (PARTITION BY playlist_id ORDER BY snapshot_date) AS before "
        f"FROM HISTORY.PLAYLIST) AS sized WHERE snapshot_date >= {literal(since)} "
        f"AND ABS(total_entries - before) > {DRIFT_ENTRIES} "
        f"AND ABS(total_entries - before) > {DRIFT_SHARE} * before ORDER BY 1, 2"
    )
    offenders = [
        f"{day} {named(playlist, name)}: {now} entries, before {then}"
        for day, playlist, name, now, then in rows
    ]
    return Finding.of(
        f"sizes within {DRIFT_SHARE:.0%} (or {DRIFT_ENTRIES} entries) of the day before, since "
        f"{since}",
        "playlist changed its size suddenly",
        "playlists changed their size suddenly",
        offenders,
    )


def fresh(session: Session, playlist_ids: Sequence[str], day: date) -> Finding:
    """Every playlist was captured on `day` or the day before."""
    last: Mapping[str, tuple[date, str | None]] = {
        playlist: (captured, name)
        for playlist, captured, name in session.execute(
            "SELECT playlist_id, MAX(snapshot_date), MAX_BY(playlist_name, snapshot_date) "
            "FROM HISTORY.PLAYLIST GROUP BY playlist_id"
        )
    }
    oldest = day - timedelta(days=1)
    stale = [
        (playlist, name, captured or "never")
        for playlist in playlist_ids
        for captured, name in [last.get(playlist, (None, None))]
        if not captured or captured < oldest
    ]
    return fresh_finding(stale, day)


def fresh_finding(stale: Sequence[tuple[str, str | None, date | str]], day: date) -> Finding:
    """Of the stale playlists on `day`: id, name if it is known, and when last captured."""
    return Finding.of(
        f"every playlist captured since {day - timedelta(days=1)}",
        "playlist is stale",
        "playlists are stale",
        [f"{named(playlist, name)}: last captured {last}" for playlist, name, last in stale],
    )


def rows_agree(session: Session, manifests: Sequence[Manifest], table: contract.Table) -> Finding:
    """Rows written, landed and published are the same number, for each day's current batch."""
    batches = [manifest for manifest in manifests if table.name in manifest.files]
    days = literals([manifest.snapshot_date for manifest in batches])
    published: Mapping[date, int] = dict(
        session.execute(
            f"SELECT snapshot_date, COUNT(*) AS published FROM HISTORY.{table.name} "
            f"WHERE snapshot_date IN ({days}) GROUP BY snapshot_date"
        )
    )
    in_landing = publishing.landed(session, batches, [table])
    offenders = []
    for manifest in batches:
        written = manifest.files[table.name].rows
        landed = in_landing[manifest.snapshot_date][table.name]
        there = published.get(manifest.snapshot_date, 0)
        if not written == landed == there:
            offenders.append(
                f"{manifest.snapshot_date} batch {manifest.batch}: "
                f"written {written}, landed {landed}, published {there}"
            )
    return Finding.of(
        "as many rows written as landed and published, for each of the last days",
        "day differs",
        "days differ",
        offenders,
    )
