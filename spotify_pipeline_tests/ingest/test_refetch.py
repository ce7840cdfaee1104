"""What has not changed is not fetched again, for a while, and only if its owner wants that."""

import gzip
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline.ingest.day import CapturePolicy, PlaylistReport, capture_day
from spotify_pipeline.lake import keys, raw
from spotify_pipeline.lake.raw import Answer
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.ingest.fakes import FakeTime, Reader, Reading, pages
from spotify_pipeline_tests.synthetic import DAY, NOON, Json, answer, entry, page, track


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


UNCHANGED = Reading(*pages(2, 2, 1))


def on_day(
    number: int, store: FolderStore, reading: Reading = UNCHANGED, refetch_days: int = 3
) -> tuple[PlaylistReport, list[str]]:
    """What is reported so many days later, and the calls that were made."""
    reader = Reader(p=reading)
    time = FakeTime(NOON + timedelta(days=number))
    day = DAY + timedelta(days=number)
    policy = CapturePolicy(1, refetch_days=refetch_days)
    [report] = capture_day(
        reader, store, ["p"], day, time.clock, print, policy, patience=time.patience()
    )
    return report, reader.calls


def stored(store: FolderStore, number: int) -> list[Answer]:
    return raw.decode(store.get(keys.raw(DAY + timedelta(days=number), "p")))


def is_fetched(store: FolderStore, reading: Reading, number: int = 1, **policy: int) -> bool:
    """Whether the pages are fetched anew, and are then the ones that are stored."""
    report, calls = on_day(number, store, reading, **policy)
    assert report.outcome == ("captured" if "p items 2" in calls else "unchanged"), report.reason
    noon = NOON + timedelta(days=number)
    is_new = {answer.fetched_at for answer in stored(store, number)} == {noon}
    assert is_new == (report.outcome == "captured")
    return is_new


# Unchanged


def test_an_unchanged_playlist_costs_one_call_and_repeats_the_earlier_pages(
    store: FolderStore,
) -> None:
    on_day(0, store)
    renamed, *rest = pages(2, 2, 1)
    report, calls = on_day(1, store, Reading(renamed | {"name": "New name"}, *rest))
    assert calls == ["p"]
    assert report == PlaylistReport("p", "unchanged", "New name", 5, unchanged_since=NOON)
    playlist, *others = stored(store, 1)
    assert (playlist.fetched_at, playlist.body["name"]) == (NOON + timedelta(days=1), "New name")
    assert others == stored(store, 0)[1:]
    assert {page.fetched_at for page in others} == {NOON}


def test_the_repeated_lines_belong_to_the_new_day(store: FolderStore) -> None:
    on_day(0, store)
    on_day(1, store)
    document = gzip.decompress(store.get(keys.raw(DAY + timedelta(days=1), "p")))
    days = [json.loads(line)["snapshot_date"] for line in document.splitlines()]
    assert days == ["2026-11-23"] * 3


def test_the_report_says_since_when(store: FolderStore, capsys: pytest.CaptureFixture[str]) -> None:
    on_day(0, store)
    on_day(1, store)
    assert capsys.readouterr().out.splitlines() == [
        "playlist 1 of 1, 5 entries: p 'Playlist'",
        "playlist 1 of 1, 5 entries: p 'Playlist', unchanged since it was fetched on 2026-11-22",
    ]


@pytest.mark.parametrize("refetch_days", [1, 2, 3])
def test_days_count_from_when_the_pages_were_really_fetched(
    store: FolderStore, refetch_days: int
) -> None:
    """However many days have repeated them since."""
    fetched = [
        is_fetched(store, UNCHANGED, number, refetch_days=refetch_days) for number in range(8)
    ]
    assert fetched == [number % (refetch_days + 1) == 0 for number in range(8)]


def test_a_day_without_capture_in_between_does_no_harm(store: FolderStore) -> None:
    on_day(0, store)
    assert not is_fetched(store, UNCHANGED, 3)


def test_only_so_many_days_are_looked_back(store: FolderStore) -> None:
    on_day(0, store)
    assert is_fetched(store, UNCHANGED, 4)


def test_the_oldest_of_the_repeated_pages_counts(store: FolderStore) -> None:
    first, second, third = pages(2, 2, 1)
    old = NOON - timedelta(days=3)
    answers = [answer(first), answer(second, "page"), answer(third, "page", old)]
    store.put_new(keys.raw(DAY, "p"), raw.encode("p", DAY, answers))
    assert is_fetched(store, UNCHANGED)


# Whatever is in doubt is fetched


def test_it_is_off_unless_asked_for(store: FolderStore) -> None:
    assert CapturePolicy().refetch_days == 0
    on_day(0, store)
    assert is_fetched(store, UNCHANGED, refetch_days=0)


def test_a_playlist_of_one_page_is_always_fresh(store: FolderStore) -> None:
    for number in range(2):
        report, calls = on_day(number, store, Reading(*pages(3)))
        assert (report.outcome, calls) == ("captured", ["p"])


def changed(**fields: Any) -> Reading:
    first, *rest = pages(2, 2, 1)
    version = fields.get("snapshot_id", "version1")
    return Reading(first | fields, *rest, version=version)


def test_another_version_mark_is_fetched(store: FolderStore) -> None:
    on_day(0, store)
    assert is_fetched(store, changed(snapshot_id="version2"))


def test_no_version_mark_is_none_that_could_be_the_same(store: FolderStore) -> None:
    nothing = changed(snapshot_id=None)
    on_day(0, store, nothing)
    assert is_fetched(store, nothing)


FIRST_PAGES: dict[str, list[Json]] = {
    "another song": [entry(track("0")), entry(track("x"))],
    "another order": [entry(track("1")), entry(track("0"))],
    "added at another time": [entry(track("0")), entry(track("1"), added_at=None)],
}


@pytest.mark.parametrize("songs", FIRST_PAGES.values(), ids=FIRST_PAGES)
def test_another_first_page_is_fetched_although_the_version_mark_is_the_same(
    store: FolderStore, songs: list[Json]
) -> None:
    on_day(0, store)
    assert is_fetched(store, changed(items=page(songs, 0, 5)))


@pytest.mark.parametrize("sizes", [(2, 2, 2), (2, 2)], ids=["more", "fewer"])
def test_another_number_of_entries_is_fetched_although_the_version_mark_is_the_same(
    store: FolderStore, sizes: Sequence[int]
) -> None:
    on_day(0, store)
    assert is_fetched(store, Reading(*pages(*sizes)))


def test_a_first_page_of_another_length_is_fetched(store: FolderStore) -> None:
    on_day(0, store, Reading(*pages(3, 2)))
    assert is_fetched(store, UNCHANGED)


def test_earlier_pages_that_lack_an_entry_are_fetched(store: FolderStore) -> None:
    """As an earlier release has stored them: song 3 is left out, and song 4 comes twice."""
    first, *_ = pages(2, 2, 1)
    rest = [
        page([entry(track("2"))], 2, 5, "https://elsewhere/?offset=4&limit=2"),
        page([entry(track("4"))] * 2, 3, 5),
    ]
    answers = [answer(first), *(answer(each, "page") for each in rest)]
    store.put_new(keys.raw(DAY, "p"), raw.encode("p", DAY, answers))
    assert is_fetched(store, UNCHANGED)


def test_a_first_page_that_lacks_an_entry_is_not_unchanged(store: FolderStore) -> None:
    on_day(0, store)
    first, *rest = pages(2, 2, 1)
    first["items"]["next"] = "https://elsewhere/?offset=3&limit=3"
    report, _ = on_day(1, store, Reading(first, *rest))
    assert report.outcome == "failed"
    assert "held 2 entries, and the next one begins at 3" in str(report.reason)


def test_a_playlist_of_which_nothing_is_known_is_fetched(store: FolderStore) -> None:
    store.put_new(keys.raw(DAY, "q"), b"another's")
    assert is_fetched(store, UNCHANGED)


# The earlier document is damaged

DAMAGE: dict[str, Callable[[list[Answer]], bytes]] = {
    "empty file": lambda _: b"",
    "no gzip": lambda _: b"garbage",
    "no JSON": lambda _: gzip.compress(b"garbage\n"),
    "cut off": lambda answers: encoded(answers)[:-20],
    "no line": lambda _: encoded([]),
    "first line lost": lambda answers: encoded(answers[1:]),
    "a page lost": lambda answers: encoded([answers[0], answers[2]]),
    "last page lost": lambda answers: encoded(answers[:-1]),
    "all pages lost": lambda answers: encoded(answers[:1]),
    "pages out of order": lambda answers: encoded([answers[0], answers[2], answers[1]]),
    "a page of another total": lambda answers: encoded(
        [*answers[:2], answer(dict(answers[2].body) | {"total": 6}, "page")]
    ),
    "a page twice": lambda answers: encoded([*answers[:2], answers[1], answers[2]]),
    "a page in part": lambda answers: encoded([answers[0], without("total", answers[1])]),
    "no first page": lambda answers: encoded([without("items", answers[0]), *answers[1:]]),
    "an odd first page": lambda answers: encoded(
        [answer(dict(answers[0].body) | {"items": "text"}), *answers[1:]]
    ),
    "bodies that are none": lambda answers: encoded([Answer("page", NOON, {}, None)] * 2),  # type: ignore[arg-type]
    "times of two sorts": lambda answers: gzip.compress(
        gzip.decompress(encoded(answers)).replace(b".000000Z", b".000000", 2)
    ),
}  # fmt: skip


def encoded(answers: Sequence[Answer]) -> bytes:
    return raw.encode("p", DAY, answers)


def without(name: str, found: Answer) -> Answer:
    body = {key: value for key, value in found.body.items() if key != name}
    return Answer(found.kind, found.fetched_at, found.request, body)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_document_is_not_repeated(
    store: FolderStore, damage: Callable[[list[Answer]], bytes]
) -> None:
    first, *rest = pages(2, 2, 1)
    answers = [answer(first), *(answer(body, "page") for body in rest)]
    store.put_new(keys.raw(DAY, "p"), damage(answers))
    assert is_fetched(store, UNCHANGED)


def test_a_sound_document_of_the_same_form_is_repeated(store: FolderStore) -> None:
    first, *rest = pages(2, 2, 1)
    answers = [answer(first), *(answer(body, "page") for body in rest)]
    store.put_new(keys.raw(DAY, "p"), encoded(answers))
    assert not is_fetched(store, UNCHANGED)
