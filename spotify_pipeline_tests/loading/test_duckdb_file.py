"""What happens when the file can't be had: each case is one clear error, and nothing changes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.loading.duckdb import DuckDBDatabase

HOLD = """
import sys, duckdb
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def open_and_close(path: Path, lock_seconds: float = 0.2) -> None:
    with DuckDBDatabase(path, lock_seconds).session():
        pass


def is_closed(path: Path) -> bool:
    """DuckDB refuses a second way of opening while the first connection of a process lives."""
    try:
        duckdb.connect(path, read_only=True).close()
    except duckdb.ConnectionException:
        return False
    return True


# Files that are not ours


def somebody_elses_tables(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE invoices AS SELECT 1 AS amount")


def no_database(path: Path) -> None:
    path.write_bytes(b"this is a letter, not a database\n" * 500)


def nothing_in_it(path: Path) -> None:
    path.touch()


def damaged(path: Path) -> None:
    somebody_elses_tables(path)
    body = bytearray(path.read_bytes())
    body[4096:12288] = b"\x55" * 8192
    path.write_bytes(body)


def cut_off(path: Path) -> None:
    somebody_elses_tables(path)
    path.write_bytes(path.read_bytes()[:13000])


@pytest.mark.parametrize(
    "make", [somebody_elses_tables, no_database, nothing_in_it, damaged, cut_off]
)
def test_a_file_that_is_not_ours_is_refused_and_stays_as_it_is(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "spotify.duckdb"
    make(path)
    before = path.read_bytes()
    with pytest.raises(FixConfiguration) as raised:
        open_and_close(path)
    assert str(path) in str(raised.value)
    assert "Nothing was changed." in str(raised.value)
    assert "SPOTIFY_PIPELINE_HOME" in str(raised.value)
    assert path.read_bytes() == before


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spotify.duckdb"
    path.mkdir()
    with pytest.raises(FixConfiguration, match="directory"):
        open_and_close(path)
    assert list(path.iterdir()) == []


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("in the way")
    with pytest.raises(FixConfiguration, match="File exists"):
        open_and_close(home / "spotify.duckdb")
    with pytest.raises(FixConfiguration, match="Not a directory"):
        open_and_close(home / "deeper" / "spotify.duckdb")
    assert home.read_text() == "in the way"


@pytest.mark.parametrize("place", [".", "deeper"])
def test_an_unwritable_home_is_refused(tmp_path: Path, place: str) -> None:
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user (root) may write everywhere")
    try:
        with pytest.raises(FixConfiguration, match=r"Permission denied.*folder writable"):
            open_and_close(tmp_path / place / "spotify.duckdb")
    finally:
        tmp_path.chmod(0o755)


def test_a_home_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "home" / "spotify.duckdb"
    open_and_close(path)
    assert path.is_file()


def test_a_file_whose_making_is_cut_off_is_made_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCut(BaseException):
        pass

    def cut(path: Path) -> None:
        path.write_bytes(b"half a head")
        raise PowerCut

    path = tmp_path / "home" / "spotify.duckdb"
    with monkeypatch.context() as broken:
        broken.setattr(duckdb, "connect", cut)
        with pytest.raises(PowerCut):
            open_and_close(path)
    open_and_close(path)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


# A file that somebody holds


@pytest.mark.slow
def test_a_file_that_stays_locked_is_a_retry_that_names_the_process(
    database: DuckDBDatabase,
) -> None:
    with held_by_another_process(database.path) as holder:
        began = time.monotonic()
        with pytest.raises(RetryLater, match=rf"PID {holder.pid}\), for more than 0.5 s") as raised:
            open_and_close(database.path, lock_seconds=0.5)
        waited = time.monotonic() - began
    assert 0.5 <= waited < 10
    assert str(database.path) in str(raised.value)


@pytest.mark.slow
def test_a_lock_is_waited_for(database: DuckDBDatabase) -> None:
    with held_by_another_process(database.path) as holder:
        release = threading.Timer(0.4, holder.kill)
        release.start()
        began = time.monotonic()
        open_and_close(database.path, lock_seconds=20)
        assert time.monotonic() - began >= 0.3


def test_another_thread_waits_for_the_session_to_end(database: DuckDBDatabase) -> None:
    came: list[str] = []

    def second() -> None:
        with DuckDBDatabase(database.path, lock_seconds=20).session():
            came.append("second")

    thread = threading.Thread(target=second)
    with database.session():
        thread.start()
        time.sleep(0.3)
        came.append("first")
    thread.join()
    assert came == ["first", "second"]


def test_another_threads_wait_has_a_limit(database: DuckDBDatabase) -> None:
    raised: list[Exception] = []

    def second() -> None:
        try:
            open_and_close(database.path, lock_seconds=0.1)
        except RetryLater as error:
            raised.append(error)

    with database.session():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "another thread of this process, for more than 0.1 s" in str(raised)


# Connections are short


def test_a_session_closes_its_connection(database: DuckDBDatabase) -> None:
    with database.session() as session:
        assert not is_closed(database.path)
    assert is_closed(database.path)
    assert session, "closed, though it is still in somebody's hands"


def test_a_session_that_fails_closes_its_connection(database: DuckDBDatabase) -> None:
    with pytest.raises(ZeroDivisionError) as raised:  # its traceback holds the session
        fail_in_a_transaction(database)
    assert is_closed(database.path)
    with database.session() as session:
        assert session.execute("SELECT * FROM OPS.MISSED") == []
    del raised


def fail_in_a_transaction(database: DuckDBDatabase) -> None:
    with database.session() as session, session.transaction():
        session.execute("INSERT INTO OPS.MISSED VALUES ('2026-11-22', 'p', 'why', now())")
        raise ZeroDivisionError


def test_a_file_that_is_refused_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "spotify.duckdb"
    somebody_elses_tables(path)
    with pytest.raises(FixConfiguration) as raised:
        open_and_close(path)
    assert is_closed(path)
    del raised


def test_times_are_utc_whatever_the_machines_zone(database: DuckDBDatabase) -> None:
    with database.session() as session:
        assert session.execute("SELECT current_setting('TimeZone')") == [("UTC",)]
