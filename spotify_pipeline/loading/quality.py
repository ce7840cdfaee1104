"""What must hold of published data, as questions with evidence.

Each function looks at the days from `since` on and returns a `Finding`: what was expected, what
was found, and the offending keys. Judging severity and reporting is orchestration's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from spotify_pipeline import contract
from spotify_pipeline.lake.batch import Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session, literal, literals

SHOWN = 10
"""How many offenders a finding names; `found` counts all of them."""

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


def keys(session: Session, table: contract.Table, since: date) -> Finding:
    """No two rows share a key. (That keys are never null the schema itself sees to.)"""
    key = ", ".join(table.key)
    rows = session.execute(
        f"SELECT {key}, COUNT(*) AS copies FROM HISTORY.{table.name} "
        f"WHERE snapshot_date >= {literal(since)} GROUP BY {key} HAVING COUNT(*) > 1 ORDER BY {key}"
    )
    offenders = [f"({', '.join(map(str, row[:-1]))}) {row[-1]} times" for row in rows]
    return _finding(f"({key}) is unique", "keys stand more than once", offenders)


def references(session: Session, table: contract.Table, since: date) -> Finding:
    """What a row points to is there, on the same day."""
    offenders = []
    pointing = [column for column in table.columns if column.references]
    for column in pointing:
        target = contract.table(str(column.references))
        rows = session.execute(
            f"SELECT DISTINCT r.snapshot_date, r.{column.name} FROM HISTORY.{table.name} AS r "
            f"LEFT JOIN HISTORY.{target.name} AS t ON t.snapshot_date = r.snapshot_date "
            f"AND t.{target.key[-1]} = r.{column.name} "
            f"WHERE r.snapshot_date >= {literal(since)} AND r.{column.name} IS NOT NULL "
            f"AND t.{target.key[-1]} IS NULL ORDER BY r.snapshot_date, r.{column.name}"
        )
        offenders += [f"{day} {column.name} {value}: no such {target.name}" for day, value in rows]
    names = ", ".join(f"{column.name} in {column.references}" for column in pointing)
    return _finding(names, "point to nothing", offenders)


def complete(session: Session, since: date, accepted: Sequence[date] = ()) -> Finding:
    """Each captured playlist has as many entries as Spotify counted.

    On the days in `accepted` somebody has said that some may be missing.
    """
    rows = session.execute(
        f"SELECT p.snapshot_date, p.playlist_id, p.total_entries, COUNT(e.position) AS entries "
        f"FROM HISTORY.PLAYLIST AS p LEFT JOIN HISTORY.PLAYLIST_ENTRY AS e "
        f"ON e.snapshot_date = p.snapshot_date AND e.playlist_id = p.playlist_id "
        f"WHERE p.snapshot_date >= {literal(since)} "
        f"GROUP BY p.snapshot_date, p.playlist_id, p.total_entries "
        f"HAVING COUNT(e.position) <> COALESCE(p.total_entries, -1) ORDER BY 1, 2"
    )
    offenders = [
        f"{day} {playlist}: {entries} entries, Spotify counted {total}"
        for day, playlist, total, entries in rows
        if day not in accepted
    ]
    return _finding("entries equal to Spotify's total", "playlists are not whole", offenders)


def volume(session: Session, since: date) -> Finding:
    """No playlist suddenly has far more or fewer entries than on its previous captured day."""
    rows = session.execute(
        f"SELECT * FROM (SELECT snapshot_date, playlist_id, total_entries, "
        f"LAG(total_entries) OVER (PARTITION BY playlist_id ORDER BY snapshot_date) AS before "
        f"FROM HISTORY.PLAYLIST) AS sized WHERE snapshot_date >= {literal(since)} "
        f"AND ABS(total_entries - before) > {DRIFT_ENTRIES} "
        f"AND ABS(total_entries - before) > {DRIFT_SHARE} * before ORDER BY 1, 2"
    )
    offenders = [f"{day} {playlist}: {now}, before {then}" for day, playlist, now, then in rows]
    return _finding(
        f"sizes within {DRIFT_SHARE:.0%} (or {DRIFT_ENTRIES} entries) of the day before",
        "playlists changed their size suddenly",
        offenders,
    )


def fresh(session: Session, playlist_ids: Sequence[str], day: date) -> Finding:
    """Every playlist was captured on `day` or the day before."""
    last: Mapping[str, date] = dict(
        session.execute(
            "SELECT playlist_id, MAX(snapshot_date) FROM HISTORY.PLAYLIST GROUP BY playlist_id"
        )
    )
    oldest = day - timedelta(days=1)
    offenders = [
        f"{playlist}: last captured {last.get(playlist, 'never')}"
        for playlist in playlist_ids
        if playlist not in last or last[playlist] < oldest
    ]
    return _finding(f"every playlist captured since {oldest}", "playlists are stale", offenders)


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
    return _finding("written = landed = published", "days differ", offenders)


def _finding(expected: str, trouble: str, offenders: Sequence[str]) -> Finding:
    found = f"{len(offenders)} {trouble}" if offenders else "all of them"
    return Finding(expected, found, tuple(offenders[:SHOWN]))
