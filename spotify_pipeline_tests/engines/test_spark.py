"""The Spark engine gives what the embedded one gives: rows, bytes, counts and refusals."""

import copy
import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from spotify_pipeline import contract
from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.deployment import prepare_for_spark
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake import batch, keys, manifests, raw
from spotify_pipeline.lake.batch import Engine
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.transform.schema import ENTRY, RAW_LINE, TEXT
from spotify_pipeline_tests.engines.awkward import AWKWARD
from spotify_pipeline_tests.rows import Tables, issued, settled
from spotify_pipeline_tests.small_spark import SMALL_SPARK
from spotify_pipeline_tests.synthetic import (
    DAY,
    NOON,
    album,
    artist,
    entry,
    page,
    playlist,
    track,
)

pytestmark = pytest.mark.slow

MISSING = object()
ODD: list[Any] = [
    *(MISSING, None, "text", "", 7, 12345678.5, 1e-4, True, 12345678901234567890, 10**1200),
    *([], {}, [1], [None], ["x"], [{}], {"a": [1e30, "\x1f😀"]}, '{"id": "a"}', "\n", "é 🎉"),
]


def paths_of(field: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each field that the transform reads; a page's offset is capture's promise."""
    if here and here[-1] != "offset":
        yield here
    if isinstance(field, list):
        yield from paths_of(field[0], (*here, 0))
    elif field != TEXT:
        for name, inner in field.items():
            yield from paths_of(inner, (*here, name))


ENTRY_PATHS = list(paths_of(ENTRY))


def song(track_id: str = "song1", **fields: Any) -> Any:
    """A track with two of what there can be many of: an odd one must not take the other along."""
    of_two = album(artists=[artist("a"), artist("b")], images=[{"url": "1"}, {"url": "2"}])
    return track(track_id, **{"artists": [artist("a"), artist("c")], "album": of_two} | fields)


@pytest.fixture(scope="module")
def spark() -> Iterator[Engine]:
    prepare_for_spark()
    from dagster_pyspark import LazyPySparkResource

    from spotify_pipeline.engines.spark import SparkEngine
    from spotify_pipeline.orchestration.engine import SPARK_CONFIG

    session = LazyPySparkResource(spark_config=SPARK_CONFIG | SMALL_SPARK).spark_session
    yield SparkEngine(lambda: session)
    session.stop()


def lake_of(folder: Path, documents: Mapping[date, Sequence[bytes]]) -> FolderStore:
    store = FolderStore(folder)
    for day, bodies in documents.items():
        for number, body in enumerate(bodies):
            store.put_new(keys.raw(day, f"{number:05}"), body)
    return store


def assert_same(spark: Engine, folder: Path, documents: Sequence[bytes], day: date = DAY) -> Tables:
    """Equal counts, and equal bytes, which every reader then reads alike."""
    ours = issued(lake_of(folder / "spark", {day: documents}), spark, [day])[day]
    embedded = issued(lake_of(folder / "embedded", {day: documents}), EmbeddedEngine(), [day])[day]
    for table in contract.TABLES:
        text, other = ours.bytes[table.name], embedded.bytes[table.name]
        assert text.splitlines() == other.splitlines()
        assert text == other
        rows = list(csv.reader(io.StringIO(text.decode(), newline="")))
        assert len(rows) - 1 == len(ours[table.name])
    assert ours.odd_values == embedded.odd_values
    return ours


def test_the_catalogue_in_every_shape(spark: Engine, tmp_path: Path) -> None:
    documents = []
    shapes: tuple[Any, ...] = ("items", "tracks", "both")
    for shape, plan in product(shapes, Catalogue().playlists):
        state = Catalogue().playlist(plan.playlist_id, DAY)
        assert state is not None
        entries = state.entry_payloads(shape)
        first, rest = entries[:100], entries[100:]
        answers = [state.payload(shape, page(first, 0, len(entries)))]
        answers += [page(rest, 100, len(entries))] if rest else []
        documents.append(document_of(f"{plan.playlist_id}{shape}", answers))
    assert_same(spark, tmp_path, documents)


def test_awkward_texts(spark: Engine, tmp_path: Path) -> None:
    songs = [
        entry(
            track(
                f"song{number}",
                name=text,
                artists=[artist(f"artist{number}", name=text)],
                album=album(f"album{number}", name=text, album_type=text),
            )
        )
        for number, text in enumerate([*AWKWARD, "SINGLE", "ΑΣ", "İ", "ẞ"])
    ]
    assert_same(spark, tmp_path, [document_of("p", [playlist(page(songs), name=AWKWARD[3])])])


def test_every_field_missing_null_or_of_an_odd_type(spark: Engine, tmp_path: Path) -> None:
    shapes: tuple[Any, ...] = ("items", "tracks")
    bodies = [
        body
        for shape, path in product(shapes, paths_of(RAW_LINE["playlist"]))
        for body in spoilt(playlist(page([entry(song(), shape), entry()]), shape), path)
    ]
    assert len(bodies) > 1000
    documents = [document_of(f"playlist{n:05}", [body]) for n, body in enumerate(bodies)]
    # Together in a few, as every file takes its time; a line says whose it is.
    assert_same(spark, tmp_path, [b"".join(documents[n::4]) for n in range(4)])


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(AWKWARD[:40])
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
nested = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts | st.sampled_from(["id", "name"]), inner, max_size=3)
    ),
    max_leaves=4,
)
changes = st.lists(st.tuples(st.sampled_from(ENTRY_PATHS), st.just(MISSING) | nested), max_size=4)
shapes = st.sampled_from(["items", "tracks"])


def test_playlists_of_all_kinds_of_odd_entries(spark: Engine, tmp_path: Path) -> None:
    """All of them in one batch: Spark takes long for one, and hardly longer for a large one."""
    documents = []
    count = 0

    @settings(max_examples=60, deadline=None, database=None, phases=[Phase.generate])
    @given(st.lists(changes, max_size=60), shapes)
    def collect(all_changes: Any, shape: Any) -> None:
        nonlocal count
        entries = []
        for number, changed in enumerate(all_changes):
            body = entry(song(f"song{number % 5}"), shape)
            for path, value in changed:
                body = next(spoilt(body, path, [value]), body)
            entries.append(body)
        count += len(entries)
        documents.append(document_of(f"{len(documents)}", [playlist(page(entries), shape)]))

    collect()
    tables = assert_same(spark, tmp_path, documents)
    assert len(tables["playlist_entry"]) == count


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:-200],
        lambda body: body[:-6] + b"\0\0\0\0\0\0",
        lambda body: gzip.compress(gzip.decompress(body) + b"no JSON\n"),
        lambda body: gzip.compress(gzip.decompress(body) + b'{"kind": "page"}\n'),
        lambda body: gzip.compress(gzip.decompress(body)[:-40]),
        lambda body: gzip.compress(gzip.decompress(body).replace(b"2026-11-22", b"2026-11-21")),
        lambda body: gzip.compress(gzip.decompress(body).replace(b'"offset":0', b'"offset":"x"')),
        lambda body: gzip.compress(gzip.decompress(body).replace(b'"offset":0', b'"offset":-1')),
        lambda body: gzip.compress(gzip.decompress(body).replace(b'"offset":0', b'"offset":1.0')),
        lambda body: gzip.compress(gzip.decompress(body).replace(b'"offset":0', b'"offset":NaN')),
    ],
    ids=["cut off", "wrong sum", "no JSON", "no envelope", "cut line", "another day"]
    + [f"offset {n}" for n in ("x", -1, 1.0, "NaN")],
)
def test_what_can_t_be_read_is_refused_in_the_same_words(
    spark: Engine, damage: Any, tmp_path: Path
) -> None:
    songs = [entry(track(f"song{number}")) for number in range(50)]
    body = damage(document_of("p", [playlist(page(songs))]))
    store = lake_of(tmp_path, {DAY: [body]})
    said = []
    for engine in (spark, EmbeddedEngine()):
        with pytest.raises(FixConfiguration) as caught:
            issued(store, engine)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_an_offset_is_a_number_or_left_out(spark: Engine, tmp_path: Path) -> None:
    offsets = {"none": None, "0": 0, "text 0": "0", "7": 7, "text 7": "007", "missing": MISSING}
    good = playlist(page([entry(track())]))
    bodies = spoilt(good, ("items", "offset"), list(offsets.values()))
    documents = [document_of(name, [body]) for name, body in zip(offsets, bodies, strict=True)]
    tables = assert_same(spark, tmp_path, documents)
    positions = {row["playlist_id"]: row["position"] for row in tables["playlist_entry"]}
    assert positions == {name: "8" if "7" in name else "1" for name in offsets}


def test_a_batch_is_the_same_whichever_engine_made_it(spark: Engine, tmp_path: Path) -> None:
    store = lake_of(tmp_path, {DAY: [document_of("p", [playlist(page([entry(track())]))])]})
    clock = frozen_clock(NOON)
    made = settled(batch.issue(store, spark, [DAY], clock)[DAY])
    assert made.is_new
    assert made.manifest.engine == "spark"
    assert not settled(batch.issue(store, EmbeddedEngine(), [DAY], clock)[DAY]).is_new


def test_a_line_that_can_t_be_read_is_left_out_if_that_is_accepted(
    spark: Engine, tmp_path: Path
) -> None:
    body = gzip.decompress(document_of("p", [playlist(page([entry(track())]))]))
    store = lake_of(tmp_path, {DAY: [gzip.compress(body + b"no JSON\n")]})
    results = batch.issue(store, spark, [DAY], frozen_clock(NOON), accept_partial=True)
    made = settled(results[DAY])
    assert [line.line for line in made.manifest.quarantined] == [2]
    assert made.manifest.files["playlist_entry"].rows == 1


# Many days at once


def test_a_range_of_days_is_what_its_days_are_one_by_one(spark: Engine, tmp_path: Path) -> None:
    days = [DAY - timedelta(days=n) for n in range(5)]
    documents = {
        day: [
            document_of(
                f"playlist{p}",
                [playlist(page([entry(track(f"song{n % 7}", popularity="x"))] * (n + p)))],
                day,
            )
            for p in range(3)
        ]
        for n, day in enumerate(days)
    }
    together = issued(lake_of(tmp_path / "together", documents), spark, days)
    for day in days:
        alone = issued(lake_of(tmp_path / str(day), {day: documents[day]}), EmbeddedEngine(), [day])
        assert together[day] == alone[day]


def test_a_day_that_can_t_be_read_stops_no_other(spark: Engine, tmp_path: Path) -> None:
    """One of three is damaged, and one is taken away while the engine begins."""
    good, gone = DAY - timedelta(days=1), DAY - timedelta(days=2)
    sound = {
        day: [document_of("p", [playlist(page([entry(track())]))], day)] for day in (good, gone)
    }
    for engine in (spark, EmbeddedEngine()):
        store = lake_of(tmp_path / engine.name, sound | {DAY: [b"no gzip"]})
        drafts = batch.plan(store, [gone, good, DAY]).drafts
        (store.root / keys.raw(gone, "00000")).unlink()
        made = {
            draft.day: each for draft, each in engine.transform(store, drafts, accept_partial=False)
        }
        assert isinstance(made[good], batch.Transformed)
        assert isinstance(made[DAY], FixConfiguration)
        assert isinstance(made[gone], RetryLater)
        assert "has just been taken away" in str(made[gone])
        written = store.list_keys(keys.TRANSFORMED)
        assert len(written) == len(contract.TABLES)
        assert all(str(good) in key for key in written)


def test_who_meets_other_bytes_under_its_names_gives_way(spark: Engine, tmp_path: Path) -> None:
    store = lake_of(tmp_path, {DAY: [document_of("p", [playlist(page([entry(track())]))])]})
    [draft] = batch.plan(store, [DAY]).drafts
    store.put_new(draft.key(contract.SONG), b"other bytes")
    [(_, made)] = spark.transform(store, [draft], accept_partial=False)
    assert isinstance(made, RetryLater)
    assert manifests.current(store, DAY) is None


def document_of(playlist_id: str, bodies: Sequence[Any], day: date = DAY) -> bytes:
    kinds = ["playlist", *["page"] * (len(bodies) - 1)]
    answers = [raw.Answer(k, NOON, {}, b) for k, b in zip(kinds, bodies, strict=True)]  # type: ignore[arg-type]
    return raw.encode(playlist_id, day, answers)


def spoilt(good: Any, path: tuple[Any, ...], values: Sequence[Any] = ODD) -> Iterator[Any]:
    """The answer with each of the odd values at `path`, if it has such a place."""
    for value in values:
        body = copy.deepcopy(good)
        place = body
        try:
            for step in path[:-1]:
                place = place[step]
            if value is MISSING:
                del place[path[-1]]
            else:
                place[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            return
        yield body
