"""The doctor's canary: one row sent the way of all files, and taken away again."""

import csv
import gzip
import io
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from spotify_pipeline import contract
from spotify_pipeline.errors import PipelineError, RetryLater
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.loading.snowflake import SnowflakeSession
from spotify_pipeline.provision.account import Account
from spotify_pipeline.provision.aws import explained
from spotify_pipeline.provision.ddl import ADMINISTRATOR, Statement

_DAY = date(1970, 1, 1)
_LIMIT_SECONDS, _POLL_SECONDS = 300, 2


@dataclass(frozen=True)
class Canary:
    """One row sent the way of all files, S3 → event → pipe → LANDING, and taken away again.

    The row belongs to no batch, so nothing publishes it. Taking it away needs an administrator in
    Snowflake, and somebody who may delete in the bucket.
    """

    store: S3Store
    session: SnowflakeSession
    account: Account
    names: Mapping[str, str]
    limit_seconds: float = _LIMIT_SECONDS
    sleep: Callable[[float], None] = time.sleep

    def fly(self) -> str:
        """How long it took; raises `RetryLater` if it didn't arrive.

        What goes wrong in taking it away is told after that.
        """
        table, name = contract.table("playlist"), f"canary{uuid.uuid4().hex[:12]}"
        key = keys.batch_file(table.name, _DAY, 0, name)
        row = {"snapshot_date": _DAY.isoformat(), "playlist_id": name}
        began = time.monotonic()
        self.store.put_new(key, _file(table, row))
        troubles: list[PipelineError] = []
        try:
            troubles += _trouble(lambda: self._wait_for(key, began))
        finally:  # the file first: while it is there, the row may yet come
            troubles += _trouble(lambda: self._delete_file(key))
            troubles += _trouble(lambda: self._delete_row(key))
        if troubles:
            raise type(troubles[0])("\n".join(map(str, troubles))) from troubles[0]
        return f"{time.monotonic() - began:.0f} s from the bucket to LANDING; taken away again"

    def _wait_for(self, key: str, began: float) -> None:
        sql = "SELECT count(*) FROM LANDING.PLAYLIST WHERE _file = ?"
        while self.session.execute(sql, [self.session.file_name(key)]) == [(0,)]:
            if time.monotonic() - began > self.limit_seconds:
                raise RetryLater(
                    f"{self.store.uri(key)} was not in LANDING.PLAYLIST after "
                    f"{self.limit_seconds / 60:.0f} minutes. What keeps it is said above: the "
                    f"pipe, its events, the stage. What of it couldn't be taken away again is said "
                    f"below."
                )
            self.sleep(_POLL_SECONDS)

    def _delete_file(self, key: str) -> None:
        client, bucket, full = self.store.client, self.store.bucket, self.store.prefix + key
        try:
            with explained(f"deleting s3://{bucket}/{full}"):
                found = client.list_object_versions(Bucket=bucket, Prefix=full)
                for version in found.get("Versions", ()):
                    client.delete_object(Bucket=bucket, Key=full, VersionId=version["VersionId"])
        except PipelineError as error:
            raise type(error)(
                f"The file stays in the bucket, and is harmless: no batch names it, so nothing "
                f"publishes its row. {error}"
            ) from error

    def _delete_row(self, key: str) -> None:
        file = self.session.file_name(key)
        landing = f"{self.names['database']}.LANDING.PLAYLIST"
        sql = f"DELETE FROM {landing} WHERE _file = '{file}'"
        warehouse = self.names["warehouse"]
        self.account.run(Statement("canary", sql, ADMINISTRATOR, warehouse, frozenset()))


def _trouble(step: Callable[[], None]) -> list[PipelineError]:
    """What it raises for people, if it does."""
    try:
        step()
    except PipelineError as error:
        return [error]
    return []


def _file(table: contract.Table, row: Mapping[str, str]) -> bytes:
    body = io.StringIO()
    writer = csv.DictWriter(body, table.column_names, lineterminator="\n")
    writer.writeheader()
    writer.writerow(row)
    return gzip.compress(body.getvalue().encode(), mtime=0)
