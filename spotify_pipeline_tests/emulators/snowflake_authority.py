"""Who sees which object, and who may do what with it, by what has been granted.

A session has what its role has, and the roles that come with it; secondary roles are not looked at.
"""

from collections.abc import Sequence

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_grant_book import ACCOUNT, GrantBook
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Reader

_LISTED = ("ROLE", "USER")
"""Whoever asks sees all of these by name."""

_DESCRIBED_BY = {"INTEGRATION": ("USAGE",), "USER": ()}
"""Where it takes more to describe an object than to see it: ownership, or one of these."""

_CREATED_BY = {"INTEGRATION": ("CREATE STORAGE INTEGRATION", "CREATE INTEGRATION")}
_ALTERED_BY = (
    ("PIPE", ("REFRESH",), "OPERATE"),
    ("PIPE", ("SET", "PIPE_EXECUTION_PAUSED"), "OPERATE"),
    ("WAREHOUSE", ("RESUME",), "OPERATE"),
    ("WAREHOUSE", ("SUSPEND",), "OPERATE"),
    ("WAREHOUSE", ("SET",), "MODIFY"),
    ("DATABASE", ("SET",), "MODIFY"),
    ("SCHEMA", ("SET",), "MODIFY"),
)
"""Which clauses of ALTER don't take ownership, but a privilege."""


class Authority:
    """What a session may see and do. Kinds and names are those of the grants."""

    def __init__(self, book: GrantBook) -> None:
        self._book = book

    def holds(self, session: Session, kind: str, name: str) -> set[str]:
        """The privileges on an object; none where its database or schema is out of reach."""
        roles = self._book.roles(session.role)
        *containers, _ = name.split(".") if kind not in (*_LISTED, "ACCOUNT") else [name]
        for depth in range(1, len(containers) + 1):
            above = ("DATABASE", "SCHEMA")[depth - 1]
            if not self._book.privileges(roles, above, ".".join(containers[:depth])):
                return set()
        return self._book.privileges(roles, kind, name)

    def manages_grants(self, session: Session) -> bool:
        """Who has this sees every object, and grants as its owner would."""
        return "MANAGE GRANTS" in self.holds(session, "ACCOUNT", ACCOUNT)

    def sees(self, session: Session, kind: str, name: str) -> bool:
        """Any privilege shows an object."""
        if kind in _LISTED or self.manages_grants(session):
            return True
        if kind == "SCHEMA" and name.endswith(".INFORMATION_SCHEMA"):
            return self.sees(session, "DATABASE", name.rpartition(".")[0])
        if kind == "PIPE" and "MONITOR EXECUTION" in self.holds(session, "ACCOUNT", ACCOUNT):
            return True
        return bool(self.holds(session, kind, name))

    def check_seen(self, session: Session, kind: str, name: str) -> None:
        if not self.sees(session, kind, name):
            raise errors.missing(title(kind), name)

    def need(self, session: Session, kind: str, name: str, *privileges: str) -> None:
        """Refuses whoever doesn't own an object, nor has one of the privileges on it."""
        if {"OWNERSHIP", *privileges} & self.holds(session, kind, name):
            return
        self.check_seen(session, kind, name)
        needed = privileges[0] if privileges else "OWNERSHIP"
        raise errors.insufficient(kind, name, session.role, needed)

    def check_create(self, session: Session, kind: str, name: str) -> None:
        """Of an object that there is not."""
        container = name.rpartition(".")[0]
        wanted = _CREATED_BY.get(kind, (f"CREATE {kind.replace('_', ' ')}",))
        if container:
            self.need(session, "SCHEMA" if "." in container else "DATABASE", container, *wanted)
        else:
            self.need(session, "ACCOUNT", ACCOUNT, *wanted)

    def check_alter(self, session: Session, kind: str, name: str, reader: Reader) -> None:
        """Goes by the clause that comes next."""
        enough = [
            privilege
            for what, clause, privilege in _ALTERED_BY
            if what == kind and reader.is_next(*clause)
        ]
        self.need(session, kind, name, *enough)

    def check_describe(self, session: Session, kind: str, name: str) -> None:
        self.check_seen(session, kind, name)
        if kind in _DESCRIBED_BY and (kind, name) != ("USER", session.user):
            self.need(session, kind, name, *_DESCRIBED_BY[kind])

    def check_grant(self, session: Session, kind: str, name: str, privilege: str) -> None:
        """Whoever owns an object may grant on it, who manages grants, and whom it was given to
        pass on. Of the account's privileges only the latter."""
        roles = self._book.roles(session.role)
        if any(
            grant.grant_option and grant.grantee_name in roles
            for grant in self._book
            if (grant.privilege, grant.granted_on, grant.name) == (privilege, kind, name)
        ):
            return
        by_owner = "OWNERSHIP" in self._book.privileges(roles, kind, name)
        if kind == "ACCOUNT" or not (by_owner or self.manages_grants(session)):
            raise errors.SnowflakeError(
                3102, "42501", "Grant not executed: Insufficient privileges."
            )

    def check_future_grant(self, session: Session) -> None:
        if not self.manages_grants(session):
            raise errors.SnowflakeError(
                3102, "42501", "Grant not executed: Insufficient privileges."
            )


def granted_on(words: Sequence[str]) -> str:
    """What a kind of object is called in grants."""
    return "_".join(words).removeprefix("STORAGE_")


def title(kind: str) -> str:
    """A kind of object in a sentence."""
    return kind.replace("_", " ").capitalize()
