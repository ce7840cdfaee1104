"""Disks that are full or read-only, and a lake with very many keys.

What is found at one door alone is tested there: a damaged document in `lake/test_batch`, a locked
file in `loading/test_duckdb_file`, what S3 refuses in `lake/test_store`, and what goes wrong
between S3 and Snowflake in `orchestration/test_aws_faults`.
"""

import os
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pytest

from spotify_pipeline.definitions import build_defs
from spotify_pipeline.lake import attempts, keys
from spotify_pipeline.lake.attempts import Attempt
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.orchestration.resources import LakeResource
from spotify_pipeline_tests.faults.home import LAST, PLAYLISTS, Home
from spotify_pipeline_tests.orchestration.conftest import DAY, World, world
from spotify_pipeline_tests.synthetic import document

__all__ = ["world"]  # a fixture
pytestmark = pytest.mark.slow

BEFORE = LAST - timedelta(days=1)
DAYS = {BEFORE: PLAYLISTS, LAST: PLAYLISTS}


class Disk:
    """A small disk of memory that can be filled, enlarged, and mounted to be read only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self, *options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)

    def fill(self, but: int) -> None:
        """Leaves so many bytes free."""
        free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
        (self.folder / "filler").write_bytes(bytes(max(0, free - but)))

    def empty(self) -> None:
        (self.folder / "filler").unlink()


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    folder.mkdir()
    found = Disk(folder)
    try:
        found.mount("size=64m")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may mount nothing; the limit on files is tried instead")
    try:
        yield found
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.tries(1)
def test_a_disk_that_is_full(home: Home, tmp_path: Path, seed: int) -> None:
    with disk(tmp_path / "disk") as small:
        there = home.copy(small.folder / "team", told=tmp_path / "told")
        small.fill(but=int(2 ** random.Random(seed).uniform(10, 21)))
        end = there.run(LAST)
        assert there.half_done() == []
        small.empty()
        assert there.run(LAST) == 0, there.said()
        assert there.problems(DAYS) == []
        assert end == 0 or re.search("(?i)no space left|disk.*full", there.said())
        assert not re.search("Traceback|Stack Trace", there.said()), there.said()


@pytest.mark.tries(0)
def test_files_that_may_not_grow(home: Home, seed: int) -> None:
    """A quota, as far as one process goes: whoever is over it is refused."""
    home.run(LAST, largest_file=int(2 ** random.Random(seed).uniform(10, 22)))
    assert home.half_done() == []
    assert not re.search("Traceback|Stack Trace", home.said()), home.said()
    assert home.run(LAST) == 0, home.said()
    assert home.problems(DAYS) == []


def test_a_disk_that_can_only_be_read(home: Home, tmp_path: Path) -> None:
    with disk(tmp_path / "disk") as small:
        there = home.copy(small.folder / "team", told=tmp_path / "told")
        small.mount("remount", "ro")
        assert there.run(LAST) == 1
        assert "Look whether the disk is full or can only be read" in there.said()
        assert "Traceback" not in there.said()
        small.mount("remount", "rw")
        assert there.run(LAST) == 0, there.said()
        assert there.problems(DAYS) == []


# A lake of years


class CountingStore(FolderStore):
    """Counts what is asked of it."""

    asked: ClassVar[Counter[str]] = Counter()

    def head(self, key: str, size: int) -> bytes:
        self.asked["get"] += 1
        return super().head(key, size)

    def list_keys(self, prefix: str) -> list[str]:
        self.asked["list"] += 1
        return super().list_keys(prefix)


class CountingLake(LakeResource):
    """A folder whose store counts."""

    folder: str

    def _store(self) -> CountingStore:
        return CountingStore(Path(self.folder))


def asked_on_a_day(world: World, days: int) -> Counter[str]:
    """What a day's run asks of a lake in which so many days lie, all of them published."""
    for number in range(1, days + 1):
        day = DAY - timedelta(days=number)
        attempt = Attempt(tuple(world.spotify.playlists), ())
        attempts.record(world.store, day, world.clock(), attempt)
        for playlist in world.spotify.playlists:
            world.store.put_new(keys.raw(day, playlist), document([], playlist, day=day))
    lake: Any = CountingLake(source="sandbox", folder=str(world.deployment.lake_folder))
    resources = {"spotify": world.spotify, "lake": lake}
    world.definitions = build_defs(world.deployment, world.clock, resources)  # type: ignore[misc]
    assert world.run().is_well
    world.day += timedelta(days=1)
    CountingStore.asked.clear()
    assert world.run().is_well
    return Counter(CountingStore.asked)


def test_a_day_asks_as_much_of_a_lake_of_years_as_of_one_of_weeks(
    tmp_path: Path, world: World
) -> None:
    """Counted and not timed: in a bucket each request takes a part of a second."""
    with dg.DagsterInstance.ephemeral() as instance:
        young = asked_on_a_day(World(tmp_path / "young", instance), days=10)
    old = asked_on_a_day(world, days=29)
    assert old == young
    assert old.total() < 250
