"""Table locks: UPDATE, DELETE and MERGE wait for the transaction that changed rows of the table.

One that changed no row, or only added some, keeps nobody out: Snowflake may do more, but promises
no more. DuckDB would refuse the second of them at once. Snowflake finds out about deadlocks; here
they end by the time limit.
"""

import threading
import time

from spotify_pipeline_tests.emulators.snowflake_errors import SnowflakeError


class Locks:
    """Who has which table; a session keeps what it takes until `release`. Nobody waits longer than
    `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._owners: dict[str, object] = {}
        self._changed = threading.Condition()

    def take(self, table: str, session: object, lock_timeout: float | None = None) -> bool:
        """Whether it was not the session's before. `lock_timeout` is its own limit, in seconds."""
        seconds = self._seconds if lock_timeout is None else min(self._seconds, lock_timeout)
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._owners.get(table, session) is not session:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise SnowflakeError(
                        625,
                        "57014",
                        f"Another transaction has locked table '{table}' and this lock has not "
                        f"yet been released. Your statement was aborted after waiting for "
                        f"{seconds:g} s.",
                    )
            is_new = table not in self._owners
            self._owners[table] = session
            return is_new

    def is_held_by(self, session: object) -> bool:
        with self._changed:
            return session in self._owners.values()

    def give_back(self, table: str) -> None:
        with self._changed:
            del self._owners[table]
            self._changed.notify_all()

    def release(self, session: object) -> None:
        with self._changed:
            for table in [table for table, owner in self._owners.items() if owner is session]:
                del self._owners[table]
            self._changed.notify_all()
