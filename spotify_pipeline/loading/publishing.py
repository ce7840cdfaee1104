"""Publishing: from LANDING to HISTORY and PUBLIC, one transaction a day over all tables.

The SQL is derived from the contract and written in the part of SQL that DuckDB and Snowflake
share; DML only, because any DDL would commit on Snowflake. The end state depends only on which
batches are current, not on the order in which they came.

Inside a transaction Snowflake shows each statement what others have committed by then. So LANDING,
which Snowpipe fills meanwhile, is read once per table; what follows goes by HISTORY.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock, today
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake import attempts, manifests
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.manifests import Manifest
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

    Raises `RetryLater` if its files are not in LANDING as the manifest says, and
    `FixConfiguration` if the books in OPS are not as this pipeline leaves them.
    """
    expected = {name: file.rows for name, file in manifest.files.items()}
    # A batch from before a table was added to the contract has no file of it.
    tables = [table for table in contract.TABLES if table.name in manifest.files]
    current = [table for table in contract.CURRENT if table in tables]
    with session.transaction():
        _take_turn(session, at)
        if not _take_ledger(session, manifest, at):
            published, counts = _only_entry(session, manifest.snapshot_date)
            return Published(published, counts, is_new=False)
        for table in current:
            session.execute(_forget_days(table, [manifest.snapshot_date]))
        rows = {table.name: _replace_day(session, table, manifest) for table in tables}
        if rows != expected:
            raise RetryLater(not_landed_text(manifest, rows))
        for table in current:
            session.execute(_forget_days(table, [manifest.snapshot_date]))
            session.execute(_restore_missing(table))
        # Snowflake enforces no key: who writes there without a turn may have added a row.
        _only_entry(session, manifest.snapshot_date)
    return Published(manifest.batch, rows, is_new=True)


def withdraw(session: Session, days: Sequence[date], at: datetime) -> None:
    """Takes days out of HISTORY, PUBLIC, LANDING and the ledger, as if they had never been."""
    with session.transaction():
        _take_turn(session, at)
        for table in contract.CURRENT:
            session.execute(_forget_days(table, days))
        names = [f"{schema}.{t.name}" for schema in ("HISTORY", "LANDING") for t in contract.TABLES]
        for name in [*names, "OPS.LEDGER"]:
            session.execute(f"DELETE FROM {name} WHERE snapshot_date IN ({literals(days)})")
        for table in contract.CURRENT:
            session.execute(_restore_missing(table))


def landed(
    session: Session,
    manifests: Sequence[Manifest],
    tables: Sequence[contract.Table] = contract.TABLES,
) -> dict[date, dict[str, int]]:
    """Distinct rows in LANDING by day and table, for the files of these manifests."""
    names = {table.name for table in tables}
    counts = _by_file(session, manifests, tables, "COUNT(DISTINCT _row)")
    return {
        manifest.snapshot_date: {
            name: int(counts.get(session.file_name(file.key), 0))
            for name, file in manifest.files.items()
            if name in names
        }
        for manifest in manifests
    }


def landing_tables(session: Session) -> list[contract.Table]:
    """Those of the tables that LANDING has: all of them, unless somebody dropped one."""
    found = session.execute(
        "SELECT LOWER(table_name) AS name FROM INFORMATION_SCHEMA.TABLES "
        "WHERE LOWER(table_schema) = 'landing'"
    )
    return [table for table in contract.TABLES if (table.name,) in found]


def arrivals(session: Session, manifests: Sequence[Manifest]) -> dict[str, datetime]:
    """When the last row of each file of these manifests came into LANDING, by key.

    Files without a row are not in it.
    """
    keys = {
        session.file_name(file.key): file.key
        for manifest in manifests
        for file in manifest.files.values()
    }
    times = _by_file(session, manifests, contract.TABLES, "MAX(_loaded_at)")
    # A database whose column has no time zone speaks of UTC.
    return {keys[name]: at if at.tzinfo else at.replace(tzinfo=UTC) for name, at in times.items()}


def _by_file(
    session: Session, manifests: Sequence[Manifest], tables: Sequence[contract.Table], value: str
) -> dict[str, Any]:
    """`value` over the rows of each file of these manifests, by what `_file` says."""
    selects = []
    for table in tables:
        # No other table's files: over many days the names are most of the text, and Snowflake
        # takes 1 MB.
        files = [
            session.file_name(manifest.files[table.name].key)
            for manifest in manifests
            if table.name in manifest.files
        ]
        if files:
            selects.append(
                f"SELECT _file, {value} AS found FROM LANDING.{table.name} "
                f"WHERE _file IN ({literals(files)}) GROUP BY _file"
            )
    return dict(session.execute(" UNION ALL ".join(selects))) if selects else {}


def is_landed(manifest: Manifest, found: Mapping[str, int]) -> bool:
    """Whether LANDING holds the batch: distinct rows per file as the manifest says."""
    return all(found.get(name) == file.rows for name, file in manifest.files.items())


def not_landed_text(manifest: Manifest, found: Mapping[str, int]) -> str:
    """What of a batch is not in LANDING, and what to do."""
    lacking = ", ".join(
        f"{name} {found[name]:,} of {file.rows:,} rows"
        for name, file in manifest.files.items()
        if found[name] != file.rows
    )
    return (
        f"Batch {manifest.batch} of {manifest.snapshot_date} is not whole in LANDING: {lacking}. "
        f"Have landing/* of {manifest.snapshot_date} loaded (Snowpipe does so by itself), then "
        f"publish again; if its pipe check is red, do first what that says."
    )


def ledger(session: Session) -> dict[date, int]:
    """The published batch of every day."""
    return dict(session.execute("SELECT snapshot_date, batch FROM OPS.LEDGER"))


def last_publication(session: Session) -> date | None:
    """The day on which anything was published last."""
    [(at,)] = session.execute("SELECT MAX(published_at) FROM OPS.LEDGER")
    return at.date() if at else None


def unpublished(session: Session, store: ObjectStore) -> list[Manifest]:
    """The current batches that are newer than the published ones of their days."""
    done = ledger(session)
    return [
        manifests.read(store, day, number)
        for day, number in manifests.current_batches(store).items()
        if done.get(day, 0) < number
    ]


def ahead(session: Session, store: ObjectStore) -> list[str]:
    """The days of which the ledger has a newer batch than the lake, which so is never published; in
    sentences that say what to do."""
    done = ledger(session)
    return [
        f"the ledger has batch {done[day]} of {day}, and the lake's newest is {number}: it lost "
        f"batches, or is another lake. To have {number} published, delete the ledger's row as "
        f"SYSADMIN (DELETE FROM OPS.LEDGER WHERE snapshot_date = '{day}')"
        for day, number in manifests.current_batches(store).items()
        if done.get(day, 0) > number
    ]


def whole(
    session: Session,
    manifests: Sequence[Manifest],
    found: Mapping[date, Mapping[str, int]] | None = None,
) -> list[Manifest]:
    """Those of the batches that LANDING holds whole.

    `found` is what `landed` says of them, where that is known; a table it leaves out isn't there.
    """
    found = landed(session, manifests) if found is None else found
    return [
        manifest for manifest in manifests if is_landed(manifest, found[manifest.snapshot_date])
    ]


def note_gaps(session: Session, store: ObjectStore, clock: Clock) -> None:
    """Names what the days that are over lack for ever, as permanent rows.

    Before anything is published: so what ended before a publication is noted by then, and only the
    days since the last one are looked at, and a week before it.
    """
    first, last = min(attempts.days(store), default=today(clock)), today(clock)
    if known := last_publication(session):
        first = max(first, known - timedelta(days=7))
    days = [first + timedelta(days=n) for n in range((last - first).days)]
    note_missed(session, attempts.gaps(store, days), clock())


def note_missed(session: Session, missed: Mapping[date, Sequence[Failure]], at: datetime) -> None:
    """Adds a permanent row for each playlist and day that can't be captured any more."""
    if not _not_noted(session, missed):
        return
    with session.transaction():
        _take_turn(session, at)
        for day, failure in _not_noted(session, missed):  # another run may have noted it by now
            # Bound: a reason quotes what others said, with whatever characters.
            row = [str(day), failure.playlist_id, failure.reason, _moment(at)]
            session.execute(
                "INSERT INTO OPS.MISSED (snapshot_date, playlist_id, reason, noted_at) "
                "VALUES (?, ?, ?, ?)",
                row,
            )


def _not_noted(
    session: Session, missed: Mapping[date, Sequence[Failure]]
) -> list[tuple[date, Failure]]:
    if not missed:
        return []
    # What was captured is not missed, though the lake may have let go of it by now.
    known = set(
        session.execute(
            f"SELECT snapshot_date, playlist_id FROM OPS.MISSED UNION "
            f"SELECT snapshot_date, playlist_id FROM HISTORY.PLAYLIST "
            f"WHERE snapshot_date >= {literal(min(missed))}"
        )
    )
    return [
        (day, failure)
        for day, failures in missed.items()
        for failure in failures
        if (day, failure.playlist_id) not in known
    ]


def definition(table: contract.Table, condition: str = "") -> str:
    """`PUBLIC.TB_<table>` as a query over HISTORY: of each id the row that was fetched last.

    A condition, WHERE and all, is one on the id.
    """
    # Ranking all rows of an id would do without the join, and sort years of them for each day.
    identity = _identity(table)
    columns = ", ".join(contract.current(table).column_names)
    return (
        f"SELECT {columns} FROM (SELECT h.*, seen.first_seen, seen.last_seen, "
        f"ROW_NUMBER() OVER (PARTITION BY h.{identity} ORDER BY h.snapshot_date DESC) AS place "
        f"FROM HISTORY.{table.name} AS h JOIN (SELECT {identity} AS seen_id, "
        f"MIN(snapshot_date) AS first_seen, MAX(snapshot_date) AS last_seen, "
        f"MAX(fetched_at) AS last_fetched FROM HISTORY.{table.name} {condition} "
        f"GROUP BY {identity}) AS seen "
        f"ON h.{identity} = seen.seen_id AND h.fetched_at = seen.last_fetched) AS ranked "
        f"WHERE place = 1"
    )


def _identity(table: contract.Table) -> str:
    """The id column of a table with one row per id and day."""
    [identity] = contract.current(table).key
    return identity


def _take_turn(session: Session, at: datetime) -> None:
    """First in a transaction: whoever comes second waits here until the first one is through.

    On Snowflake two statements that change a row shut each other out, and two that add one don't;
    nor does one that changes none.
    """
    [(rows, *_)] = session.execute(
        f"UPDATE OPS.TURN SET taken_at = CAST({literal(_moment(at))} AS TIMESTAMP)"
    )
    if not rows:
        raise FixConfiguration(
            "OPS.TURN has no row, expected one: without it nothing keeps two publications apart. "
            "Nothing was done. Run snowflake_ddl/050_tables.sql again, which puts it there; in a "
            "DuckDB file: INSERT INTO ops.turn VALUES (now())."
        )


def _take_ledger(session: Session, manifest: Manifest, at: datetime) -> bool:
    """Whether the batch is the day's now; not if it was, or a newer one is."""
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


def _only_entry(session: Session, day: date) -> tuple[int, Mapping[str, int]]:
    """The published batch of a day and its rows; raises `FixConfiguration` unless there is one."""
    entries = session.execute(
        f"SELECT batch, row_counts FROM OPS.LEDGER WHERE snapshot_date = {literal(day)}"
    )
    if len(entries) != 1:
        raise FixConfiguration(
            f"OPS.LEDGER has {len(entries)} rows for {day}, where one belongs: somebody wrote "
            f"there besides this pipeline. Nothing was done. Delete the day's rows as SYSADMIN "
            f"(DELETE FROM OPS.LEDGER WHERE snapshot_date = '{day}') and publish {day} again, "
            f"which makes the whole day anew."
        )
    [(batch, rows)] = entries
    return int(batch), json.loads(rows)


def _forget_days(table: contract.Table, days: Sequence[date]) -> str:
    """Removes the ids that HISTORY's rows of the days speak of.

    To be done before these rows are replaced, for the old ones, and after it, for the new ones.
    """
    identity = _identity(table)
    return (
        f"DELETE FROM PUBLIC.TB_{table.name} WHERE {identity} IN ("
        f"SELECT {identity} FROM HISTORY.{table.name} WHERE snapshot_date IN ({literals(days)}))"
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
        f"WHERE _file = {literal(session.file_name(manifest.files[table.name].key))}) "
        f"AS arrived WHERE copy = 1"
    )
    return int(rows)


def _restore_missing(table: contract.Table) -> str:
    """Applies the definition to the ids that HISTORY has and PUBLIC lacks: the touched ones."""
    identity = _identity(table)
    missing = f"WHERE {identity} NOT IN (SELECT {identity} FROM PUBLIC.TB_{table.name})"
    columns = ", ".join(contract.current(table).column_names)
    return f"INSERT INTO PUBLIC.TB_{table.name} ({columns}) {definition(table, missing)}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
