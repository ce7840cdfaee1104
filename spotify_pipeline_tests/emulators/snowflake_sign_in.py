"""Who may sign in, and as which role.

Whom the account doesn't know is an administrator: he may sign in with anything, and take every role
that comes with ACCOUNTADMIN. A user that it knows needs the private key of one of its public keys,
or, unless of TYPE=SERVICE, its password, and may take the roles that it was granted.
"""

from collections.abc import Mapping
from typing import Any

import jwt

from spotify_pipeline_tests.emulators.snowflake_errors import SnowflakeError, no_object
from spotify_pipeline_tests.emulators.snowflake_grant_book import GrantBook
from spotify_pipeline_tests.emulators.snowflake_keys import public_key
from spotify_pipeline_tests.emulators.snowflake_principals import Principal
from spotify_pipeline_tests.emulators.snowflake_roles import Roles
from spotify_pipeline_tests.emulators.snowflake_syntax import string
from spotify_pipeline_tests.emulators.snowflake_users import KEYS, Users

_ADMINISTRATOR = "ACCOUNTADMIN"
_ELSE = "Contact your local system administrator, or attempt to login with another role"


class SignIn:
    """Checks login requests, and changes of role."""

    def __init__(self, users: Users, roles: Roles, book: GrantBook) -> None:
        self._users = users
        self._roles = roles
        self._book = book

    def check(self, data: Mapping[str, Any]) -> None:
        """Raises unless the login request is in order."""
        name = str(data.get("LOGIN_NAME", "")).upper()
        if name not in self._users.held:
            return
        user = self._users.held[name]
        if str(user.options.get("DISABLED", "")).upper() == "TRUE":
            text = "User access disabled. Contact your administrator."
            raise SnowflakeError(390101, "08001", text)
        if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
            if not any(_is_signed(data["TOKEN"], user, key) for key in KEYS):
                raise SnowflakeError(390144, "08001", "JWT token is invalid.")
        elif (
            user.options.get("TYPE") == "SERVICE"
            or user.options.get("PASSWORD") != data["PASSWORD"]
        ):
            raise SnowflakeError(390100, "08001", "Incorrect username or password was specified.")

    def role(self, user: str, asked: str | None) -> str:
        """The role that a session begins with."""
        if asked and asked not in self._roles.held:
            raise SnowflakeError(
                390189,
                "08001",
                f"Role '{asked}' specified in the connect string does not exist or not "
                f"authorized. {_ELSE}.",
            )
        if asked and asked not in self._roles_of(user):
            raise SnowflakeError(
                390186,
                "08001",
                f"Role '{asked}' specified in the connect string is not granted to this user. "
                f"{_ELSE}, e.g. PUBLIC.",
            )
        return asked or self._default(user)

    def check_use(self, user: str, role: str) -> None:
        """Raises unless the user may take the role."""
        if role not in self._roles.held:
            raise no_object()
        if role not in self._roles_of(user):
            raise SnowflakeError(
                3013,
                "42501",
                f"SQL access control error:\nRequested role '{role}' is not assigned to the "
                f"executing user.  Specify another role to activate.",
            )

    def _roles_of(self, user: str) -> set[str]:
        if user in self._users.held:
            return self._book.roles_of(user)
        return self._book.roles(_ADMINISTRATOR)

    def _default(self, user: str) -> str:
        """A default role that was not granted lets nobody in."""
        if user not in self._users.held:
            return _ADMINISTRATOR
        role = string(self._users.held[user].options, "DEFAULT_ROLE", "PUBLIC")
        if role not in self._roles_of(user):
            raise SnowflakeError(
                390186,
                "08001",
                f"User's configured default role '{role}' is not granted to this user. {_ELSE}, "
                f"e.g. PUBLIC.",
            )
        return role


def _is_signed(token: str, user: Principal, which: str) -> bool:
    text = string(user.options, which)
    if not text:
        return False
    try:
        claims = jwt.decode(token, public_key(text), algorithms=["RS256"])
    except jwt.PyJWTError:
        return False
    return str(claims["sub"]).endswith(f".{user.name}")
