"""Sessions on one DuckDB in memory: where each is, who it is, and its transaction.

A transaction in which a statement failed can't go on, as in DuckDB and unlike Snowflake.
"""

import contextlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb
from fakesnow.conn import FakeSnowflakeConnection
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.instance import FakeSnow
from fakesnow.server import sessions as fakesnow_sessions
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import ProgrammingError

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_cursor import Cursor
from spotify_pipeline_tests.emulators.snowflake_locks import Locks
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, literal, quoted

_LIMITS = ("LOCK_TIMEOUT", "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", "STATEMENT_TIMEOUT_IN_SECONDS")


class Warehouse:
    """The database engine and its sessions, by token."""

    def __init__(self, lock_seconds: float) -> None:
        self._fakesnow = FakeSnow(create_database_on_connect=False, create_schema_on_connect=False)
        self.locks = Locks(lock_seconds)
        self.sessions: dict[str, Session] = {}

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection of its own, in autocommit."""
        return self._fakesnow.duck_conn.cursor()

    def open(
        self, user: str, database: str | None, schema: str | None, autocommit: bool
    ) -> "Session":
        """A session; a database or schema that there is not is left unset, as in Snowflake."""
        session = Session(self.cursor(), self._fakesnow.results_cache, autocommit)
        session.user, session.locks = user, self.locks
        for name in ((database,), (database, schema)):
            with contextlib.suppress(errors.SnowflakeError):
                if None not in name:
                    session.use(tuple(map(str, name)))
        self.sessions[session.token] = fakesnow_sessions[session.token] = session
        return session

    def displace(self, name: Name) -> None:
        """Told that a database or schema is gone."""
        for session in list(self.sessions.values()):
            session.displace(name)

    def close(self) -> None:
        for session in list(self.sessions.values()):
            self.end(session)
        self._fakesnow.duck_conn.close()

    def end_idle(self, since: datetime) -> None:
        """Ends those that hold a lock and have asked for nothing since then: their client died."""
        for session in list(self.sessions.values()):
            if session.asked_at < since and self.locks.is_held_by(session):
                self.end(session)

    def end(self, session: "Session") -> None:
        """What is not committed is lost."""
        self.sessions.pop(session.token, None)
        fakesnow_sessions.pop(session.token, None)
        session.explicit = session._in_transaction = False  # whoever still waits in its name
        with contextlib.suppress(duckdb.Error):
            session.duckdb.rollback()
        self.locks.release(session)
        session.close()


class Session(FakeSnowflakeConnection):
    """One session: where it is, who it is, and whether it is in a transaction."""

    locks: Locks
    user = ""
    role = "ACCOUNTADMIN"
    warehouse: str | None = None
    lock_timeout: int | None = None
    asked_at = datetime.max.replace(tzinfo=UTC)

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, results: dict[str, Any], autocommit: bool
    ) -> None:
        super().__init__(
            connection, results, create_database=False, create_schema=False, autocommit=autocommit
        )
        self.duckdb = connection
        self.token = secrets.token_urlsafe(32)
        self.explicit = False
        self._is_displaced = False
        self._just_locked: str | None = None

    def lock(self, table: Name) -> None:
        """Waits until nobody else changes the table; nobody else can until `keep_lock_if` or the
        end of the transaction."""
        name = ".".join(table)
        self._just_locked = name if self.locks.take(name, self, self.lock_timeout) else None

    def keep_lock_if(self, has_changed_rows: bool) -> None:
        """Gives back what the last `lock` took, unless there was a reason for it."""
        if self._just_locked and not has_changed_rows:
            self.locks.give_back(self._just_locked)
        self._just_locked = None

    def set_limits(self, parameters: Mapping[str, Any]) -> None:
        """Takes the parameters that limit waits. Only LOCK_TIMEOUT is kept to: nothing is queued
        here, and no statement is stopped."""
        for name in _LIMITS:
            if name in parameters and not str(parameters[name]).isdecimal():
                raise errors.invalid_value(parameters[name], name)
        if "LOCK_TIMEOUT" in parameters:
            self.lock_timeout = int(parameters["LOCK_TIMEOUT"])

    @property
    def in_transaction(self) -> bool:
        return bool(self.explicit or self._in_transaction)

    def cursor(self, cursor_class: type[SnowflakeCursor] = SnowflakeCursor) -> FakeSnowflakeCursor:
        return Cursor(self, self.duckdb)

    def begin(self) -> None:
        """Where a transaction is open already, nothing happens."""
        if not self.in_transaction:
            self.run("BEGIN")
            self.explicit = True

    def finish(self, how: str) -> None:
        """COMMIT or ROLLBACK; where no transaction is open, nothing happens."""
        try:
            if self.in_transaction:
                self.run(how)
        except ProgrammingError:
            with contextlib.suppress(duckdb.Error):
                self.duckdb.rollback()
            raise
        finally:
            self.explicit = self._in_transaction = False
            self.locks.release(self)

    def run(self, sql: str) -> FakeSnowflakeCursor:
        return self.cursor().execute(sql)

    def use(self, name: Name) -> None:
        """Makes a database, or a schema of one, the current one; PUBLIC where none is named."""
        database, schema = name if len(name) == 2 else (name[0], "PUBLIC")
        if not self.has_database(database) or (
            schema != "PUBLIC" and not self.has_schema(database, schema)
        ):
            raise errors.no_object()
        there = self.has_schema(database, schema)
        self.duckdb.execute(f'SET schema = \'"{database}"."{schema if there else "main"}"\'')
        self.database, self._schema = database, schema if there else None
        self.database_set, self.schema_set = True, there

    @property
    def place(self) -> Name:
        """The current database and schema, as far as there are any."""
        database = (str(self.database),) if self.database_set else ()
        return (*database, str(self._schema)) if self.schema_set else database

    def displace(self, name: Name) -> None:
        """The database or schema is gone: whoever was in it is nowhere, or in no schema."""
        if self.place[: len(name)] != name:
            return
        self.schema_set, self._schema = False, None
        if len(name) == 1:
            self.database_set, self.database = False, None
        self._is_displaced = True

    def find_footing(self) -> None:
        """Has DuckDB, too, know where the session is since it was displaced. To be called by the
        session's own thread."""
        if self._is_displaced:
            schema = quoted((*self.place, "main")) if self.place else '"memory"."main"'
            self.duckdb.execute(f"SET schema = {literal(schema)}")
            self._is_displaced = False

    def has_database(self, database: str) -> bool:
        query = "SELECT 1 FROM duckdb_databases() WHERE database_name = ?"
        return bool(self._separately(query, [database]))

    def has_schema(self, database: str, schema: str) -> bool:
        query = "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?"
        return bool(self._separately(query, [database, schema]))

    def has_table(self, name: Name) -> bool:
        query = (
            "SELECT 1 FROM information_schema.tables "
            "WHERE table_catalog = ? AND table_schema = ? AND table_name = ?"
        )
        return bool(self._separately(query, list(name)))

    def qualified(self, name: Name, depth: int = 3) -> Name:
        """The name with its database and schema; a schema's, of depth 2, with its database."""
        lacking = depth - len(name)
        if lacking < 0:
            raise errors.syntax(f"'{'.'.join(name)}'")
        if lacking and not self.database_set:
            raise errors.no_current("database")
        if lacking == 2 and not self.schema_set:
            raise errors.no_current("schema")
        return (str(self.database), str(self._schema))[:lacking] + name

    def _separately(self, query: str, parameters: list[str]) -> list[Any]:
        """In no transaction, so that it sees what others have made meanwhile."""
        with self.duckdb.cursor() as cursor:
            return cursor.execute(query, parameters).fetchall()
