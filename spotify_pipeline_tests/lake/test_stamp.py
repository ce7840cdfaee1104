"""Real captures and synthetic ones never meet in one lake."""

from pathlib import Path

import pytest

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake import stamp
from spotify_pipeline.lake.store import FolderStore


def test_an_empty_lake_belongs_to_nobody(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    stamp.check(store, "spotify")
    assert stamp.read(store) is None
    assert store.list_keys("") == []


def test_an_empty_part_of_a_bucket_is_found_so_by_who_may_list_no_more_than_that_part(
    tmp_path: Path,
) -> None:
    class Reserved(FolderStore):
        """As S3 then answers for what isn't there."""

        def get(self, key: str) -> bytes:
            try:
                return super().get(key)
            except KeyError as error:
                raise FixConfiguration("S3 says AccessDenied") from error

    store = Reserved(tmp_path)
    stamp.check(store, "spotify")
    stamp.claim(store, "spotify")
    assert stamp.read(store) == "spotify"


def test_who_comes_first_owns_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    stamp.claim(store, "sandbox")
    stamp.claim(store, "sandbox")
    assert stamp.read(store) == "sandbox"


def test_the_other_source_is_refused_with_both_names_and_what_to_set(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    stamp.claim(store, "spotify")
    with pytest.raises(FixConfiguration) as caught:
        stamp.claim(store, "sandbox")
    for part in ("from spotify", "from sandbox", "SPOTIFY_PIPELINE_HOME", tmp_path.as_uri()):
        assert part in str(caught.value)
    assert stamp.read(store) == "spotify"


def test_who_loses_the_race_for_an_empty_lake_is_refused(tmp_path: Path) -> None:
    class Raced(FolderStore):
        """Somebody from Spotify comes just before the stamp is written."""

        def put_new(self, key: str, body: bytes) -> bool:
            super().put_new(key, body.replace(b"sandbox", b"spotify"))
            return super().put_new(key, body)

    with pytest.raises(FixConfiguration, match="from spotify"):
        stamp.claim(Raced(tmp_path), "sandbox")


@pytest.mark.parametrize("body", [b"{}", b"not json", b'{"source": "elsewhere"}', b"[]"])
def test_a_damaged_stamp_is_said_and_not_taken_for_an_empty_lake(
    tmp_path: Path, body: bytes
) -> None:
    store = FolderStore(tmp_path)
    store.put_new("source.json", body)
    with pytest.raises(FixConfiguration, match=r"source\.json should say which source"):
        stamp.claim(store, "sandbox")
