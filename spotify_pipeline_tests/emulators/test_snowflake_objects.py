"""What SHOW and DESC tell an administrator, by their documented columns, and what DROP leaves."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from snowflake.connector import SnowflakeConnection

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
STAGE = "SPOTIFY_DB.PIPES.SPOTIFY_STAGE"


@pytest.fixture(scope="module")
def s3_and_server() -> Iterator[tuple[Any, SnowflakeServer]]:
    with local_s3() as (url, s3), SnowflakeServer(url, loads_by_itself=False) as server:
        with connect(server) as connection:
            run_ddl(connection, public_text(KEY))
        yield s3, server


@pytest.fixture
def server(s3_and_server: tuple[Any, SnowflakeServer]) -> SnowflakeServer:
    return s3_and_server[1]


@pytest.fixture
def connection(server: SnowflakeServer) -> Iterator[SnowflakeConnection]:
    with connect(server) as connection:
        yield connection


@pytest.fixture
def scratch(connection: SnowflakeConnection) -> Iterator[str]:
    """A database of one test."""
    execute(connection, "CREATE DATABASE SCRATCH")
    yield "SCRATCH"
    execute(connection, "DROP DATABASE IF EXISTS SCRATCH")


def one(connection: SnowflakeConnection, sql: str) -> dict[str, Any]:
    [row] = ask(connection, sql)
    return row


def described(
    connection: SnowflakeConnection, what: str, value: str = "property_value"
) -> dict[str, Any]:
    return {row["property"]: row[value] for row in ask(connection, f"DESC {what}")}


# Columns

SHOWN = {
    "ROLES": "created_on name is_default is_current is_inherited assigned_to_users "
    "granted_to_roles granted_roles owner comment",
    "DATABASES LIKE 'SPOTIFY_DB'": "created_on name is_default is_current origin owner comment "
    "options retention_time kind owner_role_type object_visibility "
    "data_quality_monitoring_settings",
    "SCHEMAS IN DATABASE SPOTIFY_DB": "created_on name is_default is_current database_name owner "
    "comment options retention_time owner_role_type object_visibility",
    "WAREHOUSES LIKE 'SPOTIFY_WH'": "name state type size min_cluster_count max_cluster_count "
    "started_clusters running queued is_default is_current is_interactive auto_suspend "
    "auto_resume available provisioning quiescing other created_on resumed_on updated_on owner "
    "comment enable_query_acceleration query_acceleration_max_scale_factor resource_monitor "
    "actives pendings failed suspended uuid scaling_policy owner_role_type resource_constraint "
    "generation",
    "USERS LIKE 'SPOTIFY_SERVICE'": "name created_on login_name display_name first_name last_name "
    "email mins_to_unlock days_to_expiry comment disabled must_change_password snowflake_lock "
    "default_warehouse default_namespace default_role default_secondary_roles ext_authn_duo "
    "ext_authn_uid mins_to_bypass_mfa owner last_success_login expires_at_time "
    "locked_until_time has_password has_rsa_public_key type has_mfa has_pat "
    "has_workload_identity is_from_organization_user",
    "STORAGE INTEGRATIONS LIKE 'SPOTIFY_S3'": "name type category enabled comment created_on",
    "INTEGRATIONS": "name type category enabled comment created_on",
    "TABLES IN DATABASE SPOTIFY_DB": "created_on name database_name schema_name kind comment "
    "cluster_by rows bytes owner retention_time automatic_clustering change_tracking "
    "search_optimization search_optimization_progress search_optimization_bytes is_external "
    "enable_schema_evolution owner_role_type is_event is_hybrid is_iceberg is_immutable",
    "VIEWS IN DATABASE SPOTIFY_DB": "created_on name reserved database_name schema_name owner "
    "comment text is_secure is_materialized owner_role_type change_tracking",
    "FILE FORMATS IN SCHEMA SPOTIFY_DB.PIPES": "created_on name database_name schema_name type "
    "owner comment format_options owner_role_type",
    "STAGES IN SCHEMA SPOTIFY_DB.PIPES": "created_on name database_name schema_name url "
    "has_credentials has_encryption_key owner comment region type cloud notification_channel "
    "storage_integration endpoint owner_role_type directory_enabled",
    "PIPES IN SCHEMA SPOTIFY_DB.PIPES": "created_on name database_name schema_name definition "
    "owner notification_channel comment integration pattern error_integration owner_role_type "
    "invalid_reason kind",
    "GRANTS TO ROLE SPOTIFY_LOADER": "created_on privilege granted_on name granted_to "
    "grantee_name grant_option granted_by",
    "GRANTS TO USER SPOTIFY_SERVICE": "created_on privilege granted_on name role granted_to "
    "grantee_name grant_option granted_by",
    "GRANTS OF ROLE SPOTIFY_LOADER": "created_on role granted_to grantee_name granted_by",
    "GRANTS ON TABLE SPOTIFY_DB.OPS.LEDGER": "created_on privilege granted_on name granted_to "
    "grantee_name grant_option granted_by granted_by_role_type",
    "FUTURE GRANTS IN SCHEMA SPOTIFY_DB.PIPES": "created_on privilege grant_on name grant_to "
    "grantee_name grant_option",
    "FUTURE GRANTS TO ROLE SPOTIFY_READER": "created_on privilege grant_on name grant_to "
    "grantee_name grant_option",
}


@pytest.mark.parametrize("what", SHOWN)
def test_show_has_the_documented_columns(connection: SnowflakeConnection, what: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {what}")
        assert [column.name for column in cursor.description] == SHOWN[what].split()
        assert cursor.fetchall()


@pytest.mark.parametrize(
    ("what", "columns"),
    [
        ("USER SPOTIFY_SERVICE", "property value default description"),
        ("INTEGRATION SPOTIFY_S3", "property property_type property_value property_default"),
        (
            f"STAGE {STAGE}",
            "parent_property property property_type property_value property_default",
        ),
        (
            "FILE FORMAT SPOTIFY_DB.PIPES.CSV_FILEFORMAT",
            "property property_type property_value property_default",
        ),
        ("PIPE SPOTIFY_DB.PIPES.SONG_PIPE", SHOWN["PIPES IN SCHEMA SPOTIFY_DB.PIPES"]),
        ("WAREHOUSE SPOTIFY_WH", "created_on name kind"),
    ],
)
def test_desc_has_the_documented_columns(
    connection: SnowflakeConnection, what: str, columns: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DESC {what}")
        assert [column.name for column in cursor.description] == columns.split()


# Values


def test_what_is_there_is_shown_with_its_owner(connection: SnowflakeConnection) -> None:
    def owners(what: str) -> set[tuple[str, str]]:
        return {(row["name"], row["owner"]) for row in ask(connection, f"SHOW {what}")}

    assert owners("DATABASES LIKE 'spotify_db'") == {("SPOTIFY_DB", "SYSADMIN")}
    assert owners("WAREHOUSES") == {("SPOTIFY_WH", "SYSADMIN")}
    assert owners("USERS LIKE 'SPOTIFY%'") == {("SPOTIFY_SERVICE", "USERADMIN")}
    assert ("SPOTIFY_LOADER", "USERADMIN") in owners("ROLES LIKE 'spotify\\\\_%'")
    assert owners("ROLES LIKE 'ACCOUNT%'") == {("ACCOUNTADMIN", "")}
    assert owners("SCHEMAS IN DATABASE SPOTIFY_DB") == {
        *((name, "SYSADMIN") for name in ("LANDING", "HISTORY", "PUBLIC", "OPS", "PIPES")),
        ("INFORMATION_SCHEMA", ""),
    }
    assert owners("STAGES IN SCHEMA SPOTIFY_DB.PIPES") == {("SPOTIFY_STAGE", "SPOTIFY_LOADER")}
    assert owners("FILE FORMATS IN DATABASE SPOTIFY_DB") == {("CSV_FILEFORMAT", "SPOTIFY_LOADER")}
    assert owners("TABLES LIKE 'LEDGER' IN DATABASE SPOTIFY_DB") == {("LEDGER", "SYSADMIN")}
    assert len(owners("PIPES IN SCHEMA SPOTIFY_DB.PIPES")) == 6


def test_show_goes_by_name_and_place(connection: SnowflakeConnection, scratch: str) -> None:
    for name in ("B_1", "AX1", "A_1"):
        execute(connection, f"CREATE TABLE {scratch}.PUBLIC.{name} (n NUMBER)")

    def names(what: str) -> list[str]:
        return [row["name"] for row in ask(connection, f"SHOW {what}")]

    assert names(f"TABLES IN DATABASE {scratch}") == ["AX1", "A_1", "B_1"]
    assert names(f"TABLES LIKE 'a_1' IN {scratch}.PUBLIC") == ["AX1", "A_1"]
    assert names(f"TABLES LIKE 'a\\\\_1' IN DATABASE {scratch}") == ["A_1"]
    assert names(f"SCHEMAS IN {scratch}") == ["INFORMATION_SCHEMA", "PUBLIC"]
    assert names("PIPES IN ACCOUNT") == names("PIPES IN DATABASE SPOTIFY_DB")
    assert names("PIPES") == []  # the session is in the new database
    assert "SPOTIFY_DB" in names("DATABASES")


@pytest.mark.parametrize(
    "what",
    [
        "SCHEMAS IN DATABASE NONE",
        "TABLES IN DATABASE NONE",
        "VIEWS IN SCHEMA SPOTIFY_DB.NONE",
        "PIPES IN SCHEMA NONE.PIPES",
        "STAGES IN SCHEMA SPOTIFY_DB.NONE",
        "FILE FORMATS IN SCHEMA SPOTIFY_DB.NONE",
    ],
)
def test_what_is_nowhere_is_not_shown(connection: SnowflakeConnection, what: str) -> None:
    error = refused(connection, f"SHOW {what}")
    assert (error.errno, error.sqlstate) == (2043, "02000")
    assert "Object does not exist, or operation cannot be performed." in str(error)


@pytest.mark.parametrize(
    "statement",
    [
        "DESC INTEGRATION NONE",
        "DESC USER NONE",
        "DESC STAGE SPOTIFY_DB.PIPES.NONE",
        "DESC PIPE SPOTIFY_DB.PIPES.NONE",
        "DESC TABLE SPOTIFY_DB.NONE.T",
        "SHOW GRANTS TO ROLE NONE",
        "SHOW GRANTS TO USER NONE",
        "SHOW GRANTS OF ROLE NONE",
        "SHOW FUTURE GRANTS TO ROLE NONE",
        "SHOW FUTURE GRANTS IN SCHEMA SPOTIFY_DB.NONE",
        "LIST @SPOTIFY_DB.PIPES.NONE",
    ],
)
def test_what_there_is_not_is_missing(connection: SnowflakeConnection, statement: str) -> None:
    error = refused(connection, statement)
    assert (error.errno, error.sqlstate) == (2003, "02000")
    assert "does not exist or not authorized" in str(error)


def test_a_warehouse_is_shown_as_it_is(connection: SnowflakeConnection) -> None:
    shown = one(connection, "SHOW WAREHOUSES LIKE 'spotify_wh'")
    assert (shown["state"], shown["size"], shown["type"]) == ("SUSPENDED", "X-Small", "STANDARD")
    assert (shown["auto_suspend"], shown["auto_resume"]) == (60, "true")
    execute(connection, "ALTER WAREHOUSE SPOTIFY_WH RESUME IF SUSPENDED")
    assert one(connection, "SHOW WAREHOUSES")["state"] == "STARTED"
    execute(connection, "ALTER WAREHOUSE SPOTIFY_WH SUSPEND")
    assert one(connection, "SHOW WAREHOUSES")["state"] == "SUSPENDED"


def test_a_view_is_shown_as_it_was_written(connection: SnowflakeConnection, scratch: str) -> None:
    create = f"CREATE VIEW {scratch}.PUBLIC.V COMMENT = 'v' AS SELECT 1 AS a"
    execute(connection, create)
    assert one(connection, f"SHOW VIEWS IN SCHEMA {scratch}.PUBLIC")["text"] == create


def test_the_account_has_names(connection: SnowflakeConnection) -> None:
    asked = (
        "SELECT CURRENT_ACCOUNT() AS locator, CURRENT_ORGANIZATION_NAME() AS organization, "
        "CURRENT_ACCOUNT_NAME() AS account, CURRENT_USER() AS who, CURRENT_ROLE() AS role_, "
        "CURRENT_REGION() AS region"
    )
    assert one(connection, asked) == {
        "LOCATOR": "SI12345",
        "ORGANIZATION": "LOOPBACK",
        "ACCOUNT": "STANDIN",
        "WHO": "TESTER",
        "ROLE_": "ACCOUNTADMIN",
        "REGION": "AWS_EU_WEST_1",
    }


# Users and their keys


def fingerprint(key: Any) -> str:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"SHA256:{base64.b64encode(hashlib.sha256(der).digest()).decode()}"


def test_a_user_is_described_with_the_fingerprint_of_its_key(
    connection: SnowflakeConnection,
) -> None:
    told = described(connection, "USER SPOTIFY_SERVICE", "value")
    assert told["RSA_PUBLIC_KEY"] == public_text(KEY)
    assert told["RSA_PUBLIC_KEY_FP"] == fingerprint(KEY)
    assert told["RSA_PUBLIC_KEY_2_FP"] == "null"
    assert (told["TYPE"], told["DISABLED"]) == ("SERVICE", "false")
    assert (told["DEFAULT_ROLE"], told["DEFAULT_SECONDARY_ROLES"]) == ("SPOTIFY_PIPELINE", "[]")
    shown = one(connection, "SHOW USERS LIKE 'spotify_service'")
    assert (shown["type"], shown["disabled"]) == ("SERVICE", "false")
    assert (shown["has_rsa_public_key"], shown["has_password"]) == ("true", "false")


def test_keys_are_changed_one_after_the_other(connection: SnowflakeConnection) -> None:
    user, new = "USER ROTATED", new_key()
    execute(connection, f"CREATE {user} TYPE = SERVICE RSA_PUBLIC_KEY = '{public_text(KEY)}'")
    execute(connection, f"ALTER {user} SET RSA_PUBLIC_KEY_2 = '{public_text(new)}'")
    told = described(connection, user, "value")
    assert told["RSA_PUBLIC_KEY_FP"] == fingerprint(KEY)
    assert told["RSA_PUBLIC_KEY_2_FP"] == fingerprint(new)
    execute(connection, f"ALTER {user} UNSET RSA_PUBLIC_KEY")
    told = described(connection, user, "value")
    assert (told["RSA_PUBLIC_KEY"], told["RSA_PUBLIC_KEY_FP"]) == ("null", "null")
    execute(connection, f"ALTER {user} SET RSA_PUBLIC_KEY = '{public_text(new)}' DISABLED = TRUE")
    told = described(connection, user, "value")
    assert (told["RSA_PUBLIC_KEY_FP"], told["DISABLED"]) == (fingerprint(new), "true")
    execute(connection, f"DROP {user}")


@pytest.mark.parametrize("key", ["garbage", public_text(KEY)[:-40]])
def test_what_is_no_key_is_refused(connection: SnowflakeConnection, key: str) -> None:
    error = refused(connection, f"ALTER USER SPOTIFY_SERVICE SET RSA_PUBLIC_KEY_2 = '{key}'")
    assert "New public key rejected by current policy. Reason: 'Invalid Public key'" in str(error)
    refused(connection, f"CREATE USER KEYLESS RSA_PUBLIC_KEY = '{key}'")
    assert ask(connection, "SHOW USERS LIKE 'KEYLESS'") == []


# Grants


def test_grants_can_be_asked_for(connection: SnowflakeConnection, scratch: str) -> None:
    for statement in (
        "CREATE ROLE FRIEND COMMENT = 'a friend'",
        "CREATE USER SVC TYPE = SERVICE DEFAULT_ROLE = FRIEND",
        "GRANT ROLE FRIEND TO USER SVC",
        "GRANT ROLE PUBLIC TO USER SVC",
        "GRANT ROLE FRIEND TO ROLE SYSADMIN",
        "GRANT ROLE SPOTIFY_READER TO ROLE FRIEND",
        f"CREATE TABLE {scratch}.PUBLIC.T (a VARCHAR)",
        f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {scratch}.PUBLIC TO ROLE FRIEND",
        f"GRANT SELECT ON FUTURE TABLES IN SCHEMA {scratch}.PUBLIC TO ROLE FRIEND",
        f"GRANT USAGE, CREATE FILE FORMAT ON SCHEMA {scratch}.PUBLIC TO ROLE FRIEND",
        f"REVOKE INSERT ON TABLE {scratch}.PUBLIC.T FROM ROLE FRIEND",
        f"CREATE TABLE {scratch}.PUBLIC.U (a VARCHAR)",
    ):
        execute(connection, statement)
    told = ask(connection, "SHOW GRANTS TO ROLE FRIEND")
    assert [(row["privilege"], row["granted_on"], row["name"]) for row in told] == [
        ("USAGE", "ROLE", "SPOTIFY_READER"),
        ("CREATE FILE FORMAT", "SCHEMA", "SCRATCH.PUBLIC"),
        ("USAGE", "SCHEMA", "SCRATCH.PUBLIC"),
        ("SELECT", "TABLE", "SCRATCH.PUBLIC.T"),
        ("SELECT", "TABLE", "SCRATCH.PUBLIC.U"),
    ]
    assert {(r["granted_to"], r["grantee_name"], r["grant_option"]) for r in told} == {
        ("ROLE", "FRIEND", "false")
    }
    [future] = ask(connection, f"SHOW FUTURE GRANTS IN SCHEMA {scratch}.PUBLIC")
    assert future.pop("created_on")
    assert future == {
        "privilege": "SELECT",
        "grant_on": "TABLE",
        "name": "SCRATCH.PUBLIC.<TABLE>",
        "grant_to": "ROLE",
        "grantee_name": "FRIEND",
        "grant_option": "false",
    }
    assert [r["name"] for r in ask(connection, "SHOW FUTURE GRANTS TO ROLE FRIEND")] == [
        "SCRATCH.PUBLIC.<TABLE>"
    ]
    assert [row["role"] for row in ask(connection, "SHOW GRANTS TO USER SVC")] == ["FRIEND"]
    holders = ask(connection, "SHOW GRANTS OF ROLE FRIEND")
    assert {(r["granted_to"], r["grantee_name"]) for r in holders} == {
        ("USER", "SVC"),
        ("ROLE", "SYSADMIN"),
    }
    shown = one(connection, "SHOW ROLES LIKE 'FRIEND'")
    assert (shown["assigned_to_users"], shown["granted_to_roles"], shown["granted_roles"]) == (
        1,
        1,
        1,
    )
    for drop in ("DROP USER SVC", "DROP ROLE FRIEND"):
        execute(connection, drop)


def test_the_option_to_grant_is_revoked_alone(
    connection: SnowflakeConnection, scratch: str
) -> None:
    def told() -> list[tuple[str, str]]:
        rows = ask(connection, "SHOW GRANTS TO ROLE PUBLIC")
        return [(row["privilege"], row["grant_option"]) for row in rows]

    grant = f"USAGE ON DATABASE {scratch}"
    execute(connection, f"GRANT {grant} TO ROLE PUBLIC WITH GRANT OPTION")
    assert told() == [("USAGE", "true")]
    execute(connection, f"REVOKE GRANT OPTION FOR {grant} FROM ROLE PUBLIC CASCADE")
    assert told() == [("USAGE", "false")]
    execute(connection, f"REVOKE {grant} FROM ROLE PUBLIC")
    assert told() == []


def test_a_grant_in_a_schema_stands_in_for_one_in_its_database(
    connection: SnowflakeConnection, scratch: str
) -> None:
    execute(connection, f"GRANT SELECT ON FUTURE TABLES IN DATABASE {scratch} TO ROLE PUBLIC")
    execute(connection, f"CREATE TABLE {scratch}.PUBLIC.T (a VARCHAR)")
    execute(connection, f"GRANT INSERT ON FUTURE TABLES IN SCHEMA {scratch}.PUBLIC TO ROLE PUBLIC")
    execute(connection, f"CREATE TABLE {scratch}.PUBLIC.U (a VARCHAR)")
    for table, privilege in (("T", "SELECT"), ("U", "INSERT")):
        told = ask(connection, f"SHOW GRANTS ON TABLE {scratch}.PUBLIC.{table}")
        assert [(r["privilege"], r["grantee_name"]) for r in told] == [
            ("OWNERSHIP", "ACCOUNTADMIN"),
            (privilege, "PUBLIC"),
        ]


def test_a_table_keeps_its_grants_under_another_name(
    connection: SnowflakeConnection, scratch: str
) -> None:
    table = f"{scratch}.PUBLIC.T"
    execute(connection, f"CREATE TABLE {table} (a VARCHAR)")
    execute(connection, f"GRANT SELECT ON TABLE {table} TO ROLE PUBLIC")
    execute(connection, f"ALTER TABLE {table} RENAME TO {table}2")
    told = ask(connection, f"SHOW GRANTS ON TABLE {table}2")
    assert [row["privilege"] for row in told] == ["OWNERSHIP", "SELECT"]
    assert one(connection, f"SHOW TABLES IN DATABASE {scratch}")["owner"] == "ACCOUNTADMIN"


# Integrations, stages, formats

CREATE = (
    "CREATE {}STORAGE INTEGRATION {} TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' "
    "STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' ENABLED = TRUE {} "
    f"STORAGE_ALLOWED_LOCATIONS = ('s3://{BUCKET}/')"
)


@pytest.fixture
def stage(connection: SnowflakeConnection, scratch: str) -> Iterator[str]:
    """On an integration of its own."""
    execute(connection, CREATE.format("", "PASSING", ""))
    stage = f"{scratch}.PUBLIC.ST"
    execute(
        connection, f"CREATE STAGE {stage} URL = 's3://{BUCKET}/x/' STORAGE_INTEGRATION = PASSING"
    )
    yield stage
    execute(connection, "DROP INTEGRATION IF EXISTS PASSING")


def test_all_integrations_come_as_the_same_user_with_an_id_of_their_own(
    connection: SnowflakeConnection, stage: str
) -> None:
    ours = described(connection, "STORAGE INTEGRATION SPOTIFY_S3")
    other = described(connection, "INTEGRATION PASSING")
    assert ours["STORAGE_AWS_EXTERNAL_ID"] == "chosen-by-the-owner"
    assert other["STORAGE_AWS_EXTERNAL_ID"].startswith("SI12345_SFCRole=")
    arns = {each["STORAGE_AWS_IAM_USER_ARN"] for each in (ours, other)}
    assert len(arns) == 1
    parts = arns.pop().split(":")
    assert (parts[:4], len(parts[4]), parts[5][:5]) == (["arn", "aws", "iam", ""], 12, "user/")
    assert ours["STORAGE_ALLOWED_LOCATIONS"] == f"s3://{BUCKET}/team/"


@pytest.mark.parametrize("how", ["OR REPLACE", "DROP"])
def test_a_stage_is_lost_to_an_integration_that_is_made_anew(
    connection: SnowflakeConnection, stage: str, how: str
) -> None:
    before = described(connection, "INTEGRATION PASSING")["STORAGE_AWS_EXTERNAL_ID"]
    assert execute(connection, f"LIST @{stage}") == []
    if how == "DROP":
        execute(connection, "DROP INTEGRATION PASSING")
        assert refused(connection, f"LIST @{stage}").errno == 3139
    execute(connection, CREATE.format("OR REPLACE " if how != "DROP" else "", "PASSING", ""))
    assert described(connection, "INTEGRATION PASSING")["STORAGE_AWS_EXTERNAL_ID"] != before
    error = refused(connection, f"LIST @{stage}")
    assert error.errno == 3139
    assert "Integration 'PASSING' associated with the stage 'ST' cannot be found." in str(error)
    execute(connection, f"ALTER STAGE {stage} SET STORAGE_INTEGRATION = PASSING")
    assert execute(connection, f"LIST @{stage}") == []


def test_an_integration_is_turned_off_and_on(connection: SnowflakeConnection, stage: str) -> None:
    for enabled in ("FALSE", "TRUE"):
        execute(connection, f"ALTER STORAGE INTEGRATION PASSING SET ENABLED = {enabled}")
        assert one(connection, "SHOW INTEGRATIONS LIKE 'PASSING'")["enabled"] == enabled.lower()
        assert described(connection, "INTEGRATION PASSING")["ENABLED"] == enabled.lower()
        if enabled == "FALSE":
            assert refused(connection, f"LIST @{stage}").errno == 91003
    execute(connection, f"LIST @{stage}")


def test_files_are_listed(
    connection: SnowflakeConnection, s3_and_server: tuple[Any, SnowflakeServer], stage: str
) -> None:
    s3, _ = s3_and_server
    for name in ("a/1.csv.gz", "a/2.csv.gz", "b/1.csv.gz"):
        s3.put_object(Bucket=BUCKET, Key=f"x/{name}", Body=b"abc")
    rows = ask(connection, f"LIST @{stage}/a/")
    assert [(row["name"], row["size"]) for row in rows] == [
        (f"s3://{BUCKET}/x/a/1.csv.gz", 3),
        (f"s3://{BUCKET}/x/a/2.csv.gz", 3),
    ]
    assert rows[0]["md5"] == hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
    assert rows[0]["last_modified"].endswith(" GMT")
    assert len(ask(connection, f"LS @{stage} PATTERN = '.*1[.]csv[.]gz'")) == 2
    assert ask(connection, f"LIST @{stage}/none/") == []


def test_an_integration_is_proved_by_listing_and_reading(
    connection: SnowflakeConnection, s3_and_server: tuple[Any, SnowflakeServer]
) -> None:
    s3, _ = s3_and_server
    s3.put_object(Bucket=BUCKET, Key="team/there.txt", Body=b"abc")

    def proof(url: str, file: str, action: str) -> Any:
        [(text,)] = execute(
            connection,
            f"SELECT SYSTEM$VALIDATE_STORAGE_INTEGRATION('SPOTIFY_S3', '{url}', '{file}', "
            f"'{action}')",
        )
        return json.loads(text)

    url = f"s3://{BUCKET}/team/"
    for file, action in (("any.txt", "list"), ("there.txt", "read")):
        assert proof(url, file, action) == {
            "status": "success",
            "actions": {action.upper(): {"status": "success"}},
        }
    for where, file, action in (
        (url, "any.txt", "read"),
        (f"s3://{BUCKET}/others/", "any.txt", "list"),
        ("s3://none/", "any.txt", "list"),
    ):
        failed = proof(where, file, action)
        assert failed["status"] == failed["actions"][action.upper()]["status"] == "failure"
        assert failed["actions"][action.upper()]["message"]
        assert failed["message"].startswith("Some of the integration checks failed.")
    asked = "SELECT SYSTEM$VALIDATE_STORAGE_INTEGRATION('spotify_s3', 's3://x/', 'y', 'list')"
    assert refused(connection, asked).errno == 2003


def test_a_stage_is_described_with_all_its_options(connection: SnowflakeConnection) -> None:
    told = {
        (row["parent_property"], row["property"]): row["property_value"]
        for row in ask(connection, f"DESC STAGE {STAGE}")
    }
    assert told["STAGE_LOCATION", "URL"] == f'["s3://{BUCKET}/team/"]'
    assert told["STAGE_INTEGRATION", "STORAGE_INTEGRATION"] == "SPOTIFY_S3"
    assert told["STAGE_FILE_FORMAT", "TYPE"] == "CSV"
    assert told["STAGE_FILE_FORMAT", "ESCAPE_UNENCLOSED_FIELD"] == "\\\\"
    assert told["STAGE_COPY_OPTIONS", "ON_ERROR"] == "ABORT_STATEMENT"
    assert told["DIRECTORY", "ENABLE"] == "false"


def test_a_format_is_told_with_all_its_options(connection: SnowflakeConnection) -> None:
    told = described(connection, "FILE FORMAT SPOTIFY_DB.PIPES.CSV_FILEFORMAT")
    assert (told["PARSE_HEADER"], told["NULL_IF"], told["ESCAPE"]) == ("true", "[]", "NONE")
    assert (told["RECORD_DELIMITER"], told["SKIP_HEADER"]) == ("\\n", "0")
    shown = one(connection, "SHOW FILE FORMATS IN SCHEMA SPOTIFY_DB.PIPES")
    options = json.loads(shown["format_options"])
    assert (options["PARSE_HEADER"], options["NULL_IF"]) == (True, [])
    assert (options["RECORD_DELIMITER"], options["SKIP_HEADER"]) == ("\n", 0)


# What is dropped


@pytest.mark.parametrize(
    ("create", "kind", "name"),
    [
        ("CREATE DATABASE D1", "DATABASE", "D1"),
        ("CREATE SCHEMA SCRATCH.S1", "SCHEMA", "SCRATCH.S1"),
        ("CREATE WAREHOUSE W1", "WAREHOUSE", "W1"),
        ("CREATE ROLE R1", "ROLE", "R1"),
        ("CREATE USER U1", "USER", "U1"),
        (CREATE.format("", "I1", ""), "INTEGRATION", "I1"),
        (CREATE.format("", "I1", ""), "STORAGE INTEGRATION", "I1"),
        ("CREATE TABLE SCRATCH.PUBLIC.T1 (n NUMBER)", "TABLE", "SCRATCH.PUBLIC.T1"),
        ("CREATE VIEW SCRATCH.PUBLIC.V1 AS SELECT 1 AS n", "VIEW", "SCRATCH.PUBLIC.V1"),
        ("CREATE FILE FORMAT SCRATCH.PUBLIC.F1 TYPE = CSV", "FILE FORMAT", "SCRATCH.PUBLIC.F1"),
        (
            f"CREATE STAGE SCRATCH.PUBLIC.S1 URL = 's3://{BUCKET}/team/' "
            "STORAGE_INTEGRATION = SPOTIFY_S3",
            "STAGE",
            "SCRATCH.PUBLIC.S1",
        ),
        (
            "CREATE PIPE SCRATCH.PUBLIC.P1 AUTO_INGEST = TRUE AS COPY INTO "
            f"SPOTIFY_DB.LANDING.SONG FROM @{STAGE}/x/ FILE_FORMAT = (TYPE = CSV "
            "ESCAPE_UNENCLOSED_FIELD = NONE)",
            "PIPE",
            "SCRATCH.PUBLIC.P1",
        ),
    ],
)
def test_everything_can_be_dropped_again_and_again(
    connection: SnowflakeConnection, scratch: str, create: str, kind: str, name: str
) -> None:
    last = name.rsplit(".", 1)[-1]
    gone = [(f"Drop statement executed successfully ({last} already dropped).",)]
    plural = f"{kind}S LIKE '{last}'"
    for _ in range(2):
        execute(connection, create)
        assert [row["name"] for row in ask(connection, f"SHOW {plural}")] == [last]
        assert execute(connection, f"DROP {kind} {name}") == [(f"{last} successfully dropped.",)]
        assert ask(connection, f"SHOW {plural}") == []
        assert execute(connection, f"DROP {kind} IF EXISTS {name}") == gone
    error = refused(connection, f"DROP {kind} {name}")
    assert (error.errno, error.sqlstate) == (2003, "02000")
    told = ask(connection, "SHOW GRANTS TO ROLE ACCOUNTADMIN")
    assert name not in [row["name"] for row in told]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DROP TABLE IF EXISTS NONE.PUBLIC.T", "Database 'NONE'"),
        ("DROP SCHEMA IF EXISTS NONE.S", "Database 'NONE'"),
        ("DROP PIPE IF EXISTS SPOTIFY_DB.NONE.P", "Schema 'SPOTIFY_DB.NONE'"),
        ("DROP STAGE SPOTIFY_DB.NONE.S", "Schema 'SPOTIFY_DB.NONE'"),
        ("ALTER TABLE IF EXISTS SPOTIFY_DB.NONE.T ADD COLUMN a DATE", "Schema 'SPOTIFY_DB.NONE'"),
        ("CREATE TABLE IF NOT EXISTS NONE.PUBLIC.T (a DATE)", "Database 'NONE'"),
        ("CREATE SCHEMA IF NOT EXISTS NONE.S", "Database 'NONE'"),
        ("CREATE STAGE SPOTIFY_DB.NONE.S URL = 's3://x/'", "Schema 'SPOTIFY_DB.NONE'"),
    ],
)
def test_if_exists_does_not_forgive_that_there_is_no_such_place(
    connection: SnowflakeConnection, statement: str, what: str
) -> None:
    error = refused(connection, statement)
    assert error.errno == 2003
    assert f"{what} does not exist or not authorized." in str(error)


def test_of_a_dropped_database_nothing_is_left(
    connection: SnowflakeConnection, server: SnowflakeServer
) -> None:
    def about() -> set[str]:
        return {
            row["name"]
            for role in ("LOADER", "READER", "PUBLISHER", "MONITOR", "PIPELINE")
            for future in ("", "FUTURE ")
            for row in ask(connection, f"SHOW {future}GRANTS TO ROLE SPOTIFY_{role}")
            if row["name"].split(".")[0] == "SPOTIFY_DB"
        }

    before, pipes = about(), ask(connection, "SHOW PIPES IN DATABASE SPOTIFY_DB")
    assert len(before) > 20
    with connect(server) as another:
        execute(connection, "DROP DATABASE SPOTIFY_DB CASCADE")
        for each in (connection, another):
            assert execute(each, "SELECT CURRENT_DATABASE() AS d, CURRENT_SCHEMA() AS s") == [
                (None, None)
            ]
            assert refused(each, "CREATE TABLE T (n NUMBER)").errno == 90105
    assert about() == set()
    for kind in ("DATABASES", "SCHEMAS", "TABLES", "VIEWS", "FILE FORMATS", "STAGES", "PIPES"):
        assert ask(connection, f"SHOW {kind}") == []
    assert refused(connection, "SHOW TABLES IN DATABASE SPOTIFY_DB").errno == 2043
    assert refused(connection, "SELECT * FROM SPOTIFY_DB.OPS.LEDGER").errno
    assert refused(connection, "SELECT SYSTEM$PIPE_STATUS('SPOTIFY_DB.PIPES.SONG_PIPE')").errno
    server.settle()
    run_ddl(connection, public_text(KEY))
    execute(connection, "USE ROLE ACCOUNTADMIN")
    assert about() == before
    again = ask(connection, "SHOW PIPES IN DATABASE SPOTIFY_DB")
    assert [row["name"] for row in again] == [row["name"] for row in pipes]
    assert execute(connection, "SELECT COUNT(*) AS n FROM SPOTIFY_DB.LANDING.SONG") == [(0,)]


def test_of_a_dropped_schema_nothing_is_left(
    connection: SnowflakeConnection, server: SnowflakeServer, scratch: str
) -> None:
    execute(connection, f"CREATE SCHEMA {scratch}.S")
    for statement in (
        "CREATE TABLE T (n NUMBER)",
        "CREATE FILE FORMAT F TYPE = CSV",
        "GRANT SELECT ON TABLE T TO ROLE PUBLIC",
        f"GRANT SELECT ON FUTURE TABLES IN SCHEMA {scratch}.S TO ROLE PUBLIC",
    ):
        execute(connection, statement)
    execute(connection, f"DROP SCHEMA {scratch}.S")
    where = "SELECT CURRENT_DATABASE() AS d, CURRENT_SCHEMA() AS s"
    assert execute(connection, where) == [(scratch, None)]
    assert refused(connection, "CREATE TABLE T (n NUMBER)").errno == 90106
    execute(connection, f"CREATE SCHEMA {scratch}.S")
    assert ask(connection, f"SHOW TABLES IN SCHEMA {scratch}.S") == []
    assert ask(connection, f"SHOW FILE FORMATS IN SCHEMA {scratch}.S") == []
    assert ask(connection, f"SHOW FUTURE GRANTS IN SCHEMA {scratch}.S") == []
    assert ask(connection, "SHOW GRANTS TO ROLE PUBLIC") == []


def test_what_a_dropped_role_owned_is_whose_role_dropped_it(
    connection: SnowflakeConnection, scratch: str
) -> None:
    table = f"{scratch}.PUBLIC.T"
    for statement in (
        "CREATE ROLE LEAVING",
        "GRANT ROLE LEAVING TO ROLE ACCOUNTADMIN",
        f"GRANT USAGE ON DATABASE {scratch} TO ROLE LEAVING",
        f"GRANT USAGE, CREATE TABLE ON SCHEMA {scratch}.PUBLIC TO ROLE LEAVING",
        "USE ROLE LEAVING",
        f"CREATE TABLE {table} (n NUMBER)",
        f"GRANT SELECT ON TABLE {table} TO ROLE PUBLIC",
    ):
        execute(connection, statement)
    execute(connection, "USE ROLE ACCOUNTADMIN")
    execute(connection, "DROP ROLE LEAVING")
    assert one(connection, f"SHOW TABLES IN DATABASE {scratch}")["owner"] == "ACCOUNTADMIN"
    told = ask(connection, f"SHOW GRANTS ON TABLE {table}")
    assert [(row["privilege"], row["grantee_name"]) for row in told] == [
        ("OWNERSHIP", "ACCOUNTADMIN")
    ]
    assert "LEAVING" not in {r["name"] for r in ask(connection, "SHOW GRANTS TO ROLE ACCOUNTADMIN")}


def test_a_role_in_use_and_one_of_the_systems_stay(connection: SnowflakeConnection) -> None:
    for statement in (
        "CREATE ROLE TAKEN",
        "GRANT ROLE TAKEN TO ROLE ACCOUNTADMIN",
        "GRANT OWNERSHIP ON ROLE TAKEN TO ROLE TAKEN",
        "USE ROLE TAKEN",
    ):
        execute(connection, statement)
    assert "current primary role" in str(refused(connection, "DROP ROLE TAKEN"))
    execute(connection, "USE ROLE ACCOUNTADMIN")
    execute(connection, "DROP ROLE TAKEN")
    refused(connection, "DROP ROLE SYSADMIN")
    assert ask(connection, "SHOW ROLES LIKE 'SYSADMIN'")
