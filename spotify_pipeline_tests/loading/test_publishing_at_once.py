"""Runs that publish at the same time come one after the other."""

import threading
from collections.abc import Sequence

from spotify_pipeline.contract import SONG
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline_tests.loading.rows import DAY, NOON, Rows, contents, day, land, manifest, row


def song(on: int, name: str) -> Rows:
    return {"song": [row(SONG, day(on), song_id="s1", song_name=name)]}


def publish_at_the_same_time(
    database: DuckDBDatabase, batches: Sequence[Manifest]
) -> list[publishing.Published]:
    """Each in a thread and a session of its own."""
    answers: list[publishing.Published] = []
    gate = threading.Barrier(len(batches))

    def run(of: Manifest) -> None:
        gate.wait()
        with DuckDBDatabase(database.path, lock_seconds=20).session() as session:
            answers.append(publishing.publish(session, of, NOON))

    threads = [threading.Thread(target=run, args=[of]) for of in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_one_day_is_published_by_one_of_them(database: DuckDBDatabase) -> None:
    old, new = manifest(DAY, 1, song(0, "old")), manifest(DAY, 2, song(0, "new"))
    with database.session() as session:
        land(session, old, song(0, "old"))
        land(session, new, song(0, "new"))
    answers = publish_at_the_same_time(database, [new, old, new, old])
    assert len(answers) == 4
    assert sum(answer.is_new and answer.batch == 2 for answer in answers) == 1
    with database.session() as session:
        assert publishing.ledger(session) == {DAY: 2}
        found = contents(session)
        totals = [found[name].total() for name in ("OPS.LEDGER", "HISTORY.song", "PUBLIC.TB_song")]
        assert totals == [1, 1, 1]


def test_different_days_make_one_row_of_a_song(database: DuckDBDatabase) -> None:
    batches = [manifest(day(n), 1, song(n, "same")) for n in range(4)]
    with database.session() as session:
        for n, of in enumerate(batches):
            land(session, of, song(n, "same"))
    publish_at_the_same_time(database, batches)
    with database.session() as session:
        found = session.execute("SELECT song_id, first_seen, last_seen FROM PUBLIC.TB_SONG")
        assert found == [("s1", day(0), day(3))]
