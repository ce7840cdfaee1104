"""What lies in a lake may be damaged or somebody else's: it is read, passed over, or refused by
name.

Manifests, records of attempts, stamps and stray files. Of damaged raw documents that is
`lake/test_batch.py`'s.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotify_pipeline import contract
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.forgetting.loaders import HereLoader
from spotify_pipeline.lake import attempts, batch, keys, manifests, raw, stamp
from spotify_pipeline.lake.attempts import Attempt, Failure
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import FolderStore, S3Store
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline_tests.faults.generated import damaged, examples, put, texts
from spotify_pipeline_tests.loading.rows import manifest
from spotify_pipeline_tests.synthetic import DAY, NOON, document, entry, track

MANIFEST = json.loads(
    replace(
        manifest(DAY, 2, {"song": [{}] * 3}),
        documents=(raw.RawDocument(keys.raw(DAY, "p"), "0" * 64),),
        failed=(Failure("q", "it was away"),),
        quarantined=(raw.Unreadable(keys.raw(DAY, "p"), 7, "no JSON"),),
        odd_values={"song_duration": 1},
    ).to_json()
)
ATTEMPT = {
    "playlist_ids": ["p", "q"],
    "failures": [{"playlist_id": "q", "reason": "it was away"}],
    "wait_until": "2026-11-22T13:00:00+00:00",
}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "lake")


def write(store: FolderStore, key: str, body: bytes) -> None:
    """In the place of what an example before put there."""
    path = store.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def bodies(sound: Any) -> st.SearchStrategy[bytes]:
    """What may stand in a file in which a JSON document should."""
    text = json.dumps(sound).encode()
    return (
        damaged(sound).map(lambda told: json.dumps(told).encode())
        | st.integers(0, len(text)).map(lambda length: text[:length])
        | st.binary(max_size=30)
    )


# Manifests


@examples(120)
@given(bodies(MANIFEST))
@example(json.dumps(MANIFEST).encode())
@example(json.dumps(put(MANIFEST, ("batch",), "2; DROP TABLE OPS.LEDGER")).encode())
@example(json.dumps(put(MANIFEST, ("digest",), "it's\\")).encode())
@example(json.dumps(put(MANIFEST, ("files", "song", "key"), "../../etc/passwd")).encode())
@example(json.dumps(put(MANIFEST, ("files", "song", "rows"), "3")).encode())
@example(json.dumps(put(MANIFEST, ("created_at",), "2026-11-22 12:00")).encode())
@example(json.dumps(put(MANIFEST, ("batch",), 7)).encode())
@example(b"[" * 100_000)
def test_a_manifest_is_what_its_key_says_or_refused_by_name(
    store: FolderStore, body: bytes
) -> None:
    key = keys.manifest(DAY, 2)
    write(store, key, body)
    try:
        found = manifests.current(store, DAY)
    except FixConfiguration as error:
        assert store.uri(key) in str(error)
        assert "move it away and run 2026-11-22 again" in str(error)
        return
    assert found
    assert (found.snapshot_date, found.batch) == (DAY, 2)
    for name, file in found.files.items():
        assert file.key == keys.batch_file(contract.table(name).name, DAY, 2, found.digest)
        assert file.rows >= 0
    assert not set(found.digest) & set("'\\/ .")
    assert found.created_at - NOON is not None  # it can be reckoned with
    assert Manifest.from_json(found.to_json()) == found


# Attempts


@examples(120)
@given(bodies(ATTEMPT))
@example(json.dumps(put(ATTEMPT, ("wait_until",), "2026-11-22T13:00:00")).encode())
@example(json.dumps(put(ATTEMPT, ("failures",), [7])).encode())
@example(b"")
def test_a_record_of_an_attempt_is_read_or_refused_by_name(store: FolderStore, body: bytes) -> None:
    key = keys.attempt(DAY, NOON, 0)
    write(store, key, body)
    try:
        lacking = attempts.missing(store, DAY)
        attempts.wait_until(store, NOON)
        attempts.gaps(store, [DAY])
    except FixConfiguration as error:
        assert store.uri(key) in str(error)
        assert "move it away" in str(error)
    else:
        assert all(isinstance(text, str) for f in lacking for text in (f.playlist_id, f.reason))


@examples(40)
@given(bodies({"source": "sandbox"}))
def test_a_stamp_is_read_or_refused_by_name(store: FolderStore, body: bytes) -> None:
    write(store, keys.STAMP, body)
    try:
        assert stamp.read(store) in ("spotify", "sandbox")
    except FixConfiguration as error:
        assert store.uri(keys.STAMP) in str(error)


# What somebody else put there

STRAYS = (
    "notes.txt",
    "dt=2026-11-22/notes.txt",
    "dt=2026-13-45/1.json",
    "dt=2026-11-22/x-y/song.csv.gz",
    "dt=2026-11-22/1-abc/song.csv.gz.part",
    "dt=soon/1-abc/song.csv.gz",
)


def published(house: DuckDBDatabase, store: FolderStore) -> list[tuple[Any, ...]]:
    """A day from its raw document into the database; its songs."""
    made = batch.issue(store, EmbeddedEngine(), [DAY], lambda: NOON)[DAY]
    assert isinstance(made, Outcome), made
    pipe = EmbeddedPipe(store, lambda: NOON)
    with house.session() as session:
        for table in contract.TABLES:
            assert all(load.key in store.list_keys("") for load in pipe.load(session, table))
        publishing.publish(session, made.manifest, NOON)
        HereLoader(pipe).forget(session, [DAY], [])
        return session.execute("SELECT song_id FROM HISTORY.SONG")


@pytest.mark.slow
def test_strays_are_passed_over_on_the_whole_way(store: FolderStore, tmp_path: Path) -> None:
    """None of them stops a day, is loaded, or is taken for something of ours."""
    assert store.put_new(keys.raw(DAY, "p"), document([entry(track("SO1"))], "p"))
    attempts.record(store, DAY, NOON, Attempt(("p",), ()))
    for folder in (keys.MANIFESTS, keys.table_prefix("song")):
        for stray in STRAYS:
            assert store.put_new(folder + stray, b"mine")
    for stray in ("notes.txt", "dt=2026-11-22/desktop.ini"):
        assert store.put_new(keys.RAW + stray, b"mine")
    copy = "dt=2026-11-22/p (conflicted copy).ndjson.gz"  # of before it was captured anew
    assert store.put_new(keys.RAW + copy, document([entry(track("SO2"))], "p"))
    assert store.put_new("attempts/notes.txt", b"mine")
    assert store.put_new("attempts/dt=2026-13-45/notes.json", b"mine")
    assert published(DuckDBDatabase(tmp_path / "a.duckdb"), store) == [("SO1",)]
    assert attempts.gaps(store, [DAY]) == {}
    assert batch.is_whole(store, DAY)
    assert list(manifests.current_batches(store)) == [DAY]


class Listed:
    """A bucket with these keys."""

    def __init__(self, *found: str) -> None:
        self._page = {"Contents": [{"Key": key} for key in found]}

    def get_paginator(self, _: str) -> "Listed":
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [self._page]


def test_what_the_console_of_s3_shows_as_a_folder_is_no_object() -> None:
    """It makes an empty object whose key ends in a slash, which no file can be named after."""
    store = S3Store(Listed(f"lake/{keys.raw_prefix(DAY)}", "lake/raw_data/a"), "bucket", "lake")
    assert store.list_keys("raw_data/") == ["raw_data/a"]


# Ids and names in keys


@examples(40)
@given(texts)
def test_no_id_of_an_answer_becomes_part_of_a_key(store: FolderStore, text: str) -> None:
    """Keys are made of the configured ids and of the contract's names alone."""
    odd = entry(track(text, name=text, uri=text))
    write(store, keys.raw(DAY, "p"), document([odd], text))
    made = batch.issue(store, EmbeddedEngine(), [DAY], lambda: NOON, reload=True)[DAY]
    assert isinstance(made, Outcome), made
    for key in store.list_keys(""):
        assert key == keys.raw(DAY, "p") or keys.parse_batch_file(key) or keys.parse_manifest(key)
    assert made.manifest.files["playlist_entry"].rows == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["my [music]", "what?", "all*", "it's", "é 😀", "a\\b", "100%"])
def test_a_home_may_have_any_name(tmp_path: Path, name: str) -> None:
    """To DuckDB some of the signs in it are patterns, which others' files match as well."""
    store = FolderStore(tmp_path / name / "lake")
    for other in ("my m", "whatx", "allx"):
        others = FolderStore(tmp_path / other / "lake")
        assert others.put_new(keys.raw(DAY, "p"), document([entry(track("SO2"))], "p"))
    assert store.put_new(keys.raw(DAY, "p"), document([entry(track("SO1"))], "p"))
    database = DuckDBDatabase(tmp_path / name / "a.duckdb")
    if {"?", "\\"} & set(name):  # no name of a DuckDB file
        with pytest.raises(FixConfiguration, match="SPOTIFY_PIPELINE_HOME"):
            published(database, store)
    else:
        assert published(database, store) == [("SO1",)]
