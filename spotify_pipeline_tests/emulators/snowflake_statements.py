"""Finds what a statement is about, whether the session may do it, and who answers it; nobody, where
it is DuckDB's."""

import re
from collections.abc import Iterable, Sequence
from typing import NoReturn, Protocol

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators import snowflake_results as results
from spotify_pipeline_tests.emulators.snowflake_authority import Authority, granted_on, title
from spotify_pipeline_tests.emulators.snowflake_grant_book import GrantBook
from spotify_pipeline_tests.emulators.snowflake_grants import Grants
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_show_grants import ShowGrants
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Reader

_SHOWN_ELSEWHERE = ("COLUMNS", "OBJECTS", "PARAMETERS", "PRIMARY", "UNIQUE", "IMPORTED")


class Kind(Protocol):
    """A kind of object with its statements; who owns an object is not its business."""

    @property
    def words(self) -> tuple[str, ...]: ...
    @property
    def plural(self) -> tuple[str, ...]: ...
    @property
    def depth(self) -> int: ...
    @property
    def columns(self) -> Sequence[str]: ...

    def exists(self, name: Name) -> bool: ...
    def create(self, session: Session, name: Name, reader: Reader) -> None: ...
    def alter(self, session: Session, name: Name, reader: Reader) -> Result | None: ...
    def drop(self, session: Session, name: Name) -> None: ...
    def rows(self, session: Session) -> Iterable[tuple[Name, Row]]: ...
    def describe(self, name: Name) -> Result: ...


class Statements:
    """The statements on the objects of all kinds, and on grants."""

    def __init__(
        self,
        kinds: Sequence[Kind],
        book: GrantBook,
        authority: Authority,
        grants: Grants,
        show_grants: ShowGrants,
    ) -> None:
        self._kinds = {granted_on(kind.words): kind for kind in kinds}
        self._book = book
        self._authority = authority
        self._grants = grants
        self._show_grants = show_grants

    def answer(self, session: Session, sql: str) -> Result | None:
        """The answer to a statement; None if it is none of these."""
        reader = Reader(sql)
        if reader.accept("CREATE"):
            return self._create(session, reader)
        if reader.accept("ALTER"):
            return self._alter(session, reader)
        if reader.accept("DROP"):
            return self._drop(session, reader)
        if reader.accept("SHOW"):
            return self._show(session, reader)
        if reader.accept("DESC") or reader.accept("DESCRIBE"):
            return self._describe(session, reader)
        if reader.accept("GRANT"):
            return self._grants.grant(session, reader)
        if reader.accept("REVOKE"):
            return self._grants.revoke(session, reader)
        return None

    def _create(self, session: Session, reader: Reader) -> Result:
        if reader.accept("OR", "ALTER"):
            raise errors.unsupported("CREATE OR ALTER")
        replace = reader.accept("OR", "REPLACE")
        kind = self._known(reader)
        if_not_exists = reader.accept("IF", "NOT", "EXISTS")
        if replace and if_not_exists:
            raise errors.compilation(
                1422, "42601", "options IF NOT EXISTS and OR REPLACE are incompatible."
            )
        name = self._placed(session, kind, reader)
        on, dotted = granted_on(kind.words), ".".join(name)
        is_there = kind.exists(name)
        if is_there and not replace:
            if if_not_exists:
                return results.kept(name[-1])
            raise errors.exists("Object", dotted)
        if is_there:
            self._authority.need(session, on, dotted)
        self._authority.check_create(session, on, dotted)
        kind.create(session, name, reader)
        if not re.search(r"\bCOPY\s+GRANTS\b", reader.sql, re.IGNORECASE):
            self._book.forget(on, dotted)
        self._book.own(on, dotted, session.role)
        if on == "DATABASE":
            self._book.own("SCHEMA", f"{dotted}.PUBLIC", session.role)
        return results.created(title(on), name[-1])

    def _alter(self, session: Session, reader: Reader) -> Result:
        kind = self._known(reader)
        if_exists = reader.accept("IF", "EXISTS")
        name = self._placed(session, kind, reader)
        if not self._finds(session, kind, name):
            if if_exists:
                return results.status()
            raise errors.missing(title(granted_on(kind.words)), ".".join(name))
        self._authority.check_alter(session, granted_on(kind.words), ".".join(name), reader)
        return kind.alter(session, name, reader) or results.status()

    def _drop(self, session: Session, reader: Reader) -> Result:
        kind = self._known(reader)
        if_exists = reader.accept("IF", "EXISTS")
        name = self._placed(session, kind, reader)
        _ = reader.accept("CASCADE") or reader.accept("RESTRICT")
        reader.end()
        on, dotted = granted_on(kind.words), ".".join(name)
        if not self._finds(session, kind, name):
            if if_exists:
                return results.nothing_to_drop(name[-1])
            raise errors.missing(title(on), dotted)
        self._authority.need(session, on, dotted)
        kind.drop(session, name)
        if on == "ROLE":
            self._book.forget_role(dotted, session.role)
        else:
            self._book.forget(on, dotted)
        return results.dropped(name[-1])

    def _show(self, session: Session, reader: Reader) -> Result | None:
        if reader.accept("FUTURE", "GRANTS"):
            return self._show_grants.show_future(session, reader)
        if reader.accept("GRANTS"):
            return self._show_grants.show(session, reader)
        reader.accept("STORAGE")
        for kind in self._kinds.values():
            if reader.accept(*kind.plural):
                return self._list(session, kind, reader)
        if not any(reader.accept(word) for word in _SHOWN_ELSEWHERE):
            raise errors.unsupported(reader.sql)
        return None

    def _list(self, session: Session, kind: Kind, reader: Reader) -> Result:
        """What the session sees, by name."""
        on = granted_on(kind.words)
        scope = results.scope(reader, session, kind.depth)
        for depth in range(1, len(scope.container) + 1):
            if not self._finds(session, self._above(depth), scope.container[:depth]):
                raise errors.no_object()
        found = {
            name: row
            for name, row in kind.rows(session)
            if scope.admits(name) and self._authority.sees(session, on, ".".join(name))
        }
        rows = [self._shown(session, on, name, found[name]) for name in sorted(found)]
        return results.listing(rows, kind.columns)

    def _shown(self, session: Session, on: str, name: Name, row: Row) -> Row:
        owner = self._book.owner(on, ".".join(name))
        if on == "USER" and not (
            owner in self._book.roles(session.role) or self._authority.manages_grants(session)
        ):
            return {"name": row["name"]}
        return {**row, "owner": owner, "owner_role_type": "ROLE" if owner else ""}

    def _describe(self, session: Session, reader: Reader) -> Result | None:
        kind = self._kind(reader)
        if kind is None:
            return None
        name = self._placed(session, kind, reader)
        reader.end()
        on, dotted = granted_on(kind.words), ".".join(name)
        if not kind.exists(name):
            raise errors.missing(title(on), dotted)
        self._authority.check_describe(session, on, dotted)
        described = kind.describe(name)
        if "owner" not in described.columns:
            return described
        row = dict(zip(described.columns, described.rows[0], strict=True))
        return results.listing([self._shown(session, on, name, row)], described.columns)

    def _known(self, reader: Reader) -> Kind:
        return self._kind(reader) or self._refuse(reader)

    def _kind(self, reader: Reader) -> Kind | None:
        """The kind whose words come next; an integration may go without the word STORAGE."""
        for kind in self._kinds.values():
            if reader.accept(*kind.words) or (
                kind.words[-1] == "INTEGRATION" and reader.accept("INTEGRATION")
            ):
                return kind
        return None

    def _refuse(self, reader: Reader) -> NoReturn:
        raise errors.unsupported(reader.sql.split("\n")[0][:60])

    def _placed(self, session: Session, kind: Kind, reader: Reader) -> Name:
        """The name with its database and schema, which have to be there: IF EXISTS forgives
        nothing but that the object itself is missing."""
        name = session.qualified(reader.name(), kind.depth)
        for depth in range(1, kind.depth):
            above = self._above(depth)
            if not self._finds(session, above, name[:depth]):
                raise errors.missing(title(granted_on(above.words)), ".".join(name[:depth]))
        return name

    def _above(self, depth: int) -> Kind:
        return self._kinds[("DATABASE", "SCHEMA")[depth - 1]]

    def _finds(self, session: Session, kind: Kind, name: Name) -> bool:
        return kind.exists(name) and self._authority.sees(
            session, granted_on(kind.words), ".".join(name)
        )
