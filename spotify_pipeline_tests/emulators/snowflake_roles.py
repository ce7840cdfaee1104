"""Roles, and which of them a user may take."""

from collections.abc import Iterator

from spotify_pipeline.clock import Clock
from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_grant_book import GrantBook
from spotify_pipeline_tests.emulators.snowflake_principals import Principals
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, string

_SYSTEM = ("ACCOUNTADMIN", "SECURITYADMIN", "USERADMIN", "SYSADMIN", "PUBLIC")


class Roles(Principals):
    """ROLE."""

    columns = (
        "created_on",
        "name",
        "is_default",
        "is_current",
        "is_inherited",
        "assigned_to_users",
        "granted_to_roles",
        "granted_roles",
        "owner",
        "comment",
    )

    def __init__(self, clock: Clock, book: GrantBook) -> None:
        super().__init__("ROLE", {"COMMENT"}, clock, _SYSTEM)
        self._book = book

    def drop(self, session: Session, name: Name) -> None:
        [plain] = name
        if plain in _SYSTEM:
            raise errors.SnowflakeError(3001, "42501", f"Cannot drop system role '{plain}'.")
        if plain == session.role:
            raise errors.SnowflakeError(
                3001,
                "42501",
                f"SQL execution error: Cannot drop role {plain} as it is the current primary role.",
            )
        super().drop(session, name)

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        uses = [g for g in self._book if (g.privilege, g.granted_on) == ("USAGE", "ROLE")]
        inherited = self._book.roles(session.role)
        for role in list(self.held.values()):
            to = [grant.granted_to for grant in uses if grant.name == role.name]
            is_current = role.name == session.role
            yield (
                (role.name,),
                {
                    "created_on": role.created_on,
                    "name": role.name,
                    "is_default": "N",
                    "is_current": "Y" if is_current else "N",
                    "is_inherited": "Y" if role.name in inherited and not is_current else "N",
                    "assigned_to_users": to.count("USER"),
                    "granted_to_roles": to.count("ROLE"),
                    "granted_roles": sum(
                        (grant.granted_to, grant.grantee_name) == ("ROLE", role.name)
                        for grant in uses
                    ),
                    "comment": string(role.options, "COMMENT"),
                },
            )

    def describe(self, name: Name) -> Result:
        raise errors.unsupported("DESC ROLE")
