"""Queries and DML on their way to fakesnow: what it does not know is put in, and what it would do
otherwise than Snowflake is seen to before.
"""

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_catalogue import Catalogue
from spotify_pipeline_tests.emulators.snowflake_grant_book import ACCOUNT
from spotify_pipeline_tests.emulators.snowflake_history import CopyHistory
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, parts
from spotify_pipeline_tests.emulators.snowflake_table_sql import name_of, parsed

ORGANIZATION, ACCOUNT_NAME = "LOOPBACK", "STANDIN"

_ASKING = re.compile(
    r"CURRENT_(DATABASE|SCHEMA|ROLE|USER|WAREHOUSE|ACCOUNT(_NAME)?|ORGANIZATION_NAME|REGION|SESSION)\b"
    r"|SYSTEM\$|\bCOPY_HISTORY\b|\bVALIDATE_PIPE_LOAD\b|\bPIPE_USAGE_HISTORY\b|\bINFORMATION_SCHEMA\s*\.\s*PIPES\b",
    re.IGNORECASE,
)
_PIPES = ("INFORMATION_SCHEMA", "PIPES")
_PIPE_COLUMNS = (
    "PIPE_CATALOG",
    "PIPE_SCHEMA",
    "PIPE_NAME",
    "DEFINITION",
    "COMMENT",
    "IS_AUTOINGEST_ENABLED",
    "NOTIFICATION_CHANNEL_NAME",
)
CHANGING = {"UPDATE", "DELETE", "MERGE"}

Function = Callable[..., str]
"""A SYSTEM$ function: gets the session and the arguments as text."""

Sees = Callable[[Session, Name], bool]
"""Whether the session's role sees a pipe."""


class Queries:
    """Makes statements fit for fakesnow."""

    def __init__(
        self,
        catalogue: Catalogue,
        history: CopyHistory,
        functions: dict[str, Function],
        sees_pipe: Sees,
        region: str,
    ) -> None:
        self._catalogue = catalogue
        self._region = f"AWS_{region.upper().replace('-', '_')}"
        self._sees_pipe = sees_pipe
        self._history = history
        self._functions = functions

    def prepare(self, session: Session, verb: str, sql: str) -> str:
        """The statement as fakesnow shall have it. May wait for a lock."""
        if verb in CHANGING:
            self._before_change(session, sql)
        if not _ASKING.search(sql):
            return sql
        statement = parsed(sql)
        history = [
            each
            for each in statement.find_all(exp.TableFromRows)
            if _table_function(each)[-1] == "COPY_HISTORY"
        ]
        for each in history:
            each.replace(self._copy_history(session, each))
        if history:
            statement = statement.transform(self._at_clock)
        return str(statement.transform(lambda node: self._told(session, node)).sql("snowflake"))

    def _before_change(self, session: Session, sql: str) -> None:
        statement = parsed(sql)
        target = statement.this
        if isinstance(target, exp.Table):
            session.lock(session.qualified(name_of(target)))

    def _told(self, session: Session, node: Any) -> Any:
        """A function's value in its place."""
        values: dict[type[Any], str | None] = {
            exp.CurrentDatabase: session.database if session.database_set else None,
            exp.CurrentSchema: session.schema if session.schema_set else None,
            exp.CurrentRole: session.role,
            exp.CurrentUser: session.user,
            exp.CurrentWarehouse: session.warehouse,
            exp.CurrentAccount: ACCOUNT,
            exp.CurrentAccountName: ACCOUNT_NAME,
            exp.CurrentOrganizationName: ORGANIZATION,
            exp.CurrentRegion: self._region,
            exp.CurrentSession: session.token,
        }
        if type(node) in values:
            return _aliased(node, values[type(node)])
        if isinstance(node, exp.Anonymous) and node.name.upper().startswith("SYSTEM$"):
            function = self._functions.get(node.name.upper())
            if function is None:
                raise errors.unsupported(node.name)
            return _aliased(node, function(session, *map(_argument, node.expressions)))
        if isinstance(node, exp.Table) and (node.db.upper(), node.name.upper()) == _PIPES:
            return self._pipes(session, node)
        if isinstance(node, exp.TableFromRows):
            raise errors.unsupported(node.sql("snowflake"))
        return node

    def _copy_history(self, session: Session, node: Any) -> Any:
        *container, _, _ = ["", *_table_function(node)]
        given = {each.this.name.upper(): each.expression for each in _call(node).expressions}
        for key in ("TABLE_NAME", "START_TIME"):
            if key not in given:
                raise errors.syntax(f"end of arguments: {key} is missing")
        table = _within(session, tuple(filter(None, container)), _argument(given["TABLE_NAME"]))
        if not session.has_table(table):
            raise errors.missing("Table", ".".join(table))
        pipe = given.get("PIPE_NAME")
        end = given.get("END_TIME", exp.CurrentTimestamp())
        query = self._history.query(
            table,
            session.qualified(parts(_argument(pipe))) if pipe else None,
            given["START_TIME"].sql("snowflake"),
            end.sql("snowflake"),
            self._catalogue.clock(),
        )
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier("COPY_HISTORY"))
        return exp.Subquery(this=parsed(query), alias=alias)

    def _pipes(self, session: Session, node: Any) -> Any:
        """INFORMATION_SCHEMA.PIPES, of the database it stands in: those that the role sees."""
        [database] = parts(node.catalog) if node.catalog else [str(session.database)]
        rows = [
            (
                *pipe.name,
                pipe.definition,
                pipe.comment,
                "YES" if pipe.auto_ingest else "NO",
                pipe.told.get("notificationChannelName"),
            )
            for pipe in self._catalogue.pipes.values()
            if pipe.name[0] == database and self._sees_pipe(session, pipe.name)
        ]
        selects = [_select(row) for row in rows or [(None,) * len(_PIPE_COLUMNS)]]
        query = exp.union(*selects, distinct=False) if len(selects) > 1 else selects[0]
        if not rows:
            query = query.where("FALSE")
        return exp.Subquery(
            this=query, alias=exp.TableAlias(this=exp.to_identifier(node.alias or "PIPES"))
        )

    def _at_clock(self, node: Any) -> Any:
        """The stand-in's own time, for what is asked of its history."""
        if isinstance(node, exp.CurrentTimestamp):
            now = self._catalogue.clock().isoformat()
            return exp.cast(exp.Literal.string(now), "TIMESTAMPTZ")
        return node


def _select(row: tuple[str | None, ...]) -> Any:
    values = zip(row, _PIPE_COLUMNS, strict=True)
    return exp.select(*(exp.alias_(exp.convert(value), name) for value, name in values))


def _within(session: Session, container: Name, table: str) -> Name:
    name = parts(table)
    if len(name) < 3 and container:
        name = (container[0], *(name if len(name) == 2 else (str(session.schema), *name)))
    return session.qualified(name)


def _call(node: Any) -> Any:
    return node.this.expression if isinstance(node.this, exp.Dot) else node.this


def _table_function(node: Any) -> Name:
    """`DB.INFORMATION_SCHEMA.COPY_HISTORY` of `TABLE(…)`."""
    names: list[str] = []
    inner = node.this
    if isinstance(inner, exp.Dot):
        names = [part.name.upper() for part in inner.parts[:-1]]
    call = _call(node)
    return (*names, str(getattr(call, "name", "")).upper())


def _argument(node: Any) -> str:
    if not (isinstance(node, exp.Literal) and node.is_string):
        raise errors.unsupported(f"the argument {node.sql('snowflake')}")
    return str(node.this)


def _aliased(node: Any, value: str | None) -> Any:
    """The value; as an output column it keeps the function's name."""
    literal = exp.Literal.string(value) if value is not None else exp.null()
    if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
        return exp.alias_(literal, node.sql("snowflake").upper(), quoted=True)
    return literal
