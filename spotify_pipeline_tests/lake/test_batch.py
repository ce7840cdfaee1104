"""Batches: whole or not there, the same from the same, and nothing of raw lost on the way."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from spotify_pipeline import contract
from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.engines import embedded
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis
from spotify_pipeline.lake import attempts, batch, keys, manifests
from spotify_pipeline.lake.batch import Draft, Outcome, Transformed, UnreadableDocuments
from spotify_pipeline.lake.store import FolderStore, ObjectStore
from spotify_pipeline.transform import tables
from spotify_pipeline_tests.rows import settled
from spotify_pipeline_tests.synthetic import DAY, NOON, document, entry, track

TABLES = [table.name for table in contract.TABLES]
CLOCK = frozen_clock(NOON)
REAL = EmbeddedEngine()


class PowerCut(BaseException):
    """Ends a run without any handler having a say."""


class QuickEngine:
    """Writes files that depend on nothing, and counts how often it was asked."""

    name = "quick"

    def __init__(self) -> None:
        self.runs = 0

    def transform(
        self, store: ObjectStore, drafts: Sequence[Draft], *, accept_partial: bool
    ) -> Iterator[tuple[Draft, Transformed | PipelineError]]:
        body = gzip.compress(b"quick\n", mtime=0)
        for draft in drafts:
            self.runs += 1
            try:
                files = {
                    table.name: batch.store_file(store, draft.key(table), body, 0)
                    for table in contract.TABLES
                }
            except PipelineError as error:
                yield draft, error
            else:
                yield draft, Transformed(files, {})


class StopsAt(FolderStore):
    """A store on which the run is cut off at the first key with a prefix."""

    def __init__(self, root: Path, prefix: str) -> None:
        super().__init__(root)
        self.prefix = prefix

    def put_new(self, key: str, body: bytes) -> bool:
        if key.startswith(self.prefix):
            raise PowerCut
        return super().put_new(key, body)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A lake with one playlist of two entries."""
    store = FolderStore(tmp_path / "lake")
    capture(store, "playlist1")
    return store


def capture(store: FolderStore, playlist_id: str, body: bytes | None = None) -> None:
    ordinary = document([entry(track()), entry(None)], playlist_id)
    assert store.put_new(keys.raw(DAY, playlist_id), ordinary if body is None else body)


def issue(store: FolderStore, engine: batch.Engine | None = None, **options: bool) -> Outcome:
    return settled(batch.issue(store, engine or QuickEngine(), [DAY], CLOCK, **options)[DAY])


def outputs(store: FolderStore) -> list[str]:
    return [key for key in store.list_keys("") if not key.startswith(keys.RAW)]


# What a batch is


def test_a_batch_is_a_file_of_each_table_and_a_manifest(store: FolderStore) -> None:
    manifest = issue(store).manifest
    assert (manifest.snapshot_date, manifest.batch, manifest.engine) == (DAY, 1, "quick")
    assert list(manifest.files) == TABLES
    files = [file.key for file in manifest.files.values()]
    assert outputs(store) == sorted([*files, keys.manifest(DAY, 1)])


def test_the_manifest_tells_rows_and_sums_of_its_files(store: FolderStore) -> None:
    for file in issue(store, REAL).manifest.files.values():
        body = store.get(file.key)
        assert file.sha256 == hashlib.sha256(body).hexdigest()
        assert file.rows == gzip.decompress(body).count(b"\n") - 1


def test_the_manifest_tells_what_it_was_made_from(store: FolderStore) -> None:
    manifest = issue(store).manifest
    [made_from] = manifest.documents
    assert made_from.key == keys.raw(DAY, "playlist1")
    assert made_from.sha256 == hashlib.sha256(store.get(made_from.key)).hexdigest()
    assert manifest.contract_version == contract.VERSION
    assert manifest.transform_version == tables.VERSION
    assert manifest.created_at == NOON


def test_the_manifest_tells_the_playlists_that_failed(store: FolderStore) -> None:
    failure = attempts.Failure("playlist2", "Spotify said 404")
    attempts.record(store, DAY, NOON, attempts.Attempt(("playlist1", "playlist2"), (failure,)))
    assert issue(store).manifest.failed == (failure,)


def test_the_manifest_tells_odd_values(store: FolderStore) -> None:
    capture(store, "playlist2", document([entry(track(duration_ms="long"))], "playlist2"))
    assert issue(store, REAL).manifest.odd_values["song_duration"] == 1


def test_a_manifest_is_read_as_it_was_written(store: FolderStore) -> None:
    capture(store, "playlist2", b"no gzip")
    attempts.record(store, DAY, NOON, attempts.Attempt(("playlist3",), ()))
    manifest = issue(store, REAL, accept_partial=True).manifest
    assert manifests.read(store, DAY, 1) == manifest
    assert manifest.failed
    assert manifest.quarantined


def test_a_day_without_documents_says_what_to_do_first(tmp_path: Path) -> None:
    with pytest.raises(SkipThis, match="materialize raw_playlist_json for 2026-11-22 first"):
        issue(FolderStore(tmp_path))
    assert manifests.current(FolderStore(tmp_path), DAY) is None


# Same in, same out


def test_issuing_twice_changes_nothing_and_says_so(store: FolderStore) -> None:
    first = issue(store)
    before = outputs(store)
    engine = QuickEngine()
    second = issue(store, engine)
    assert (first.is_new, second.is_new) == (True, False)
    assert second.manifest == first.manifest
    assert outputs(store) == before
    assert engine.runs == 0


def test_reload_gives_the_same_rows_the_next_number(store: FolderStore) -> None:
    first, second = issue(store, REAL).manifest, issue(store, REAL, reload=True).manifest
    assert (first.batch, second.batch) == (1, 2)
    assert second.digest == first.digest
    for table in TABLES:
        one, two = first.files[table], second.files[table]
        assert one.key != two.key
        assert store.get(one.key) == store.get(two.key)


def test_another_document_makes_the_next_batch_of_all(store: FolderStore) -> None:
    first = issue(store).manifest
    capture(store, "playlist2")
    second = issue(store)
    assert second.is_new
    assert (second.manifest.batch, len(second.manifest.documents)) == (2, 2)
    assert second.manifest.digest != first.digest
    assert manifests.current(store, DAY) == second.manifest


@pytest.mark.parametrize("module", [contract, tables], ids=["contract", "transform"])
def test_another_version_makes_the_next_batch(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    first = issue(store).manifest
    monkeypatch.setattr(module, "VERSION", 99)
    second = issue(store)
    assert second.is_new
    assert second.manifest.digest != first.digest


def test_the_digest_is_the_same_on_every_engine(store: FolderStore) -> None:
    embedded = issue(store, REAL).manifest
    other = issue(store, reload=True).manifest
    assert (embedded.engine, other.engine) == ("embedded", "quick")
    assert embedded.digest == other.digest


def test_the_digest_tells_whose_document_it_is(tmp_path: Path) -> None:
    digests = set()
    for playlist_id in ("a", "b"):
        store = FolderStore(tmp_path / playlist_id)
        capture(store, playlist_id, document([], "same bytes"))
        digests.add(issue(store).manifest.digest)
    assert len(digests) == 2


def test_the_tenth_batch_is_later_than_the_ninth(store: FolderStore) -> None:
    for _ in range(10):
        issue(store, reload=True)
    current = manifests.current(store, DAY)
    assert current is not None
    assert current.batch == 10
    assert manifests.current_batches(store) == {DAY: 10}


def test_days_have_numbers_of_their_own(store: FolderStore) -> None:
    issue(store, reload=True)
    other_day = DAY - timedelta(days=1)
    store.put_new(keys.raw(other_day, "playlist1"), document([], day=other_day))
    outcomes = batch.issue(store, QuickEngine(), [other_day], CLOCK)
    assert settled(outcomes[other_day]).manifest.batch == 1
    assert manifests.current_batches(store) == {other_day: 1, DAY: 1}


# Cut off, and raced


@pytest.mark.parametrize("at", ["transformed_data/album_data/", keys.MANIFESTS])
def test_after_a_run_that_was_cut_off_the_next_number_is_taken(store: FolderStore, at: str) -> None:
    with pytest.raises(PowerCut):
        issue(StopsAt(store.root, at))
    remains = outputs(store)
    assert remains
    assert manifests.current(store, DAY) is None

    manifest = issue(store).manifest
    assert manifest.batch == 2
    assert remains == [key for key in outputs(store) if "/1-" in key]


class _Raced(FolderStore):
    """Another run puts its manifest just before; `change` tells how that differs."""

    change = (b'"quick"', b'"faster"')

    def put_new(self, key: str, body: bytes) -> bool:
        if key.startswith(keys.MANIFESTS):
            super().put_new(key, body.replace(*self.change))
        return super().put_new(key, body)


def test_who_makes_the_same_batch_second_takes_the_first_one(store: FolderStore) -> None:
    outcome = issue(_Raced(store.root))
    assert not outcome.is_new
    assert outcome.manifest.engine == "faster"
    assert outcome.manifest == manifests.current(store, DAY)


def test_who_makes_another_batch_of_that_number_second_gives_way(store: FolderStore) -> None:
    raced = _Raced(store.root)
    digest = batch.plan(store, [DAY]).drafts[0].digest.encode()
    raced.change = (digest, b"another")
    with pytest.raises(RetryLater, match=r"Another run has just made batch 1.*run it again"):
        issue(raced)


def test_what_somebody_else_put_among_the_manifests_is_passed_over(store: FolderStore) -> None:
    issue(store)
    store.put_new("manifests/notes.txt", b"mine")
    store.put_new(f"manifests/dt={DAY}/1.json.bak", b"mine")
    assert manifests.current_batches(store) == {DAY: 1}
    assert not issue(store).is_new


def test_who_meets_other_bytes_under_its_names_gives_way(store: FolderStore) -> None:
    class Raced(FolderStore):
        """Another engine is writing the same batch at the same time."""

        def put_new(self, key: str, body: bytes) -> bool:
            if key.startswith(keys.TRANSFORMED):
                super().put_new(key, b"other bytes")
            return super().put_new(key, body)

    with pytest.raises(RetryLater, match=r"Another run is just writing .*run it again"):
        issue(Raced(store.root))
    assert manifests.current(store, DAY) is None


def test_who_meets_its_own_bytes_goes_on(store: FolderStore) -> None:
    class Raced(FolderStore):
        """Another run of the same engine is a little ahead with the files."""

        def put_new(self, key: str, body: bytes) -> bool:
            if key.startswith(keys.TRANSFORMED):
                super().put_new(key, body)
            return super().put_new(key, body)

    assert issue(Raced(store.root)).manifest.batch == 1


# Days that can't be looked at

BEFORE = DAY - timedelta(days=1)


def test_a_document_that_can_t_be_read_stops_no_other_day(store: FolderStore) -> None:
    loop = store.root / keys.raw(BEFORE, "p")
    loop.parent.mkdir(parents=True)
    loop.symlink_to(loop)
    results = batch.issue(store, QuickEngine(), [BEFORE, DAY], CLOCK)
    assert settled(results[DAY]).is_new
    with pytest.raises(FixConfiguration, match="Can't read the lake"):
        settled(results[BEFORE])


def test_a_manifest_that_is_none_stops_no_other_day(store: FolderStore) -> None:
    store.put_new(keys.raw(BEFORE, "p"), document([], "p", day=BEFORE))
    for number, body in enumerate([b"", b"[]", b"{}", b'{"files": 7}'], start=1):
        store.put_new(keys.manifest(BEFORE, number), body)
        results = batch.issue(store, QuickEngine(), [BEFORE, DAY], CLOCK, reload=True)
        assert settled(results[DAY]).is_new
        with pytest.raises(FixConfiguration, match=rf"/{number}.json is no manifest.*move it away"):
            settled(results[BEFORE])


def test_a_document_that_is_taken_away_just_then_is_told(store: FolderStore) -> None:
    class Raced(FolderStore):
        """Somebody deletes a document that has been listed."""

        def get(self, key: str) -> bytes:
            (self.root / key).unlink()
            return super().get(key)

    with pytest.raises(RetryLater, match=r"playlist1.*has just been taken away. Run it again"):
        issue(Raced(store.root))


# Damaged documents

GOOD = gzip.decompress(document([entry(track())], "damaged"))
DAMAGED = {
    "no JSON": (gzip.compress(GOOD + b"garbage\n"), 2, "no JSON"),
    "cut off": (document([entry(track())], "damaged")[:-20], 1, "cut off"),
    "no gzip": (GOOD, 1, "Not a gzipped file"),
    "empty": (b"", 1, "the file is empty"),
    "without envelope": (gzip.compress(GOOD + b'{"items": []}\n'), 2, "envelope"),
    "of no kind": (gzip.compress(GOOD + GOOD.replace(b'"playlist",', b'"x",', 1)), 2, "kind 'x'"),
    "wrong sum": (gzip.compress(GOOD)[:-8] + b"\x00" * 8, 2, "CRC check failed"),
    "half a character": (
        gzip.compress(GOOD.replace(b'"Song"', b'"\\ud83d"')),
        1,
        "surrogates not allowed",
    ),
    "the other half": (
        gzip.compress(GOOD.replace(b'"Song"', b'"\\ud83d\\udc3d\\uDC3D"')),
        1,
        "surrogates not allowed",
    ),
}
damage = pytest.mark.parametrize(
    ("body", "line", "reason"), list(DAMAGED.values()), ids=list(DAMAGED)
)


@damage
def test_a_damaged_document_is_refused_with_place_reason_and_remedy(
    store: FolderStore, body: bytes, line: int, reason: str
) -> None:
    capture(store, "damaged", body)
    with pytest.raises(FixConfiguration) as caught:
        issue(store, REAL)
    said = str(caught.value)
    assert f"{store.uri(keys.raw(DAY, 'damaged'))}, line {line}: " in said
    assert reason in said
    assert f"--date {DAY} --accept-partial" in said
    assert outputs(store) == []


@pytest.mark.slow
@damage
def test_who_accepts_a_partial_day_gets_the_rest_and_a_list_of_what_is_left_out(
    store: FolderStore, body: bytes, line: int, reason: str
) -> None:
    capture(store, "damaged", body)
    manifest = issue(store, REAL, accept_partial=True).manifest
    [left_out] = manifest.quarantined
    assert (left_out.key, left_out.line) == (keys.raw(DAY, "damaged"), line)
    assert reason in left_out.reason
    assert manifest.files["playlist_entry"].rows == (3 if line == 2 else 2)
    assert len(manifest.documents) == 2


def test_of_very_much_damage_the_first_is_shown(store: FolderStore) -> None:
    capture(store, "damaged", gzip.compress(b"x\n" * 5_000))
    with pytest.raises(FixConfiguration, match=r"5000 of the lines") as caught:
        issue(store, REAL)
    assert str(caught.value).count("no JSON") == batch.SHOWN
    assert "and 4980 more" in str(caught.value)


def test_all_damage_of_a_day_is_told_at_once(store: FolderStore) -> None:
    capture(store, "one", b"no gzip")
    capture(store, "two", gzip.compress(b"x\ny\n"))
    with pytest.raises(FixConfiguration, match="2026-11-22 is not published: 3 of the lines"):
        issue(store, REAL)


def test_a_sound_day_quarantines_nothing_whatever_is_accepted(store: FolderStore) -> None:
    assert issue(store, REAL, accept_partial=True).manifest.quarantined == ()


def test_an_engine_that_refuses_sound_documents_is_a_bug_not_a_quarantine(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(embedded, "ENVELOPE", ("page.total",))
        with pytest.raises(UnreadableDocuments, match=r"can't read 2026-11-22.*Please report it"):
            issue(store, REAL, accept_partial=True)


def test_no_flipped_bit_of_a_document_goes_unnoticed(tmp_path: Path) -> None:
    sound = document([entry(track(name=f"Song {number}")) for number in range(20)])
    middle = range(100, len(sound) - 8, len(sound) // 8)
    for number, place in enumerate(middle):
        store = FolderStore(tmp_path / str(number))
        flipped = bytearray(sound)
        flipped[place] ^= 1
        capture(store, "playlist1", bytes(flipped))
        with pytest.raises(FixConfiguration):
            issue(store, REAL)


def test_manifests_are_json_that_people_can_read(store: FolderStore) -> None:
    issue(store)
    body = store.get(keys.manifest(DAY, 1)).decode()
    assert json.loads(body)["snapshot_date"] == "2026-11-22"
    assert body.count("\n") > 20
