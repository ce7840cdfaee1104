"""Snowflake as a database: what a session is, when it ends, and what is said when there is none.

On the stand-in, with the settings that a deployment has. It lets everybody sign in whom it doesn't
know, so a user that doesn't exist is not among the cases: one without our key stands for it.
"""

import re
import socket
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import snowflake.connector
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import DatabaseError, OperationalError, ProgrammingError

from spotify_pipeline import contract
from spotify_pipeline.contract import Table, Type
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater
from spotify_pipeline.loading import snowflake as loading
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.snowflake import (
    LIMITS,
    LOOKING,
    SnowflakeSession,
    Waits,
    expected_versions,
)
from spotify_pipeline.orchestration.database import DatabaseResource, build_database
from spotify_pipeline_tests.emulators.cloud import Cloud
from spotify_pipeline_tests.loading.rows import DAY, Row, day, insert

pytestmark = pytest.mark.slow

PASSPHRASE = "open sesame"  # of a key that is made here
SCRATCH = "SPOTIFY_DB.OPS.SCRATCH"
EMPTY = "EMPTY_DB"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.execute(f"CREATE DATABASE {EMPTY}")
        yield cloud


@pytest.fixture(autouse=True)
def _environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def scratch(cloud: Cloud) -> str:
    """An empty table of one number, with which the pipeline may do as it likes."""
    cloud.execute(f"CREATE OR REPLACE TABLE {SCRATCH} (n NUMBER(38,0))")
    cloud.execute(f"GRANT INSERT, UPDATE, DELETE ON TABLE {SCRATCH} TO ROLE SPOTIFY_PIPELINE")
    return SCRATCH


@dataclass
class Opened:
    """Every connection that was opened, with what it was opened by."""

    connections: list[Any] = field(default_factory=list)
    arguments: list[Mapping[str, Any]] = field(default_factory=list)

    def are_closed(self) -> list[bool]:
        return [connection.is_closed() for connection in self.connections]


@pytest.fixture
def opened(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Opened:
    opened = Opened()
    really = snowflake.connector.connect

    def connect(**arguments: Any) -> Any:
        opened.arguments.append(deepcopy(arguments))  # it notes there what the server told it
        connection = really(**arguments)
        opened.connections.append(connection)
        return connection

    monkeypatch.setattr(snowflake.connector, "connect", connect)
    return opened


def resource(cloud: Cloud, **changes: str) -> DatabaseResource:
    """The resource of the deployment aws, with some settings changed."""
    environment = read_environment(
        cloud.environment | {"SPOTIFY_PIPELINE_ENGINE": "embedded"} | changes, Path("/nowhere")
    )
    return build_database(read_deployment(environment))


def session(cloud: Cloud, **changes: str) -> Any:
    return resource(cloud, **changes).database().session()


def open_and_close(cloud: Cloud, **changes: str) -> None:
    with session(cloud, **changes):
        pass


# What a session is


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition("2026-11-01", end_offset=1),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def asked(database: DatabaseResource) -> None:
    with database.database().session() as session:
        session.execute("SELECT 1 AS one")


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ({"dagster/partition": "2026-11-20"}, "2026-11-20"),
        (
            {
                "dagster/asset_partition_range_start": "2026-11-18",
                "dagster/asset_partition_range_end": "2026-11-20",
            },
            "2026-11-18..2026-11-20",
        ),
    ],
)
def test_in_a_run_queries_are_tagged_with_the_run_and_its_days(
    cloud: Cloud, opened: Opened, days: Mapping[str, str], told: str
) -> None:
    result = dg.materialize(
        [asked],
        partition_key=days.get("dagster/partition"),
        tags=days if len(days) > 1 else None,
        resources={"database": resource(cloud)},
    )
    [arguments] = opened.arguments
    tag = arguments["session_parameters"]["QUERY_TAG"]
    assert tag == f"spotify_pipeline run={result.run_id} partition={told}"


def test_outside_of_a_run_queries_are_tagged_with_our_name(cloud: Cloud, opened: Opened) -> None:
    open_and_close(cloud)
    [arguments] = opened.arguments
    assert arguments["session_parameters"]["QUERY_TAG"] == "spotify_pipeline"


def test_a_session_speaks_utc(cloud: Cloud, opened: Opened) -> None:
    with session(cloud) as found:
        [(now,)] = found.execute("SELECT CURRENT_TIMESTAMP() AS now")
    assert now.utcoffset().total_seconds() == 0
    # The stand-in always does; an account only if it is asked to.
    [arguments] = opened.arguments
    assert arguments["session_parameters"]["TIMEZONE"] == "UTC"


def test_nothing_is_waited_for_without_end(cloud: Cloud, opened: Opened) -> None:
    open_and_close(cloud)
    [arguments] = opened.arguments
    assert 0 < arguments["login_timeout"] <= 60
    assert 0 < arguments["network_timeout"] <= 300


def test_a_session_is_where_the_settings_say(cloud: Cloud) -> None:
    with session(cloud) as found:
        where = "SELECT CURRENT_DATABASE() AS d, CURRENT_ROLE() AS r, CURRENT_WAREHOUSE() AS w"
        assert found.execute(where) == [("SPOTIFY_DB", "SPOTIFY_PIPELINE", "SPOTIFY_WH")]


VALUES = {
    Type.STRING: "it's 'ö' ♪\n?",
    Type.INTEGER: 2**40,
    Type.BOOLEAN: False,
    Type.DATE: DAY,
    Type.TIMESTAMP: datetime(2026, 11, 22, 6, 0, 0, 123456),
}


@pytest.mark.parametrize("table", contract.TABLES, ids=lambda table: table.name)
def test_values_have_the_types_that_duckdb_gives_them(
    cloud: Cloud, database: Any, table: Table
) -> None:
    filled: Row = {column.name: VALUES[column.type] for column in table.columns}
    lacking: Row = {c.name: None if c.nullable else VALUES[c.type] for c in table.columns}
    lacking["snapshot_date"] = day(1)
    name = f"HISTORY.{table.name}"
    query = f"SELECT {', '.join(table.column_names)} FROM {name} ORDER BY snapshot_date"
    found = {}
    with session(cloud) as on_snowflake, database.session() as on_duckdb:
        for which, each in {"snowflake": on_snowflake, "duckdb": on_duckdb}.items():
            insert(each, name, [filled, lacking])
            found[which] = [
                [(value, type(value)) for value in values] for values in each.execute(query)
            ]
            assert each.execute(f"DELETE FROM {name}") == [(2,)]
    assert found["snowflake"] == found["duckdb"]
    assert found["snowflake"][0] == [(value, type(value)) for value in filled.values()]
    assert found["snowflake"][1] == [(value, type(value)) for value in lacking.values()]


# When it ends


def test_the_connection_is_closed_when_all_went_well(cloud: Cloud, opened: Opened) -> None:
    with session(cloud):
        assert opened.are_closed() == [False]
    assert opened.are_closed() == [True]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt("mine")], ids=repr)
def test_the_connection_is_closed_when_the_block_raises(
    cloud: Cloud, opened: Opened, error: BaseException
) -> None:
    with pytest.raises(type(error), match=r"^mine$"), session(cloud):
        raise error
    assert opened.are_closed() == [True]


def test_the_connection_is_closed_when_a_statement_is_refused(cloud: Cloud, opened: Opened) -> None:
    with pytest.raises(FixConfiguration, match="NO_SUCH_TABLE"), session(cloud) as found:
        found.execute("SELECT n FROM OPS.NO_SUCH_TABLE")
    assert opened.are_closed() == [True]


def test_the_connection_is_closed_when_the_schema_is_refused(cloud: Cloud, opened: Opened) -> None:
    with pytest.raises(FixConfiguration):
        open_and_close(cloud, SNOWFLAKE_DATABASE=EMPTY)
    assert opened.are_closed() == [True]


def numbers(session: Session) -> list[int]:
    return [n for (n,) in session.execute(f"SELECT n FROM {SCRATCH} ORDER BY n")]


def test_a_transaction_is_seen_by_others_when_it_ends(cloud: Cloud, scratch: str) -> None:
    with session(cloud) as found, session(cloud) as other:
        with found.transaction():
            for n in (1, 2):
                found.execute(f"INSERT INTO {scratch} VALUES ({n})")
            assert numbers(found) == [1, 2]
            assert numbers(other) == []
        assert numbers(other) == [1, 2]


def test_a_statement_outside_a_transaction_is_seen_at_once(cloud: Cloud, scratch: str) -> None:
    with session(cloud) as found, session(cloud) as other:
        found.execute(f"INSERT INTO {scratch} VALUES (1)")
        assert numbers(other) == [1]


def insert_and_raise(session: Session, error: BaseException) -> None:
    with session.transaction():
        session.execute(f"INSERT INTO {SCRATCH} VALUES (1)")
        raise error


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt("mine")], ids=repr)
def test_a_transaction_that_raises_leaves_nothing(
    cloud: Cloud, scratch: str, error: BaseException
) -> None:
    with session(cloud) as found:
        with pytest.raises(type(error), match=r"^mine$"):
            insert_and_raise(found, error)
        assert numbers(found) == []
        found.execute(f"INSERT INTO {scratch} VALUES (2)")  # and the session can go on
    with session(cloud) as other:
        assert numbers(other) == [2]


def insert_and_be_refused(session: Session) -> None:
    with session.transaction():
        session.execute(f"INSERT INTO {SCRATCH} VALUES (1)")
        session.execute("DELETE FROM OPS.NO_SUCH_TABLE")


def test_a_refused_statement_leaves_nothing_of_its_transaction(cloud: Cloud, scratch: str) -> None:
    """And the session goes on: one day that can't be done stops no other."""
    with session(cloud) as found:
        with pytest.raises(FixConfiguration, match="NO_SUCH_TABLE"):
            insert_and_be_refused(found)
        assert numbers(found) == []


def test_what_broke_a_transaction_is_told_though_it_can_t_be_rolled_back(
    cloud: Cloud, scratch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = SnowflakeCursor.execute

    def execute(self: Any, sql: str, *arguments: Any, **more: Any) -> Any:
        if sql == "ROLLBACK":
            raise OperationalError("nobody there")
        return really(self, sql, *arguments, **more)

    monkeypatch.setattr(SnowflakeCursor, "execute", execute)
    with pytest.raises(FixConfiguration, match="NO_SUCH_TABLE") as told, session(cloud) as found:
        insert_and_be_refused(found)
    assert "nobody there" in told.value.__notes__[0]
    with session(cloud) as other:
        assert numbers(other) == []


# Schema versions


VERSIONS = "SPOTIFY_DB.OPS.SCHEMA_VERSION"


def newest_version() -> int:
    return max(expected_versions())


def test_the_versions_are_those_that_the_files_record(cloud: Cloud) -> None:
    recorded = cloud.execute(f"SELECT version, name FROM {VERSIONS} ORDER BY version")
    expected = [(version, Path(name).stem) for version, name in expected_versions().items()]
    assert recorded == expected
    assert len(expected) >= 4


def test_the_files_are_read_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    open_and_close(cloud)
    monkeypatch.setattr(loading, "DDL_FOLDER", Path("/nowhere"))
    open_and_close(cloud)


def test_without_the_files_it_is_told_where_to_run(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the project was installed as a wheel, which has only the package."""
    expected_versions.cache_clear()
    monkeypatch.setattr(loading, "DDL_FOLDER", tmp_path / "snowflake_ddl")
    with pytest.raises(FixConfiguration, match="from a checkout") as refused:
        open_and_close(cloud)
    assert str(tmp_path / "snowflake_ddl") in str(refused.value)


def test_a_database_without_our_tables_is_refused(cloud: Cloud) -> None:
    with pytest.raises(FixConfiguration, match="none of the pipeline's tables") as refused:
        open_and_close(cloud, SNOWFLAKE_DATABASE=EMPTY)
    text = str(refused.value)
    assert f"schema version {newest_version()}" in text
    assert f"Run {', '.join(expected_versions().values())} (" in text
    for where_to_look in ("snowflake_ddl", "SNOWFLAKE_DATABASE", "SNOWFLAKE_ROLE"):
        assert where_to_look in text


def test_a_database_that_is_not_there_is_refused(cloud: Cloud) -> None:
    with pytest.raises(FixConfiguration, match="SNOWFLAKE_DATABASE"):
        open_and_close(cloud, SNOWFLAKE_DATABASE="NO_SUCH_DB")


@pytest.mark.parametrize(
    "lacking", [[80], [70], [60, 80]], ids=["the last", "one between", "several"]
)
def test_a_schema_that_lacks_a_file_is_refused_until_it_was_run(
    cloud: Cloud, lacking: list[int]
) -> None:
    numbers = ", ".join(map(str, lacking))
    cloud.execute(f"DELETE FROM {VERSIONS} WHERE version IN ({numbers})")
    try:
        with pytest.raises(FixConfiguration) as refused:
            open_and_close(cloud)
    finally:
        for number in lacking:
            cloud.run_ddl(f"{number:03}_*.sql")
    text = str(refused.value)
    left = ", ".join(str(version) for version in expected_versions() if version not in lacking)
    assert f"has versions {left}; this release needs schema version {newest_version()} and" in text
    names = {60: "060_views.sql", 70: "070_pipes.sql", 80: "080_grants.sql"}
    assert f". Run {', '.join(names[number] for number in lacking)} (snowflake_ddl" in text
    open_and_close(cloud)


@pytest.mark.parametrize("number", [75, 990])
def test_a_schema_with_a_version_that_is_not_ours_is_refused(cloud: Cloud, number: int) -> None:
    cloud.execute(
        f"INSERT INTO {VERSIONS} (version, name, applied_at) "
        f"SELECT {number}, 'of tomorrow', MAX(applied_at) FROM {VERSIONS}"
    )
    try:
        with pytest.raises(FixConfiguration) as refused:
            open_and_close(cloud)
    finally:
        cloud.execute(f"DELETE FROM {VERSIONS} WHERE version = {number}")
    text = str(refused.value)
    known = ", ".join(map(str, expected_versions()))
    assert f"has schema version {number}, this release knows {known}:" in text
    assert "git pull" in text
    assert "Run 0" not in text
    open_and_close(cloud)


def test_running_the_views_again_undoes_no_later_migration(cloud: Cloud) -> None:
    view = "SPOTIFY_DB.PUBLIC.PLAYLIST_TODAY"
    cloud.execute(f"CREATE OR REPLACE VIEW {view} COPY GRANTS AS SELECT 1 AS of_tomorrow")
    try:
        cloud.run_ddl("060_*.sql")
        assert cloud.execute(f"SELECT of_tomorrow FROM {view}") == [(1,)]
    finally:
        cloud.execute(f"DROP VIEW {view}")
        cloud.run_ddl("060_*.sql")


def test_what_loads_is_made_anew_by_070_alone_with_all_its_rights(cloud: Cloud) -> None:
    def rights() -> set[tuple[object, ...]]:
        found = set()
        for role in ("SPOTIFY_MONITOR", "SPOTIFY_PIPELINE"):
            granted = cloud.execute(f"SHOW GRANTS TO ROLE {role}")
            found |= {(role, *row[1:4]) for row in granted if "SPOTIFY_DB.PIPES." in str(row[3])}
        return found

    def pipes() -> list[tuple[Any, ...]]:
        with session(cloud) as found:
            return found.execute("SELECT pipe_name FROM INFORMATION_SCHEMA.PIPES ORDER BY 1")

    rights_before, pipes_before = rights(), pipes()
    for table in contract.TABLES:
        cloud.execute(f"DROP PIPE SPOTIFY_DB.PIPES.{table.name}_pipe")
    cloud.execute("DROP STAGE SPOTIFY_DB.PIPES.spotify_stage")
    cloud.execute("DROP FILE FORMAT SPOTIFY_DB.PIPES.csv_fileformat")
    assert (rights(), pipes()) == (set(), [])
    cloud.run_ddl("070_*.sql")
    assert rights() == rights_before
    assert pipes() == pipes_before
    assert len(rights_before) == 2 * len(contract.TABLES) + 2
    assert len(pipes_before) == len(contract.TABLES)


# What is refused, and what takes too long


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long the connector lets each statement be, in seconds."""
    told: list[float] = []
    really = SnowflakeCursor.execute

    def execute(self: Any, *arguments: Any, **more: Any) -> Any:
        told.append(more.get("timeout") or self.connection.network_timeout)
        return really(self, *arguments, **more)

    monkeypatch.setattr(SnowflakeCursor, "execute", execute)
    return told


def test_no_statement_waits_or_runs_for_ever(cloud: Cloud, opened: Opened) -> None:
    open_and_close(cloud)
    [arguments] = opened.arguments
    parameters = arguments["session_parameters"]
    for name in (
        "LOCK_TIMEOUT",
        "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
        "STATEMENT_TIMEOUT_IN_SECONDS",
    ):
        assert 0 < parameters[name] <= 1800


def test_the_connector_lets_snowflake_come_to_its_own_end(
    cloud: Cloud, watched: list[float]
) -> None:
    """It would stop every statement after the network timeout, which is for other things. But a
    run is killed after an hour."""
    with session(cloud) as found:
        with found.transaction():
            found.execute("SELECT 1 AS one")
        ours = list(watched)
    longest = LIMITS["STATEMENT_QUEUED_TIMEOUT_IN_SECONDS"] + LIMITS["STATEMENT_TIMEOUT_IN_SECONDS"]
    version, begin, select, commit = ours
    assert longest < version == select < 1800
    assert begin == commit <= 60  # which do nothing that takes time


def test_a_sensor_is_through_before_dagster_gives_it_up(
    cloud: Cloud, opened: Opened, watched: list[float]
) -> None:
    """After a minute Dagster ends its tick, without a word about what it was waiting for."""
    with resource(cloud).for_a_look().session() as found:
        found.execute("SELECT 1 AS one")
    [arguments] = opened.arguments
    assert arguments["session_parameters"].items() >= LOOKING.limits.items()
    for name, seconds in LOOKING.limits.items():
        assert seconds <= 20, name
    assert arguments["network_timeout"] <= 20
    assert max(watched) + arguments["login_timeout"] < 60


def test_a_session_for_a_look_has_its_time_for_all_it_asks_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, told = [100.0], []

    class Slow:
        """Each statement takes as long as it may, but for the first."""

        def cursor(self) -> "Slow":
            return self

        def execute(self, sql: str, parameters: Any, timeout: int) -> None:
            told.append(timeout)
            now[0] += timeout if told[1:] else 12.5

        def fetchall(self) -> list[tuple[Any, ...]]:
            return []

        def close(self) -> None:
            pass

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    session = SnowflakeSession(Slow(), "", Waits(10, 20, LIMITS, altogether=30))
    session.execute("SELECT 1")
    session.execute("SELECT 2")
    assert told == [30, 18]
    with pytest.raises(RetryLater, match=r"took more than 30 s.*SNOWFLAKE_WAREHOUSE"):
        session.execute("SELECT 3")


def test_a_lock_is_waited_for_until_snowflake_ends_who_went_away_with_it() -> None:
    """It does so after 5 idle minutes: docs.snowflake.com/en/sql-reference/transactions."""
    assert LIMITS["LOCK_TIMEOUT"] > 300


def test_the_readme_tells_how_long_a_statement_waits() -> None:
    [told] = re.findall(
        r"waits: (\d+) minutes for a table .*?, (\d+)\s+for a busy warehouse; .*? runs for (\d+)\.",
        (loading.DDL_FOLDER / "README.md").read_text(),
        re.DOTALL,
    )
    assert [int(minutes) * 60 for minutes in told] == list(LIMITS.values())


def test_a_locked_table_is_waited_for_and_then_told(
    cloud: Cloud, scratch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loading.LIMITS, "LOCK_TIMEOUT", 1)  # type: ignore[arg-type]
    cloud.execute(f"INSERT INTO {scratch} VALUES (1)")
    with session(cloud) as found, found.transaction():
        found.execute(f"DELETE FROM {scratch}")
        before = time.monotonic()
        with pytest.raises(RetryLater) as late, session(cloud) as other:
            other.execute(f"DELETE FROM {scratch}")
        assert 0.9 < time.monotonic() - before < 10
    for part in ("in use by another session", "SCRATCH", "Run it again", "SHOW LOCKS"):
        assert part in str(late.value)


def test_a_session_that_snowflake_has_ended_may_be_begun_again(cloud: Cloud) -> None:
    def ended() -> None:
        with session(cloud) as found:
            for each in list(cloud.snowflake.account.warehouse.sessions.values()):
                cloud.snowflake.account.warehouse.end(each)
            found.execute("SELECT 1 AS one")

    with pytest.raises(RetryLater, match="session has ended early"):
        ended()
    open_and_close(cloud)


SAID = [
    (625, None, RetryLater, ("at most 7 minutes;", "Run it again", "SYSTEM$ABORT_TRANSACTION")),
    (604, None, RetryLater, ("run it again", "SNOWFLAKE_WAREHOUSE")),
    (630, "57014", RetryLater, ("run 8 minutes,", "run it again")),
    (1, "57014", RetryLater, ("2 minutes for the warehouse", "run it again")),
    *((code, None, RetryLater, ("signs in anew",)) for code in range(390111, 390115)),
    (390195, None, RetryLater, ("signs in anew",)),
    (390100, None, FixConfiguration, ("lets nobody in", "SNOWFLAKE_USER", "public key")),
    (390144, None, FixConfiguration, ("SNOWFLAKE_PRIVATE_KEY_PATH", "public key")),
    (394304, None, FixConfiguration, ("SNOWFLAKE_PRIVATE_KEY_PATH", "public key")),
    (390186, None, FixConfiguration, ("SNOWFLAKE_ROLE", "030_user.sql")),
    (390189, None, FixConfiguration, ("SNOWFLAKE_ROLE", "030_user.sql")),
    (390422, None, FixConfiguration, ("network policy",)),
    (390201, None, FixConfiguration, ("refuses the session", "spotify-pipeline doctor")),
    (390190, None, FixConfiguration, ("refuses the session", "administrator")),
    (606, "57P03", FixConfiguration, ("SNOWFLAKE_WAREHOUSE", "SNOWFLAKE_ROLE", "020_roles.sql")),
    *(
        (code, None, FixConfiguration, ("SNOWFLAKE_ROLE", "050_tables.sql", "080_grants.sql"))
        for code in (2003, 2043, 3001, 90105)
    ),
]


@pytest.mark.parametrize(("code", "state", "kind", "parts"), SAID)
def test_what_snowflake_says_is_sorted_by_what_to_do(
    cloud: Cloud, code: int, state: str | None, kind: type[PipelineError], parts: tuple[str, ...]
) -> None:
    with pytest.raises(PipelineError) as told, session(cloud):
        raise ProgrammingError("No,\nthis is not done.", errno=code, sqlstate=state)
    assert type(told.value) is kind
    for part in ("No, this is not done.", *parts):
        assert part in str(told.value)
    assert ("public key" in str(told.value)) is ("public key" in parts)


def test_a_budget_that_is_used_up_is_told(cloud: Cloud) -> None:
    said = "Warehouse 'W' cannot be resumed because resource monitor 'M' has exceeded its quota."
    with pytest.raises(FixConfiguration, match="resource monitor's quota"), session(cloud):
        raise ProgrammingError(said, errno=90073)


def test_a_mistake_of_ours_stays_one(cloud: Cloud) -> None:
    with pytest.raises(ProgrammingError, match="syntax"), session(cloud):
        raise ProgrammingError("syntax error", errno=1003, sqlstate="42000")


def test_who_may_not_read_the_version_is_told_about_rights(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not that there is no schema."""

    def refuse(*_: object, **__: object) -> None:
        text = "SQL access control error: Insufficient privileges to operate on 'SCHEMA_VERSION'."
        raise ProgrammingError(text, errno=3001, sqlstate="42501")

    monkeypatch.setattr(SnowflakeCursor, "execute", refuse)
    with pytest.raises(FixConfiguration, match="Insufficient privileges") as refused:
        open_and_close(cloud)
    assert "080_grants.sql" in str(refused.value)
    assert "schema version" not in str(refused.value)


# No session


def write_key(path: Path, passphrase: str = "") -> rsa.RSAPrivateKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode())
            if passphrase
            else serialization.NoEncryption(),
        )
    )
    return key


def create_user(cloud: Cloud, name: str, key: rsa.RSAPrivateKey) -> None:
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = "".join(pem.decode().splitlines()[1:-1])
    cloud.execute(f"CREATE OR REPLACE USER {name} TYPE = SERVICE RSA_PUBLIC_KEY = '{body}'")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives up after a second."""
    for name in ("WORKING", "LOOKING"):
        monkeypatch.setattr(loading, name, replace(getattr(loading, name), login=1, network=1))


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a server that says one thing only."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def assert_names_the_settings(error: PipelineError) -> None:
    for name in ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PRIVATE_KEY_PATH"):
        assert name in str(error)


def test_a_wrong_private_key_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    write_key(tmp_path / "other.p8")
    with pytest.raises(FixConfiguration, match="JWT token is invalid") as refused:
        open_and_close(cloud, SNOWFLAKE_PRIVATE_KEY_PATH=str(tmp_path / "other.p8"))
    assert_names_the_settings(refused.value)


def test_a_user_without_our_key_is_refused(cloud: Cloud) -> None:
    cloud.execute("CREATE OR REPLACE USER SOMEBODY TYPE = SERVICE")
    with pytest.raises(FixConfiguration, match="JWT token is invalid") as refused:
        open_and_close(cloud, SNOWFLAKE_USER="SOMEBODY")
    assert_names_the_settings(refused.value)


def test_a_disabled_user_is_refused(cloud: Cloud) -> None:
    cloud.execute("CREATE OR REPLACE USER SOMEBODY TYPE = SERVICE DISABLED = TRUE")
    with pytest.raises(FixConfiguration, match="User access disabled") as refused:
        open_and_close(cloud, SNOWFLAKE_USER="SOMEBODY")
    assert_names_the_settings(refused.value)


def test_a_role_that_one_may_not_take_is_refused(cloud: Cloud) -> None:
    with pytest.raises(FixConfiguration, match="NO_SUCH_ROLE") as refused:
        open_and_close(cloud, SNOWFLAKE_ROLE="NO_SUCH_ROLE")
    assert "SNOWFLAKE_ROLE" in str(refused.value)


@pytest.mark.usefixtures("hasty")
def test_where_nothing_listens_one_may_try_again(cloud: Cloud) -> None:
    with pytest.raises(RetryLater, match="Nothing is lost: run it again"):
        open_and_close(cloud, SNOWFLAKE_PORT=str(free_port()))


@pytest.mark.usefixtures("hasty")
def test_where_snowflake_is_away_one_may_try_again(cloud: Cloud) -> None:
    with (
        answering(503) as port,
        pytest.raises(RetryLater, match="Nothing is lost: run it again"),
    ):
        open_and_close(cloud, SNOWFLAKE_PORT=str(port))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("status", [403, 404])
def test_an_account_that_there_is_not_is_refused(cloud: Cloud, status: int) -> None:
    """Snowflake's own addresses answer so where the account's name is wrong."""
    with answering(status) as port, pytest.raises(FixConfiguration, match="SNOWFLAKE_ACCOUNT"):
        open_and_close(cloud, SNOWFLAKE_PORT=str(port))


NEEDED = (
    "SNOWFLAKE_ACCOUNT",
    "SNOWFLAKE_USER",
    "SNOWFLAKE_PRIVATE_KEY_PATH",
    "SNOWFLAKE_DATABASE",
)


@pytest.mark.parametrize("missing", [*((name,) for name in NEEDED), NEEDED], ids=len)
def test_missing_settings_are_told_all_at_once(cloud: Cloud, missing: tuple[str, ...]) -> None:
    with pytest.raises(FixConfiguration) as refused:
        resource(cloud, **dict.fromkeys(missing, "")).database()
    assert re.findall(r"SNOWFLAKE_\w+", str(refused.value)) == list(missing)
    assert ".env" in str(refused.value)


def test_a_key_file_that_is_not_there_is_told(cloud: Cloud, tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere.p8")
    with pytest.raises(FixConfiguration) as refused:
        resource(cloud, SNOWFLAKE_PRIVATE_KEY_PATH=path).database()
    assert path in str(refused.value)
    assert "SNOWFLAKE_PRIVATE_KEY_PATH" in str(refused.value)


def test_a_key_file_may_be_told_from_the_home_folder_on(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(cloud.environment["SNOWFLAKE_PRIVATE_KEY_PATH"])
    monkeypatch.setenv("HOME", str(path.parent))
    open_and_close(cloud, SNOWFLAKE_PRIVATE_KEY_PATH=f"~/{path.name}")


# Secrets


@pytest.fixture
def locked(cloud: Cloud, tmp_path: Path) -> dict[str, str]:
    """The settings of a user whose key has a passphrase."""
    path = tmp_path / "locked.p8"
    create_user(cloud, "CAREFUL", write_key(path, PASSPHRASE))
    cloud.execute("GRANT ROLE SPOTIFY_PIPELINE TO USER CAREFUL")
    return {"SNOWFLAKE_USER": "CAREFUL", "SNOWFLAKE_PRIVATE_KEY_PATH": str(path)}


def test_a_key_with_a_passphrase(
    cloud: Cloud, locked: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", PASSPHRASE)
    with session(cloud, **locked) as found:
        assert found.execute("SELECT CURRENT_USER() AS who") == [("CAREFUL",)]


@pytest.mark.parametrize("given", ["", "close sesame"])
def test_a_wrong_passphrase_is_refused(
    cloud: Cloud, locked: dict[str, str], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", given)
    with pytest.raises(FixConfiguration, match="SNOWFLAKE_PRIVATE_KEY_PASSPHRASE") as refused:
        open_and_close(cloud, **locked)
    assert not given or given not in whole_text(refused.value)


def test_a_file_that_is_no_key_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    path = tmp_path / "letter.p8"
    path.write_text("Dear key,")
    with pytest.raises(FixConfiguration, match="SNOWFLAKE_PRIVATE_KEY_PATH"):
        open_and_close(cloud, SNOWFLAKE_PRIVATE_KEY_PATH=str(path))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("trouble", ["wrong key", "wrong database", "nothing listens"])
def test_no_secret_is_told(
    cloud: Cloud,
    locked: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", PASSPHRASE)
    wrong = {
        "wrong key": {"SNOWFLAKE_USER": "SPOTIFY_SERVICE"},
        "wrong database": {"SNOWFLAKE_DATABASE": EMPTY},
        "nothing listens": {"SNOWFLAKE_PORT": str(free_port())},
    }[trouble]
    settings = {**locked, **wrong, "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": PASSPHRASE}
    found = resource(cloud, **settings)
    said = [repr(found), str(found), repr(found.database()), found.model_dump_json()]
    with pytest.raises((PipelineError, DatabaseError)) as raised, found.database().session():
        pass
    said.append(whole_text(raised.value))
    key = Path(locked["SNOWFLAKE_PRIVATE_KEY_PATH"]).read_text().splitlines()[1:-1]
    for text in said:
        assert not [secret for secret in (PASSPHRASE, *key) if secret in text]


def whole_text(error: BaseException) -> str:
    """The error with everything that stands behind it."""
    return "".join(traceback.format_exception(error))
