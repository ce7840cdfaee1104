"""What the contract tests of Snowpipe stand on: a table with its stage and pipe, and S3.

Everything goes through a plain connection, S3 and a way to wait for the pipes, so that the tests
that need no faults can stand on a real account as well (`snowflake_live`).
"""

import gzip
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import DatabaseError

from spotify_pipeline.clock import machine_clock
from spotify_pipeline_tests.emulators.s3 import s3_server
from spotify_pipeline_tests.emulators.snowflake import SnowflakeServer

BUCKET, REGION = "lake", "eu-west-1"
HEADER = "day,id,n,seen,ok,name"

_NUMBERS = itertools.count(1)
_ACCOUNT = f"""
CREATE DATABASE IF NOT EXISTS SPOTIFY_DB;
CREATE STORAGE INTEGRATION IF NOT EXISTS SPOTIFY_S3 TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3'
    STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::123456789012:role/snowflake' ENABLED = TRUE
    STORAGE_AWS_EXTERNAL_ID = 'ours' STORAGE_ALLOWED_LOCATIONS = ('s3://{BUCKET}/');
"""
_DATABASE = """
CREATE SCHEMA IF NOT EXISTS {database}.LANDING;
CREATE SCHEMA IF NOT EXISTS {database}.PIPES;
CREATE FILE FORMAT IF NOT EXISTS {database}.PIPES.CSV_FILEFORMAT TYPE = CSV PARSE_HEADER = TRUE
    FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = ()
    ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE;
"""
_TABLE = """
    day DATE NOT NULL, id VARCHAR NOT NULL, n NUMBER(38,0), seen TIMESTAMP_NTZ, ok BOOLEAN,
    name VARCHAR, _file VARCHAR NOT NULL, _row NUMBER(38,0) NOT NULL,
    _loaded_at TIMESTAMP_LTZ NOT NULL
"""
COPY = (
    "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE INCLUDE_METADATA = (_file = METADATA$FILENAME, "
    "_row = METADATA$FILE_ROW_NUMBER, _loaded_at = METADATA$START_SCAN_TIME) ON_ERROR = SKIP_FILE"
)

Row = dict[str, Any]


@dataclass
class ShiftedClock:
    """The machine's time, and what tests add to it."""

    shift: timedelta = timedelta()

    def __call__(self) -> datetime:
        return machine_clock() + self.shift


@dataclass(frozen=True)
class Place:
    """Where labs are, and what their names begin with."""

    bucket: str = BUCKET
    folder: str = ""  # of the bucket, with a slash at its end
    database: str = "SPOTIFY_DB"
    integration: str = "SPOTIFY_S3"
    names: str = "T"


STAND_IN = Place()


@contextmanager
def local_s3() -> Iterator[tuple[str, Any]]:
    """S3 and SQS by moto, with an empty bucket: the address, and a client for S3."""
    with s3_server() as url:
        session = boto3.Session("nobody", "nothing", region_name=REGION)
        s3 = session.client("s3", endpoint_url=url)
        place = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        yield url, s3


def tell_of_new_objects(s3: Any, queue_arn: str) -> None:
    """Has the bucket tell the queue of all that is put into it."""
    queue = {"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [queue]}
    )


def connect(server: SnowflakeServer, **more: Any) -> SnowflakeConnection:
    return snowflake.connector.connect(
        **{**server.connection_parameters, "password": "anything", **more}
    )


def set_up(connection: SnowflakeConnection) -> None:
    """What all pipes share."""
    for _ in connection.execute_string(_ACCOUNT):
        pass
    set_up_database(connection, STAND_IN.database)


def set_up_database(connection: SnowflakeConnection, database: str) -> None:
    """What all pipes share of a database that is there."""
    for _ in connection.execute_string(_DATABASE.format(database=database)):
        pass


def execute(connection: SnowflakeConnection, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


def ask(connection: SnowflakeConnection, sql: str) -> list[Row]:
    """Rows by column name."""
    with connection.cursor(snowflake.connector.DictCursor) as cursor:
        cursor.execute(sql)
        return [dict(row) for row in cursor.fetchall()]


def refused(connection: SnowflakeConnection, sql: str) -> DatabaseError:
    """The error that a statement ends in."""
    with pytest.raises(DatabaseError) as caught:
        execute(connection, sql)
    return caught.value


@dataclass
class Lab:
    """A table, a stage and a pipe of its own; names that no other test has used."""

    connection: SnowflakeConnection
    s3: Any
    settle: Callable[[], None]
    place: Place = STAND_IN
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or f"{self.place.names}{next(_NUMBERS)}"

    @property
    def table(self) -> str:
        return f"{self.place.database}.LANDING.{self.name}"

    @property
    def stage(self) -> str:
        return f"{self.place.database}.PIPES.{self.name}_STAGE"

    @property
    def pipe(self) -> str:
        return f"{self.place.database}.PIPES.{self.name}_PIPE"

    @property
    def bucket(self) -> str:
        return self.place.bucket

    @property
    def prefix(self) -> str:
        """Of the stage, in the bucket."""
        return f"{self.place.folder}{self.name}/team/"

    def make(self) -> None:
        self.execute(f"CREATE TABLE {self.table} ({_TABLE})")
        self.make_stage()
        self.make_pipe()

    def make_stage(self) -> None:
        self.execute(
            f"CREATE OR REPLACE STAGE {self.stage} URL = 's3://{self.bucket}/{self.prefix}' "
            f"STORAGE_INTEGRATION = {self.place.integration} "
            f"FILE_FORMAT = (FORMAT_NAME = '{self.place.database}.PIPES.CSV_FILEFORMAT')"
        )

    def make_pipe(self, how: str = "CREATE OR REPLACE PIPE", copy: str = COPY) -> None:
        self.execute(
            f"{how} {self.pipe} AUTO_INGEST = TRUE AS COPY INTO {self.table} "
            f"FROM @{self.stage}/data/ {copy}"
        )

    def clear(self) -> None:
        """Leaves nothing of the lab, but for what a test has made beside it."""
        self.execute(f"DROP PIPE IF EXISTS {self.pipe}")
        self.execute(f"DROP STAGE IF EXISTS {self.stage}")
        self.execute(f"DROP TABLE IF EXISTS {self.table}")
        listed = self.s3.list_objects_v2(
            Bucket=self.bucket, Prefix=f"{self.place.folder}{self.name}/"
        )
        for found in listed.get("Contents", ()):
            self.s3.delete_object(Bucket=self.bucket, Key=found["Key"])

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        return execute(self.connection, sql)

    def put(self, name: str, *lines: str, header: str = HEADER) -> None:
        """Puts a file below the pipe's path; the event is under way."""
        text = "".join(f"{line}\n" for line in (header, *lines))
        self.put_bytes(name, gzip.compress(text.encode()))

    def put_bytes(self, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"{self.prefix}data/{name}", Body=body)

    def load(self, name: str, *lines: str, header: str = HEADER) -> None:
        self.put(name, *lines, header=header)
        self.settle()

    def ids(self) -> list[str]:
        return [id_ for (id_,) in self.execute(f"SELECT id FROM {self.table} ORDER BY id")]

    def status(self) -> Row:
        [(text,)] = self.execute(f"SELECT SYSTEM$PIPE_STATUS('{self.pipe}')")
        told: Row = json.loads(text)
        return told

    def history(self, since: str = "DATEADD(day, -14, CURRENT_TIMESTAMP())") -> list[Row]:
        """COPY_HISTORY of the table, the oldest first."""
        return ask(
            self.connection,
            f"SELECT * FROM TABLE({self.place.database}.INFORMATION_SCHEMA.COPY_HISTORY("
            f"TABLE_NAME => '{self.table}', START_TIME => {since})) ORDER BY LAST_LOAD_TIME",
        )

    def statuses(self) -> list[tuple[str, str]]:
        """What became of each file."""
        return [(_base(row["FILE_NAME"]), row["STATUS"]) for row in self.history()]


def row(id_: str, *more: str) -> str:
    """A line that fits the table."""
    values: Sequence[str] = (*more, *("",) * (4 - len(more)))
    return ",".join(("2026-11-22", id_, *values))


def _base(file: str) -> str:
    return file.rsplit("/", 1)[1]
