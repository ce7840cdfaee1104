"""Who may read and change rows, by what has been granted.

A view asks for nothing but itself: what it reads it reads as its owner. What is no table or view of
the account's own (INFORMATION_SCHEMA, table functions) is not asked about here.
"""

from collections.abc import Iterator

from sqlglot import exp

from spotify_pipeline_tests.emulators.snowflake_authority import Authority
from spotify_pipeline_tests.emulators.snowflake_grant_book import GrantBook
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name
from spotify_pipeline_tests.emulators.snowflake_table_sql import name_of, parsed

_KINDS = ("TABLE", "VIEW")


class RowRights:
    """Refuses queries and DML to a session whose role lacks a privilege."""

    def __init__(self, book: GrantBook, authority: Authority) -> None:
        self._book = book
        self._authority = authority

    def check(self, session: Session, sql: str) -> None:
        """Of a query, INSERT, UPDATE, DELETE or MERGE."""
        statement = parsed(sql)
        target = _target(statement)
        for table in _tables(statement):
            name = session.qualified(name_of(table))
            for privilege in _changes(statement) if table is target else ("SELECT",):
                self.need(session, name, privilege)

    def need(self, session: Session, name: Name, privilege: str) -> None:
        for kind in _KINDS:
            if self._book.owner(kind, ".".join(name)):
                self._authority.need(session, kind, ".".join(name), privilege)


def _target(statement: exp.Expression) -> exp.Expression | None:
    """The table whose rows a statement changes."""
    if not isinstance(statement, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return None
    return statement.this.this if isinstance(statement.this, exp.Schema) else statement.this


def _changes(statement: exp.Expression) -> list[str]:
    """What it does with them."""
    if isinstance(statement, exp.Merge):
        return sorted({_word(when.args["then"]) for when in statement.find_all(exp.When)})
    return [_word(statement)]


def _word(change: exp.Expression) -> str:
    """INSERT, UPDATE or DELETE; in MERGE the last one is a bare word."""
    return change.name.upper() if isinstance(change, exp.Var) else change.key.upper()


def _tables(statement: exp.Expression) -> Iterator[exp.Table]:
    """The tables and views that it names."""
    ctes = {cte.alias for cte in statement.find_all(exp.CTE)}
    for table in statement.find_all(exp.Table):
        is_function = not isinstance(table.this, exp.Identifier)
        is_cte = not table.db and table.name in ctes
        if not (is_function or is_cte):
            yield table
