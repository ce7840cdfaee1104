"""Rows, batches and what is in the database, in a few words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from spotify_pipeline import contract
from spotify_pipeline.contract import PLAYLIST, PLAYLIST_ENTRY, Table
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.manifests import BatchFile, Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ODD = "it's \\ \\' or \\n, a \"quote\", ? and 🎵, and at the end \\"
"""Text with everything in it that means something to some SQL."""

Row = dict[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""Rows by table; a table that isn't mentioned is empty."""

GONE = None
"""An entry that Spotify has nothing for: no address, no name."""

Entries = Sequence[str | None]


def day(number: int) -> date:
    """The days around DAY, which is day 0."""
    return DAY + timedelta(days=number)


def row(table: Table, on: date = DAY, **values: Any) -> Row:
    """A row of `table`: what isn't said is null, or something plain where null is forbidden."""
    plain = {
        "snapshot_date": on,
        "fetched_at": datetime.combine(on, time(6)),
        "entry_type": "track",
    }
    unknown = values.keys() - set(table.column_names)
    assert not unknown, f"{table.name} has no {unknown}"
    return dict.fromkeys(table.column_names) | {
        name: value for name, value in (plain | values).items() if name in table.column_names
    }


def insert(session: Session, name: str, rows: Sequence[Row]) -> None:
    """Puts rows into a table, past every pipe."""
    if rows:
        marks = f"({', '.join('?' * len(rows[0]))})"
        session.execute(
            f"INSERT INTO {name} ({', '.join(rows[0])}) VALUES {', '.join([marks] * len(rows))}",
            [value for values in rows for value in values.values()],
        )


def capture(session: Session, on: int, entries: Entries, playlist: str = "p1") -> None:
    """Puts a playlist's day into HISTORY; an entry is known by a letter."""
    insert(
        session,
        "HISTORY.PLAYLIST",
        [
            row(
                PLAYLIST,
                day(on),
                playlist_id=playlist,
                playlist_name=playlist.upper(),
                total_entries=len(entries),
            )
        ],
    )
    insert(
        session,
        "HISTORY.PLAYLIST_ENTRY",
        [
            row(
                PLAYLIST_ENTRY,
                day(on),
                playlist_id=playlist,
                position=position,
                entry_type="track" if entry else "unavailable",
                song_id=entry,
                entry_uri=f"spotify:track:{entry}" if entry else None,
                entry_name=entry,
            )
            for position, entry in enumerate(entries, start=1)
        ],
    )


def manifest(on: date, batch: int, rows: Rows) -> Manifest:
    """The manifest of a batch of these rows."""
    return Manifest(
        snapshot_date=on,
        batch=batch,
        digest=f"digest{batch}",
        contract_version=contract.VERSION,
        transform_version=1,
        engine="none",
        created_at=NOON,
        files={
            table.name: BatchFile(
                keys.batch_file(table.name, on, batch, f"digest{batch}"),
                len(rows.get(table.name, ())),
                "",
            )
            for table in contract.TABLES
        },
        documents=(),
    )


def land(
    session: Session,
    batch: Manifest,
    rows: Rows,
    tables: Sequence[Table] = contract.TABLES,
    at: datetime = NOON,
) -> None:
    """Has the files of `tables` arrive in LANDING; a second time makes the rows stand twice."""
    with session.transaction():
        for table in tables:
            arrive(session, batch, rows, table, at)


def arrive(
    session: Session, batch: Manifest, rows: Rows, table: Table, at: datetime = NOON
) -> None:
    """Has the file of one table arrive in LANDING, in whatever transaction there is."""
    file = session.file_name(batch.files[table.name].key)
    arrived = [
        values | {"_file": file, "_row": number, "_loaded_at": _naive(at)}
        for number, values in enumerate(rows.get(table.name, ()), start=1)
    ]
    insert(session, f"LANDING.{table.name}", arrived)


def publish(session: Session, on: date, batch: int, rows: Rows) -> publishing.Published:
    """Lands and publishes a batch."""
    of = manifest(on, batch, rows)
    land(session, of, rows)
    return publishing.publish(session, of, NOON)


def bag(rows: Sequence[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """Rows without an order, but with how often each is there."""
    return Counter(rows)


def contents(session: Session) -> dict[str, Counter[tuple[Any, ...]]]:
    """Everything in the tables that people query, and the ledger without its times."""
    queries = {
        f"HISTORY.{table.name}": f"SELECT {', '.join(table.column_names)} FROM HISTORY.{table.name}"
        for table in contract.TABLES
    }
    queries |= {
        f"PUBLIC.TB_{table.name}": f"SELECT * FROM PUBLIC.TB_{table.name}"
        for table in contract.CURRENT
    }
    queries["OPS.LEDGER"] = "SELECT snapshot_date, batch, digest, row_counts FROM OPS.LEDGER"
    return {name: bag(session.execute(query)) for name, query in queries.items()}


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
