"""What was changed by hand in Snowflake, and the statements that set it right.

The files of `snowflake_ddl` leave alone what is there; here is what they can't say. Only what loses
nothing is set right: the rest is told, in `remarks`.
"""

from collections.abc import Iterator, Mapping, Sequence

from spotify_pipeline import contract
from spotify_pipeline.loading.pipe import pipe_name
from spotify_pipeline.provision.ddl import ADMINISTRATOR, Statement
from spotify_pipeline.provision.file_format import differing
from spotify_pipeline.provision.found import Found
from spotify_pipeline.provision.key_pair import KeyPair
from spotify_pipeline.provision.tables import lacking_columns
from spotify_pipeline.provision.wanted import Wanted

_USER, _INTEGRATION, _PIPES = "030_user.sql", "040_integration.sql", "070_pipes.sql"


def mending(
    wanted: Wanted, found: Found, key: KeyPair, statements: Sequence[Statement]
) -> list[Statement]:
    """`statements` are those of the files."""
    return [
        *_user(wanted, found, key),
        *_integration(wanted, found),
        *_columns(found, statements),
        *_stage(wanted, found),
        *_format(wanted, found, statements),
        *_pipes(wanted, found),
    ]


def look_back(names: Mapping[str, str]) -> list[Statement]:
    """For files that came before the pipes heard of them."""
    return [
        statement_of(
            _PIPES,
            names["loader_role"],
            f"ALTER PIPE {names['database']}.PIPES.{pipe_name(table)} REFRESH",
        )
        for table in contract.TABLES
    ]


def statement_of(file: str, role: str, sql: str) -> Statement:
    """A statement that no file holds, to be run with those of `file`."""
    return Statement(file, sql, role, None, frozenset())


def _user(wanted: Wanted, found: Found, key: KeyPair) -> Iterator[Statement]:
    if found.user and key.public.fingerprint not in found.user.keys:
        # The other key may be in use by a pipeline elsewhere.
        slot = "RSA_PUBLIC_KEY_2" if found.user.keys[0] else "RSA_PUBLIC_KEY"
        user = wanted.names["service_user"]
        sql = f"ALTER USER {user} SET {slot} = '{key.public.text}'"
        yield statement_of(_USER, ADMINISTRATOR, sql)


def _integration(wanted: Wanted, found: Found) -> Iterator[Statement]:
    there = found.integration
    alter = f"ALTER STORAGE INTEGRATION {wanted.names['integration']} SET"
    if there and not there.is_enabled:
        yield statement_of(_INTEGRATION, ADMINISTRATOR, f"{alter} ENABLED = TRUE")
    if there and not any(
        each == "*" or wanted.bucket_url.startswith(each) for each in there.locations
    ):
        locations = ", ".join(f"'{each}'" for each in [*there.locations, wanted.bucket_url])
        sql = f"{alter} STORAGE_ALLOWED_LOCATIONS = ({locations})"
        yield statement_of(_INTEGRATION, ADMINISTRATOR, sql)


def _columns(found: Found, statements: Sequence[Statement]) -> Iterator[Statement]:
    """As a migration would add them: what was in them is gone."""
    for column in lacking_columns(statements, found.columns):
        if not column.is_required:
            sql = f"ALTER TABLE {column.table} ADD COLUMN IF NOT EXISTS {column.definition}"
            yield statement_of(column.file, column.role, sql)


def _stage(wanted: Wanted, found: Found) -> Iterator[Statement]:
    if not found.is_stage_linked:
        yield statement_of(
            _PIPES,
            wanted.names["loader_role"],
            f"ALTER STAGE {wanted.names['database']}.PIPES.spotify_stage "
            f"SET STORAGE_INTEGRATION = {wanted.names['integration']}",
        )


def _format(wanted: Wanted, found: Found, statements: Sequence[Statement]) -> Iterator[Statement]:
    if found.format_options and (options := differing(statements, found.format_options)):
        name = f"{wanted.names['database']}.PIPES.csv_fileformat"
        sql = f"ALTER FILE FORMAT {name} SET {' '.join(options)}"
        yield statement_of(_PIPES, wanted.names["loader_role"], sql)


def _pipes(wanted: Wanted, found: Found) -> Iterator[Statement]:
    """The file makes those anew that nothing brings to life again. Their memory goes with them."""
    for name in found.dead_pipes(wanted.names["database"]):
        sql = f"DROP PIPE IF EXISTS {wanted.names['database']}.PIPES.{name}"
        yield statement_of(_PIPES, wanted.names["loader_role"], sql)
