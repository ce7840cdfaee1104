"""What Snowpipe is documented to do, each behaviour in a test, over a plain connection.

They run on the stand-in. Where a real account is set (`snowflake_live` says how), those that need
nothing but a connection and S3 run there a second time, by the mark `live`. That takes hours, and
was never done where this was written: the stand-in is what was read about Snowpipe, not what was
measured.
"""

import gzip
import inspect
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

from spotify_pipeline_tests.emulators.snowflake import SnowflakeServer
from spotify_pipeline_tests.emulators.snowflake_lab import (
    BUCKET,
    COPY,
    Lab,
    ShiftedClock,
    ask,
    connect,
    local_s3,
    row,
    set_up,
    tell_of_new_objects,
)
from spotify_pipeline_tests.emulators.snowflake_live import (
    MISSING,
    VARIABLES,
    LiveAccount,
    live_account,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Arrow output on a DB-API")]


@pytest.fixture(scope="module")
def s3_and_server() -> Iterator[tuple[Any, SnowflakeServer]]:
    with (
        local_s3() as (url, s3),
        SnowflakeServer(url, clock=ShiftedClock(), loads_by_itself=False) as server,
    ):
        tell_of_new_objects(s3, server.queue_arn)
        with connect(server) as connection:
            set_up(connection)
        yield s3, server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Has the tests that ask for a lab, and not for the stand-in, run on the real account too."""
    asked = set(inspect.signature(metafunc.function).parameters)
    if not MISSING and "lab" in asked and not asked & {"server", "clock", "s3_and_server"}:
        places = ["stand-in", pytest.param("live", marks=pytest.mark.live)]
        metafunc.parametrize("account", places, indirect=True, scope="module")


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Iterator[LiveAccount | None]:
    """The real account where a test runs there. It is made before the tests' own fixtures, which
    take our variables out of the environment, and with them the credentials for S3."""
    if getattr(request, "param", "stand-in") == "live":
        with live_account() as found:
            yield found
    else:
        yield None


@pytest.fixture
def server(s3_and_server: tuple[Any, SnowflakeServer]) -> SnowflakeServer:
    """For faults, for the time, and for what a test may do to nobody's account but this."""
    return s3_and_server[1]


@pytest.fixture
def clock(server: SnowflakeServer) -> Iterator[ShiftedClock]:
    clock = server.clock
    assert isinstance(clock, ShiftedClock)
    yield clock
    clock.shift = timedelta()


@pytest.fixture
def lab(account: LiveAccount | None, request: pytest.FixtureRequest) -> Iterator[Lab]:
    if account:
        with account.lab() as lab:
            yield lab
    else:
        s3, server = request.getfixturevalue("s3_and_server")
        with connect(server) as connection:
            lab = Lab(connection, s3, server.settle)
            lab.make()
            yield lab


@pytest.mark.live
@pytest.mark.skipif(bool(MISSING), reason=f"a real account needs {', '.join(VARIABLES)}")
@pytest.mark.parametrize("account", ["live"], indirect=True, scope="module")
def test_a_real_account_is_within_reach(account: LiveAccount) -> None:
    """The one test that is skipped where none is set; the others of `live` are not there then."""
    with account.lab() as lab:
        assert lab.status()["executionState"] == "RUNNING"
    assert lab.execute(f"SHOW PIPES LIKE '{lab.name}%' IN DATABASE {lab.place.database}") == []


# Loading


def test_a_file_is_loaded_by_its_event(lab: Lab) -> None:
    lab.load("dt=2026-11-22/1-abc/t.csv.gz", row("a", "1", "2026-11-22 06:00:00.5", "true", "A"))
    [found] = ask(lab.connection, f"SELECT * FROM {lab.table}")
    assert found["ID"] == "a"
    assert found["N"] == 1
    assert str(found["SEEN"]) == "2026-11-22 06:00:00.500000"
    assert found["OK"] is True
    assert found["_ROW"] == 1
    assert found["_LOADED_AT"].tzinfo is not None


def test_the_file_is_told_in_full_in_the_table_and_from_the_stage_on_in_the_history(
    lab: Lab,
) -> None:
    lab.load("dt=2026-11-22/1-abc/a+b c.csv.gz", row("a"))
    [(file,)] = lab.execute(f"SELECT _file FROM {lab.table}")
    assert file == f"{lab.prefix}data/dt=2026-11-22/1-abc/a+b c.csv.gz"
    [told] = lab.history()
    assert told["FILE_NAME"] == "data/dt=2026-11-22/1-abc/a+b c.csv.gz"
    assert told["STAGE_LOCATION"] == f"s3://{lab.bucket}/{lab.prefix}"


def test_a_file_beside_the_pipes_path_is_none_of_its_business(lab: Lab) -> None:
    body = gzip.compress(b"day,id\n2026-11-22,a\n")
    lab.s3.put_object(Bucket=lab.bucket, Key=f"{lab.prefix}other/t.csv.gz", Body=body)
    lab.settle()
    assert lab.statuses() == []
    assert "lastReceivedMessageTimestamp" in lab.status()
    assert "lastForwardedMessageTimestamp" not in lab.status()


def test_the_history_has_the_documented_columns(lab: Lab) -> None:
    lab.load("t.csv.gz", row("a"), row("b"))
    [told] = lab.history()
    database, schema, name = lab.pipe.split(".")
    assert told["STATUS"] == "Loaded"
    assert (told["ROW_COUNT"], told["ROW_PARSED"], told["ERROR_COUNT"]) == (2, 2, 0)
    assert told["FILE_SIZE"] > 0
    assert told["FIRST_ERROR_MESSAGE"] is None
    assert told["TABLE_NAME"] == lab.name
    assert told["PIPE_NAME"] == name
    assert (told["PIPE_CATALOG_NAME"], told["PIPE_SCHEMA_NAME"]) == (database, schema)
    assert told["PIPE_RECEIVED_TIME"] <= told["LAST_LOAD_TIME"]
    assert len(told) == 21


def test_the_history_can_be_asked_for_several_tables_at_once(lab: Lab) -> None:
    lab.load("t.csv.gz", row("a"))
    one = (
        f"SELECT '{lab.name}' AS loaded, file_name FROM TABLE(INFORMATION_SCHEMA.COPY_HISTORY("
        f"TABLE_NAME => 'LANDING.{lab.name}', START_TIME => DATEADD('hour', -1, "
        f"CURRENT_TIMESTAMP()), END_TIME => CURRENT_TIMESTAMP(), PIPE_NAME => '{lab.pipe}')) AS h "
        f"WHERE h.status = 'Loaded'"
    )
    found = lab.execute(" UNION ALL ".join([one] * 6))
    assert found == [(lab.name, "data/t.csv.gz")] * 6


def test_a_file_with_a_bad_row_is_left_out_whole(lab: Lab) -> None:
    lab.load("t.csv.gz", row("a", "1"), row("b", "two"), row("c", "three"))
    assert lab.ids() == []
    [told] = lab.history()
    assert told["STATUS"] == "Load failed"
    assert told["FIRST_ERROR_MESSAGE"] == "Numeric value 'two' is not recognized"
    assert told["FIRST_ERROR_LINE_NUMBER"] == 3
    assert told["FIRST_ERROR_COLUMN_NAME"] == f'"{lab.name}"["N":3]'
    assert (told["ROW_COUNT"], told["ERROR_COUNT"]) == (0, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("22.11.2026,a,,,,", "Date '22.11.2026' is not recognized"),
        (row("a", "", "yesterday"), "Timestamp 'yesterday' is not recognized"),
        (row("a", "", "", "maybe"), "Boolean value 'maybe' is not recognized"),
        (",a,,,,", "NULL result in a non-nullable column"),
    ],
)
def test_text_has_to_fit_its_column(lab: Lab, line: str, message: str) -> None:
    lab.load("t.csv.gz", row("a"), line)
    assert [(r["FIRST_ERROR_MESSAGE"], r["FIRST_ERROR_LINE_NUMBER"]) for r in lab.history()] == [
        (message, 3)
    ]


# A name is taken once


def test_an_overwritten_file_is_ignored(lab: Lab) -> None:
    lab.load("t.csv.gz", row("a"))
    lab.load("t.csv.gz", row("b"))
    assert lab.ids() == ["a"]
    assert lab.statuses() == [("t.csv.gz", "Loaded")]


def test_a_file_that_failed_and_was_mended_is_ignored_and_refresh_does_not_help(lab: Lab) -> None:
    lab.load("t.csv.gz", row("a", "one"))
    lab.load("t.csv.gz", row("a", "1"))
    assert lab.execute(f"ALTER PIPE {lab.pipe} REFRESH") == []
    lab.settle()
    assert lab.ids() == []
    assert lab.statuses() == [("t.csv.gz", "Load failed")]


def test_truncating_the_table_takes_the_history_but_not_the_pipes_memory(lab: Lab) -> None:
    lab.load("t.csv.gz", row("a"))
    lab.execute(f"TRUNCATE TABLE {lab.table}")
    assert lab.history() == []
    lab.load("t.csv.gz", row("a"))
    assert lab.ids() == []


def test_after_14_days_a_name_is_free_again_and_the_history_forgets(
    lab: Lab, clock: ShiftedClock
) -> None:
    lab.load("t.csv.gz", row("a"))
    clock.shift = timedelta(days=13, hours=23)
    lab.load("t.csv.gz", row("a"))
    assert lab.statuses() == [("t.csv.gz", "Loaded")]
    clock.shift = timedelta(days=14, minutes=1)
    assert lab.history() == []
    lab.load("t.csv.gz", row("b"))
    assert lab.ids() == ["a", "b"]


def test_a_replaced_pipe_has_neither_memory_nor_history(lab: Lab) -> None:
    lab.load("t.csv.gz", row("a"))
    lab.make_pipe()
    assert lab.history() == []
    assert lab.execute(f"ALTER PIPE {lab.pipe} REFRESH") == [("t.csv.gz", "SENT")]
    lab.settle()
    assert lab.ids() == ["a", "a"]


def test_a_pipe_that_is_there_stays_with_all_it_knows(lab: Lab) -> None:
    lab.load("t.csv.gz", row("a"))
    lab.make_pipe("CREATE PIPE IF NOT EXISTS")
    lab.load("t.csv.gz", row("b"))
    assert lab.ids() == ["a"]


# Events


def test_events_that_come_twice_or_in_another_order_do_no_harm(
    lab: Lab, server: SnowflakeServer
) -> None:
    with server.events_held() as events:
        for name in ("a", "b", "c"):
            lab.load(f"{name}.csv.gz", row(name))
        assert lab.ids() == []
        events.extend(events[::-1])
        events.reverse()
    lab.settle()
    assert lab.ids() == ["a", "b", "c"]
    assert len(lab.history()) == 3


def test_a_file_whose_event_was_lost_needs_a_refresh(lab: Lab, server: SnowflakeServer) -> None:
    with server.events_held() as events:
        lab.load("dt=1/a.csv.gz", row("a"))
        lab.load("dt=2/b.csv.gz", row("b"))
        events.clear()
    lab.load("dt=2/c.csv.gz", row("c"))
    assert lab.ids() == ["c"]
    assert lab.execute(f"ALTER PIPE {lab.pipe} REFRESH PREFIX = 'dt=2/'") == [
        ("dt=2/b.csv.gz", "SENT")
    ]
    lab.settle()
    assert lab.ids() == ["b", "c"]
    lab.execute(f"ALTER PIPE {lab.pipe} REFRESH MODIFIED_AFTER = '2999-01-01T00:00:00+00:00'")
    lab.settle()
    assert lab.ids() == ["b", "c"]


def test_refresh_takes_files_of_7_days(
    lab: Lab, server: SnowflakeServer, clock: ShiftedClock
) -> None:
    with server.events_held() as events:
        lab.load("a.csv.gz", row("a"))
        events.clear()
    clock.shift = timedelta(days=7, minutes=1)
    assert lab.execute(f"ALTER PIPE {lab.pipe} REFRESH") == []
    clock.shift = timedelta(days=6, hours=23)
    assert lab.execute(f"ALTER PIPE {lab.pipe} REFRESH") == [("a.csv.gz", "SENT")]


def test_what_was_there_before_the_pipe_needs_a_refresh(lab: Lab) -> None:
    lab.execute(f"DROP PIPE {lab.pipe}")
    lab.put("a.csv.gz", row("a"))
    lab.make_pipe()
    lab.settle()
    assert lab.ids() == []
    lab.execute(f"ALTER PIPE {lab.pipe} REFRESH")
    lab.settle()
    assert lab.ids() == ["a"]


def test_a_file_that_is_gone_has_failed_and_its_name_is_used_up(
    lab: Lab, server: SnowflakeServer
) -> None:
    with server.events_held():
        lab.load("a.csv.gz", row("a"))
        lab.s3.delete_object(Bucket=BUCKET, Key=f"{lab.prefix}data/a.csv.gz")
    lab.settle()
    [told] = lab.history()
    assert (told["STATUS"], told["ROW_COUNT"]) == ("Load failed", 0)
    assert "was not found" in told["FIRST_ERROR_MESSAGE"]
    lab.load("a.csv.gz", row("a"))
    assert lab.execute(f"ALTER PIPE {lab.pipe} REFRESH") == []
    lab.settle()
    assert lab.ids() == []


def test_two_pipes_over_the_same_path_load_a_file_twice(lab: Lab) -> None:
    other = f"{lab.pipe}_TOO"
    lab.execute(
        f"CREATE PIPE {other} AUTO_INGEST = TRUE AS COPY INTO {lab.table} "
        f"FROM @{lab.stage}/data/dt=1/ {COPY}"
    )
    try:
        lab.load("dt=1/t.csv.gz", row("a"))
        lab.load("dt=2/t.csv.gz", row("b"))
        assert lab.ids() == ["a", "a", "b"]
        told = sorted((told["FILE_NAME"], told["PIPE_NAME"]) for told in lab.history())
        names = [pipe.split(".")[2] for pipe in (lab.pipe, other)]
        first, second = (f"data/dt={number}/t.csv.gz" for number in (1, 2))
        assert told == [(first, names[0]), (first, names[1]), (second, names[0])]
    finally:
        lab.execute(f"DROP PIPE {other}")


def test_a_multipart_upload_is_loaded_once(lab: Lab) -> None:
    key = f"{lab.prefix}data/a.csv.gz"
    upload = lab.s3.create_multipart_upload(Bucket=lab.bucket, Key=key)["UploadId"]
    of = {"Bucket": lab.bucket, "Key": key, "UploadId": upload}
    body = gzip.compress(f"day,id\n{row('a')}\n".encode())
    part = lab.s3.upload_part(**of, PartNumber=1, Body=body)
    lab.settle()
    lab.s3.complete_multipart_upload(
        **of, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    lab.settle()
    assert lab.ids() == ["a"]
    assert len(lab.history()) == 1


def test_a_large_file_is_loaded_at_once(lab: Lab, server: SnowflakeServer) -> None:
    lines = [row(f"{n:06}", str(n), "2026-11-22 06:00:00", "true", '"x,y"') for n in range(20_000)]
    lab.put("t.csv.gz", *lines)
    before = time.monotonic()
    lab.settle()
    assert time.monotonic() - before < 5
    counts = f"SELECT COUNT(*), COUNT(DISTINCT _row), MAX(n), MIN(name) FROM {lab.table}"
    assert lab.execute(counts) == [(20_000, 20_000, 19_999, "x,y")]


# Pipes that do not load


def test_a_paused_pipe_queues(lab: Lab) -> None:
    lab.execute(f"ALTER PIPE {lab.pipe} SET PIPE_EXECUTION_PAUSED = TRUE")
    lab.load("a.csv.gz", row("a"))
    lab.load("a.csv.gz", row("b"))
    told = lab.status()
    assert (told["executionState"], told["pendingFileCount"]) == ("PAUSED", 1)
    assert told["oldestPendingFilePath"].endswith("data/a.csv.gz")
    assert "oldestFileTimestamp" in told
    lab.execute(f"ALTER PIPE {lab.pipe} SET PIPE_EXECUTION_PAUSED = FALSE")
    lab.settle()
    assert lab.ids() == ["b"]  # the file as it is when its turn comes
    told = lab.status()
    assert (told["executionState"], told["pendingFileCount"]) == ("RUNNING", 0)
    assert "oldestPendingFilePath" not in told
    assert told["lastIngestedFilePath"].endswith("data/a.csv.gz")


def test_a_paused_pipe_that_changed_hands_has_to_be_forced(
    lab: Lab, server: SnowflakeServer
) -> None:
    lab.execute(f"ALTER PIPE {lab.pipe} SET PIPE_EXECUTION_PAUSED = TRUE")
    lab.execute(f"GRANT OWNERSHIP ON PIPE {lab.pipe} TO ROLE SYSADMIN COPY CURRENT GRANTS")
    with pytest.raises(ProgrammingError, match=r"SYSTEM\$PIPE_FORCE_RESUME"):
        lab.execute(f"ALTER PIPE {lab.pipe} SET PIPE_EXECUTION_PAUSED = FALSE")
    lab.execute(f"SELECT SYSTEM$PIPE_FORCE_RESUME('{lab.pipe}')")
    assert lab.status()["executionState"] == "RUNNING"


def test_a_pipe_paused_for_too_long_is_stale(lab: Lab, clock: ShiftedClock) -> None:
    lab.execute(f"ALTER PIPE {lab.pipe} SET PIPE_EXECUTION_PAUSED = TRUE")
    lab.load("a.csv.gz", row("a"))
    clock.shift = timedelta(days=14, minutes=1)
    lab.load("b.csv.gz", row("b"))
    with pytest.raises(ProgrammingError, match="stale"):
        lab.execute(f"ALTER PIPE {lab.pipe} SET PIPE_EXECUTION_PAUSED = FALSE")
    with pytest.raises(ProgrammingError, match="stale"):
        lab.execute(f"SELECT SYSTEM$PIPE_FORCE_RESUME('{lab.pipe}')")
    lab.execute(f"SELECT SYSTEM$PIPE_FORCE_RESUME('{lab.pipe}', 'staleness_check_override')")
    lab.settle()
    assert lab.ids() == ["b"]
    assert lab.status()["executionState"] == "RUNNING"


def test_files_that_come_while_the_table_is_missing_are_never_queued(lab: Lab) -> None:
    lab.execute(f"ALTER TABLE {lab.table} RENAME TO {lab.table}_AWAY")
    lab.load("a.csv.gz", row("a"))
    told = lab.status()
    assert (told["executionState"], told["pendingFileCount"]) == ("STOPPED_MISSING_TABLE", 0)
    with pytest.raises(ProgrammingError, match="does not exist"):
        lab.execute(f"ALTER PIPE {lab.pipe} REFRESH")
    lab.execute(f"ALTER TABLE {lab.table}_AWAY RENAME TO {lab.table}")
    lab.load("b.csv.gz", row("b"))
    assert lab.ids() == ["b"]
    assert lab.execute(f"ALTER PIPE {lab.pipe} REFRESH") == [("a.csv.gz", "SENT")]
    lab.settle()
    assert lab.ids() == ["a", "b"]


def test_a_pipe_is_stopped_for_good_when_its_stage_is_dropped(lab: Lab) -> None:
    lab.execute(f"DROP STAGE {lab.stage}")
    assert lab.status()["executionState"] == "STOPPED_STAGE_DROPPED"
    lab.make_stage()
    lab.load("a.csv.gz", row("a"))
    assert lab.status()["executionState"] == "STOPPED_STAGE_DROPPED"
    lab.make_pipe()
    lab.load("b.csv.gz", row("b"))
    assert lab.ids() == ["b"]


def test_a_pipe_is_stopped_when_its_stage_points_elsewhere(lab: Lab) -> None:
    elsewhere = f"s3://{lab.bucket}/{lab.place.folder}elsewhere/"
    lab.execute(f"ALTER STAGE {lab.stage} SET URL = '{elsewhere}'")
    assert lab.status()["executionState"] == "STOPPED_STAGE_ALTERED"


def test_a_pipe_is_stopped_when_its_file_format_is_dropped(lab: Lab) -> None:
    passing = f"{lab.place.database}.PIPES.{lab.name}_FORMAT"
    lab.execute(
        f"CREATE FILE FORMAT {passing} PARSE_HEADER = TRUE "
        "ESCAPE_UNENCLOSED_FIELD = NONE ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE"
    )
    lab.make_pipe(copy=f"FILE_FORMAT = (FORMAT_NAME = '{passing}') {COPY}")
    lab.execute(f"DROP FILE FORMAT {passing}")
    assert lab.status()["executionState"] == "STOPPED_FILE_FORMAT_DROPPED"


def test_a_file_format_that_is_made_anew_sets_no_pipe_of_the_old_one_going(lab: Lab) -> None:
    """Snowflake's pages don't say; this is the worse for who relies on it."""
    passing = f"{lab.place.database}.PIPES.{lab.name}_FORMAT"
    options = (
        "PARSE_HEADER = TRUE ESCAPE_UNENCLOSED_FIELD = NONE ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE"
    )
    lab.execute(f"CREATE FILE FORMAT {passing} {options}")
    lab.make_pipe(copy=f"FILE_FORMAT = (FORMAT_NAME = '{passing}') {COPY}")
    lab.execute(f"CREATE OR REPLACE FILE FORMAT {passing} {options}")
    assert lab.status()["executionState"] == "STOPPED_FILE_FORMAT_DROPPED"


def test_without_access_a_pipe_stalls_until_a_status_call_finds_access(
    lab: Lab, server: SnowflakeServer
) -> None:
    with server.access_denied(BUCKET):
        lab.load("a.csv.gz", row("a"))
        lab.load("b.csv.gz", row("b"))
        told = lab.status()
        assert told["executionState"] == "STALLED_STAGE_PERMISSION_ERROR"
        assert told["pendingFileCount"] == 1
        assert "AccessDenied" in told["error"]
    lab.settle()
    assert lab.ids() == []  # nobody has asked yet
    assert lab.status()["executionState"] == "RUNNING"
    lab.settle()
    assert lab.ids() == ["b"]
    assert lab.statuses() == [("a.csv.gz", "Load failed"), ("b.csv.gz", "Loaded")]


def test_a_replaced_integration_takes_the_access_with_it(lab: Lab, server: SnowflakeServer) -> None:
    lab.execute(
        f"CREATE STORAGE INTEGRATION {lab.name} TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' "
        f"STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' ENABLED = TRUE "
        f"STORAGE_AWS_EXTERNAL_ID = 'ours' STORAGE_ALLOWED_LOCATIONS = ('s3://{BUCKET}/')"
    )
    lab.execute(f"ALTER STAGE {lab.stage} SET STORAGE_INTEGRATION = {lab.name}")
    lab.execute(
        f"CREATE OR REPLACE STORAGE INTEGRATION {lab.name} TYPE = EXTERNAL_STAGE "
        f"STORAGE_PROVIDER = 'S3' STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' ENABLED = TRUE "
        f"STORAGE_ALLOWED_LOCATIONS = ('s3://{BUCKET}/')"
    )
    told = {name: value for name, _, value, _ in lab.execute(f"DESC INTEGRATION {lab.name}")}
    assert told["STORAGE_AWS_EXTERNAL_ID"] != "ours"
    lab.load("a.csv.gz", row("a"))
    assert lab.status()["executionState"] == "STALLED_STAGE_PERMISSION_ERROR"
    lab.execute(f"ALTER STAGE {lab.stage} SET STORAGE_INTEGRATION = {lab.name}")
    assert lab.status()["executionState"] == "RUNNING"
    lab.load("b.csv.gz", row("b"))
    assert lab.ids() == ["b"]


# Headers


def test_columns_match_by_name_in_any_case_and_order(lab: Lab) -> None:
    lab.load("t.csv.gz", "5,a,2026-11-22", header="N,Id,DAY")
    assert lab.execute(f"SELECT id, n, name FROM {lab.table}") == [("a", 5, None)]


def test_columns_that_the_table_has_not_are_left_out(lab: Lab) -> None:
    lab.load("t.csv.gz", "2026-11-22,a,x", header="day,id,mood")
    assert lab.ids() == ["a"]


def test_a_header_without_a_key_column_makes_the_file_fail(lab: Lab) -> None:
    lab.load("t.csv.gz", "2026-11-22,a", header="day,ident")
    [told] = lab.history()
    assert told["FIRST_ERROR_MESSAGE"] == "NULL result in a non-nullable column"
    assert told["FIRST_ERROR_COLUMN_NAME"] == f'"{lab.name}"["ID":2]'


def test_a_column_that_was_added_is_loaded_by_the_same_pipe(lab: Lab) -> None:
    lab.load("a.csv.gz", "2026-11-22,a,x", header="day,id,mood")
    lab.execute(f"ALTER TABLE {lab.table} ADD COLUMN IF NOT EXISTS mood VARCHAR COMMENT 'mood'")
    lab.load("b.csv.gz", "2026-11-22,b,y", header="day,id,mood")
    assert lab.execute(f"SELECT id, mood FROM {lab.table} ORDER BY id") == [
        ("a", None),
        ("b", "y"),
    ]


def test_a_file_without_rows_is_loaded(lab: Lab) -> None:
    lab.load("t.csv.gz")
    assert [(r["STATUS"], r["ROW_COUNT"]) for r in lab.history()] == [("Loaded", 0)]


def test_without_match_by_column_name_columns_go_by_place(lab: Lab) -> None:
    lab.execute(f"CREATE OR REPLACE TABLE {lab.table} (id VARCHAR, n NUMBER(38,0))")
    own = "TYPE = CSV SKIP_HEADER = 1 ESCAPE_UNENCLOSED_FIELD = NONE"
    lab.make_pipe(copy=f"FILE_FORMAT = ({own})")
    lab.load("t.csv.gz", "a,1", header="n,id")
    assert lab.execute(f"SELECT id, n FROM {lab.table}") == [("a", 1)]
    lab.load("u.csv.gz", "a,1,x", header="n,id")
    message = lab.history()[-1]["FIRST_ERROR_MESSAGE"]
    assert message.startswith("Number of columns in file (3) does not match")


def test_an_empty_field_is_null_and_a_quoted_one_is_empty(lab: Lab) -> None:
    lab.load("t.csv.gz", '2026-11-22,a,,,,""', "2026-11-22,b,,,,", '2026-11-22,c,,,,"x,""y""\nz"')
    assert lab.execute(f"SELECT name, _row FROM {lab.table} ORDER BY id") == [
        ("", 1),
        (None, 2),
        ('x,"y"\nz', 3),
    ]


def test_a_file_that_can_not_be_read_fails(lab: Lab) -> None:
    lab.put_bytes("utf8.csv.gz", gzip.compress(b"day,id\n2026-11-22,a\xff\n"))
    lab.put_bytes("cut.csv.gz", gzip.compress(b"day,id\n2026-11-22,a\n")[:-9])
    lab.settle()
    messages = {row["FILE_NAME"]: row["FIRST_ERROR_MESSAGE"] for row in lab.history()}
    assert messages["data/utf8.csv.gz"].startswith("Invalid UTF8 detected in string")
    assert messages["data/cut.csv.gz"].startswith("Invalid data encountered during decompression")


# What pipes are


def test_show_and_desc_pipe(lab: Lab, server: SnowflakeServer) -> None:
    [shown] = ask(lab.connection, f"SHOW PIPES LIKE '{lab.name}_p%' IN SCHEMA SPOTIFY_DB.PIPES")
    assert shown["name"] == f"{lab.name}_PIPE"
    assert shown["notification_channel"] == server.queue_arn
    assert shown["definition"].startswith(f"COPY INTO {lab.table}")
    assert ask(lab.connection, f"DESC PIPE {lab.pipe}") == [shown]
    assert lab.execute(
        "SELECT is_autoingest_enabled FROM SPOTIFY_DB.INFORMATION_SCHEMA.PIPES "
        f"WHERE pipe_name = '{lab.name}_PIPE'"
    ) == [("YES",)]
    lab.execute(f"DROP PIPE {lab.pipe}")
    assert lab.execute(f"SHOW PIPES LIKE '{lab.name}_pipe'") == []
    with pytest.raises(ProgrammingError, match="does not exist or not authorized"):
        lab.status()


def pipes_seen(lab: Lab, role: str) -> int:
    """How many pipes named as the lab's are in the information schema, for a role."""
    lab.execute(f"USE ROLE {role}")
    [(count,)] = lab.execute(
        f"SELECT COUNT(*) AS n FROM {lab.place.database}.INFORMATION_SCHEMA.PIPES "
        f"WHERE pipe_name = '{lab.name}_PIPE'"
    )
    lab.execute("USE ROLE ACCOUNTADMIN")
    return int(count)


def test_a_pipe_is_seen_by_its_owner_and_by_who_may_monitor_it(
    lab: Lab, server: SnowflakeServer
) -> None:
    role, above = f"{lab.name}_ROLE", f"{lab.name}_ABOVE"
    for statement in (
        f"CREATE ROLE {role}",
        f"CREATE ROLE {above}",
        f"GRANT ROLE {role} TO ROLE {above}",
        f"GRANT ROLE {above} TO ROLE ACCOUNTADMIN",
        f"GRANT USAGE ON DATABASE {lab.place.database} TO ROLE {role}",
        f"GRANT USAGE ON SCHEMA {lab.place.database}.PIPES TO ROLE {role}",
        f"GRANT OPERATE ON PIPE {lab.pipe} TO ROLE {role}",
    ):
        lab.execute(statement)
    assert [pipes_seen(lab, each) for each in ("ACCOUNTADMIN", role, above)] == [1, 0, 0]
    lab.execute(f"GRANT MONITOR ON PIPE {lab.pipe} TO ROLE {role}")
    assert [pipes_seen(lab, each) for each in (role, above, "SYSADMIN")] == [1, 1, 0]
    lab.execute(f"REVOKE MONITOR ON PIPE {lab.pipe} FROM ROLE {role}")
    assert pipes_seen(lab, above) == 0
    lab.execute(f"GRANT OWNERSHIP ON PIPE {lab.pipe} TO ROLE {role} COPY CURRENT GRANTS")
    assert pipes_seen(lab, above) == 1


def test_a_pipe_made_anew_has_no_grants_but_those_on_future_pipes(
    lab: Lab, server: SnowflakeServer
) -> None:
    role, schema = f"{lab.name}_ROLE", f"{lab.place.database}.PIPES"
    lab.execute(f"CREATE ROLE {role}")
    lab.execute(f"GRANT ROLE {role} TO ROLE ACCOUNTADMIN")
    lab.execute(f"GRANT USAGE ON DATABASE {lab.place.database} TO ROLE {role}")
    lab.execute(f"GRANT USAGE ON SCHEMA {schema} TO ROLE {role}")
    lab.execute(f"GRANT MONITOR ON PIPE {lab.pipe} TO ROLE {role}")
    lab.execute(f"DROP PIPE {lab.pipe}")
    lab.make_pipe()
    assert pipes_seen(lab, role) == 0
    for what in ("MONITOR ON FUTURE PIPES", "USAGE ON FUTURE STAGES"):
        lab.execute(f"GRANT {what} IN SCHEMA {schema} TO ROLE {role}")
    assert pipes_seen(lab, role) == 0  # they are about those that are made from now on
    lab.make_pipe()
    lab.make_stage()
    lab.execute(f"CREATE FILE FORMAT {schema}.{lab.name}_BEFORE TYPE = CSV")
    lab.execute(f"GRANT USAGE ON FUTURE FILE FORMATS IN SCHEMA {schema} TO ROLE {role}")
    lab.execute(f"CREATE FILE FORMAT {schema}.{lab.name}_AFTER TYPE = CSV")
    assert pipes_seen(lab, role) == 1
    told = ask(lab.connection, f"SHOW GRANTS TO ROLE {role}")
    assert {(row["privilege"], row["granted_on"], row["name"]) for row in told} == {
        ("USAGE", "DATABASE", lab.place.database),
        ("USAGE", "SCHEMA", schema),
        ("MONITOR", "PIPE", lab.pipe),
        ("USAGE", "STAGE", lab.stage),
        ("USAGE", "FILE_FORMAT", f"{schema}.{lab.name}_AFTER"),
    }


@pytest.mark.parametrize(
    "option",
    [
        "FILES = ('a.csv.gz')",
        "FORCE = TRUE",
        "PURGE = TRUE",
        "SIZE_LIMIT = 5",
        "RETURN_FAILED_ONLY = TRUE",
        "VALIDATION_MODE = RETURN_ERRORS",
        "LOAD_UNCERTAIN_FILES = TRUE",
        "ON_ERROR = ABORT_STATEMENT",
        "ONERROR = SKIP_FILE",
    ],
)
def test_what_a_pipe_may_not_do_is_refused(lab: Lab, option: str) -> None:
    with pytest.raises(ProgrammingError):
        lab.make_pipe(copy=f"{COPY.partition(' ON_ERROR')[0]} {option}")


def test_what_only_the_stand_in_lacks_is_refused_too(lab: Lab, server: SnowflakeServer) -> None:
    """With it Snowflake loads a file in part."""
    with pytest.raises(ProgrammingError, match="CONTINUE"):
        lab.make_pipe(copy=f"{COPY.partition(' ON_ERROR')[0]} ON_ERROR = CONTINUE")


def test_a_pipe_needs_its_table_stage_and_access(lab: Lab, server: SnowflakeServer) -> None:
    create = "CREATE PIPE SPOTIFY_DB.PIPES.NEW AS COPY INTO"
    with pytest.raises(ProgrammingError, match=r"Table 'SPOTIFY_DB.LANDING\.NONE' does not exist"):
        lab.execute(f"{create} SPOTIFY_DB.LANDING.NONE FROM @{lab.stage}/data/ {COPY}")
    with pytest.raises(ProgrammingError, match=r"Stage 'SPOTIFY_DB.PIPES\.NONE' does not exist"):
        lab.execute(f"{create} {lab.table} FROM @SPOTIFY_DB.PIPES.NONE/data/ {COPY}")
    with server.access_denied(BUCKET), pytest.raises(ProgrammingError, match="091003"):
        lab.execute(f"{create} {lab.table} FROM @{lab.stage}/data/ {COPY}")


def test_the_servers_own_thread_loads_too(s3_and_server: tuple[Any, SnowflakeServer]) -> None:
    s3, usual = s3_and_server
    with SnowflakeServer(usual.aws_endpoint) as server, connect(server) as connection:
        tell_of_new_objects(s3, server.queue_arn)
        set_up(connection)
        lab = Lab(connection, s3, server.settle)
        lab.make()
        lab.put("a.csv.gz", row("a"))
        for _ in range(100):
            if lab.ids():
                break
            time.sleep(0.05)
        assert lab.ids() == ["a"]
    tell_of_new_objects(s3, usual.queue_arn)
