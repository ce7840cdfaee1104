"""The embedded pipe: Snowpipe's semantics on the DuckDB file.

A file name is taken once, loaded or failed; a file is loaded whole or not at all; every attempt
has its line in the history; a paused pipe leaves files waiting. Columns match by name.
"""

import csv
import glob
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock, machine_clock
from spotify_pipeline.contract import Type
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading.database import Session, literal, literals
from spotify_pipeline.loading.pipe import FileLoad, LoadStatus, PipeStatus, pipe_name

_TYPES = {
    Type.STRING: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.BOOLEAN: "BOOLEAN",
    Type.DATE: "DATE",
    Type.TIMESTAMP: "TIMESTAMP",
}

_BAD_FILE = (
    duckdb.ConversionException,
    duckdb.ConstraintException,
    duckdb.InvalidInputException,
    duckdb.BinderException,
    csv.Error,
    EOFError,
    gzip.BadGzipFile,
    ValueError,  # no UTF-8, or a column that no SQL can name
    zlib.error,
)
"""What a file with bad content makes its readers raise. Passing trouble (no memory, no disk) is
none of it: it must not use up the file's name."""


@dataclass(frozen=True)
class EmbeddedPipe:
    """Loads new files of `store` into LANDING."""

    store: ObjectStore
    clock: Clock = machine_clock

    def load(self, session: Session, table: contract.Table) -> list[FileLoad]:
        """Takes every file of `table` that was never taken; none while the pipe is paused, and
        nothing that is no batch's file."""
        if self._is_paused(session, table):
            return []
        return [self._take(session, table, key) for key in self._waiting(session, table)]

    def statuses(self, session: Session) -> Mapping[str, PipeStatus]:
        """The state of every pipe, by its table."""
        return {
            table.name: PipeStatus(
                pipe_name(table),
                "PAUSED" if self._is_paused(session, table) else "RUNNING",
                len(self._waiting(session, table)),
            )
            for table in contract.TABLES
        }

    def loads(
        self, session: Session, file_keys: Sequence[str], tables: Sequence[contract.Table]
    ) -> Mapping[str, FileLoad]:
        """What became of those of the files that were taken, by key."""
        names = [table.name for table in tables]
        found = session.execute(
            f"SELECT table_name, file_name, status, row_count, last_load_time, "
            f"first_error_message, 'row ' || first_error_row_number, first_error_column_name "
            f"FROM pipes.copy_history WHERE file_name IN ({literals(file_keys)}) "
            f"AND table_name IN ({literals(names)})"
        )
        return {
            key: FileLoad(
                table, key, LoadStatus(status), rows, at.replace(tzinfo=UTC), said, row, column
            )
            for table, key, status, rows, at, said, row, column in found
        }

    def repair(
        self,
        session: Session,
        manifests: Sequence[Manifest],  # noqa: ARG002
        at: datetime,  # noqa: ARG002
    ) -> Iterator[str]:
        """Resumes what is paused; files that wait are taken by the next run."""
        for table in contract.TABLES:
            if self._is_paused(session, table):
                self.pause(session, table, paused=False)
                yield f"{pipe_name(table)} resumed"

    def pause(self, session: Session, table: contract.Table, paused: bool = True) -> None:
        """Stops or resumes loading; files wait meanwhile."""
        with session.transaction():
            session.execute(f"DELETE FROM pipes.pipe WHERE table_name = {literal(table.name)}")
            session.execute(
                "INSERT INTO pipes.pipe VALUES (?, ?, ?)", [pipe_name(table), table.name, paused]
            )

    def forget(self, session: Session, file_keys: Sequence[str]) -> None:
        """Strikes files out of the history. They must be gone, or they are taken again."""
        session.execute(
            f"DELETE FROM pipes.copy_history WHERE file_name IN ({literals(file_keys)})"
        )

    def known(self, session: Session) -> list[str]:
        """The files that were ever taken."""
        return [
            key for (key,) in session.execute("SELECT DISTINCT file_name FROM pipes.copy_history")
        ]

    def _is_paused(self, session: Session, table: contract.Table) -> bool:
        return session.execute(
            f"SELECT is_paused FROM pipes.pipe WHERE table_name = {literal(table.name)}"
        ) == [(True,)]

    def _waiting(self, session: Session, table: contract.Table) -> list[str]:
        taken = {
            name
            for (name,) in session.execute(
                f"SELECT file_name FROM pipes.copy_history WHERE table_name = {literal(table.name)}"
            )
        }
        found = self.store.list_keys(keys.table_prefix(table.name))
        return [key for key in found if key not in taken and keys.parse_batch_file(key)]

    def _take(self, session: Session, table: contract.Table, key: str) -> FileLoad:
        at = self.clock()
        with self.store.files([key]) as [path]:
            try:
                with session.transaction():
                    rows = _copy(session, table, key, path, at)
                    load = FileLoad(table.name, key, LoadStatus.LOADED, rows, at)
                    _note(session, load)
            except _BAD_FILE as error:
                row, column = _first_error(session, table, path)
                place = f"row {row}" if row else None
                said = _said(error)
                load = FileLoad(table.name, key, LoadStatus.FAILED, 0, at, said, place, column)
                _note(session, load, row)
        return load


def _copy(session: Session, table: contract.Table, key: str, path: Path, at: datetime) -> int:
    """Appends the file's rows; columns the table doesn't have are left out, missing ones null."""
    header = _header(path)
    known = [name for name in header if name in table.column_names]
    names = [*known, "_file", "_row", "_loaded_at"]
    values = [f"CAST({name} AS {_type(table, name)})" for name in known]
    values += ["?", "row_number() OVER ()", "?"]
    [(rows,)] = session.execute(
        f"INSERT INTO landing.{table.name} ({', '.join(names)}) "
        f"SELECT {', '.join(values)} FROM {_rows_of(path, header)}",
        [key, at.astimezone(UTC).replace(tzinfo=None)],
    )
    return int(rows)


def _first_error(
    session: Session, table: contract.Table, path: Path
) -> tuple[int | None, str | None]:
    """The first row that doesn't fit and its column, where the file can be read at all."""
    try:
        header = _header(path)
        rows = _rows_of(path, header)
        found = [
            (row, name)
            for name in header
            if name in table.column_names
            for (row,) in session.execute(
                f"SELECT min(row) FROM (SELECT {name} AS value, row_number() OVER () AS row "
                f"FROM {rows}) WHERE TRY_CAST(value AS {_type(table, name)}) IS NULL "
                f"AND (value IS NOT NULL OR {name in table.key})"
            )
            if row
        ]
    except _BAD_FILE:
        return None, None
    return min(found, default=(None, None))


def _said(error: Exception) -> str:
    """What is wrong with the file, without DuckDB's copy of the line and advice on its options."""
    message, advice, _ = str(error).partition("\nPossible ")
    lines = message.splitlines()
    return f"{lines[0]}: {lines[-1]}" if advice else lines[0]


def _note(session: Session, load: FileLoad, error_row: int | None = None) -> None:
    session.execute(
        "INSERT INTO pipes.copy_history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            pipe_name(contract.table(load.table)),
            load.table,
            load.key,
            load.status,
            load.rows,
            load.error,
            error_row,
            load.error_column,
            load.loaded_at and load.loaded_at.astimezone(UTC).replace(tzinfo=None),
        ],
    )


def _header(path: Path) -> list[str]:
    """The names in the first line. Reads to the end, for DuckDB ignores the file's checksum."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        header = next(csv.reader(file), [])
        while file.read(1 << 20):
            pass
    return header


def _rows_of(path: Path, header: Sequence[str]) -> str:
    """The file as a relation of text columns; only an unquoted empty field is null."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    # To DuckDB a name is a pattern, which others' files would match as well.
    name = Path(glob.escape(str(path)))
    return (
        f"read_csv({literal(name)}, columns = {{{columns}}}, header = true, auto_detect = false, "
        f"delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, "
        f"compression = 'gzip', strict_mode = true)"
    )


def _type(table: contract.Table, column: str) -> str:
    return _TYPES[table.column(column).type]
