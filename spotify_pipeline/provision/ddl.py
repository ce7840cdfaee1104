"""The files of `snowflake_ddl` as statements, and what has to be there for each to have been run.

What is there is told in facts, plain sentences such as `TABLE SPOTIFY_DB.LANDING.SONG` or
`SELECT ON TABLE SPOTIFY_DB.PUBLIC.TB_SONG TO ROLE SPOTIFY_READER`: here those that a statement
makes true, in `account` those that hold. No connection belongs here.
"""

import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from snowflake.connector.util_text import split_statements

from spotify_pipeline.deployment import Environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.loading.snowflake import DDL_FOLDER

ADMINISTRATOR = "ACCOUNTADMIN"

DEFAULTS: Mapping[str, str] = {
    "database": "SPOTIFY_DB",
    "warehouse": "SPOTIFY_WH",
    "loader_role": "SPOTIFY_LOADER",
    "reader_role": "SPOTIFY_READER",
    "publisher_role": "SPOTIFY_PUBLISHER",
    "monitor_role": "SPOTIFY_MONITOR",
    "service_role": "SPOTIFY_PIPELINE",
    "service_user": "SPOTIFY_SERVICE",
    "integration": "SPOTIFY_S3",
}
"""The names that the owner may choose (`snowflake_ddl/README.md`)."""

_SET_BY = {
    "database": "SNOWFLAKE_DATABASE",
    "warehouse": "SNOWFLAKE_WAREHOUSE",
    "service_role": "SNOWFLAKE_ROLE",
    "service_user": "SNOWFLAKE_USER",
}

ROLES = tuple(name for name in DEFAULTS if name.endswith("_role"))

_KINDS = (
    "DATABASE|SCHEMA|WAREHOUSE|ROLE|USER|STORAGE INTEGRATION|INTEGRATION|TABLE|VIEW|FILE FORMAT"
    "|STAGE|PIPE"
)
_CREATE = re.compile(rf"CREATE ({_KINDS}) IF NOT EXISTS ([\w.]+)")
_GRANT_ROLE = re.compile(r"GRANT ROLE (\w+) TO (ROLE|USER) (\w+)")
_GRANT = re.compile(rf"GRANT (.+) ON ({_KINDS}) ([\w.]+) TO ROLE (\w+)")
_GRANT_MANY = re.compile(r"GRANT (.+) ON (ALL|FUTURE) ([A-Z ]+)S IN SCHEMA ([\w.]+) TO ROLE (\w+)")
_VERSION = re.compile(r"SELECT (\d+) AS version, '\w+' AS name")


@dataclass(frozen=True)
class Statement:
    """One statement, who runs it, and the facts that it makes true."""

    file: str
    sql: str
    role: str
    warehouse: str | None
    facts: frozenset[str]

    @property
    def headline(self) -> str:
        """Enough of it to know it by, on one line."""
        line = " ".join(self.sql.split())
        if created := _CREATE.match(line):
            return created[0]
        return line if len(line) <= 100 else f"{line[:99]}…"


def names(environment: Environment, chosen: Sequence[str]) -> dict[str, str]:
    """The names in Snowflake: the defaults, above them those of the environment, and above these
    `chosen`, each as `name=value`. Raises `FixConfiguration` listing what is wrong with them."""
    found = {
        **DEFAULTS,
        **{name: environment[variable] or DEFAULTS[name] for name, variable in _SET_BY.items()},
    }
    problems = []
    for each in chosen:
        name, _, value = each.partition("=")
        if name not in DEFAULTS:
            problems.append(f"-D {each}: known names are {', '.join(DEFAULTS)}.")
        found[name] = value
    problems += [
        f"{name}={value!r} is no name in Snowflake. Expected letters, digits and _, not beginning "
        f"with a digit."
        for name, value in found.items()
        if name in DEFAULTS and not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII)
    ]
    if problems:
        raise FixConfiguration("\n".join(problems))
    return found


def statements(parameters: Mapping[str, str], folder: Path = DDL_FOLDER) -> list[Statement]:
    """All statements in their order. Raises KeyError where a parameter has no value."""
    return with_facts(
        [
            statement
            for path in sorted(folder.glob("*.sql"))
            for statement in _of_file(path.name, rendered(path.read_text(), parameters))
        ]
    )


def rendered(sql: str, parameters: Mapping[str, str]) -> str:
    """`sql` with the values of its parameters, as Snowflake CLI puts them in."""
    return re.sub(r"<% (\w+) %>", lambda found: parameters[found[1]], sql)


def lacking(wanted: Sequence[Statement], facts: Collection[str]) -> list[Statement]:
    """Those of the statements that would change something."""
    return [statement for statement in wanted if not statement.facts <= set(facts)]


def with_facts(bare: Sequence[Statement]) -> list[Statement]:
    """The statements with their facts: a grant on ALL is about what the others make."""
    made = {name for statement in bare for name in _created(statement)}
    versions = {
        statement.file: found[1]
        for statement in bare
        if (found := _VERSION.search(" ".join(statement.sql.split())))
    }
    return [
        Statement(
            each.file,
            each.sql,
            each.role,
            each.warehouse,
            _facts(each, made) or frozenset([f"VERSION {versions[each.file]}"]),
        )
        for each in bare
    ]


def _of_file(file: str, sql: str) -> Iterator[Statement]:
    role, warehouse = "", None
    for text, _ in split_statements(io.StringIO(sql), remove_comments=True):
        statement = text.strip().removesuffix(";")
        if found := re.fullmatch(r"USE ROLE (\w+)", statement):
            role = found[1]
        elif found := re.fullmatch(r"USE WAREHOUSE (\w+)", statement):
            warehouse = found[1]
        elif statement:
            yield Statement(file, statement, role, warehouse, frozenset())


def _created(statement: Statement) -> list[str]:
    found = _CREATE.match(" ".join(statement.sql.split()))
    return [f"{found[1].removeprefix('STORAGE ')} {found[2]}".upper()] if found else []


def _facts(statement: Statement, made: Collection[str]) -> frozenset[str]:
    """None for a statement whose effect can't be seen: it was run if its file's version says so."""
    line = " ".join(statement.sql.split())
    if created := _created(statement):
        return frozenset(created)
    if found := _GRANT_ROLE.fullmatch(line):
        return frozenset([f"ROLE {found[1]} TO {found[2]} {found[3]}".upper()])
    if found := _GRANT_MANY.fullmatch(line):
        privileges, which, kind, schema, role = found.groups()
        on = (
            [name for name in made if name.startswith(f"{kind} {schema}.".upper())]
            if which == "ALL"
            else [f"FUTURE {kind}S IN SCHEMA {schema}"]
        )
        return _granted(privileges, on, role)
    if found := _GRANT.fullmatch(line):
        privileges, kind, name, role = found.groups()
        return _granted(privileges, [f"{kind} {name}"], role)
    if found := _VERSION.search(line):
        return frozenset([f"VERSION {found[1]}"])
    return frozenset()


def _granted(privileges: str, on: Collection[str], role: str) -> frozenset[str]:
    return frozenset(
        f"{privilege} ON {thing} TO ROLE {role}".upper()
        for privilege in privileges.split(", ")
        for thing in on
    )
