"""The report in the lake: made of what is known of the day, written once."""

from datetime import UTC, datetime

import pytest

from spotify_pipeline.errors import SkipThis
from spotify_pipeline.insights import facts, report
from spotify_pipeline.lake import attempts, keys, stamp
from spotify_pipeline.lake.attempts import Attempt, Failure
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session
from spotify_pipeline_tests.insights.histories import rows_of
from spotify_pipeline_tests.loading.rows import DAY, NOON, day, land, manifest

HISTORY = {"p1": {-1: "ab", 0: "bc"}, "p2": {0: "d"}}


def publish(session: Session, store: FolderStore, batch: int = 1) -> None:
    """The two days of HISTORY, with their manifests in the lake."""
    for on in (day(-1), DAY):
        rows = {
            name: [row for row in rows if row["snapshot_date"] == on]
            for name, rows in rows_of(HISTORY).items()
        }
        of = manifest(on, batch, rows)
        land(session, of, rows)
        publishing.publish(session, of, NOON)
        store.put_new(keys.manifest(on, batch), of.to_json())


def reports(store: FolderStore) -> list[str]:
    return store.list_keys(keys.REPORTS)


def test_the_page_lies_under_its_day_and_batch(session: Session, store: FolderStore) -> None:
    publish(session, store)
    key, is_new = report.put(store, facts.gather(session, store, DAY))
    assert is_new
    assert reports(store) == [key]
    assert key.startswith(f"reports/dt={DAY}/1-")
    assert store.get(key).startswith(b"<!doctype html>")


def test_the_same_page_is_not_written_again(session: Session, store: FolderStore) -> None:
    publish(session, store)
    first = report.put(store, facts.gather(session, store, DAY))
    again = report.put(store, facts.gather(session, store, DAY))
    assert again == (first[0], False)
    assert len(reports(store)) == 1


def test_another_page_of_the_day_is_put_beside_it(session: Session, store: FolderStore) -> None:
    publish(session, store)
    report.put(store, facts.gather(session, store, DAY))
    publish(session, store, batch=2)
    key, is_new = report.put(store, facts.gather(session, store, DAY))
    assert is_new
    assert key.startswith(f"reports/dt={DAY}/2-")
    assert len(reports(store)) == 2


def test_it_is_about_the_published_batch_not_about_a_newer_one(
    session: Session, store: FolderStore
) -> None:
    publish(session, store)
    store.put_new(keys.manifest(DAY, 2), manifest(DAY, 2, {}).to_json())
    assert facts.gather(session, store, DAY).manifest.batch == 1


def test_the_facts_are_those_of_lake_and_database(session: Session, store: FolderStore) -> None:
    publish(session, store)
    stamp.claim(store, "sandbox")
    failed = Failure("p3", "Spotify said 404.")
    attempts.record(store, DAY, datetime(2026, 11, 22, 6, tzinfo=UTC), Attempt(("p3",), (failed,)))
    missed = {on: [Failure("p4", f"missed on {on}")] for on in (day(-2), day(-1), DAY, day(1))}
    publishing.note_missed(session, missed, NOON)
    known = facts.gather(session, store, DAY)
    assert (known.day, known.source, known.missing) == (DAY, "sandbox", [failed])
    assert [gap.day for gap in known.missed] == [day(-1), day(-2)]
    assert list(known.answers["playlist_changes"]["change"]) == ["entered", "left"]


def test_what_later_days_bring_changes_no_earlier_page(
    session: Session, store: FolderStore
) -> None:
    publish(session, store)
    key, _ = report.put(store, facts.gather(session, store, day(-1)))
    publishing.note_missed(session, {DAY: [Failure("p4", "late")]}, NOON)
    assert report.put(store, facts.gather(session, store, day(-1))) == (key, False)


def test_a_day_that_is_not_published_has_no_report(session: Session, store: FolderStore) -> None:
    with pytest.raises(SkipThis, match="is not published"):
        facts.gather(session, store, DAY)


def test_a_day_whose_manifest_was_deleted_has_none_either(
    session: Session, store: FolderStore
) -> None:
    publish(session, store)
    (store.root / keys.manifest(DAY, 1)).unlink()
    with pytest.raises(SkipThis, match=rf"{DAY} has no report: .+/1\.json, is not in the lake"):
        facts.gather(session, store, DAY)
