"""The Spark engine gives what the embedded one gives: rows, bytes, counts and refusals."""

import copy
import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline import contract
from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.deployment import prepare_for_spark
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.lake import batch, keys, raw
from spotify_pipeline.lake.batch import Engine, Transformed, UnreadableDocuments
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.transform.schema import RAW_LINE, TEXT
from spotify_pipeline_tests.engines.awkward import AWKWARD
from spotify_pipeline_tests.rows import read_csv
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
    *(MISSING, None, "text", "", 7, 1.5, True, 12345678901234567890),
    *([], {}, [1], [None], ["x"], [{}], {"a": 1}, "null", "\n", "é 🎉"),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Engine]:
    prepare_for_spark()
    from dagster_pyspark import LazyPySparkResource

    from spotify_pipeline.engines.spark import SparkEngine
    from spotify_pipeline.orchestration.resources import SPARK_CONFIG

    session = LazyPySparkResource(spark_config=SPARK_CONFIG).spark_session
    yield SparkEngine(lambda: session)
    session.stop()


def run(engine: Engine, documents: Sequence[bytes], folder: Path) -> tuple[Transformed, Path]:
    source, out = folder / f"{engine.name}_in", folder / f"{engine.name}_out"
    source.mkdir()
    out.mkdir()
    paths = [source / f"{number:05}.ndjson.gz" for number in range(len(documents))]
    for path, body in zip(paths, documents, strict=True):
        path.write_bytes(body)
    return engine.transform(paths, out), out


def assert_same(spark: Engine, documents: Sequence[bytes], folder: Path) -> None:
    """Equal counts, and equal bytes, which every reader then reads alike."""
    ours, embedded = run(spark, documents, folder), run(EmbeddedEngine(), documents, folder)
    assert ours[0] == embedded[0]
    for table in contract.TABLES:
        name = f"{table.name}.csv.gz"
        texts = [gzip.decompress((out / name).read_bytes()) for _, out in (ours, embedded)]
        assert texts[0].splitlines() == texts[1].splitlines()
        assert texts[0] == texts[1]
        # Both readers count the rows that the engine says it wrote.
        rows = list(csv.reader(io.StringIO(texts[0].decode(), newline="")))
        assert len(rows) - 1 == ours[0].rows[table.name] == len(read_csv(ours[1] / name))


@pytest.mark.parametrize("shape", ["items", "tracks", "both"])
def test_the_catalogue(spark: Engine, shape: Any, tmp_path: Path) -> None:
    documents = []
    for plan in Catalogue().playlists:
        state = Catalogue().playlist(plan.playlist_id, DAY)
        assert state is not None
        entries = state.entry_payloads(shape)
        first, rest = entries[:100], entries[100:]
        answers = [state.payload(shape, page(first, 0, len(entries)))]
        answers += [page(rest, 100, len(entries))] if rest else []
        documents.append(document_of(plan.playlist_id, answers))
    assert_same(spark, documents, tmp_path)


def test_awkward_texts(spark: Engine, tmp_path: Path) -> None:
    songs = [
        entry(
            track(
                f"song{number}",
                name=text,
                artists=[artist(f"artist{number}", name=text)],
                album=album(f"album{number}", name=text),
            )
        )
        for number, text in enumerate(AWKWARD)
    ]
    assert_same(spark, [document_of("p", [playlist(page(songs), name=AWKWARD[3])])], tmp_path)


@pytest.mark.parametrize("shape", ["items", "tracks"])
def test_every_field_missing_null_or_of_an_odd_type(
    spark: Engine, shape: Any, tmp_path: Path
) -> None:
    good = playlist(page([entry(track(), shape)]), shape)
    bodies = [body for path in paths_of(RAW_LINE["playlist"]) for body in spoilt(good, path)]
    assert len(bodies) > 500
    documents = [document_of(f"playlist{n:05}", [body]) for n, body in enumerate(bodies)]
    assert_same(spark, documents, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:-200],
        lambda body: body[:-6] + b"\0\0\0\0\0\0",
        lambda body: gzip.compress(gzip.decompress(body) + b"no JSON\n"),
        lambda body: gzip.compress(gzip.decompress(body) + b'{"kind": "page"}\n'),
        lambda body: gzip.compress(gzip.decompress(body)[:-40]),
    ],
    ids=["cut off", "wrong sum", "no JSON", "no envelope", "cut line"],
)
def test_what_can_t_be_read_is_refused(spark: Engine, damage: Any, tmp_path: Path) -> None:
    songs = [entry(track(f"song{number}")) for number in range(50)]
    body = damage(document_of("p", [playlist(page(songs))]))
    for engine in (spark, EmbeddedEngine()):
        with pytest.raises(UnreadableDocuments):
            run(engine, [body], tmp_path)


def test_a_batch_is_the_same_whichever_engine_made_it(spark: Engine, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "lake")
    body = document_of("p", [playlist(page([entry(track())]))])
    store.put_new(keys.raw(DAY, "p"), body)
    clock = frozen_clock(NOON)
    made = batch.issue(store, spark, DAY, clock)
    assert made.is_new
    assert made.manifest.engine == "spark"
    assert not batch.issue(store, EmbeddedEngine(), DAY, clock).is_new


def test_a_line_that_can_t_be_read_is_left_out_if_that_is_accepted(
    spark: Engine, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path / "lake")
    body = gzip.decompress(document_of("p", [playlist(page([entry(track())]))]))
    store.put_new(keys.raw(DAY, "p"), gzip.compress(body + b"no JSON\n"))
    made = batch.issue(store, spark, DAY, frozen_clock(NOON), accept_partial=True)
    assert [line.line for line in made.manifest.quarantined] == [2]
    assert made.manifest.files["playlist_entry"].rows == 1


def document_of(playlist_id: str, bodies: Sequence[Any]) -> bytes:
    kinds = ["playlist", *["page"] * (len(bodies) - 1)]
    answers = [raw.Answer(k, NOON, {}, b) for k, b in zip(kinds, bodies, strict=True)]  # type: ignore[arg-type]
    return raw.encode(playlist_id, DAY, answers)


def paths_of(field: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each field that the transform reads; a page's offset is capture's promise."""
    if here and here[-1] != "offset":
        yield here
    if isinstance(field, list):
        yield from paths_of(field[0], (*here, 0))
    elif field != TEXT:
        for name, inner in field.items():
            yield from paths_of(inner, (*here, name))


def spoilt(good: Any, path: tuple[Any, ...]) -> Iterator[Any]:
    """The answer with each of the odd values at `path`, if it has such a place."""
    for value in ODD:
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
