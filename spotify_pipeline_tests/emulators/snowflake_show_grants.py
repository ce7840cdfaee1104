"""SHOW GRANTS and SHOW FUTURE GRANTS.

A role's grants are shown to whom the role comes with, who owns it, and who manages grants; nobody
else is told whether there is such a role.
"""

from collections.abc import Iterable

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_authority import Authority, title
from spotify_pipeline_tests.emulators.snowflake_grant_book import ACCOUNT, Grant, GrantBook
from spotify_pipeline_tests.emulators.snowflake_grants import Objects, kind_of
from spotify_pipeline_tests.emulators.snowflake_results import Result
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Reader

_TO_ROLE = (
    "created_on",
    "privilege",
    "granted_on",
    "name",
    "granted_to",
    "grantee_name",
    "grant_option",
    "granted_by",
)
_TO_USER = (
    "created_on",
    "privilege",
    "granted_on",
    "name",
    "role",
    "granted_to",
    "grantee_name",
    "grant_option",
    "granted_by",
)
_OF_ROLE = ("created_on", "role", "granted_to", "grantee_name", "granted_by")
_ON = (*_TO_ROLE, "granted_by_role_type")
_FUTURE = {
    "created_on": "created_on",
    "privilege": "privilege",
    "grant_on": "granted_on",
    "name": "name",
    "grant_to": "granted_to",
    "grantee_name": "grantee_name",
    "grant_option": "grant_option",
}
"""The columns, and what else they are called."""


class ShowGrants:
    """Answers from the book, as far as the session may know."""

    def __init__(self, book: GrantBook, authority: Authority, objects: Objects) -> None:
        self._book = book
        self._authority = authority
        self._objects = objects

    def show(self, session: Session, reader: Reader) -> Result:
        """What comes after SHOW GRANTS."""
        if reader.at_end:
            return self._to_user(session.user)
        if reader.accept("TO", "ROLE"):
            role = self._role(session, reader)
            found = [g for g in self._to("ROLE", role) if not g.is_future]
            return _shown(sorted(found, key=_by_object), _TO_ROLE)
        if reader.accept("TO", "USER"):
            user = self._objects.known("USER", reader)
            if user != session.user:
                self._check(session, "USER", user)
            return self._to_user(user)
        if reader.accept("OF", "ROLE"):
            role = self._role(session, reader)
            found = [g for g in self._on("ROLE", role) if g.privilege == "USAGE"]
            return _shown(found, _OF_ROLE)
        reader.expect("ON")
        if reader.accept("ACCOUNT"):
            return _shown(self._on("ACCOUNT", ACCOUNT), _ON)
        kind = kind_of(reader)
        name = self._objects.one(session, kind, reader)
        self._authority.check_seen(session, kind, name)
        found = [g for g in self._on(kind, name) if g.granted_to == "ROLE"]
        return _shown(sorted(found, key=lambda g: (g.grantee_name, g.privilege)), _ON)

    def show_future(self, session: Session, reader: Reader) -> Result:
        """What comes after SHOW FUTURE GRANTS."""
        if reader.accept("TO", "ROLE"):
            role = self._role(session, reader)
            return _shown_future(g for g in self._to("ROLE", role) if g.is_future)
        reader.expect("IN")
        kind = reader.one_of("SCHEMA", "DATABASE")
        container = self._objects.one(session, kind, reader)
        self._authority.check_seen(session, kind, container)
        found = [g for g in self._book if g.is_future and g.container == container]
        if not self._authority.manages_grants(session):
            roles = self._book.roles(session.role)
            found = [g for g in found if g.grantee_name in roles]
        return _shown_future(found)

    def _role(self, session: Session, reader: Reader) -> str:
        role = self._objects.known("ROLE", reader)
        if role not in self._book.roles(session.role):
            self._check(session, "ROLE", role)
        return role

    def _check(self, session: Session, kind: str, name: str) -> None:
        owns = "OWNERSHIP" in self._authority.holds(session, kind, name)
        if not (owns or self._authority.manages_grants(session)):
            raise errors.missing(title(kind), name)

    def _to(self, kind: str, name: str) -> list[Grant]:
        return [g for g in self._book if (g.granted_to, g.grantee_name) == (kind, name)]

    def _on(self, kind: str, name: str) -> list[Grant]:
        return [g for g in self._book if (g.granted_on, g.name) == (kind, name) and not g.is_future]

    def _to_user(self, user: str) -> Result:
        """Nobody is told that he has PUBLIC."""
        return _shown([g for g in self._to("USER", user) if g.name != "PUBLIC"], _TO_USER)


def _by_object(grant: Grant) -> tuple[str, str, str]:
    return grant.granted_on, grant.name, grant.privilege


def _shown(grants: Iterable[Grant], columns: tuple[str, ...]) -> Result:
    return Result(columns, [[_value(grant, name) for name in columns] for grant in grants])


def _shown_future(grants: Iterable[Grant]) -> Result:
    ordered = sorted(grants, key=lambda g: (g.grantee_name, *_by_object(g)))
    rows = [[_value(grant, name) for name in _FUTURE.values()] for grant in ordered]
    return Result(tuple(_FUTURE), rows)


def _value(grant: Grant, column: str) -> object:
    if column == "role":
        return grant.name
    if column == "granted_by_role_type":
        return "ROLE"
    if column == "grant_option":
        return str(grant.grant_option).lower()
    return getattr(grant, column)
