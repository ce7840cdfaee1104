"""Questions over the published tables, answered as data frames for people to look at."""

from datetime import date

import pandas as pd

from spotify_pipeline import contract
from spotify_pipeline.loading.database import Session, literal

CHANGES = ("entered", "left", "moved")


def playlist_changes(session: Session, day: date) -> pd.DataFrame:
    """What entered, left or moved on `day`; columns of PUBLIC.PLAYLIST_CHANGES and the name.

    Moves come last, so that the head of a long list still shows who came and who went.
    """
    columns = [
        "snapshot_date",
        "playlist_id",
        "playlist_name",
        "change",
        "entry_name",
        "previous_position",
        "position",
        "gap_days",
    ]
    rows = session.execute(
        f"SELECT {', '.join(columns)} FROM PUBLIC.PLAYLIST_CHANGES "
        f"LEFT JOIN HISTORY.PLAYLIST USING (snapshot_date, playlist_id) "
        f"WHERE snapshot_date = {literal(day)} "
        f"ORDER BY CASE change WHEN 'moved' THEN 1 ELSE 0 END, playlist_name, playlist_id, change, "
        f"COALESCE(position, previous_position)"
    )
    frame = pd.DataFrame(rows, columns=columns)
    numbers = ["previous_position", "position", "gap_days"]
    return frame.astype(dict.fromkeys(numbers, "Int64"))


def playlists_of(session: Session, day: date) -> pd.DataFrame:
    """The playlists captured on `day`: name, entries, has_previous and the number of changes."""
    changes = ", ".join(f"COUNT(CASE change WHEN '{c}' THEN 1 END) AS \"{c}\"" for c in CHANGES)
    rows = session.execute(
        f"SELECT COALESCE(p.playlist_name, p.playlist_id), COALESCE(p.total_entries, 0), "
        f"COUNT(DISTINCT before.snapshot_date) > 0, "
        f"{', '.join(f'COALESCE(MAX(c.{_quoted(change)}), 0)' for change in CHANGES)} "
        f"FROM HISTORY.PLAYLIST AS p "
        f"LEFT JOIN (SELECT snapshot_date, playlist_id, {changes} FROM PUBLIC.PLAYLIST_CHANGES "
        f"GROUP BY snapshot_date, playlist_id) AS c "
        f"ON c.snapshot_date = p.snapshot_date AND c.playlist_id = p.playlist_id "
        f"LEFT JOIN HISTORY.PLAYLIST AS before ON before.playlist_id = p.playlist_id "
        f"AND before.snapshot_date < p.snapshot_date "
        f"WHERE p.snapshot_date = {literal(day)} "
        f"GROUP BY p.playlist_id, p.playlist_name, p.total_entries ORDER BY p.playlist_name"
    )
    return pd.DataFrame(rows, columns=["name", "entries", "has_previous", *CHANGES])


def row_counts(session: Session) -> dict[str, int]:
    """The rows of every table that people query, by its full name."""
    names = [f"PUBLIC.TB_{table.name.upper()}" for table in contract.CURRENT]
    names += [f"HISTORY.{table.name.upper()}" for table in contract.TABLES]
    return {name: int(session.execute(f"SELECT COUNT(*) FROM {name}")[0][0]) for name in names}


def _quoted(name: str) -> str:
    return f'"{name}"'
