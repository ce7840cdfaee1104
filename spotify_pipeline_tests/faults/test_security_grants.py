"""What each role in Snowflake must not be able to do, in an account made by `snowflake_ddl`.

What is not written down here as allowed is forbidden: tried, and told by the account of its grants.
That they suffice for what the pipeline does is `test_snowflake_ddl`'s.
"""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import DatabaseError

from spotify_pipeline_tests.emulators.snowflake import SnowflakeServer
from spotify_pipeline_tests.emulators.snowflake_lab import ask, connect, execute, local_s3
from spotify_pipeline_tests.emulators.snowflake_setup import new_key, public_text, run_ddl

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Arrow output on a DB-API")]

TABLES = (
    *("LANDING.SONG", "HISTORY.SONG", "PUBLIC.TB_SONG", "PUBLIC.PLAYLIST_TODAY"),
    *("OPS.LEDGER", "OPS.MISSED", "OPS.TURN", "OPS.SCHEMA_VERSION"),
)
"""One of each kind."""

SEES = {(table, "SELECT") for table in TABLES if not table.startswith("LANDING")}
PUBLISHES = {
    *SEES,
    ("LANDING.SONG", "SELECT"),
    *(("HISTORY.SONG", verb) for verb in ("INSERT", "DELETE")),
    *(("PUBLIC.TB_SONG", verb) for verb in ("INSERT", "DELETE")),
    ("OPS.LEDGER", "INSERT"),
    ("OPS.LEDGER", "UPDATE"),
    ("OPS.MISSED", "INSERT"),
    ("OPS.TURN", "UPDATE"),
}

COLUMNS = ("LANDING.SONG", "REFERENCES")
"""The names of its columns, no row."""

ALLOWED: dict[str, set[tuple[str, str]]] = {
    "SPOTIFY_READER": SEES,
    "SPOTIFY_PUBLISHER": PUBLISHES,
    "SPOTIFY_MONITOR": {COLUMNS},
    # Adding rows to LANDING is what Snowflake asks for where a pipe is refreshed.
    "SPOTIFY_PIPELINE": PUBLISHES | {("LANDING.SONG", "INSERT"), COLUMNS},
}
"""Of who signs in with a key on a server. Nobody does as the loader, which owns LANDING."""

PIPE = "SPOTIFY_DB.PIPES.SONG_PIPE"
FORBIDDEN = (
    *(f"DROP TABLE SPOTIFY_DB.{table}" for table in TABLES if "TODAY" not in table),
    *(f"ALTER TABLE SPOTIFY_DB.{table} ADD COLUMN x NUMBER" for table in TABLES[:3]),
    "CREATE TABLE SPOTIFY_DB.PUBLIC.MINE (n NUMBER)",
    "CREATE VIEW SPOTIFY_DB.PUBLIC.MINE AS SELECT 1 AS n",
    "CREATE SCHEMA SPOTIFY_DB.MINE",
    "CREATE STAGE SPOTIFY_DB.PIPES.MINE",
    "CREATE DATABASE MINE",
    "CREATE WAREHOUSE MINE",
    "CREATE ROLE MINE",
    "CREATE USER MINE PASSWORD = 'x'",
    "DROP DATABASE SPOTIFY_DB",
    "DROP SCHEMA SPOTIFY_DB.HISTORY",
    "DROP WAREHOUSE SPOTIFY_WH",
    "DROP INTEGRATION SPOTIFY_S3",
    "ALTER STORAGE INTEGRATION SPOTIFY_S3 SET ENABLED = FALSE",
    f"DROP PIPE {PIPE}",
    f"CREATE OR REPLACE PIPE {PIPE} AS COPY INTO SPOTIFY_DB.LANDING.SONG "
    f"FROM @SPOTIFY_DB.PIPES.SPOTIFY_STAGE",
    "DROP STAGE SPOTIFY_DB.PIPES.SPOTIFY_STAGE",
    "DROP VIEW SPOTIFY_DB.PUBLIC.PLAYLIST_TODAY",
    "GRANT ROLE SPOTIFY_LOADER TO ROLE PUBLIC",
    "GRANT SELECT ON TABLE SPOTIFY_DB.HISTORY.SONG TO ROLE PUBLIC",
    "USE ROLE SPOTIFY_LOADER",
    "USE ROLE SYSADMIN",
)
"""What none of them may do anywhere."""


@pytest.fixture(scope="module")
def connection() -> Iterator[SnowflakeConnection]:
    """The service's user, which has all roles that a server's key gives."""
    key = new_key()
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with local_s3() as (url, _), SnowflakeServer(url, loads_by_itself=False) as server:
        with connect(server) as admin:
            run_ddl(admin, public_text(key))
        with connect(server, user="SPOTIFY_SERVICE", password=None, private_key=der) as connection:
            yield connection


def may(connection: SnowflakeConnection, statement: str) -> bool:
    """Whether it is done; what is refused for another reason than rights raises."""
    try:
        execute(connection, statement)
    except DatabaseError as error:
        if error.errno in (2003, 2043, 3001, 3013, 3102, 3003):
            return False
        raise
    return True


def rights(connection: SnowflakeConnection, role: str) -> set[tuple[str, str]]:
    """What a role may do with the rows of `TABLES`, by itself and by the roles that it holds."""
    found = set()
    for grant in ask(connection, f"SHOW GRANTS TO ROLE {role}"):
        if grant["granted_on"] == "ROLE":
            found |= rights(connection, grant["name"])
        name = grant["name"].removeprefix("SPOTIFY_DB.")
        if name in TABLES:
            found.add((name, grant["privilege"]))
    return found


@pytest.mark.parametrize("role", ALLOWED)
def test_with_rows_each_role_may_do_what_is_written_down_and_nothing_else(
    connection: SnowflakeConnection, role: str
) -> None:
    execute(connection, "USE ROLE SPOTIFY_PIPELINE")
    assert rights(connection, role) == ALLOWED[role]


TRIES = {
    "SELECT": "SELECT 1 FROM {table}",
    "INSERT": "INSERT INTO {table} ({column}) SELECT NULL WHERE FALSE",
    "UPDATE": "UPDATE {table} SET {column} = NULL WHERE FALSE",
    "DELETE": "DELETE FROM {table} WHERE FALSE",
}
COLUMN = {"PUBLIC.TB_SONG": "song_id", "OPS.TURN": "taken_at", "OPS.SCHEMA_VERSION": "version"}


@pytest.mark.parametrize("role", ALLOWED)
def test_what_each_role_tries_with_rows_goes_by_that(
    connection: SnowflakeConnection, role: str
) -> None:
    execute(connection, f"USE ROLE {role}")
    done = set()
    for table in TABLES:
        column = COLUMN.get(table, "snapshot_date")
        for privilege, statement in TRIES.items():
            if may(connection, statement.format(table=f"SPOTIFY_DB.{table}", column=column)):
                done.add((table, privilege))
        assert not may(connection, f"TRUNCATE TABLE SPOTIFY_DB.{table}")
    assert done == ALLOWED[role] - {COLUMNS}


@pytest.mark.parametrize("role", ALLOWED)
def test_no_role_makes_changes_or_drops_anything(
    connection: SnowflakeConnection, role: str
) -> None:
    execute(connection, f"USE ROLE {role}")
    assert [each for each in FORBIDDEN if may(connection, each)] == []


def test_a_pipe_is_paused_by_who_repairs_and_by_nobody_else(
    connection: SnowflakeConnection,
) -> None:
    done = []
    for role in ALLOWED:
        execute(connection, f"USE ROLE {role}")
        if may(connection, f"ALTER PIPE {PIPE} SET PIPE_EXECUTION_PAUSED = FALSE"):
            done.append(role)
    assert done == ["SPOTIFY_PIPELINE"]
