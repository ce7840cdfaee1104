"""Publishing: from LANDING to HISTORY and PUBLIC, one transaction a day over all tables.

The SQL is derived from the contract and written in the part of SQL that DuckDB and Snowflake
share; DML only, because any DDL would commit on Snowflake. The end state depends only on which
batches are current, not on the order in which they came.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from spotify_pipeline import contract
from spotify_pipeline.errors import RetryLater
from spotify_pipeline.lake import batch
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.batch import Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading.database import Session, literal, literals


@dataclass(frozen=True)
class Published:
    """The batch of a day that is in HISTORY now, and whether this call put it there."""

    batch: int
    rows: Mapping[str, int]
    is_new: bool


def publish(session: Session, manifest: Manifest, at: datetime) -> Published:
    """Makes `manifest`'s batch the published one of its day, unless that or a newer one is.

    Raises `RetryLater` if its files are not in LANDING as the manifest says.
    """
    expected = {name: file.rows for name, file in manifest.files.items()}
    # A batch from before a table was added to the contract has no file of it.
    tables = [table for table in contract.TABLES if table.name in manifest.files]
    current = [table for table in contract.CURRENT if table in tables]
    with session.transaction():
        if not _take_ledger(session, manifest, at):
            [(published, rows)] = session.execute(
                f"SELECT batch, row_counts FROM OPS.LEDGER "
                f"WHERE snapshot_date = {literal(manifest.snapshot_date)}"
            )
            return Published(int(published), json.loads(rows), is_new=False)
        for table in current:
            session.execute(_forget_touched(table, manifest))
        rows = {table.name: _replace_day(session, table, manifest) for table in tables}
        if rows != expected:
            raise RetryLater(not_landed_text(manifest, rows))
        for table in current:
            session.execute(_restore_missing(table))
    return Published(manifest.batch, rows, is_new=True)


def landed(
    session: Session,
    manifests: Sequence[Manifest],
    tables: Sequence[contract.Table] = contract.TABLES,
) -> dict[date, dict[str, int]]:
    """Distinct rows in LANDING by day and table, for the files of these manifests."""
    names = {table.name for table in tables}
    files = [
        file.key for manifest in manifests for name, file in manifest.files.items() if name in names
    ]
    counts = dict(
        session.execute(
            " UNION ALL ".join(
                f"SELECT _file, COUNT(DISTINCT _row) AS landed FROM LANDING.{table.name} "
                f"WHERE _file IN ({literals(files)}) GROUP BY _file"
                for table in tables
            )
        )
    )
    return {
        manifest.snapshot_date: {
            name: int(counts.get(file.key, 0))
            for name, file in manifest.files.items()
            if name in names
        }
        for manifest in manifests
    }


def is_landed(manifest: Manifest, found: Mapping[str, int]) -> bool:
    """Whether LANDING holds the batch: distinct rows per file as the manifest says."""
    return all(found[name] == file.rows for name, file in manifest.files.items())


def not_landed_text(manifest: Manifest, found: Mapping[str, int]) -> str:
    """What of a batch is not in LANDING, and what to do."""
    lacking = ", ".join(
        f"{name} {found[name]:,} of {file.rows:,} rows"
        for name, file in manifest.files.items()
        if found[name] != file.rows
    )
    return (
        f"Batch {manifest.batch} of {manifest.snapshot_date} is not whole in LANDING: {lacking}. "
        f"Materialize landing/* of {manifest.snapshot_date}, then publish again; if its pipe "
        f"check is red, do first what that says."
    )


def ledger(session: Session) -> dict[date, int]:
    """The published batch of every day."""
    return dict(session.execute("SELECT snapshot_date, batch FROM OPS.LEDGER"))


def unpublished(session: Session, store: ObjectStore) -> list[Manifest]:
    """The current batches that are newer than the published ones of their days."""
    done = ledger(session)
    return [
        batch.read(store, day, number)
        for day, number in batch.current_batches(store).items()
        if done.get(day, 0) < number
    ]


def whole(session: Session, manifests: Sequence[Manifest]) -> list[Manifest]:
    """Those of the batches that LANDING holds whole."""
    found = landed(session, manifests) if manifests else {}
    return [
        manifest for manifest in manifests if is_landed(manifest, found[manifest.snapshot_date])
    ]


def note_missed(session: Session, missed: Mapping[date, Sequence[Failure]], at: datetime) -> None:
    """Adds a permanent row for each playlist and day that can't be captured any more."""
    known = set(session.execute("SELECT snapshot_date, playlist_id FROM OPS.MISSED"))
    with session.transaction():
        for day, failures in missed.items():
            for failure in failures:
                if (day, failure.playlist_id) not in known:
                    row = (day, failure.playlist_id, failure.reason, _moment(at))
                    session.execute(f"INSERT INTO OPS.MISSED VALUES ({literals(row)})")


def definition(table: contract.Table) -> str:
    """`PUBLIC.TB_<table>` as a query over HISTORY: of each id the row that was fetched last."""
    return _definition(table, f"HISTORY.{table.name}")


def _definition(table: contract.Table, source: str) -> str:
    identity = _identity(table)
    columns = ", ".join(_current_columns(table))
    return (
        f"SELECT {columns}, first_seen, last_seen FROM (SELECT h.*, "
        f"MIN(snapshot_date) OVER (PARTITION BY {identity}) AS first_seen, "
        f"MAX(snapshot_date) OVER (PARTITION BY {identity}) AS last_seen, "
        f"ROW_NUMBER() OVER (PARTITION BY {identity} "
        f"ORDER BY fetched_at DESC, snapshot_date DESC) AS place "
        f"FROM {source} AS h) AS ranked WHERE place = 1"
    )


def _identity(table: contract.Table) -> str:
    """The id column of a table with one row per id and day."""
    _, identity = table.key
    return identity


def _current_columns(table: contract.Table) -> list[str]:
    return [name for name in table.column_names if name != "snapshot_date"]


def _take_ledger(session: Session, manifest: Manifest, at: datetime) -> bool:
    """First in the transaction: whoever comes second waits here, and sees it was taken."""
    rows = json.dumps({name: file.rows for name, file in manifest.files.items()})
    [counts] = session.execute(
        f"MERGE INTO OPS.LEDGER AS l USING (SELECT "
        f"CAST({literal(manifest.snapshot_date)} AS DATE) AS snapshot_date, "
        f"{manifest.batch} AS batch, {literal(manifest.digest)} AS digest, "
        f"CAST({literal(_moment(at))} AS TIMESTAMP) AS published_at, "
        f"{literal(rows)} AS row_counts) AS s "
        f"ON l.snapshot_date = s.snapshot_date "
        f"WHEN MATCHED AND l.batch < s.batch THEN UPDATE SET batch = s.batch, digest = s.digest, "
        f"published_at = s.published_at, row_counts = s.row_counts "
        f"WHEN NOT MATCHED THEN INSERT (snapshot_date, batch, digest, published_at, row_counts) "
        f"VALUES (s.snapshot_date, s.batch, s.digest, s.published_at, s.row_counts)"
    )
    return any(counts)  # one count, or Snowflake's two: rows inserted, rows updated


def _forget_touched(table: contract.Table, manifest: Manifest) -> str:
    """Removes the ids that the day's old batch or its new one speaks of."""
    identity = _identity(table)
    return (
        f"DELETE FROM PUBLIC.TB_{table.name} WHERE {identity} IN ("
        f"SELECT {identity} FROM HISTORY.{table.name} "
        f"WHERE snapshot_date = {literal(manifest.snapshot_date)} "
        f"UNION ALL SELECT {identity} FROM LANDING.{table.name} "
        f"WHERE _file = {literal(manifest.files[table.name].key)})"
    )


def _replace_day(session: Session, table: contract.Table, manifest: Manifest) -> int:
    """Puts the batch's rows in the place of the day's; the number of rows."""
    columns = ", ".join(table.column_names)
    session.execute(
        f"DELETE FROM HISTORY.{table.name} WHERE snapshot_date = {literal(manifest.snapshot_date)}"
    )
    # A pipe delivers at least once, so a row may have come twice.
    [(rows, *_)] = session.execute(
        f"INSERT INTO HISTORY.{table.name} ({columns}) SELECT {columns} FROM (SELECT l.*, "
        f"ROW_NUMBER() OVER (PARTITION BY _row ORDER BY _loaded_at) AS copy "
        f"FROM LANDING.{table.name} AS l "
        f"WHERE _file = {literal(manifest.files[table.name].key)}) AS arrived WHERE copy = 1"
    )
    return int(rows)


def _restore_missing(table: contract.Table) -> str:
    """Applies the definition to the ids that HISTORY has and PUBLIC lacks: the touched ones."""
    identity = _identity(table)
    missing = (
        f"(SELECT * FROM HISTORY.{table.name} WHERE {identity} NOT IN "
        f"(SELECT {identity} FROM PUBLIC.TB_{table.name}))"
    )
    columns = ", ".join([*_current_columns(table), "first_seen", "last_seen"])
    return f"INSERT INTO PUBLIC.TB_{table.name} ({columns}) {_definition(table, missing)}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
