"""The account behind the HTTP: everything there is, and who answers which statement."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from spotify_pipeline.clock import Clock
from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators import snowflake_results as results
from spotify_pipeline_tests.emulators.snowflake_authority import Authority, title
from spotify_pipeline_tests.emulators.snowflake_catalogue import Catalogue, Pipe
from spotify_pipeline_tests.emulators.snowflake_comments import comment_on
from spotify_pipeline_tests.emulators.snowflake_containers import Databases, Schemas
from spotify_pipeline_tests.emulators.snowflake_copy import resolve_format
from spotify_pipeline_tests.emulators.snowflake_csv import CsvFormat
from spotify_pipeline_tests.emulators.snowflake_events import EventQueue
from spotify_pipeline_tests.emulators.snowflake_files import Files
from spotify_pipeline_tests.emulators.snowflake_grant_book import GrantBook
from spotify_pipeline_tests.emulators.snowflake_grants import Grants, Objects
from spotify_pipeline_tests.emulators.snowflake_history import CopyHistory
from spotify_pipeline_tests.emulators.snowflake_integrations import Integrations
from spotify_pipeline_tests.emulators.snowflake_pipes import Pipes
from spotify_pipeline_tests.emulators.snowflake_queries import CHANGING, Queries
from spotify_pipeline_tests.emulators.snowflake_results import Result
from spotify_pipeline_tests.emulators.snowflake_roles import Roles
from spotify_pipeline_tests.emulators.snowflake_row_rights import RowRights
from spotify_pipeline_tests.emulators.snowflake_sessions import Session, Warehouse
from spotify_pipeline_tests.emulators.snowflake_show_grants import ShowGrants
from spotify_pipeline_tests.emulators.snowflake_sign_in import SignIn
from spotify_pipeline_tests.emulators.snowflake_snowpipe import Snowpipe
from spotify_pipeline_tests.emulators.snowflake_stages import FileFormats, Stages
from spotify_pipeline_tests.emulators.snowflake_statements import Kind, Statements
from spotify_pipeline_tests.emulators.snowflake_storage import MayAssume, Storage
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Reader, parts
from spotify_pipeline_tests.emulators.snowflake_tables import Tables
from spotify_pipeline_tests.emulators.snowflake_users import Users
from spotify_pipeline_tests.emulators.snowflake_warehouses import Warehouses

_VERB = re.compile(
    r"(?:\s|(?:--|//)[^\n]*\n|/\*.*?\*/)*([A-Za-z]+)(\s+SESSION\b)?", re.DOTALL | re.I
)
_DEFINING = {"CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "COMMENT"}
_ASKING = {"SHOW", "DESC", "DESCRIBE"}
_IDLE = timedelta(minutes=5)
"""How long a transaction with a lock may sit idle, once somebody else wants to change rows."""

_ROWS = {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE"}
_REFUSED = {"COPY", "PUT", "GET", "REMOVE", "RM", "CALL", "EXECUTE", "UNDROP"}


class Account:
    """One account. `answer` has a statement's answer, or the statement that fakesnow shall have."""

    def __init__(
        self,
        clock: Clock,
        lock_seconds: float,
        s3: Any,
        queue: EventQueue,
        region: str,
        may_assume: MayAssume,
    ) -> None:
        self.warehouse = Warehouse(lock_seconds)
        self.catalogue = Catalogue(clock)
        self.storage = Storage(self.catalogue, s3, may_assume)
        connection = self.warehouse.cursor()
        self._history = CopyHistory(connection)
        self.snowpipe = Snowpipe(
            self.catalogue,
            self._history,
            self.warehouse.cursor(),
            self._format_of,
            self.storage,
            queue,
        )
        self._book = GrantBook(clock)
        self._authority = Authority(self._book)
        self._rights = RowRights(self._book, self._authority)
        pipes = Pipes(
            self.catalogue,
            self.snowpipe,
            self.storage,
            self._history,
            self._authority,
            queue.arn,
        )
        of_tables = (connection, clock, self._forget, self._rename)
        of_containers = (connection, clock, self._forget, self.warehouse.displace)
        self._tables = Tables("TABLE", *of_tables)
        self._schemas = Schemas(*of_containers)
        users, roles = Users(clock), Roles(clock, self._book)
        self._kinds: dict[str, Kind] = {
            "DATABASE": Databases(*of_containers),
            "SCHEMA": self._schemas,
            "TABLE": self._tables,
            "VIEW": Tables("VIEW", *of_tables),
            "INTEGRATION": Integrations(self.catalogue),
            "FILE_FORMAT": FileFormats(self.catalogue),
            "STAGE": Stages(self.catalogue, self._authority, region),
            "PIPE": pipes,
            "ROLE": roles,
            "USER": users,
            "WAREHOUSE": Warehouses(clock),
        }
        self.sign_in = SignIn(users, roles, self._book)
        objects = Objects(self._inside, self._check_exists)
        self._statements = Statements(
            list(self._kinds.values()),
            self._book,
            self._authority,
            Grants(self._book, self._authority, objects, self._transfer),
            ShowGrants(self._book, self._authority, objects),
        )
        self._files = Files(self.catalogue, self.storage, self._authority)
        self._queries = Queries(
            self.catalogue,
            self._history,
            {
                "SYSTEM$PIPE_STATUS": pipes.status,
                "SYSTEM$PIPE_FORCE_RESUME": pipes.force_resume,
                "SYSTEM$VALIDATE_STORAGE_INTEGRATION": self._files.validate,
            },
            self._sees_pipe,
            region,
        )

    def answer(self, session: Session, sql: str) -> Result | str:
        session.find_footing()
        session.asked_at = now = self.catalogue.clock()
        found = _VERB.match(sql)
        verb = found[1].upper() if found else ""
        if verb in ("BEGIN", "START", "COMMIT", "ROLLBACK", "USE", "TRUNCATE"):
            return self._control(session, verb, Reader(sql))
        if verb == "ALTER" and found and found[2]:
            return self._alter_session(session, Reader(sql), sql)
        if verb in ("LIST", "LS"):
            reader = Reader(sql)
            reader.expect(verb)
            return self._files.list(session, reader)
        if verb in _REFUSED:
            raise errors.unsupported(verb)
        if verb in _DEFINING | _ASKING:
            return self._about_objects(session, verb, sql)
        if verb in CHANGING:
            self.warehouse.end_idle(now - _IDLE)
        if verb in _ROWS:
            self._rights.check(session, sql)
        return self._queries.prepare(session, verb, sql)

    def _about_objects(self, session: Session, verb: str, sql: str) -> Result | str:
        if verb in _DEFINING:
            session.finish("COMMIT")  # as any DDL does
        if verb == "COMMENT":
            kinds = list(self._kinds.values())
            return comment_on(session, Reader(sql), kinds, self._authority)
        if verb == "DROP":
            with self.snowpipe.turn:  # nothing is loaded meanwhile
                return self._statements.answer(session, sql) or sql
        return self._statements.answer(session, sql) or sql

    def _control(self, session: Session, first: str, reader: Reader) -> Result:
        reader.expect(first)
        if first in ("BEGIN", "START"):
            _ = reader.accept("WORK") or reader.accept("TRANSACTION")
            reader.end()
            session.begin()
        elif first in ("COMMIT", "ROLLBACK"):
            reader.accept("WORK")
            reader.end()
            session.finish(first)
        elif first == "USE":
            self._use(session, reader)
        else:
            self._truncate(session, reader)
        return results.status()

    def _use(self, session: Session, reader: Reader) -> None:
        if reader.accept("SECONDARY", "ROLES"):
            return
        word = next(
            (word for word in ("ROLE", "WAREHOUSE", "DATABASE", "SCHEMA") if reader.accept(word)),
            None,
        )
        name = reader.name()
        reader.end()
        if word == "ROLE":
            self.sign_in.check_use(session.user, ".".join(name))
            session.role = name[0]
        elif word == "WAREHOUSE":
            if not self._kinds[word].exists(name):
                raise errors.no_object()
            session.warehouse = name[0]
        elif word == "SCHEMA":
            session.use(session.qualified(name, 2))
        else:
            session.use(name)

    def _truncate(self, session: Session, reader: Reader) -> None:
        reader.accept("TABLE")
        if_exists = reader.accept("IF", "EXISTS")
        name = session.qualified(reader.name())
        reader.end()
        if self._tables.exists(name):
            self._rights.need(session, name, "TRUNCATE")
            self._tables.truncate(session, name)
        elif not if_exists:
            raise errors.missing("Table", ".".join(name))

    def _alter_session(self, session: Session, reader: Reader, sql: str) -> Result | str:
        """Parameters are taken and mean nothing, but for LOCK_TIMEOUT, AUTOCOMMIT and a time zone
        not UTC."""
        reader.expect("ALTER", "SESSION")
        if reader.accept("UNSET"):
            if "LOCK_TIMEOUT" in reader.words():
                session.lock_timeout = None
            return results.status()
        reader.expect("SET")
        options = reader.options()
        reader.end()
        if str(options.get("TIMEZONE", "UTC")).upper() not in ("UTC", "ETC/UTC"):
            raise errors.unsupported(f"TIMEZONE = {options['TIMEZONE']}")
        session.set_limits(options)
        if "AUTOCOMMIT" in options:
            session.finish("COMMIT")
            return sql
        return results.status()

    def _forget(self, name: Name) -> None:
        self._history.forget_table(name)
        if len(name) < 3:
            self._schemas.forget(name)
            for pipe in self.catalogue.drop_inside(name):
                self._history.forget_pipe(pipe.name)

    def _rename(self, kind: str, name: Name, new: Name) -> None:
        self._book.rename(kind, ".".join(name), ".".join(new))

    def _format_of(self, pipe: Pipe) -> CsvFormat:
        return resolve_format(self.catalogue, pipe.copy.file_format)

    def _sees_pipe(self, session: Session, pipe: Name) -> bool:
        """In the information schema."""
        held = self._authority.holds(session, "PIPE", ".".join(pipe))
        return bool(held & {"OWNERSHIP", "MONITOR"})

    def _inside(self, kind: str, container: str) -> list[str]:
        name = parts(container)
        if kind in ("TABLE", "VIEW"):
            tables = self._kinds[kind]
            assert isinstance(tables, Tables)
            return [".".join(found) for found in tables.inside(name)]
        if kind == "PIPE":
            text = "Bulk grant on objects of type PIPE to ROLE is restricted."
            raise errors.compilation(3111, "0A000", text)
        held: dict[str, Iterable[Name]] = {
            "STAGE": self.catalogue.stages,
            "FILE_FORMAT": self.catalogue.file_formats,
        }
        if kind not in held:
            raise errors.unsupported(f"GRANT ON ALL {kind}S")
        return [".".join(each) for each in held[kind] if each[: len(name)] == name]

    def _check_exists(self, kind: str, name: str) -> None:
        known = self._kinds.get(kind)
        if known is None:
            raise errors.unsupported(f"GRANT ON {kind}")
        if not known.exists(tuple(name.split("."))):
            raise errors.missing(title(kind), name)

    def _transfer(self, kind: str, name: str) -> None:
        """A paused pipe that has gone over to another role doesn't go on by a plain resume."""
        if kind == "PIPE":
            pipe = self.catalogue.pipe(tuple(name.split(".")))
            pipe.must_be_forced = pipe.paused_at is not None
