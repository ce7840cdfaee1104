"""The deployment aws on loopback: AWS, Snowflake, and what connects them.

`Accounts` are two empty accounts and who administers them; `Cloud` is what `spotify-pipeline
provision` makes of them.
"""

from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import Self

import snowflake.connector

from spotify_pipeline.clock import Clock, machine_clock
from spotify_pipeline.provision import ddl
from spotify_pipeline.provision.account import Account
from spotify_pipeline.provision.aws import Aws
from spotify_pipeline.provision.bootstrap import Bootstrap
from spotify_pipeline.provision.key_pair import KeyPair
from spotify_pipeline.provision.stack import Stack
from spotify_pipeline.provision.wanted import Wanted
from spotify_pipeline_tests.emulators.aws import EmptyAws
from spotify_pipeline_tests.emulators.ministack import REGION
from spotify_pipeline_tests.emulators.snowflake import SnowflakeServer

_ACCOUNT = "000000000000"
_EXTERNAL_ID = "chosen-by-the-owner"


class Accounts:
    """Two empty accounts; `environment` is that of a person who may do everything in both.
    `clock` is what the pipes go by."""

    def __init__(self, clock: Clock = machine_clock) -> None:
        self._clock = clock

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.aws = stack.enter_context(EmptyAws())
            self.snowflake = stack.enter_context(
                SnowflakeServer(self.aws.url, clock=self._clock, may_assume=self._may_assume)
            )
            self.environment = self.aws.environment | {"SNOWFLAKE_CONNECTIONS": self.connection}
            self._set_up()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        """One statement, by somebody who may do everything."""
        with self._admin() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]  # type: ignore[arg-type]

    def _may_assume(self, role_arn: str, user_arn: str, external_id: str) -> bool:
        return self.aws.may_assume(role_arn, user_arn, external_id)

    def _admin(self) -> snowflake.connector.SnowflakeConnection:
        parameters = self.snowflake.connection_parameters
        return snowflake.connector.connect(**parameters, password="anything")

    @property
    def connection(self) -> str:
        """What stands in the `connections.toml` of who administers it."""
        lines = [
            f"{name} = {value!r}"
            for name, value in self.snowflake.connection_parameters.items()
            if isinstance(value, str | int)
        ]
        return "\n".join(["[default]", 'password = "anything"', *lines])

    def _set_up(self) -> None:
        """Nothing is there yet."""


class Cloud(Accounts):
    """Both accounts set up; `environment` is the `.env` of the pipeline. The private key of its
    user is put into `folder`."""

    stack, bucket, prefix = "spotify-pipeline", "playlists", "team"
    _role_arn = f"arn:aws:iam::{_ACCOUNT}:role/{stack}-snowflake"

    def __init__(self, folder: Path, clock: Clock = machine_clock) -> None:
        super().__init__(clock)
        self._key = KeyPair.of(folder / "snowflake_key.p8", "")

    def run_ddl(self, pattern: str = "*.sql") -> None:
        """Runs the files of `snowflake_ddl` in their order, as a DBA would again."""
        parameters = {
            **ddl.DEFAULTS,
            "public_key": self._key.public.text,
            "role_arn": self._role_arn,
            "external_id": _EXTERNAL_ID,
            "bucket_url": f"s3://{self.bucket}/{self.prefix}/",
        }
        with self._admin() as connection:
            account = Account(connection)
            for statement in ddl.statements(parameters):
                if fnmatch(statement.file, pattern):
                    account.run(statement)

    def listing(self, prefix: str = "") -> list[str]:
        """What lies in the bucket."""
        pages = self.aws.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for page in found for each in page.get("Contents", ())]

    def _set_up(self) -> None:
        aws = Aws(self.aws.client, REGION, _ACCOUNT)
        wanted = Wanted(
            self.stack, self._role_arn, self.bucket, f"{self.prefix}/", ddl.DEFAULTS, "5.1"
        )
        stack = Stack(aws.client("cloudformation"), self.stack, poll_seconds=0.05)
        with self._admin() as connection:
            bootstrap = Bootstrap(Account(connection), aws, wanted, stack, lambda _: None)
            made = bootstrap.apply(bootstrap.plan(self._key, _EXTERNAL_ID))
        self.environment = self.aws.environment | made
