"""A capture is whole or not there, on its day or not at all, and stops no other."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis
from spotify_pipeline.ingest.capture import READS, DayReport, capture_day
from spotify_pipeline.ingest.client import Reply
from spotify_pipeline.lake import attempts, keys
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.synthetic import DAY, NOON, Json, entry, page, playlist, track

MIDNIGHT = NOON.replace(hour=0) + timedelta(days=1)

Answer = Json | PipelineError | Callable[[], Json]


class MovableClock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Reading:
    """What Spotify answers during one read of a playlist, and its version mark at the end."""

    def __init__(self, *answers: Answer, version: str | None = "version1") -> None:
        self.answers, self.version = answers, version


class Reader:
    """Gives out prepared readings, the last of a playlist again and again; keeps every call."""

    def __init__(self, **readings: Reading | Sequence[Reading]) -> None:
        self.calls: list[str] = []
        self._readings = {
            name: [found] if isinstance(found, Reading) else list(found)
            for name, found in readings.items()
        }
        self._current = Reading()

    def playlist(self, playlist_id: str) -> Reply:
        self.calls.append(playlist_id)
        waiting = self._readings[playlist_id]
        self._current = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return self._reply(0)

    def next_page(self, page: Mapping[str, Any]) -> Reply:
        self.calls.append(f"page {page['next']}")
        assert len(self.calls) < 100, "this would never end"
        return self._reply(int(page["next"]))

    def snapshot_id(self, playlist_id: str) -> str | None:
        self.calls.append(f"version of {playlist_id}")
        return self._current.version

    def _reply(self, number: int) -> Reply:
        answer = self._current.answers[number]
        if isinstance(answer, PipelineError):
            raise answer
        body = answer() if callable(answer) else answer
        return Reply({"method": "GET", "path": "/…", "params": {}}, body)


def pages(*sizes: int, total: int | None = None) -> list[Json]:
    """The first answer and the pages of a playlist, linked by their number."""
    total = sum(sizes) if total is None else total
    made = []
    for number, size in enumerate(sizes):
        offset = sum(sizes[:number])
        songs = [entry(track(str(offset + place))) for place in range(size)]
        following = str(number + 1) if number + 1 < len(sizes) else None
        made.append(page(songs, offset, total, following))
    return [playlist(made[0]), *made[1:]]


WHOLE = Reading(*pages(2, 2, 1))
SMALL = Reading(*pages(1))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def capture(
    reader: Reader, store: FolderStore, *playlist_ids: str, clock: MovableClock | None = None
) -> DayReport:
    ids = playlist_ids or ("p",)
    return capture_day(reader, store, ids, DAY, clock or MovableClock(), lambda text: None)


def refused(reader: Reader, store: FolderStore, clock: MovableClock | None = None) -> str:
    """Why "p" could not be captured; nothing of it may have been stored."""
    [failure] = capture(reader, store, clock=clock).failures
    assert failure.playlist_id == "p"
    assert store.list_keys(keys.RAW) == []
    return failure.reason


def entries_in(store: FolderStore, playlist_id: str = "p") -> int:
    lines = gzip.decompress(store.get(keys.raw(DAY, playlist_id))).splitlines()
    answers = [json.loads(line) for line in lines]
    listings = [answers[0]["playlist"]["items"], *(answer["page"] for answer in answers[1:])]
    return sum(len(listing["items"]) for listing in listings)


# Whole


def test_all_pages_are_read_and_the_version_looked_at_again(store: FolderStore) -> None:
    reader = Reader(p=WHOLE)
    report = capture(reader, store)
    assert report.captured == {"p": 5}
    assert reader.calls == ["p", "page 1", "page 2", "version of p"]
    assert entries_in(store) == 5


def test_a_playlist_of_one_page_needs_one_call(store: FolderStore) -> None:
    reader = Reader(p=SMALL)
    assert capture(reader, store).captured == {"p": 1}
    assert reader.calls == ["p"]


def test_an_empty_playlist_is_captured(store: FolderStore) -> None:
    assert capture(Reader(p=Reading(*pages(0))), store).captured == {"p": 0}
    assert entries_in(store) == 0


def test_a_playlist_without_version_mark_is_captured(store: FolderStore) -> None:
    first, *rest = pages(1, 1)
    reading = Reading(first | {"snapshot_id": None}, *rest, version=None)
    assert capture(Reader(p=reading), store).captured == {"p": 2}


# Or not there


def with_page(number: int, **fields: Any) -> Reading:
    """A reading of three pages of which one is changed."""
    first, *rest = pages(2, 2, 1)
    if number == 0:
        return Reading(first | {"items": first["items"] | fields}, *rest)
    rest[number - 1] |= fields
    return Reading(first, *rest)


NOT_WHOLE = {
    "total greater than what came": Reading(*pages(2, 2, total=5)),
    "total smaller than what came": Reading(*pages(2, 2, 1, total=4)),
    "total changes": with_page(1, total=6),
    "first page begins in the middle": with_page(0, offset=2),
    "a page is left out": with_page(1, offset=3),
    "a page comes twice": with_page(2, offset=2),
    "a page is short": with_page(1, items=[None]),
    "a page is empty": with_page(1, items=[]),
    "the last page is missing": with_page(1, next=None),
    "version changes": Reading(*pages(2, 1), version="version2"),
    "version disappears": Reading(*pages(2, 1), version=None),
}


@pytest.mark.parametrize("reading", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_what_is_not_of_one_piece_is_read_again_a_few_times_and_never_stored(
    store: FolderStore, reading: Reading
) -> None:
    reader = Reader(p=reading)
    reason = refused(reader, store)
    assert reader.calls.count("p") == READS
    assert f"changed on each of {READS} reads" in reason
    assert "The next run tries again" in reason


@pytest.mark.parametrize("reading", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_a_later_read_that_is_whole_is_stored_alone(store: FolderStore, reading: Reading) -> None:
    reader = Reader(p=[reading, WHOLE])
    assert capture(reader, store).captured == {"p": 5}
    assert reader.calls.count("p") == 2
    assert entries_in(store) == 5


@pytest.mark.parametrize("items", [[None], []], ids=["full", "empty"])
def test_links_that_lead_in_circles_end(store: FolderStore, items: list[Any]) -> None:
    refused(Reader(p=with_page(1, next="1", items=items)), store)


def test_pages_without_end_end(store: FolderStore) -> None:
    class Endless(Reader):
        def next_page(self, page: Mapping[str, Any]) -> Reply:
            super().next_page(page)
            return Reply({}, {**page, "offset": page["offset"] + 1})

    endless = playlist(page([None], total=3, next_="0"))
    refused(Endless(p=Reading(endless)), store)


MALFORMED: dict[str, Any] = {
    "a text": "text",
    "a list": [None],
    "without items": {"offset": 0, "total": 0, "next": None},
    "items are no list": page([]) | {"items": {"0": None}},
    "total is null": page([]) | {"total": None},
    "total is a text": page([]) | {"total": "1"},
    "offset is missing": {"items": [], "total": 0, "next": None},
    "next is a number": page([]) | {"next": 1},
    "next is missing": {"items": [], "total": 0, "offset": 0},
}


@pytest.mark.parametrize("odd", MALFORMED.values(), ids=MALFORMED)
def test_a_playlist_whose_page_is_no_page_is_tried_later(store: FolderStore, odd: Any) -> None:
    assert "no page of entries" in refused(Reader(p=Reading(playlist(odd))), store)


@pytest.mark.parametrize("odd", MALFORMED.values(), ids=MALFORMED)
def test_a_following_page_that_is_no_page_is_tried_later(store: FolderStore, odd: Any) -> None:
    assert "no page of entries" in refused(Reader(p=Reading(pages(1, 1)[0], odd)), store)


@pytest.mark.parametrize("body", [{"name": "x"}, playlist(None), playlist(None, "both")])
def test_a_playlist_that_spotify_gives_without_entries_says_whose_can_be_read(
    store: FolderStore, body: Json
) -> None:
    assert "owns or collaborates on" in refused(Reader(p=Reading(body)), store)


# On its day


def test_nothing_is_asked_once_the_day_is_over(store: FolderStore) -> None:
    reader = Reader(p=WHOLE)
    reason = refused(reader, store, MovableClock(MIDNIGHT))
    assert reader.calls == []
    assert "2026-11-22 ended before it was asked for" in reason


def test_nothing_is_asked_before_the_day_begins(store: FolderStore) -> None:
    reader = Reader(p=WHOLE)
    refused(reader, store, MovableClock(NOON - timedelta(days=1)))
    assert reader.calls == []


def test_a_capture_that_began_in_time_may_end_after_midnight(store: FolderStore) -> None:
    clock = MovableClock(MIDNIGHT - timedelta(seconds=1))
    first, *rest = pages(2, 2, 1)

    def past_midnight() -> Json:
        clock.now = MIDNIGHT + timedelta(minutes=5)
        return rest[0]

    report = capture(Reader(p=Reading(first, past_midnight, rest[1])), store, clock=clock)
    assert report.captured == {"p": 5}
    assert store.list_keys(keys.RAW) == [keys.raw(DAY, "p")]


def test_no_second_read_begins_after_midnight(store: FolderStore) -> None:
    clock = MovableClock(MIDNIGHT - timedelta(seconds=1))
    first, second = pages(1, 1)

    def past_midnight() -> Json:
        clock.now = MIDNIGHT
        return second

    reader = Reader(p=[Reading(first, past_midnight, version="version2"), WHOLE])
    assert "ended before it was asked for" in refused(reader, store, clock)
    assert reader.calls.count("p") == 1


def test_the_next_playlist_does_not_begin_after_midnight(store: FolderStore) -> None:
    clock = MovableClock(MIDNIGHT - timedelta(seconds=1))

    def past_midnight() -> Json:
        clock.now = MIDNIGHT
        return pages(1)[0]

    report = capture(Reader(a=Reading(past_midnight), b=SMALL), store, "a", "b", clock=clock)
    assert list(report.captured) == ["a"]
    assert [failure.playlist_id for failure in report.failures] == ["b"]


# Once


def test_who_comes_second_discards_its_own(store: FolderStore) -> None:
    class Raced(Reader):
        """Another run stores its capture while this one is reading."""

        def snapshot_id(self, playlist_id: str) -> str | None:
            assert store.put_new(keys.raw(DAY, playlist_id), b"the other's")
            return super().snapshot_id(playlist_id)

    report = capture(Raced(p=WHOLE), store)
    assert report.failures == ()
    assert store.get(keys.raw(DAY, "p")) == b"the other's"


def test_what_is_there_is_not_asked_for_again(store: FolderStore) -> None:
    capture(Reader(p=WHOLE), store)
    before = store.get(keys.raw(DAY, "p"))
    reader = Reader(p=SMALL)
    report = capture(reader, store)
    assert (report.captured, report.already_there) == ({}, ("p",))
    assert reader.calls == []
    assert store.get(keys.raw(DAY, "p")) == before


# One bad playlist stops nobody else

BAD: dict[str, Answer] = {
    "404": SkipThis("Spotify said 404"),
    "403": SkipThis("Spotify said 403"),
    "401": FixConfiguration("Spotify said 401"),
    "unreachable": RetryLater("Spotify could not be reached"),
    "malformed": playlist("no page"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_fails_stops_none_of_the_others(
    store: FolderStore, bad: Answer, place: int
) -> None:
    readings = {name: Reading(bad) if n == place else SMALL for n, name in enumerate("abc")}
    report = capture(Reader(**readings), store, "a", "b", "c")
    failed = "abc"[place]
    assert set(report.captured) == set("abc") - {failed}
    [failure] = report.failures
    assert failure.playlist_id == failed
    assert failure.reason


def test_the_attempt_keeps_who_was_wanted_and_why_who_failed(store: FolderStore) -> None:
    reader = Reader(a=SMALL, b=Reading(SkipThis("Spotify said 404: gone.")))
    capture(reader, store, "a", "b")
    assert attempts.latest(store, DAY) == attempts.Attempt(
        ("a", "b"), (attempts.Failure("b", "Spotify said 404: gone."),)
    )


def test_the_next_run_fetches_only_what_is_missing(store: FolderStore) -> None:
    capture(Reader(a=SMALL, b=Reading(RetryLater("429")), c=WHOLE), store, "a", "b", "c")
    reader = Reader(a=SMALL, b=SMALL, c=WHOLE)
    report = capture(reader, store, "a", "b", "c")
    assert reader.calls == ["b"]
    assert (report.captured, report.already_there, report.failures) == ({"b": 1}, ("a", "c"), ())
    assert attempts.missing(store, DAY) == []


def test_a_run_that_breaks_off_leaves_its_attempt_behind(store: FolderStore) -> None:
    def bug() -> Json:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        capture(Reader(a=SMALL, b=Reading(bug), c=SMALL), store, "a", "b", "c")
    assert [failure.playlist_id for failure in attempts.missing(store, DAY)] == ["b", "c"]


def test_progress_is_told_playlist_by_playlist(store: FolderStore) -> None:
    told: list[str] = []
    store.put_new(keys.raw(DAY, "a"), b"")
    reader = Reader(b=SMALL, c=Reading(SkipThis("gone")))
    capture_day(reader, store, ["a", "b", "c"], DAY, MovableClock(), told.append)
    assert told == [
        "playlist 1 of 3 (a): already there",
        "playlist 2 of 3 (b): 1 entries",
        "playlist 3 of 3 (c): failed: gone",
    ]
