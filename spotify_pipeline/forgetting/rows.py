"""Rows that speak of what is to be forgotten: found, and taken out of what publishing leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from spotify_pipeline import contract
from spotify_pipeline.forgetting.subjects import Named, OldDays, Playlist, Subject
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session, literals


@dataclass(frozen=True)
class Found:
    """So many rows of a table and day."""

    table: str
    day: date
    rows: int


def find(session: Session, subject: Subject) -> list[Found]:
    """The rows that speak of it. PUBLIC follows HISTORY, and is not looked at."""
    return [
        Found(name, day, int(rows))
        for name, condition, parameters in _conditions(subject)
        for day, rows in session.execute(
            f"SELECT snapshot_date, COUNT(*) FROM {name} WHERE {condition} GROUP BY snapshot_date",
            parameters,
        )
    ]


def _conditions(subject: Subject) -> Iterator[tuple[str, str, list[str]]]:
    for schema in ("HISTORY", "LANDING"):
        for table in contract.TABLES:
            name = f"{schema}.{table.name}"
            if isinstance(subject, OldDays):
                yield name, "snapshot_date < ?", [str(subject.before)]
            elif columns := subject.columns(table):
                condition = " OR ".join(f"{column} = ?" for column in columns)
                yield name, condition, [subject.value] * len(columns)
    if isinstance(subject, OldDays):
        yield "OPS.LEDGER", "snapshot_date < ?", [str(subject.before)]
        yield "OPS.MISSED", "snapshot_date < ?", [str(subject.before)]
    if isinstance(subject, Playlist):
        yield "OPS.MISSED", "playlist_id = ?", [subject.playlist_id]


def other_playlists(session: Session, days: Sequence[date], subject: Named) -> dict[date, set[str]]:
    """The other playlists that HISTORY has of each of the days, which ascend; a user is in any."""
    others: dict[date, set[str]] = {day: set() for day in days}
    if not days:
        return others
    found = session.execute(
        "SELECT snapshot_date, playlist_id FROM HISTORY.PLAYLIST "
        "WHERE snapshot_date BETWEEN ? AND ?",
        [str(days[0]), str(days[-1])],
    )
    gone = subject.playlist_id if isinstance(subject, Playlist) else None
    for day, playlist_id in found:
        if day in others and playlist_id != gone:
            others[day].add(playlist_id)
    return others


def erase(
    session: Session,
    subject: Subject,
    gone: Sequence[date],
    kept_files: dict[date, list[str]],
    at: datetime,
) -> None:
    """Takes out the days of which nothing stays; of those that were rebuilt what LANDING has of
    other files than these; and what was noted as missed."""
    if gone:
        publishing.withdraw(session, gone, at)
    for day, files in kept_files.items():
        names = literals([session.file_name(key) for key in files])
        for table in contract.TABLES:
            session.execute(
                f"DELETE FROM LANDING.{table.name} WHERE snapshot_date = ? "
                f"AND _file NOT IN ({names})",
                [str(day)],
            )
    for name, condition, parameters in _conditions(subject):
        if name == "OPS.MISSED":
            session.execute(f"DELETE FROM {name} WHERE {condition}", parameters)
