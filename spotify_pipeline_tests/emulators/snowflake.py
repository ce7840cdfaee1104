"""A Snowflake account on this machine, which the real connector reaches over HTTP.

fakesnow and DuckDB answer the queries; in front of them stand the objects around Snowpipe: storage
integrations, stages, file formats, pipes that load from S3 events, their status and COPY_HISTORY,
and roles, users, warehouses and grants. Everything is in memory. What it has not is refused with a
Snowflake error. For tests and demonstrations.

Privileges are enforced where objects are made, changed, dropped, granted on, shown and described,
where rows are read and changed, and where pipes and stages are asked; whoever is unknown is an
administrator. Where it differs from Snowflake without saying so: USE of anything but a role asks
for no privilege, nor does the warehouse, and there are no secondary roles; a transaction sees what
others had committed when it began to look, where Snowflake shows each of its statements what is
committed by then; who changes no row of a table, or only adds some, shuts nobody out, where
Snowflake may; what is dropped can't be brought back; no statement is stopped after a time, and no
lock waited for longer than `lock_seconds`; credentials for S3 are not kept for an hour; a
transaction in which a statement failed can only be rolled back; a text longer than its VARCHAR(n)
is taken; division and AVG are floating point; TIMESTAMP_TZ keeps the instant, not the offset; some
words are reserved in DuckDB alone (a column can't be called AT); sessions are in UTC, in Snowflake
by default in Los Angeles.
"""

import argparse
import contextlib
import functools
import json
import logging
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import boto3

from spotify_pipeline.clock import Clock, machine_clock
from spotify_pipeline.sandbox.server import SandboxServer
from spotify_pipeline_tests.emulators.snowflake_account import Account
from spotify_pipeline_tests.emulators.snowflake_events import Event, EventQueue
from spotify_pipeline_tests.emulators.snowflake_http import application
from spotify_pipeline_tests.emulators.snowflake_storage import MayAssume

_POLL_SECONDS = 0.2


class SnowflakeServer:
    """Snowflake for as long as its `with` block lasts.

    S3 and SQS are those at `aws_endpoint`; buckets have to tell `queue_arn` of new objects. Files
    are loaded by the server's own thread, unless `loads_by_itself` is false; `settle` loads them
    at once either way. `clock` is what the pipes go by. `may_assume` says, whenever an integration
    is used, whether AWS lets Snowflake take its role: it gets the role's ARN, that of Snowflake's
    user (DESC INTEGRATION shows it), and the external id.
    """

    def __init__(
        self,
        aws_endpoint: str,
        *,
        port: int = 0,
        database: str = "SPOTIFY_DB",
        region: str = "eu-west-1",
        clock: Clock = machine_clock,
        loads_by_itself: bool = True,
        lock_seconds: float = 20,
        may_assume: MayAssume = lambda *_: True,
    ) -> None:
        self.port = port
        self.database = database
        self._region = region
        self.aws_endpoint = aws_endpoint
        self.clock = clock
        self._loads_by_itself = loads_by_itself
        self._lock_seconds = lock_seconds
        self._may_assume = may_assume
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            sqs = self._client("sqs")
            made = sqs.create_queue(QueueName=f"sf-snowpipe-{uuid.uuid4()}")
            queue = EventQueue(sqs, made["QueueUrl"])
            sqs.set_queue_attributes(
                QueueUrl=made["QueueUrl"], Attributes={"Policy": _open_to_s3(queue.arn)}
            )
            self.queue_arn = queue.arn
            self.account = Account(
                self.clock,
                self._lock_seconds,
                self._client("s3"),
                queue,
                self._region,
                self._may_assume,
            )
            stack.callback(self.account.warehouse.close)
            if self._loads_by_itself:
                stack.enter_context(self._loading())
            server = stack.enter_context(SandboxServer(application(self.account), self.port))
            self.port = server.port
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def connection_parameters(self) -> dict[str, Any]:
        """What `snowflake.connector.connect` has to be given, but for who signs in and how."""
        return {
            "account": "standin",
            "user": "tester",
            "host": "127.0.0.1",
            "port": self.port,
            "protocol": "http",
            "database": self.database,
            "login_timeout": 20,
            "network_timeout": 60,
            "platform_detection_timeout_seconds": 0,
            "session_parameters": {"CLIENT_TELEMETRY_ENABLED": False},
        }

    def settle(self) -> None:
        """Comes back when every event has been taken, and every file that can be is loaded."""
        self.account.snowpipe.settle()

    # What can go wrong

    @contextlib.contextmanager
    def events_held(self) -> Iterator[list[Event]]:
        """Keeps events back in a list, and delivers what it holds at the end of the block.

        What is taken out of it is lost; what stands twice comes twice; the order is the list's.
        `settle` brings what has happened so far into the list; after the block it loads.
        """
        snowpipe = self.account.snowpipe
        snowpipe.settle()
        held: list[Event] = []
        snowpipe.held = held
        try:
            yield held
        finally:
            with snowpipe.turn:
                snowpipe.settle()
                snowpipe.held = None
                snowpipe.deliver(held)

    @contextlib.contextmanager
    def access_denied(self, bucket: str) -> Iterator[None]:
        """Snowflake can't read a bucket."""
        denied = self.account.storage.denied
        denied.add(bucket)
        try:
            yield
        finally:
            denied.discard(bucket)

    @contextlib.contextmanager
    def lost_while_loading(self, table: str) -> Iterator[None]:
        """A table goes just when the next file is read for it."""
        storage = self.account.storage
        really = storage.read

        def read(bucket: str, key: str) -> tuple[bytes, datetime] | None:
            if f"/{table.split('.')[-1].lower()}_data/" in key:
                self.account.warehouse.cursor().execute(f"DROP TABLE IF EXISTS {table}")
            return really(bucket, key)

        storage.read = read  # type: ignore[method-assign]
        try:
            yield
        finally:
            storage.read = really  # type: ignore[method-assign]

    @contextlib.contextmanager
    def _loading(self) -> Iterator[None]:
        over = threading.Event()

        def run() -> None:
            while not over.wait(_POLL_SECONDS):
                try:
                    self.settle()
                except Exception:  # S3 may be away for a while
                    logging.getLogger(__name__).exception("Files could not be loaded")

        thread = threading.Thread(target=run, name="snowpipe", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _client(self, service: str) -> Any:
        return _aws(self._region).client(service, endpoint_url=self.aws_endpoint)


def _open_to_s3(queue_arn: str) -> str:
    """The queue's policy: any bucket may tell it of new files."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@functools.cache
def _aws(region: str) -> boto3.Session:
    """Kept, because it makes the second client of a service sooner than the first."""
    return boto3.Session("test", "test", region_name=region)


def main() -> None:
    parser = argparse.ArgumentParser(description="A Snowflake account on this machine.")
    parser.add_argument("--port", type=int, default=0, help="any free one by default")
    parser.add_argument("--aws-endpoint", required=True, help="where S3 and SQS are")
    parser.add_argument("--database", default="SPOTIFY_DB")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with contextlib.suppress(KeyboardInterrupt), SnowflakeServer(**vars(options)) as snowflake:
        for name, value in (("PORT", snowflake.port), ("QUEUE_ARN", snowflake.queue_arn)):
            sys.stdout.write(f"SNOWFLAKE_{name}={value}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
