"""What has been granted to whom, and which roles come with a role.

Names are those of SHOW GRANTS: `DB.SCHEMA.TABLE`, for future grants `DB.SCHEMA.<TABLE>`. A user or
role is not asked here whether it exists.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from spotify_pipeline.clock import Clock

ACCOUNT = "SI12345"
"""The account's locator: how SHOW GRANTS names what is granted on the account."""

_SYSTEM_ROLES = {
    "ACCOUNTADMIN": ("SECURITYADMIN", "SYSADMIN"),
    "SECURITYADMIN": ("USERADMIN",),
}
_SYSTEM_PRIVILEGES = {
    "ACCOUNTADMIN": (
        "CREATE INTEGRATION",
        "CREATE STORAGE INTEGRATION",
        "MONITOR EXECUTION",
        "MONITOR USAGE",
    ),
    "SECURITYADMIN": ("MANAGE GRANTS",),
    "USERADMIN": ("CREATE ROLE", "CREATE USER"),
    "SYSADMIN": ("CREATE DATABASE", "CREATE WAREHOUSE"),
}


@dataclass(frozen=True)
class Grant:
    """A privilege on an object, or the use of a role, for a role or user."""

    privilege: str
    granted_on: str
    name: str
    granted_to: str
    grantee_name: str
    granted_by: str
    grant_option: bool = False
    is_future: bool = False
    created_on: datetime | None = None

    @property
    def what(self) -> tuple[object, ...]:
        """All but by whom, when and whether it may be passed on."""
        return (
            self.privilege,
            self.granted_on,
            self.name,
            self.granted_to,
            self.grantee_name,
            self.is_future,
        )

    @property
    def container(self) -> str:
        """Of a future grant: the database or schema whose objects it is about."""
        return self.name.rpartition(".")[0]


class GrantBook:
    """All grants, those that every account begins with included."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: list[Grant] = []
        for role, below in _SYSTEM_ROLES.items():
            for each in below:
                self.add(Grant("USAGE", "ROLE", each, "ROLE", role, ""))
        for role, privileges in _SYSTEM_PRIVILEGES.items():
            for privilege in privileges:
                self.add(Grant(privilege, "ACCOUNT", ACCOUNT, "ROLE", role, "", True))

    def __iter__(self) -> Iterator[Grant]:
        return iter(list(self._held))

    def add(self, grant: Grant) -> None:
        """Of an object's owners only the last is kept."""
        if grant.privilege == "OWNERSHIP":
            self._held = [held for held in self._held if not _is_owner(held, grant)]
            grant = replace(grant, grant_option=True, granted_by=grant.grantee_name)
        self.remove(grant)
        self._held.append(replace(grant, created_on=self._clock()))

    def remove(self, grant: Grant) -> None:
        self._held = [held for held in self._held if held.what != grant.what]

    def own(self, kind: str, name: str, role: str) -> None:
        """An object was made by a role: it has an owner, and what was granted on future ones."""
        due = [g for g in self._held if g.is_future and _is_about(g, kind, name)]
        # What is granted in a schema stands in for what is granted in its database.
        depth = max((g.container.count(".") for g in due), default=0)
        due = [g for g in due if g.container.count(".") == depth]
        owner = next((g.grantee_name for g in due if g.privilege == "OWNERSHIP"), role)
        self.add(Grant("OWNERSHIP", kind, name, "ROLE", owner, owner))
        for grant in due:
            if grant.privilege != "OWNERSHIP":
                self.add(replace(grant, name=name, is_future=False, granted_by=owner))

    def owner(self, kind: str, name: str) -> str:
        """The role that owns an object; nobody owns what the account came with."""
        return next(
            (
                grant.grantee_name
                for grant in self._held
                if (grant.privilege, grant.granted_on, grant.name) == ("OWNERSHIP", kind, name)
                and not grant.is_future
            ),
            "",
        )

    def privileges(self, roles: Collection[str], kind: str, name: str) -> set[str]:
        """What any of the roles may do with an object."""
        return {
            grant.privilege
            for grant in self._held
            if (grant.granted_on, grant.name, grant.granted_to) == (kind, name, "ROLE")
            and grant.grantee_name in roles
            and not grant.is_future
        }

    def roles(self, *roles: str) -> set[str]:
        """The roles with all that they have been granted. PUBLIC is everybody's."""
        return self._with_granted("ROLE", {"PUBLIC", *roles})

    def roles_of(self, user: str) -> set[str]:
        """All roles that a user may take."""
        return self.roles(*self._granted("USER", {user}))

    def forget(self, kind: str, name: str) -> None:
        """The object is gone, and what was in it; or the user."""
        inside = f"{name}." if kind in ("DATABASE", "SCHEMA") else None
        self._held = [
            grant
            for grant in self._held
            if (grant.granted_on, grant.name) != (kind, name)
            and (grant.granted_to, grant.grantee_name) != (kind, name)
            and not (inside and grant.name.startswith(inside))
        ]

    def forget_role(self, role: str, heir: str) -> None:
        """A role is gone: what it owned is its heir's, what it was granted or has granted is no
        more."""
        for grant in list(self._held):
            is_owned = grant.privilege == "OWNERSHIP" and not grant.is_future
            if is_owned and grant.grantee_name == role:
                self.add(replace(grant, grantee_name=heir))
        self._held = [grant for grant in self._held if grant.granted_by != role]
        self.forget("ROLE", role)

    def rename(self, kind: str, name: str, new: str) -> None:
        self._held = [
            replace(grant, name=new) if (grant.granted_on, grant.name) == (kind, name) else grant
            for grant in self._held
        ]

    def _with_granted(self, kind: str, names: set[str]) -> set[str]:
        found: set[str] = set()
        while new := names - found:
            found |= new
            names = names | self._granted(kind, new)
        return found

    def _granted(self, kind: str, names: set[str]) -> set[str]:
        """The roles that were granted to these roles, or users."""
        return {
            grant.name
            for grant in self._held
            if grant.grantee_name in names
            and (grant.privilege, grant.granted_on, grant.granted_to) == ("USAGE", "ROLE", kind)
        }


def _is_owner(held: Grant, grant: Grant) -> bool:
    """Whether a grant says who owns what another one is about."""
    return (held.privilege, held.granted_on, held.name, held.is_future) == (
        "OWNERSHIP",
        grant.granted_on,
        grant.name,
        grant.is_future,
    )


def _is_about(future: Grant, kind: str, name: str) -> bool:
    return future.granted_on == kind and name.startswith(f"{future.container}.")
