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


class Fate(Enum):
    """What becomes of an object that names the subject, or once did."""

    GOES = "it goes as a whole"
    IS_REDACTED = "it stays without it"
    GOES_WITH_ITS_BATCH = "it goes, and its day is made anew"
    LOSES_VERSIONS = "it stays as it is, and what it once was goes"
    REMAINS_GO = "it is none of ours, any more or yet; what is left of it goes"


def search(
    store: ObjectStore, eraser: Eraser, subject: Named, listed: Mapping[str, int]
) -> dict[str, Fate]:
    """The objects that name it, among all that are listed, with the number of their versions.

    Raises `FixConfiguration` if one of them can't be searched.
    """
    tables = [keys.table_prefix(t.name) for t in contract.TABLES if subject.columns(t)]
    searched = (*subject.searched, *tables)
    looking = _Search(store, eraser, subject)

    def look(key: str) -> Fate | None:
        if not keys.parse_day(key):
            return None
        if is_aside(key):
            return Fate.REMAINS_GO
        if subject.takes(key):
            return Fate.GOES
        is_searched = key.startswith(searched) or keys.is_stray(key)
        return looking.at(key, listed[key]) if is_searched else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = zip(listed, pool.map(look, listed), strict=True)
        return {key: fate for key, fate in found if fate}


@dataclass(frozen=True)
class _Search:
    store: ObjectStore
    eraser: Eraser
    subject: Named

    def at(self, key: str, versions: int) -> Fate | None:
        try:
            body = self.store.get(key)
        except KeyError:
            return Fate.REMAINS_GO if self._was_named(key) else None
        try:
            fate = self._fate(key, body)
        except (*MALFORMED, csv.Error) as error:
            raise unsearchable(key, error) from error
        if not fate and versions > 1 and self._was_named(key):
            return Fate.LOSES_VERSIONS
        return fate

    def _fate(self, key: str, body: bytes) -> Fate | None:
        if self.subject.is_in(key, body):
            return Fate.REMAINS_GO if keys.is_stray(key) else Fate.GOES_WITH_ITS_BATCH
        return Fate.IS_REDACTED if self.subject.without(key, body) != body else None

    def _was_named(self, key: str) -> bool:
        for body in self.eraser.older(key):
            try:
                if self._fate(key, body):
                    return True
            except (*MALFORMED, csv.Error, FixConfiguration):
                return True  # nobody can say, and nobody reads it any more
        return False
