"""A real Snowflake account for the contract tests of Snowpipe, by the variables SNOWFLAKE_LIVE_….

It needs a database that the tests may fill, a bucket that boto3 gets into by itself and that tells
the account's queue (SHOW PIPES has it) of what comes below the URL, an integration that allows that
URL, and a user with a key. The user's default role may create schemas, tables, stages, file formats
and pipes, and use the integration; it has a default warehouse.

Written without such an account: it was only tried with the stand-in in its place.
"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError

from spotify_pipeline_tests.emulators.snowflake_lab import Lab, Place, set_up_database

VARIABLES = tuple(
    f"SNOWFLAKE_LIVE_{name}"
    for name in ("ACCOUNT", "USER", "PRIVATE_KEY_PATH", "DATABASE", "INTEGRATION", "BUCKET_URL")
)
# Read at once: while tests run, the environment has no variables of ours.
_VALUES = {name: os.environ.get(name, "") for name in VARIABLES}
MISSING = [name for name, value in _VALUES.items() if not value]

_LOOK_SECONDS, _QUIET_SECONDS, _LIMIT_SECONDS = 5.0, 120.0, 900.0
"""Snowpipe takes a file about a minute after it came."""


@dataclass(frozen=True)
class LiveAccount:
    """The account and the bucket, for the tests of one module."""

    connection: SnowflakeConnection
    s3: Any
    place: Place

    @contextmanager
    def lab(self) -> Iterator[Lab]:
        """A lab that is gone after the block."""
        lab = Lab(self.connection, self.s3, lambda: None, self.place)
        lab.settle = partial(_settle, lab)
        try:
            lab.make()
            yield lab
        finally:
            lab.clear()


@contextmanager
def live_account() -> Iterator[LiveAccount]:
    """The account that is set, signed in to."""
    account, user, key, database, integration, url = _VALUES.values()
    bucket = urlsplit(url)
    folder = bucket.path.strip("/")
    names = f"T{uuid.uuid4().hex[:8].upper()}_"  # a pipe remembers the files of earlier runs
    place = Place(bucket.netloc, f"{folder}/" if folder else "", database, integration, names)
    with snowflake.connector.connect(
        account=account,
        user=user,
        private_key_file=str(Path(key).expanduser()),
        database=database,
        session_parameters={"TIMEZONE": "UTC"},
    ) as connection:
        set_up_database(connection, database)
        yield LiveAccount(connection, boto3.client("s3"), place)


def _settle(lab: Lab) -> None:
    """Comes back when the pipe has shown nothing new for a while.

    What a test expects isn't waited for: some expect that nothing happens.
    """
    started = changed = time.monotonic()
    seen = ""
    while time.monotonic() - changed < _QUIET_SECONDS:
        if time.monotonic() - started > _LIMIT_SECONDS:
            raise TimeoutError(f"{lab.pipe} is not at rest after {_LIMIT_SECONDS:g} s: {seen}")
        time.sleep(_LOOK_SECONDS)
        found = _shown(lab)
        if found != seen:
            seen, changed = found, time.monotonic()


def _shown(lab: Lab) -> str:
    """Everything that a pipe shows of itself, or why it can't be asked now."""
    try:
        return f"{lab.status()} {lab.history()}"
    except ProgrammingError as error:
        return f"{error.errno}"
