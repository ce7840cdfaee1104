"""Statements, sessions and sign-in: what works as in Snowflake, and what is refused plainly."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dagster_snowflake import SnowflakeResource
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import DatabaseError

from spotify_pipeline_tests.emulators.snowflake import SnowflakeServer
from spotify_pipeline_tests.emulators.snowflake_lab import (
    ShiftedClock,
    ask,
    connect,
    execute,
    local_s3,
    refused,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Arrow output on a DB-API")]


@pytest.fixture(scope="module")
def aws_url() -> Iterator[str]:
    with local_s3() as (url, _):
        yield url


@pytest.fixture(scope="module")
def server(aws_url: str) -> Iterator[SnowflakeServer]:
    with SnowflakeServer(
        aws_url, loads_by_itself=False, lock_seconds=1, clock=ShiftedClock()
    ) as server:
        with connect(server) as connection:
            execute(connection, "CREATE DATABASE SPOTIFY_DB")
        yield server


@pytest.fixture
def new_account(aws_url: str) -> Iterator[SnowflakeServer]:
    """An account with nothing in it."""
    with SnowflakeServer(aws_url, loads_by_itself=False) as server:
        yield server


@pytest.fixture
def connection(server: SnowflakeServer) -> Iterator[SnowflakeConnection]:
    with connect(server) as connection:
        yield connection


@pytest.fixture
def schema(connection: SnowflakeConnection) -> str:
    """An empty one, which is the session's."""
    execute(connection, "CREATE OR REPLACE SCHEMA SPOTIFY_DB.LANDING")
    return "SPOTIFY_DB.LANDING"


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_path(private_key: rsa.RSAPrivateKey, tmp_path: Path) -> Path:
    path = tmp_path / "rsa_key.p8"
    path.write_bytes(
        private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def public_text(key: rsa.RSAPrivateKey) -> str:
    """As ALTER USER … SET RSA_PUBLIC_KEY has it."""
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "".join(pem.decode().splitlines()[1:-1])


def in_threads(*work: Any) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Signing in


def test_with_a_private_key(server: SnowflakeServer, key_path: Path) -> None:
    with connect(server, password=None, private_key_file=str(key_path)) as connection:
        assert execute(connection, "SELECT 1 AS one") == [(1,)]


def test_with_dagsters_resource(server: SnowflakeServer, key_path: Path) -> None:
    parameters = dict(server.connection_parameters)
    resource = SnowflakeResource(
        account=parameters.pop("account"),
        user=parameters.pop("user"),
        database=parameters.pop("database"),
        private_key_path=str(key_path),
        additional_snowflake_connection_args=parameters,
    )
    with resource.get_connection() as connection:
        assert execute(connection, "SELECT CURRENT_USER() AS who") == [("TESTER",)]


def test_a_user_with_a_public_key_needs_its_private_key(
    server: SnowflakeServer,
    connection: SnowflakeConnection,
    key_path: Path,
    private_key: rsa.RSAPrivateKey,
) -> None:
    other = public_text(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    execute(connection, f"CREATE USER SIGNER TYPE = SERVICE RSA_PUBLIC_KEY = '{other}'")
    by_key = {"user": "signer", "password": None, "private_key_file": str(key_path)}
    with pytest.raises(DatabaseError, match="JWT token is invalid"):
        connect(server, **by_key)
    key = public_text(private_key)
    execute(connection, f"ALTER USER SIGNER SET RSA_PUBLIC_KEY_2 = '{key}'")
    connect(server, **by_key).close()
    with pytest.raises(DatabaseError, match="Incorrect username or password"):
        connect(server, user="signer")


def test_a_role_that_there_is_not_lets_nobody_in(server: SnowflakeServer) -> None:
    with pytest.raises(DatabaseError, match="Role 'NONE' specified in the connect string"):
        connect(server, role="NONE")
    connect(server, role="SYSADMIN").close()


# Where a session is


def test_a_session_has_no_database_until_there_is_one(new_account: SnowflakeServer) -> None:
    where = "SELECT CURRENT_DATABASE() AS d, CURRENT_SCHEMA() AS s"
    with connect(new_account) as connection:
        assert execute(connection, where) == [(None, None)]
        assert refused(connection, "CREATE TABLE T (a VARCHAR)").errno == 90105
        execute(connection, "CREATE DATABASE SPOTIFY_DB")
        assert execute(connection, where) == [("SPOTIFY_DB", "PUBLIC")]
        execute(connection, "CREATE SCHEMA OPS")
        assert execute(connection, where) == [("SPOTIFY_DB", "OPS")]
        with connect(new_account) as another:
            assert execute(another, where) == [("SPOTIFY_DB", "PUBLIC")]


def test_use_needs_what_it_names(connection: SnowflakeConnection, schema: str) -> None:
    for what in ("ROLE", "WAREHOUSE", "DATABASE", "SCHEMA"):
        assert refused(connection, f"USE {what} NONE").errno == 2043
    execute(connection, "CREATE WAREHOUSE IF NOT EXISTS WH WAREHOUSE_SIZE = XSMALL")
    execute(connection, "USE WAREHOUSE WH")
    execute(connection, "USE ROLE SYSADMIN")
    execute(connection, f"USE SCHEMA {schema}")
    found = execute(connection, "SELECT CURRENT_WAREHOUSE(), CURRENT_ROLE(), CURRENT_SCHEMA()")
    assert found == [("WH", "SYSADMIN", "LANDING")]


def test_session_parameters_are_taken_but_other_time_zones_are_not(
    connection: SnowflakeConnection,
) -> None:
    execute(connection, "ALTER SESSION SET TIMEZONE = 'UTC', QUERY_TAG = 'spotify'")
    execute(connection, "ALTER SESSION UNSET QUERY_TAG")
    assert refused(connection, "ALTER SESSION SET TIMEZONE = 'Europe/Berlin'").errno == 2


def test_a_session_that_is_gone_is_told_so(server: SnowflakeServer) -> None:
    with connect(server) as connection:
        before = time.monotonic()
        server.account.warehouse.end(next(reversed(server.account.warehouse.sessions.values())))
        assert refused(connection, "SELECT 1 AS one").errno == 390111
        assert time.monotonic() - before < 5


# Tables and views


def test_a_table_keeps_its_comments(connection: SnowflakeConnection, schema: str) -> None:
    create = (
        f"CREATE TABLE IF NOT EXISTS {schema}.ALBUM (day DATE NOT NULL COMMENT 'the day''s', "
        "n NUMBER(38,0), at_ TIMESTAMP_NTZ) COMMENT = 'one row per album''s day'"
    )
    assert execute(connection, create) == [("Table ALBUM successfully created.",)]
    assert execute(connection, create) == [("ALBUM already exists, statement succeeded.",)]
    add = f"ALTER TABLE {schema}.ALBUM ADD COLUMN IF NOT EXISTS mood VARCHAR COMMENT 'a''b'"
    execute(connection, add)
    execute(connection, add)
    execute(connection, f"COMMENT ON COLUMN {schema}.ALBUM.n IS 'number'")
    execute(connection, f"COMMENT ON TABLE {schema}.ALBUM IS 'another'")
    told = ask(connection, f"DESC TABLE {schema}.ALBUM")
    assert [(row["name"], row["type"], row["null?"], row["comment"]) for row in told] == [
        ("DAY", "DATE", "N", "the day's"),
        ("N", "NUMBER(38,0)", "Y", "number"),
        ("AT_", "TIMESTAMP_NTZ(9)", "Y", None),
        ("MOOD", "VARCHAR(16777216)", "Y", "a'b"),
    ]
    columns = "SELECT comment FROM INFORMATION_SCHEMA.COLUMNS WHERE column_name = 'DAY'"
    assert execute(connection, columns) == [("the day's",)]
    [shown] = ask(connection, f"SHOW TABLES LIKE 'alb%' IN SCHEMA {schema}")
    assert (shown["name"], shown["comment"]) == ("ALBUM", "another")


def test_keys_are_not_enforced(connection: SnowflakeConnection, schema: str) -> None:
    execute(
        connection,
        f"CREATE TABLE {schema}.T (a VARCHAR, b VARCHAR UNIQUE, "
        "CONSTRAINT pk PRIMARY KEY (a) NOT ENFORCED)",
    )
    execute(connection, f"INSERT INTO {schema}.T VALUES ('x', 'y'), ('x', 'y')")
    assert refused(connection, f"INSERT INTO {schema}.T (b) VALUES ('y')").errno == 100072


def test_create_or_alter_is_refused_and_keeps_the_rows(
    connection: SnowflakeConnection, schema: str
) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (a VARCHAR)")
    execute(connection, f"INSERT INTO {schema}.T VALUES ('x')")
    assert refused(connection, f"CREATE OR ALTER TABLE {schema}.T (a VARCHAR, b DATE)").errno == 2
    assert execute(connection, f"SELECT * FROM {schema}.T") == [("x",)]


def test_a_view_is_replaced_with_its_grants(connection: SnowflakeConnection, schema: str) -> None:
    view = f"CREATE OR REPLACE VIEW {schema}.V COPY GRANTS COMMENT = 'v' AS SELECT"
    execute(connection, f"{view} 1 AS a")
    execute(connection, f"GRANT SELECT ON VIEW {schema}.V TO ROLE PUBLIC")
    execute(connection, f"{view} 2 AS a")
    assert execute(connection, f"SELECT a FROM {schema}.V") == [(2,)]
    told = ask(connection, f"SHOW GRANTS ON VIEW {schema}.V")
    assert [(row["privilege"], row["grantee_name"]) for row in told] == [
        ("OWNERSHIP", "ACCOUNTADMIN"),
        ("SELECT", "PUBLIC"),
    ]


def test_null_times_are_null(connection: SnowflakeConnection, schema: str) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (a TIMESTAMP_NTZ, b TIMESTAMP_LTZ, n NUMBER)")
    execute(connection, f"INSERT INTO {schema}.T VALUES (NULL, NULL, 1)")
    assert execute(connection, f"SELECT * FROM {schema}.T") == [(None, None, 1)]
    [(total,)] = execute(connection, f"SELECT SUM(n) AS total FROM {schema}.T")
    assert isinstance(total, int)


# Transactions


def test_a_transaction_is_committed_or_not(connection: SnowflakeConnection, schema: str) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (a VARCHAR)")
    for end in ("ROLLBACK", "COMMIT"):
        execute(connection, "BEGIN")
        execute(connection, "BEGIN TRANSACTION")  # ignored where one is open
        execute(connection, f"INSERT INTO {schema}.T VALUES ('{end}')")
        execute(connection, end)
    execute(connection, "COMMIT")
    assert execute(connection, f"SELECT a FROM {schema}.T") == [("COMMIT",)]


def test_a_transaction_with_a_failed_statement_can_only_be_rolled_back(
    connection: SnowflakeConnection, schema: str
) -> None:
    """In Snowflake it would go on; that it can't here, is told."""
    execute(connection, f"CREATE TABLE {schema}.T (a VARCHAR NOT NULL)")
    execute(connection, "BEGIN")
    execute(connection, f"INSERT INTO {schema}.T VALUES ('x')")
    assert refused(connection, f"INSERT INTO {schema}.T VALUES (NULL)").errno == 100072
    assert refused(connection, "SELECT 1 AS one").errno == 2
    execute(connection, "ROLLBACK")
    assert execute(connection, f"SELECT a FROM {schema}.T") == []


def test_ddl_commits(connection: SnowflakeConnection, schema: str) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (a VARCHAR)")
    execute(connection, "BEGIN")
    execute(connection, f"INSERT INTO {schema}.T VALUES ('x')")
    execute(connection, f"CREATE TABLE {schema}.U (a VARCHAR)")
    execute(connection, "ROLLBACK")
    assert execute(connection, f"SELECT a FROM {schema}.T") == [("x",)]


def test_without_autocommit(
    server: SnowflakeServer, connection: SnowflakeConnection, schema: str
) -> None:
    execute(connection, "CREATE TABLE T (a VARCHAR)")
    with connect(server, schema="LANDING", autocommit=False) as another:
        execute(another, "INSERT INTO T VALUES ('x')")
        assert execute(connection, "SELECT COUNT(*) AS n FROM T") == [(0,)]
        another.commit()
        assert execute(connection, "SELECT COUNT(*) AS n FROM T") == [(1,)]


def test_what_was_not_committed_is_lost_with_the_session(
    server: SnowflakeServer, connection: SnowflakeConnection, schema: str
) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (a VARCHAR)")
    with connect(server) as another:
        execute(another, "BEGIN")
        execute(another, f"INSERT INTO {schema}.T VALUES ('x')")
        execute(another, f"UPDATE {schema}.T SET a = 'y'")
    assert execute(connection, f"SELECT a FROM {schema}.T") == []
    execute(connection, f"DELETE FROM {schema}.T")  # and its lock with it


def test_who_changes_a_table_waits_for_who_changed_it_before(
    server: SnowflakeServer, connection: SnowflakeConnection, schema: str
) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (n NUMBER)")
    execute(connection, f"INSERT INTO {schema}.T VALUES (0)")

    def raise_it() -> None:
        with connect(server) as own:
            execute(own, "BEGIN")
            execute(own, f"UPDATE {schema}.T SET n = n + 1")
            time.sleep(0.05)
            execute(own, "COMMIT")

    in_threads(*[raise_it] * 4)
    assert execute(connection, f"SELECT n FROM {schema}.T") == [(4,)]


def test_waiting_for_a_lock_comes_to_an_end(
    server: SnowflakeServer, connection: SnowflakeConnection, schema: str
) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (n NUMBER)")
    execute(connection, f"INSERT INTO {schema}.T VALUES (0)")
    execute(connection, "BEGIN")
    execute(connection, f"DELETE FROM {schema}.T")
    with connect(server) as another:
        assert refused(another, f"DELETE FROM {schema}.T").errno == 625
        execute(another, f"INSERT INTO {schema}.T VALUES (1)")
    execute(connection, "ROLLBACK")
    assert execute(connection, f"SELECT n FROM {schema}.T ORDER BY n") == [(0,), (1,)]


def test_who_went_away_with_a_lock_keeps_it_for_five_minutes(
    server: SnowflakeServer, connection: SnowflakeConnection, schema: str
) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (n NUMBER)")
    execute(connection, f"INSERT INTO {schema}.T VALUES (0), (1)")
    clock = server.clock
    assert isinstance(clock, ShiftedClock)
    with connect(server) as gone:
        execute(gone, "BEGIN")
        execute(gone, f"DELETE FROM {schema}.T")
        try:
            clock.shift = timedelta(minutes=4)
            assert refused(connection, f"DELETE FROM {schema}.T WHERE n = 0").errno == 625
            clock.shift = timedelta(minutes=6)
            execute(connection, f"DELETE FROM {schema}.T WHERE n = 0")
        finally:
            clock.shift = timedelta()
        refused(gone, "COMMIT")
    assert execute(connection, f"SELECT n FROM {schema}.T") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE T SET n = 2 WHERE n = 1",
        "DELETE FROM T WHERE n = 1",
        "MERGE INTO T USING (SELECT 1 AS n) AS s ON T.n = s.n "
        "WHEN MATCHED THEN UPDATE SET n = 2 WHEN NOT MATCHED THEN INSERT (n) VALUES (s.n)",
    ],
    ids=lambda statement: statement.split()[0],
)
def test_who_changes_no_row_or_only_adds_some_shuts_nobody_out(
    server: SnowflakeServer, connection: SnowflakeConnection, schema: str, statement: str
) -> None:
    """Snowflake may, and doesn't promise it."""
    execute(connection, f"CREATE TABLE {schema}.T (n NUMBER)")
    execute(connection, f"INSERT INTO {schema}.T VALUES (0)")
    execute(connection, f"USE SCHEMA {schema}")
    execute(connection, "BEGIN")
    execute(connection, statement)
    with connect(server) as another:
        execute(another, f"DELETE FROM {schema}.T WHERE n = 0")
    execute(connection, "COMMIT")
    found = execute(connection, f"SELECT n FROM {schema}.T")
    assert found == ([(1,)] if statement.startswith("MERGE") else [])


def test_a_session_says_how_long_it_waits_for_a_lock(
    server: SnowflakeServer, connection: SnowflakeConnection, schema: str
) -> None:
    limits = {
        "LOCK_TIMEOUT": 0,
        "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": 300,
        "STATEMENT_TIMEOUT_IN_SECONDS": 900,
    }
    delete = f"DELETE FROM {schema}.T"
    execute(connection, f"CREATE TABLE {schema}.T (a VARCHAR)")
    execute(connection, f"INSERT INTO {schema}.T VALUES ('x')")
    execute(connection, "BEGIN")
    execute(connection, delete)
    with connect(server, session_parameters=limits) as another:
        assert waited(another, delete) < 0.5
        execute(another, "ALTER SESSION UNSET LOCK_TIMEOUT, STATEMENT_TIMEOUT_IN_SECONDS")
        assert waited(another, delete) > 0.9
        execute(another, "ALTER SESSION SET LOCK_TIMEOUT = 0")
        assert waited(another, delete) < 0.5
        assert refused(another, "ALTER SESSION SET LOCK_TIMEOUT = 'soon'").errno == 1008
    execute(connection, "ROLLBACK")


def waited(connection: SnowflakeConnection, sql: str) -> float:
    """For how many seconds a statement that is refused for a lock has waited."""
    before = time.monotonic()
    assert refused(connection, sql).errno == 625
    return time.monotonic() - before


@pytest.mark.parametrize("name", ["LOCK_TIMEOUT", "STATEMENT_TIMEOUT_IN_SECONDS"])
def test_a_limit_that_is_no_number_lets_nobody_in(server: SnowflakeServer, name: str) -> None:
    with pytest.raises(DatabaseError, match=name):
        connect(server, session_parameters={name: "soon"})


# MERGE


def test_merge_tells_what_it_has_done(connection: SnowflakeConnection, schema: str) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (id NUMBER, n NUMBER)")
    merge = (
        f"MERGE INTO {schema}.T AS t USING (SELECT 1 AS id, 5 AS n) AS s ON t.id = s.id "
        "WHEN MATCHED AND t.n < s.n THEN UPDATE SET n = s.n "
        "WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.id, s.n)"
    )
    execute(connection, "BEGIN")
    assert execute(connection, merge) == [(1, 0)]
    assert execute(connection, merge) == [(0, 0)]
    assert execute(connection, merge.replace("5 AS n", "6 AS n")) == [(0, 1)]
    execute(connection, "COMMIT")


def test_merge_does_not_change_a_row_twice(connection: SnowflakeConnection, schema: str) -> None:
    execute(connection, f"CREATE TABLE {schema}.T (id NUMBER, n NUMBER)")
    execute(connection, f"INSERT INTO {schema}.T VALUES (1, 1)")
    merge = (
        f"MERGE INTO {schema}.T AS t USING (SELECT 1 AS id, 5 AS n UNION ALL SELECT 1, 6) AS s "
        "ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = s.n"
    )
    assert refused(connection, merge).errno == 100090


# Access


def test_mistakes_in_grants_are_found(connection: SnowflakeConnection, schema: str) -> None:
    for statement in (
        "GRANT SELECT ON TABLE SPOTIFY_DB.LANDING.NONE TO ROLE PUBLIC",
        "GRANT USAGE ON SCHEMA SPOTIFY_DB.LANDING TO ROLE NONE",
        "GRANT USEAGE ON SCHEMA SPOTIFY_DB.LANDING TO ROLE PUBLIC",
        "GRANT MONITOR ON ALL PIPES IN SCHEMA SPOTIFY_DB.LANDING TO ROLE PUBLIC",
        "CREATE WAREHOUSE W WAREHOUSE_SIEZ = XSMALL",
        "CREATE USER U TYPE = SERVICE ROLE = PUBLIC",
    ):
        refused(connection, statement)


# Stages and what they need


def test_an_integration_can_be_changed_and_proved(connection: SnowflakeConnection) -> None:
    create = (
        "CREATE STORAGE INTEGRATION IF NOT EXISTS S3_INT TYPE = EXTERNAL_STAGE "
        "STORAGE_PROVIDER = 'S3' STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' ENABLED = TRUE "
        "STORAGE_AWS_EXTERNAL_ID = 'ours' STORAGE_ALLOWED_LOCATIONS = ('s3://lake/a/')"
    )
    execute(connection, create)
    execute(connection, create.replace("'ours'", "'theirs'"))
    execute(connection, "ALTER STORAGE INTEGRATION S3_INT SET COMMENT = 'the lake'")
    told = {
        row["property"]: row["property_value"] for row in ask(connection, "DESC INTEGRATION S3_INT")
    }
    assert told["STORAGE_AWS_EXTERNAL_ID"] == "ours"
    assert told["STORAGE_AWS_IAM_USER_ARN"].startswith("arn:aws:iam::")
    assert [row["name"] for row in ask(connection, "SHOW INTEGRATIONS LIKE 's3_int'")] == ["S3_INT"]
    proof = "SELECT SYSTEM$VALIDATE_STORAGE_INTEGRATION('S3_INT', 's3://lake/{}/', 'f', 'list')"
    assert '"status": "success"' in execute(connection, proof.format("a"))[0][0]
    assert '"status": "failure"' in execute(connection, proof.format("b"))[0][0]


def test_a_stage_stays_within_its_integration(connection: SnowflakeConnection, schema: str) -> None:
    execute(
        connection,
        "CREATE STORAGE INTEGRATION S3_INT2 TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' "
        "STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' ENABLED = TRUE "
        "STORAGE_ALLOWED_LOCATIONS = ('s3://lake/a/')",
    )
    stage = "CREATE STAGE IF NOT EXISTS ST URL = '{}' STORAGE_INTEGRATION = S3_INT2 COMMENT = 'x'"
    assert "not allowed" in str(refused(connection, stage.format("s3://lake/b/")))
    execute(connection, stage.format("s3://lake/a/b/"))
    [shown] = ask(connection, "SHOW STAGES IN SCHEMA SPOTIFY_DB.LANDING")
    assert (shown["url"], shown["storage_integration"]) == ("s3://lake/a/b/", "S3_INT2")
    told = {row["property"]: row["property_value"] for row in ask(connection, "DESC STAGE ST")}
    assert told["URL"] == '["s3://lake/a/b/"]'


# What there is not


def test_what_there_is_not_is_refused_at_once(connection: SnowflakeConnection, schema: str) -> None:
    """With HTTP 500 the connector would try for minutes."""
    before = time.monotonic()
    for statement in (
        "SELECT nothing",
        "SELECT * FROM NOWHERE",
        "SELEC 1",
        "SELECT TO_DATE('x')",
        "CREATE TASK T AS SELECT 1",
        "CREATE STREAM S ON TABLE T",
        "COPY INTO T FROM @ST",
        "PUT file:///tmp/x @ST",
        "CALL SYSTEM$WAIT(1)",
        "SELECT SYSTEM$WAIT(1)",
        "SHOW TASKS",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "SELECT * FROM TABLE(INFORMATION_SCHEMA.VALIDATE_PIPE_LOAD(PIPE_NAME => 'p'))",
        "UNDROP DATABASE SPOTIFY_DB",
    ):
        error = refused(connection, statement)
        assert error.errno
        assert error.sqlstate
    assert time.monotonic() - before < 10
    assert execute(connection, "SELECT 1 AS one") == [(1,)]


def test_binding_on_the_servers_side(server: SnowflakeServer, schema: str) -> None:
    with snowflake.connector.connect(
        **server.connection_parameters, password="x", schema="LANDING", paramstyle="qmark"
    ) as connection:
        execute(connection, "CREATE TABLE T (a VARCHAR, n NUMBER, d TIMESTAMP_NTZ)")
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO T VALUES (?, ?, ?)", ["x", 1, None])
            cursor.execute("SELECT a, n, d FROM T WHERE n = ?", [1])
            assert cursor.fetchall() == [("x", 1, None)]


def test_as_a_program(aws_url: str) -> None:
    command = [sys.executable, "-m", "spotify_pipeline_tests.emulators.snowflake"]
    with subprocess.Popen(
        [*command, "--aws-endpoint", aws_url],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        name, _, port = program.stdout.readline().strip().partition("=")
        assert name == "SNOWFLAKE_PORT"
        assert program.stdout.readline().startswith("SNOWFLAKE_QUEUE_ARN=arn:aws:sqs:")
        with snowflake.connector.connect(
            account="standin",
            user="tester",
            password="x",
            host="127.0.0.1",
            port=int(port),
            protocol="http",
        ) as connection:
            assert execute(connection, "SELECT 1 AS one") == [(1,)]
        program.terminate()
        assert program.wait(20) == 0
