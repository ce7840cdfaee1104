"""GRANT and REVOKE.

Roles must exist, and so must what is granted on, in so far as this stand-in knows such objects.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators import snowflake_results as results
from spotify_pipeline_tests.emulators.snowflake_authority import Authority
from spotify_pipeline_tests.emulators.snowflake_grant_book import ACCOUNT, Grant, GrantBook
from spotify_pipeline_tests.emulators.snowflake_privileges import is_privilege
from spotify_pipeline_tests.emulators.snowflake_results import Result
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Reader

_GLOBAL = {"DATABASE", "WAREHOUSE", "INTEGRATION", "USER", "ROLE"}
_TYPES = (
    ("FILE", "FORMAT"),
    ("STORAGE", "INTEGRATION"),
    ("MATERIALIZED", "VIEW"),
    ("DYNAMIC", "TABLE"),
    ("EXTERNAL", "TABLE"),
)

Inside = Callable[[str, str], Iterable[str]]
"""The names of a kind's objects in a schema or database."""

Check = Callable[[str, str], None]
"""Raises where there is no such object of a kind."""

Transfer = Callable[[str, str], None]
"""Told which object of which kind has gone over to another role."""


@dataclass(frozen=True)
class Objects:
    """Reads what a statement names, and finds out whether it is there."""

    inside: Inside
    check: Check

    def known(self, kind: str, reader: Reader) -> str:
        """A role or user."""
        name = ".".join(reader.name())
        self.check(kind, name)
        return name

    def one(self, session: Session, kind: str, reader: Reader) -> str:
        name = reader.name()
        if kind == "SCHEMA" and len(name) == 1:
            name = (str(session.database), *name)
        elif kind not in _GLOBAL | {"SCHEMA"}:
            name = session.qualified(name)
        self.check(kind, ".".join(name))
        return ".".join(name)

    def several(self, session: Session, reader: Reader) -> tuple[str, list[str], bool]:
        """The kind, the objects' names, and whether future ones are meant."""
        if reader.accept("ACCOUNT"):
            return "ACCOUNT", [ACCOUNT], False
        if reader.accept("ALL"):
            kind, container = self._inside_of(session, reader)
            return kind, list(self.inside(kind, container)), False
        if reader.accept("FUTURE"):
            kind, container = self._inside_of(session, reader)
            return kind, [f"{container}.<{kind}>"], True
        kind = kind_of(reader)
        return kind, [self.one(session, kind, reader)], False

    def _inside_of(self, session: Session, reader: Reader) -> tuple[str, str]:
        kind = kind_of(reader).removesuffix("S")
        reader.expect("IN")
        return kind, self.one(session, reader.one_of("SCHEMA", "DATABASE"), reader)


class Grants:
    """Writes into the book what a session grants and revokes."""

    def __init__(
        self, book: GrantBook, authority: Authority, objects: Objects, transfer: Transfer
    ) -> None:
        self._book = book
        self._authority = authority
        self._objects = objects
        self._transfer = transfer

    def grant(self, session: Session, reader: Reader) -> Result:
        grants = self._read(session, reader, "TO")
        option = reader.accept("WITH", "GRANT", "OPTION")
        if not reader.at_end:  # GRANT OWNERSHIP … COPY or REVOKE CURRENT GRANTS
            reader.one_of("COPY", "REVOKE")
            reader.expect("CURRENT", "GRANTS")
        reader.end()
        for grant in grants:
            self._book.add(replace(grant, grant_option=option))
            if grant.privilege == "OWNERSHIP" and not grant.is_future:
                self._transfer(grant.granted_on, grant.name)
        return results.status()

    def revoke(self, session: Session, reader: Reader) -> Result:
        only_option = reader.accept("GRANT", "OPTION", "FOR")
        grants = self._read(session, reader, "FROM")
        if not reader.at_end:
            reader.one_of("CASCADE", "RESTRICT")
        reader.end()
        for grant in grants:
            if not only_option:
                self._book.remove(grant)
            elif any(held.what == grant.what for held in self._book):
                self._book.add(grant)
        return results.status()

    def _read(self, session: Session, reader: Reader, link: str) -> list[Grant]:
        """What comes between GRANT or REVOKE and the end of the role's name, if the session may
        grant it."""
        if reader.accept("ROLE"):
            role = self._objects.known("ROLE", reader)
            reader.expect(link)
            kind = reader.one_of("ROLE", "USER")
            grantee = self._objects.known(kind, reader)
            self._authority.check_grant(session, "ROLE", role, "USAGE")
            by = self._grantor(session, "ROLE", role)
            return [Grant("USAGE", "ROLE", role, kind, grantee, by)]
        privileges = _privileges(reader)
        kind, names, future = self._objects.several(session, reader)
        for privilege in privileges:
            if not is_privilege(privilege, kind):
                raise errors.syntax(f"'{privilege}' on {kind}")
        reader.expect(link)
        reader.accept("ROLE")
        role = self._objects.known("ROLE", reader)
        if future:
            self._authority.check_future_grant(session)
        else:
            for privilege in privileges:
                for name in names:
                    self._authority.check_grant(session, kind, name, privilege)
        return [
            Grant(
                privilege,
                kind,
                name,
                "ROLE",
                role,
                self._grantor(session, kind, name),
                is_future=future,
            )
            for privilege in privileges
            for name in names
        ]

    def _grantor(self, session: Session, kind: str, name: str) -> str:
        """Whoever grants does so in the owner's name."""
        return self._book.owner(kind, name) or session.role


def kind_of(reader: Reader) -> str:
    """A kind of object, also one of two words or in the plural."""
    for words in _TYPES:
        for suffix in ("", "S"):
            if reader.accept(words[0], words[1] + suffix):
                return "INTEGRATION" if words[0] == "STORAGE" else "_".join(words) + suffix
    return reader.word()


def _privileges(reader: Reader) -> list[str]:
    """`SELECT, INSERT`, `CREATE STAGE`, `ALL PRIVILEGES`…, up to ON."""
    found, words = [], [reader.word()]
    while not reader.accept("ON"):
        if reader.accept(","):
            found.append(" ".join(words))
            words = [reader.word()]
        else:
            words.append(reader.word())
    found.append(" ".join(words))
    if found[0].startswith("ALL"):
        raise errors.unsupported("GRANT ALL PRIVILEGES")
    return found
