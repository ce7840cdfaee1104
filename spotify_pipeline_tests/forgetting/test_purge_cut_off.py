"""A purge that is cut off, at any step, is gone on with by the next one; what stays is whole."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline.forgetting.plan import Place, plan
from spotify_pipeline.forgetting.purge import carry_out
from spotify_pipeline.forgetting.subjects import Subject
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.forgetting.cases import cases, forget
from spotify_pipeline_tests.forgetting.kept import (
    Captures,
    House,
    copied,
    expected,
    held,
    places_of,
)


class Crash(Exception):
    """The machine went off."""


@dataclass
class Fuse:
    """Burns down with every change; when it is out, nothing changes any more."""

    left: int

    def burn(self) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1


@dataclass
class CrashingStore(FolderStore):
    inner: FolderStore
    fuse: Fuse

    def __post_init__(self) -> None:
        self.root = self.inner.root

    def put_new(self, key: str, body: bytes) -> bool:
        self.fuse.burn()
        return self.inner.put_new(key, body)


@dataclass
class CrashingEraser:
    inner: Any
    fuse: Fuse

    def found(self, prefix: str) -> Any:
        return self.inner.found(prefix)

    def older(self, key: str) -> Any:
        return self.inner.older(key)

    def delete_older(self, key: str) -> None:
        self.fuse.burn()
        self.inner.delete_older(key)

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.fuse.burn()
            self.inner.delete([key])

    def replace(self, key: str, body: bytes) -> None:
        self.fuse.burn()
        self.inner.replace(key, body)


@dataclass
class CrashingSession:
    inner: Any
    fuse: Fuse
    is_inside: bool = False

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        if not self.is_inside and not sql.startswith("SELECT"):
            self.fuse.burn()
        return self.inner.execute(sql, parameters)

    def transaction(self) -> AbstractContextManager[None]:
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Any:
        with self.inner.transaction():
            self.is_inside = True
            try:
                yield
                self.fuse.burn()  # nothing is committed
            finally:
                self.is_inside = False

    def file_name(self, key: str) -> str:
        return self.inner.file_name(key)


def crashing(place: Place, fuse: Fuse) -> Place:
    return replace(
        place,
        store=CrashingStore(place.store, fuse),  # type: ignore[arg-type]
        eraser=CrashingEraser(place.eraser, fuse),
        session=CrashingSession(place.session, fuse),
    )


EVERY = 29
"""From a step that is tried to the next one; 1 tries them all, in some minutes."""


@pytest.mark.slow
@cases
def test_cut_off_anywhere_and_run_again_it_is_done(
    filled: House, tmp_path: Path, subject: Subject, stays: Captures, words: Sequence[str]
) -> None:
    for steps in range(0, 1000, EVERY):
        house = copied(filled, tmp_path / str(steps))
        try:
            with house.place() as place:
                carry_out(crashing(place, Fuse(steps)), plan(place, subject), lambda _: None)
        except Crash:
            with house.place() as place:  # what stays is there at every moment
                assert expected(stays)["history.song"] <= held(place.session)["history.song"]
        else:
            break
        forget(house, subject)
        with house.place() as place:
            assert held(place.session) == expected(stays)
            assert plan(place, subject).is_empty
        assert places_of(house, *words) == []
    assert steps > 20
