"""How the objects of a lake name what is to be forgotten: as they are, and as they once were."""

import csv
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

from spotify_pipeline import contract
from spotify_pipeline.errors import MALFORMED, FixConfiguration
from spotify_pipeline.forgetting.erasing import Eraser, is_aside
from spotify_pipeline.forgetting.subjects import Named, unsearchable
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import AT_ONCE, ObjectStore


class Naming(Enum):
    """How an object names the subject, or may do so."""

    WHOLE = "it goes as a whole"
    IN_PART = "it stays without it"
    IN_A_BATCH = "it goes with its batch"
    BEFORE = "it stays, and its older versions go"
    WHEN_IT_WAS = "it is deleted, and its versions go"
    ASIDE = "it was left by a writer that was cut off, and goes"


def search(
    store: ObjectStore, eraser: Eraser, subject: Named, listed: Mapping[str, int]
) -> dict[str, Naming]:
    """The objects that name it, among all that are listed, with the number of their versions.

    Raises `FixConfiguration` if one of them can't be searched.
    """
    tables = [keys.table_prefix(t.name) for t in contract.TABLES if subject.columns(t)]
    searched = (*subject.searched, *tables)
    looking = _Search(store, eraser, subject)

    def look(key: str) -> Naming | None:
        if not keys.parse_day(key):
            return None
        if is_aside(key):
            return Naming.ASIDE
        return looking.at(key, listed[key]) if key.startswith(searched) else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = zip(listed, pool.map(look, listed), strict=True)
        return {key: naming for key, naming in found if naming}


@dataclass(frozen=True)
class _Search:
    store: ObjectStore
    eraser: Eraser
    subject: Named

    def at(self, key: str, versions: int) -> Naming | None:
        if self.subject.takes(key):
            return Naming.WHOLE
        try:
            body = self.store.get(key)
        except KeyError:
            return Naming.WHEN_IT_WAS if self._was_named(key) else None
        try:
            is_named = self._is_named(key, body)
        except (*MALFORMED, csv.Error) as error:
            raise unsearchable(key, error) from error
        if is_named:
            can_stay = key.startswith((keys.ATTEMPTS, keys.RAW))
            return Naming.IN_PART if can_stay else Naming.IN_A_BATCH
        return Naming.BEFORE if versions > 1 and self._was_named(key) else None

    def _was_named(self, key: str) -> bool:
        for body in self.eraser.older(key):
            try:
                if self._is_named(key, body):
                    return True
            except (*MALFORMED, csv.Error, FixConfiguration):
                return True  # nobody can say, and nobody reads it any more
        return False

    def _is_named(self, key: str, body: bytes) -> bool:
        if key.startswith((keys.ATTEMPTS, keys.RAW)):
            return self.subject.without(key, body) != body
        return self.subject.is_in(key, body)
