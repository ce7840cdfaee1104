"""Who is let in and may do what, in an account that the files of `snowflake_ddl` have made."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from cryptography.hazmat.primitives import serialization
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import DatabaseError

from spotify_pipeline_tests.emulators.snowflake import SnowflakeServer
from spotify_pipeline_tests.emulators.snowflake_lab import (
    BUCKET,
    ask,
    connect,
    execute,
    local_s3,
    refused,
)
from spotify_pipeline_tests.emulators.snowflake_setup import new_key, public_text, run_ddl

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Arrow output on a DB-API")]

KEY = new_key()
DER = KEY.private_bytes(
    serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
PIPE = "SPOTIFY_DB.PIPES.SONG_PIPE"


@pytest.fixture(scope="module")
def server() -> Iterator[SnowflakeServer]:
    """An account that a person has set up who was given ACCOUNTADMIN."""
    with local_s3() as (url, _), SnowflakeServer(url, loads_by_itself=False) as server:
        with connect(server) as connection:
            execute(connection, "CREATE USER BOSS PASSWORD = 'x' DEFAULT_ROLE = ACCOUNTADMIN")
            execute(connection, "GRANT ROLE ACCOUNTADMIN TO USER BOSS")
        with boss(server) as connection:
            run_ddl(connection, public_text(KEY))
        yield server


def boss(server: SnowflakeServer) -> AbstractContextManager[SnowflakeConnection]:
    return connect(server, user="BOSS", password="x")


@pytest.fixture
def admin(server: SnowflakeServer) -> Iterator[SnowflakeConnection]:
    with boss(server) as connection:
        yield connection


@pytest.fixture
def service(server: SnowflakeServer) -> Iterator[SnowflakeConnection]:
    with connect(server, user="SPOTIFY_SERVICE", password=None, private_key=DER) as connection:
        yield connection


def names(connection: SnowflakeConnection, what: str) -> list[str]:
    return [row["name"] for row in ask(connection, f"SHOW {what}")]


def lacks(error: DatabaseError) -> bool:
    """That the role lacks a privilege on what it sees."""
    return (error.errno, error.sqlstate) == (3001, "42501")


# Roles


def test_a_user_takes_its_default_role(
    admin: SnowflakeConnection, service: SnowflakeConnection
) -> None:
    for connection, role in ((admin, "ACCOUNTADMIN"), (service, "SPOTIFY_PIPELINE")):
        assert execute(connection, "SELECT CURRENT_ROLE() AS it") == [(role,)]


@pytest.mark.parametrize(
    ("role", "code", "text"),
    [
        ("SPOTIFY_LOADER", 390186, "is not granted to this user"),
        ("NONE", 390189, "does not exist or not authorized"),
    ],
)
def test_a_role_that_is_not_the_users_lets_nobody_in(
    server: SnowflakeServer, role: str, code: int, text: str
) -> None:
    with pytest.raises(DatabaseError, match=text) as caught:
        connect(server, user="SPOTIFY_SERVICE", password=None, private_key=DER, role=role)
    assert str(code) in str(caught.value)


def test_a_default_role_has_to_be_granted_as_well(
    server: SnowflakeServer, admin: SnowflakeConnection
) -> None:
    execute(admin, "CREATE USER NEWCOMER PASSWORD = 'y'")
    with connect(server, user="NEWCOMER", password="y") as newcomer:
        assert execute(newcomer, "SELECT CURRENT_ROLE() AS it") == [("PUBLIC",)]
    execute(admin, "ALTER USER NEWCOMER SET DEFAULT_ROLE = SPOTIFY_READER")
    with pytest.raises(DatabaseError, match="default role 'SPOTIFY_READER' is not granted"):
        connect(server, user="NEWCOMER", password="y")
    execute(admin, "GRANT ROLE SPOTIFY_READER TO USER NEWCOMER")
    with connect(server, user="NEWCOMER", password="y") as newcomer:
        assert execute(newcomer, "SELECT CURRENT_ROLE() AS it") == [("SPOTIFY_READER",)]
    execute(admin, "DROP USER NEWCOMER")


def test_use_takes_the_roles_that_come_with_those_granted(service: SnowflakeConnection) -> None:
    for role in ("SPOTIFY_READER", "SPOTIFY_MONITOR", "PUBLIC", "SPOTIFY_PIPELINE"):
        execute(service, f"USE ROLE {role}")
    for role in ("SPOTIFY_LOADER", "ACCOUNTADMIN"):
        error = refused(service, f"USE ROLE {role}")
        assert (error.errno, error.sqlstate) == (3013, "42501")
        assert f"Requested role '{role}' is not assigned to the executing user" in str(error)
    assert refused(service, "USE ROLE NONE").errno == 2043
    assert execute(service, "SELECT CURRENT_ROLE() AS it") == [("SPOTIFY_PIPELINE",)]


# The service


def test_the_service_looks_after_its_pipes(service: SnowflakeConnection) -> None:
    assert len(names(service, "PIPES IN SCHEMA SPOTIFY_DB.PIPES")) == 6
    [told] = ask(service, f"DESC PIPE {PIPE}")
    assert told["notification_channel"].startswith("arn:aws:sqs:")
    for statement in (
        f"ALTER PIPE {PIPE} SET PIPE_EXECUTION_PAUSED = TRUE",
        f"SELECT SYSTEM$PIPE_FORCE_RESUME('{PIPE}')",
        f"ALTER PIPE {PIPE} REFRESH",
        f"SELECT SYSTEM$PIPE_STATUS('{PIPE}')",
        "LIST @SPOTIFY_DB.PIPES.SPOTIFY_STAGE",
    ):
        execute(service, statement)
    for statement in (f"DROP PIPE {PIPE}", f"ALTER PIPE {PIPE} SET COMMENT = 'x'"):
        assert lacks(refused(service, statement))
    execute(service, "USE ROLE SPOTIFY_MONITOR")
    assert len(names(service, "PIPES IN SCHEMA SPOTIFY_DB.PIPES")) == 6
    execute(service, f"SELECT SYSTEM$PIPE_STATUS('{PIPE}')")
    assert lacks(refused(service, f"ALTER PIPE {PIPE} SET PIPE_EXECUTION_PAUSED = TRUE"))
    execute(service, "USE ROLE SPOTIFY_PUBLISHER")
    assert refused(service, "SHOW PIPES IN SCHEMA SPOTIFY_DB.PIPES").errno == 2043
    assert refused(service, f"DESC PIPE {PIPE}").errno == 2003
    assert refused(service, f"SELECT SYSTEM$PIPE_STATUS('{PIPE}')").errno == 2003


def test_to_whom_may_not_use_it_an_integration_is_not_there(service: SnowflakeConnection) -> None:
    execute(service, "USE ROLE SPOTIFY_MONITOR")
    assert names(service, "INTEGRATIONS") == []
    for statement in (
        "DESC INTEGRATION SPOTIFY_S3",
        "ALTER STORAGE INTEGRATION SPOTIFY_S3 SET ENABLED = TRUE",
        "DROP INTEGRATION SPOTIFY_S3",
        f"SELECT SYSTEM$VALIDATE_STORAGE_INTEGRATION('SPOTIFY_S3', 's3://{BUCKET}/team/', 'x', "
        f"'list')",
    ):
        error = refused(service, statement)
        assert (error.errno, error.sqlstate) == (2003, "02000")


def test_the_service_knows_what_it_was_granted(service: SnowflakeConnection) -> None:
    for role in ("SPOTIFY_PIPELINE", "SPOTIFY_PUBLISHER", "SPOTIFY_MONITOR", "SPOTIFY_READER"):
        assert ask(service, f"SHOW GRANTS TO ROLE {role}")
    assert refused(service, "SHOW GRANTS TO ROLE ACCOUNTADMIN").errno == 2003
    [(role,)] = {(row["role"],) for row in ask(service, "SHOW GRANTS TO USER SPOTIFY_SERVICE")}
    assert role == "SPOTIFY_PIPELINE"


def test_of_other_users_only_the_names_are_shown(service: SnowflakeConnection) -> None:
    told = {row["name"]: row for row in ask(service, "SHOW USERS")}
    assert {"BOSS", "SPOTIFY_SERVICE"} <= set(told)
    assert {value for key, value in told["BOSS"].items() if key != "name"} == {None}
    assert lacks(refused(service, "DESC USER BOSS"))
    own = {row["property"]: row["value"] for row in ask(service, "DESC USER SPOTIFY_SERVICE")}
    assert own["RSA_PUBLIC_KEY_FP"].startswith("SHA256:")
    assert lacks(refused(service, "ALTER USER SPOTIFY_SERVICE UNSET RSA_PUBLIC_KEY"))


# What a role sees


def test_a_reader_sees_what_it_may_read(admin: SnowflakeConnection) -> None:
    def tables() -> set[tuple[str, str]]:
        shown = ask(admin, "SHOW TABLES IN DATABASE SPOTIFY_DB")
        return {(row["schema_name"], row["name"]) for row in shown}

    every = tables()
    execute(admin, "USE ROLE SPOTIFY_READER")
    assert tables() == {each for each in every if each[0] != "LANDING"}
    assert names(admin, "SCHEMAS IN DATABASE SPOTIFY_DB") == [
        "HISTORY",
        "INFORMATION_SCHEMA",
        "OPS",
        "PUBLIC",
    ]
    assert refused(admin, "SHOW TABLES IN SCHEMA SPOTIFY_DB.LANDING").errno == 2043
    assert refused(admin, "DESC TABLE SPOTIFY_DB.LANDING.SONG").errno == 2003
    assert names(admin, "VIEWS IN SCHEMA SPOTIFY_DB.PUBLIC")
    assert names(admin, "STAGES IN DATABASE SPOTIFY_DB") == []
    execute(admin, "USE ROLE SPOTIFY_LOADER")
    assert tables() == {each for each in every if each[0] == "LANDING"}
    assert names(admin, "STAGES IN DATABASE SPOTIFY_DB") == ["SPOTIFY_STAGE"]


def test_to_whom_has_nothing_in_it_a_database_is_not_there(admin: SnowflakeConnection) -> None:
    execute(admin, "USE ROLE USERADMIN")
    assert names(admin, "DATABASES") == []
    assert names(admin, "WAREHOUSES") == []
    error = refused(admin, "SHOW SCHEMAS IN DATABASE SPOTIFY_DB")
    assert (error.errno, error.sqlstate) == (2043, "02000")
    assert refused(admin, "CREATE TABLE SPOTIFY_DB.PUBLIC.T (n NUMBER)").errno == 2003
    assert "SPOTIFY_READER" in names(admin, "ROLES")


@pytest.mark.parametrize("role", ["ACCOUNTADMIN", "SECURITYADMIN"])
def test_who_manages_grants_sees_everything(admin: SnowflakeConnection, role: str) -> None:
    execute(admin, f"USE ROLE {role}")
    assert len(names(admin, "PIPES IN SCHEMA SPOTIFY_DB.PIPES")) == 6
    assert names(admin, "DATABASES") == ["SPOTIFY_DB"]
    assert names(admin, "INTEGRATIONS") == ["SPOTIFY_S3"]
    assert names(admin, "STAGES IN SCHEMA SPOTIFY_DB.PIPES") == ["SPOTIFY_STAGE"]
    assert ask(admin, "SHOW FUTURE GRANTS IN SCHEMA SPOTIFY_DB.PIPES")
    assert ask(admin, "SHOW GRANTS TO ROLE SPOTIFY_LOADER")
    if role == "SECURITYADMIN":
        assert lacks(refused(admin, "DESC INTEGRATION SPOTIFY_S3"))
    else:
        assert ask(admin, "DESC INTEGRATION SPOTIFY_S3")


# What a role may do


@pytest.mark.parametrize(
    ("role", "statement", "needed"),
    [
        ("SYSADMIN", "CREATE ROLE R", "SYSADMIN must have CREATE ROLE granted on ACCOUNT"),
        ("SYSADMIN", "CREATE USER U", "CREATE USER granted on ACCOUNT"),
        ("USERADMIN", "CREATE DATABASE D", "CREATE DATABASE granted on ACCOUNT"),
        ("USERADMIN", "CREATE WAREHOUSE W", "CREATE WAREHOUSE granted on ACCOUNT"),
        (
            "SYSADMIN",
            "CREATE STORAGE INTEGRATION I TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' "
            "STORAGE_AWS_ROLE_ARN = 'r' ENABLED = TRUE STORAGE_ALLOWED_LOCATIONS = ('s3://x/')",
            "CREATE STORAGE INTEGRATION granted on ACCOUNT",
        ),
        ("SPOTIFY_LOADER", "CREATE SCHEMA SPOTIFY_DB.S", "CREATE SCHEMA granted on DATABASE"),
        (
            "SPOTIFY_PIPELINE",
            "CREATE TABLE SPOTIFY_DB.LANDING.T (n NUMBER)",
            "SPOTIFY_PIPELINE must have CREATE TABLE granted on SCHEMA SPOTIFY_DB.LANDING",
        ),
        (
            "SPOTIFY_PIPELINE",
            "CREATE OR REPLACE TABLE SPOTIFY_DB.OPS.LEDGER (n NUMBER)",
            "OWNERSHIP granted on TABLE SPOTIFY_DB.OPS.LEDGER",
        ),
        (
            "SPOTIFY_PIPELINE",
            "ALTER TABLE SPOTIFY_DB.OPS.LEDGER ADD COLUMN n NUMBER",
            "OWNERSHIP granted on TABLE SPOTIFY_DB.OPS.LEDGER",
        ),
        (
            "SPOTIFY_PIPELINE",
            "COMMENT ON TABLE SPOTIFY_DB.OPS.LEDGER IS 'x'",
            "OWNERSHIP granted on TABLE SPOTIFY_DB.OPS.LEDGER",
        ),
        ("SPOTIFY_READER", "DROP TABLE SPOTIFY_DB.OPS.LEDGER", "OWNERSHIP granted on TABLE"),
        ("SPOTIFY_READER", "DROP SCHEMA SPOTIFY_DB.OPS", "OWNERSHIP granted on SCHEMA"),
        ("SPOTIFY_READER", "DROP DATABASE SPOTIFY_DB", "OWNERSHIP granted on DATABASE SPOTIFY_DB"),
        ("SPOTIFY_READER", "DROP WAREHOUSE SPOTIFY_WH", "OWNERSHIP granted on WAREHOUSE"),
        ("SYSADMIN", "DROP ROLE SPOTIFY_LOADER", "OWNERSHIP granted on ROLE SPOTIFY_LOADER"),
        ("SYSADMIN", "DROP USER SPOTIFY_SERVICE", "OWNERSHIP granted on USER SPOTIFY_SERVICE"),
        (
            "SPOTIFY_LOADER",
            "ALTER STORAGE INTEGRATION SPOTIFY_S3 SET ENABLED = TRUE",
            "OWNERSHIP granted on INTEGRATION SPOTIFY_S3",
        ),
        (
            "SPOTIFY_PIPELINE",
            "ALTER STAGE SPOTIFY_DB.PIPES.SPOTIFY_STAGE SET STORAGE_INTEGRATION = SPOTIFY_S3",
            "OWNERSHIP granted on STAGE SPOTIFY_DB.PIPES.SPOTIFY_STAGE",
        ),
        ("SPOTIFY_READER", "ALTER WAREHOUSE SPOTIFY_WH RESUME", "OPERATE granted on WAREHOUSE"),
        (
            "SPOTIFY_READER",
            "INSERT INTO SPOTIFY_DB.OPS.TURN (taken_at) SELECT applied_at "
            "FROM SPOTIFY_DB.OPS.SCHEMA_VERSION",
            "INSERT granted on TABLE SPOTIFY_DB.OPS.TURN",
        ),
        (
            "SPOTIFY_READER",
            "UPDATE SPOTIFY_DB.OPS.TURN SET taken_at = NULL",
            "UPDATE granted on TABLE SPOTIFY_DB.OPS.TURN",
        ),
        (
            "SPOTIFY_PIPELINE",
            "DELETE FROM SPOTIFY_DB.LANDING.SONG AS s WHERE s.song_id = 'x'",
            "DELETE granted on TABLE SPOTIFY_DB.LANDING.SONG",
        ),
        (
            "SPOTIFY_PIPELINE",
            "MERGE INTO SPOTIFY_DB.OPS.LEDGER AS t USING (SELECT 1 AS n) AS s ON t.batch = s.n "
            "WHEN MATCHED THEN DELETE",
            "DELETE granted on TABLE SPOTIFY_DB.OPS.LEDGER",
        ),
        (
            "SPOTIFY_PIPELINE",
            "TRUNCATE TABLE SPOTIFY_DB.HISTORY.SONG",
            "TRUNCATE granted on TABLE SPOTIFY_DB.HISTORY.SONG",
        ),
        (
            "SPOTIFY_MONITOR",
            "WITH songs AS (SELECT song_id FROM SPOTIFY_DB.LANDING.SONG) SELECT * FROM songs",
            "SELECT granted on TABLE SPOTIFY_DB.LANDING.SONG",
        ),
    ],
)
def test_what_a_role_may_not_do_names_the_privilege(
    admin: SnowflakeConnection, role: str, statement: str, needed: str
) -> None:
    execute(admin, f"USE ROLE {role}")
    error = refused(admin, statement)
    assert lacks(error)
    assert needed in str(error)


def test_a_view_shows_what_its_readers_may_not_read_themselves(admin: SnowflakeConnection) -> None:
    execute(
        admin,
        "CREATE VIEW SPOTIFY_DB.PUBLIC.LANDED AS SELECT count(*) AS n FROM SPOTIFY_DB.LANDING.SONG",
    )
    execute(admin, "USE ROLE SPOTIFY_READER")
    execute(admin, "USE SCHEMA SPOTIFY_DB.PUBLIC")
    assert execute(admin, "WITH song AS (SELECT n FROM landed) SELECT n FROM song") == [(0,)]
    for statement in (
        "SELECT count(*) FROM LANDING.SONG",
        "SELECT n FROM landed WHERE n IN (SELECT 0 FROM LANDING.SONG)",
    ):
        assert refused(admin, statement).errno == 2003
    execute(admin, "USE ROLE ACCOUNTADMIN")
    execute(admin, "DROP VIEW SPOTIFY_DB.PUBLIC.LANDED")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("SPOTIFY_PIPELINE", "GRANT SELECT ON TABLE SPOTIFY_DB.OPS.LEDGER TO ROLE PUBLIC"),
        ("SYSADMIN", "GRANT ROLE SECURITYADMIN TO ROLE PUBLIC"),
        ("SYSADMIN", "GRANT SELECT ON FUTURE TABLES IN SCHEMA SPOTIFY_DB.OPS TO ROLE PUBLIC"),
        ("SECURITYADMIN", "GRANT CREATE DATABASE ON ACCOUNT TO ROLE PUBLIC"),
    ],
)
def test_whoever_may_not_grant_grants_nothing(
    admin: SnowflakeConnection, role: str, statement: str
) -> None:
    execute(admin, f"USE ROLE {role}")
    error = refused(admin, statement)
    assert (error.errno, error.sqlstate) == (3102, "42501")
    assert "Grant not executed: Insufficient privileges." in str(error)
    execute(admin, "USE ROLE ACCOUNTADMIN")
    assert ask(admin, "SHOW GRANTS TO ROLE PUBLIC") == []


def test_what_is_there_is_left_alone_whosever_it_is(admin: SnowflakeConnection) -> None:
    execute(admin, "USE ROLE SPOTIFY_PIPELINE")
    [(told,)] = execute(admin, "CREATE TABLE IF NOT EXISTS SPOTIFY_DB.OPS.LEDGER (n NUMBER)")
    assert "already exists, statement succeeded" in told


def test_what_a_role_beside_the_administrators_owns_they_can_only_see(
    admin: SnowflakeConnection,
) -> None:
    for statement in (
        "CREATE ROLE APART",
        "CREATE USER LONER PASSWORD = 'z' DEFAULT_ROLE = APART",
        "GRANT ROLE APART TO USER LONER",
        "GRANT USAGE ON DATABASE SPOTIFY_DB TO ROLE APART",
        "GRANT USAGE, CREATE TABLE ON SCHEMA SPOTIFY_DB.PUBLIC TO ROLE APART",
        "CREATE TABLE SPOTIFY_DB.PUBLIC.ITS_OWN (n NUMBER)",
        "GRANT OWNERSHIP ON TABLE SPOTIFY_DB.PUBLIC.ITS_OWN TO ROLE APART COPY CURRENT GRANTS",
    ):
        execute(admin, statement)
    assert refused(admin, "USE ROLE APART").errno == 3013
    assert "ITS_OWN" in names(admin, "TABLES IN SCHEMA SPOTIFY_DB.PUBLIC")
    assert lacks(refused(admin, "DROP TABLE SPOTIFY_DB.PUBLIC.ITS_OWN"))
    execute(admin, "GRANT ROLE APART TO ROLE SYSADMIN")
    execute(admin, "DROP TABLE SPOTIFY_DB.PUBLIC.ITS_OWN")
    for statement in ("DROP USER LONER", "DROP ROLE APART"):
        execute(admin, statement)


def test_a_stage_takes_the_integrations_and_a_pipe_its_tables_rights(
    admin: SnowflakeConnection,
) -> None:
    stage = (
        f"CREATE STAGE SPOTIFY_DB.PIPES.ITS_STAGE URL = 's3://{BUCKET}/team/' "
        "STORAGE_INTEGRATION = SPOTIFY_S3"
    )
    pipe = (
        "CREATE PIPE SPOTIFY_DB.PIPES.ITS_PIPE AUTO_INGEST = TRUE AS COPY INTO "
        "SPOTIFY_DB.LANDING.SONG FROM @SPOTIFY_DB.PIPES.ITS_STAGE "
        "FILE_FORMAT = (TYPE = CSV ESCAPE_UNENCLOSED_FIELD = NONE)"
    )
    for statement in (
        "CREATE ROLE MAKER",
        "GRANT ROLE MAKER TO ROLE ACCOUNTADMIN",
        "GRANT USAGE ON DATABASE SPOTIFY_DB TO ROLE MAKER",
        "GRANT USAGE ON SCHEMA SPOTIFY_DB.LANDING TO ROLE MAKER",
        "GRANT USAGE, CREATE STAGE, CREATE PIPE ON SCHEMA SPOTIFY_DB.PIPES TO ROLE MAKER",
    ):
        execute(admin, statement)

    def makes(statement: str) -> DatabaseError:
        execute(admin, "USE ROLE MAKER")
        error = refused(admin, statement)
        execute(admin, "USE ROLE ACCOUNTADMIN")
        return error

    assert makes(stage).errno == 2003
    execute(admin, "GRANT USAGE ON INTEGRATION SPOTIFY_S3 TO ROLE MAKER")
    execute(admin, "USE ROLE MAKER")
    execute(admin, stage)
    assert makes(pipe).errno == 2003
    execute(admin, "GRANT SELECT ON TABLE SPOTIFY_DB.LANDING.SONG TO ROLE MAKER")
    error = makes(pipe)
    assert lacks(error)
    assert "INSERT granted on TABLE SPOTIFY_DB.LANDING.SONG" in str(error)
    execute(admin, "GRANT INSERT ON TABLE SPOTIFY_DB.LANDING.SONG TO ROLE MAKER")
    execute(admin, "USE ROLE MAKER")
    execute(admin, pipe)
    execute(admin, "USE ROLE ACCOUNTADMIN")
    execute(admin, "REVOKE USAGE ON INTEGRATION SPOTIFY_S3 FROM ROLE MAKER")
    assert makes("LIST @SPOTIFY_DB.PIPES.ITS_STAGE").errno == 2003
    for statement in (
        "DROP PIPE SPOTIFY_DB.PIPES.ITS_PIPE",
        "DROP STAGE SPOTIFY_DB.PIPES.ITS_STAGE",
        "DROP ROLE MAKER",
    ):
        execute(admin, statement)
