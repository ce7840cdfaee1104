"""A capture is whole or not there, and on its day or not at all."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from spotify_pipeline.errors import PipelineError, RetryLater, SkipThis
from spotify_pipeline.ingest.capture import READS, Capture, PlaylistCapture
from spotify_pipeline.ingest.payloads import Page
from spotify_pipeline.ingest.reader import Listing, Reply
from spotify_pipeline.ingest.refusals import (
    AppRefused,
    PlaylistRefused,
    TooManyCalls,
    Unavailable,
    UserNeeded,
)
from spotify_pipeline.lake import raw
from spotify_pipeline_tests.ingest.fakes import SMALL, WHOLE, FakeTime, Reader, Reading, pages
from spotify_pipeline_tests.rows import tables_of
from spotify_pipeline_tests.synthetic import DAY, NOON, Json, answer, entry, page, playlist, track

MIDNIGHT = NOON.replace(hour=0) + timedelta(days=1)

Repeat = Callable[[Reply, Page], Sequence[raw.Answer] | None]


def nothing_earlier(reply: Reply, page: Page) -> None:
    return None


def captured(
    reader: Reader, time: FakeTime | None = None, repeat: Repeat = nothing_earlier
) -> Capture:
    time = time or FakeTime()
    patience = time.patience().for_playlist()
    return PlaylistCapture(reader, patience, "p", DAY, time.clock, repeat).run()


def refused(reader: Reader, time: FakeTime | None = None) -> PipelineError:
    """Why "p" could not be captured."""
    with pytest.raises(PipelineError) as caught:
        captured(reader, time)
    return caught.value


def songs_in(found: Capture) -> list[str]:
    """The ids of the songs, page by page."""
    bodies = [body.body.get("items") for body in found.answers]
    listings = [body["items"] if isinstance(body, dict) else body for body in bodies if body]
    return [entry["item"]["id"] for listing in listings for entry in listing]


# Whole


def test_all_pages_are_read_in_order_and_the_version_looked_at_again() -> None:
    reader = Reader(p=WHOLE)
    found = captured(reader)
    assert reader.calls == ["p", "p items 2", "p items 4", "p version"]
    assert (found.name, found.entries, found.unchanged_since) == ("Playlist", 5, None)
    assert songs_in(found) == ["0", "1", "2", "3", "4"]


def test_every_answer_is_kept_as_received_with_when_and_how() -> None:
    time = FakeTime()
    first, second = pages(1, 1)

    def a_minute_later() -> Json:
        time.go_on(60)
        return second

    found = captured(Reader(p=Reading(first, a_minute_later)), time)
    requests = [
        {"method": "GET", "path": f"/v1/playlists/p{x}", "params": {}} for x in ("", "/items")
    ]
    assert found.answers == [
        raw.Answer("playlist", NOON, requests[0], first),
        raw.Answer("page", NOON + timedelta(minutes=1), requests[1], second),
    ]


def test_a_playlist_of_one_page_needs_one_call() -> None:
    reader = Reader(p=SMALL)
    assert captured(reader).entries == 1
    assert reader.calls == ["p"]


def test_an_empty_playlist_is_captured() -> None:
    reader = Reader(p=Reading(*pages(0)))
    assert captured(reader).entries == 0
    assert reader.calls == ["p"]


def test_a_playlist_without_version_mark_is_captured() -> None:
    first, *rest = pages(1, 1)
    assert (
        captured(Reader(p=Reading(first | {"snapshot_id": None}, *rest, version=None))).entries == 2
    )


@pytest.mark.parametrize("name", [None, 7, ""])
def test_a_playlist_without_a_name_is_captured(name: Any) -> None:
    first, *_ = pages(1)
    assert captured(Reader(p=Reading(first | {"name": name}))).name in ("", "7")


# Or not there


def with_page(number: int, **fields: Any) -> Reading:
    """A reading of three pages of which one is changed."""
    first, *rest = pages(2, 2, 1)
    if number == 0:
        return Reading(first | {"items": first["items"] | fields}, *rest)
    rest[number - 1] |= fields
    return Reading(first, *rest)


def of_ten(offset: int, *songs: int, next_: int | None = None) -> Json:
    """A page of ten entries, of which the n-th is song n, and where it says the next one begins."""
    address = next_ and f"https://elsewhere/playlists/p/items?offset={next_}&limit=4"
    return page([entry(track(str(song))) for song in songs], offset, 10, address or None)


KEPT_BACK = playlist(None)
NOT_WHOLE = {
    "total greater than what came": Reading(*pages(2, 2, total=5), page([], 4, 5)),
    "total smaller than what came": Reading(*pages(2, 2, 1, total=3)),
    "total smaller than the first page": Reading(*pages(2, total=1)),
    "total changes": with_page(1, total=6),
    "first page begins in the middle": with_page(0, offset=2),
    "fetched first page begins in the middle": Reading(KEPT_BACK, *[page([None], 1, 2)] * 2),
    "fetched first page begins at the end": Reading(KEPT_BACK, page([None], 1, 1)),
    "a page is left out": with_page(1, offset=3),
    "a page comes twice": with_page(2, offset=2),
    "a page is short": with_page(1, items=[None]),
    "a page is empty": with_page(1, items=[]),
    # One song is left out and another comes twice, so that the sum is right.
    "the first page lacks an entry": Reading(
        playlist(of_ten(0, 0, 2, 3, next_=4)), of_ten(3, 3, 4, 5, 6, next_=7), of_ten(7, 7, 8, 9)
    ),
    "a page lacks an entry": Reading(
        playlist(of_ten(0, 0, 1, 2, 3, next_=4)), of_ten(4, 4, 6, 7, next_=8), of_ten(7, 7, 8, 9)
    ),
}  # fmt: skip


@pytest.mark.parametrize("reading", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_what_is_not_of_one_piece_is_read_again_a_few_times_and_given_up(reading: Reading) -> None:
    reader = Reader(p=reading)
    error = refused(reader)
    assert isinstance(error, RetryLater)
    assert reader.calls.count("p") == READS
    assert f"None of {READS} reads of it was whole: " in str(error)
    assert "the next run tries again" in str(error)


@pytest.mark.parametrize("reading", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_a_later_read_that_is_whole_is_given_alone(reading: Reading) -> None:
    reader = Reader(p=[reading, WHOLE])
    found = captured(reader)
    assert songs_in(found) == ["0", "1", "2", "3", "4"]
    assert reader.calls.count("p") == 2


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (NOT_WHOLE["total greater than what came"], "its pages hold 4 entries, Spotify counts 5"),
        (NOT_WHOLE["total smaller than what came"], "its pages hold 4 entries, Spotify counts 3"),
        (with_page(1, total=6), "it had 5 entries first, and 6 then"),
        (with_page(0, offset=2), "the page from 0 on was that from 2 on"),
        (with_page(1, offset=3), "the page from 2 on was that from 3 on"),
        (
            NOT_WHOLE["the first page lacks an entry"],
            "the page from 0 on held 3 entries, and the next one begins at 4",
        ),
        (
            NOT_WHOLE["a page lacks an entry"],
            "the page from 4 on held 3 entries, and the next one begins at 8",
        ),
    ],
)
def test_what_did_not_fit_together_is_told(reading: Reading, told: str) -> None:
    assert told in str(refused(Reader(p=reading)))


def changing(*songs: str, version: str | None = "version2") -> Reading:
    """A reading after which the version is another one."""
    first = page([entry(track(song)) for song in songs[:1]], 0, len(songs))
    rest = page([entry(track(song)) for song in songs[1:]], 1, len(songs))
    return Reading(playlist(first), rest, version=version)


@pytest.mark.parametrize("version", ["version2", None], ids=["another", "none"])
def test_a_playlist_whose_songs_change_while_it_is_read_is_given_up(version: str | None) -> None:
    readings = [changing("a", song, version=version) for song in "bcd"]
    reader = Reader(p=readings)
    assert "it changed while it was read" in str(refused(reader))
    assert reader.calls.count("p") == READS


@pytest.mark.parametrize("version", ["version2", None], ids=["another", "none"])
def test_a_version_that_moves_at_every_look_is_no_change_of_songs(version: str | None) -> None:
    """Two reads in a row that are equal; Spotify's own playlists are of that kind."""
    reader = Reader(p=changing("a", "b", version=version))
    assert captured(reader).entries == 2
    assert reader.calls.count("p") == 2


def test_two_equal_reads_with_another_between_them_prove_nothing() -> None:
    reader = Reader(p=[changing("a", "b"), changing("a", "c"), changing("a", "b")])
    assert "it changed while it was read" in str(refused(reader))


def test_a_change_is_read_again_until_the_version_holds() -> None:
    reader = Reader(p=[changing("a", "b"), WHOLE])
    assert captured(reader).entries == 5


def test_pages_of_one_entry_each_are_asked_for_one_by_one_to_the_end() -> None:
    reader = Reader(p=Reading(*pages(*[1] * 60)))
    assert captured(reader).entries == 60
    assert reader.calls[1:-1] == [f"p items {offset}" for offset in range(1, 60)]


def test_a_page_that_holds_more_than_up_to_its_next_is_taken_as_it_is() -> None:
    """Old answers hold 100 entries inside the playlist, beside a `next` by the page's length."""
    reader = Reader(p=Reading(playlist(of_ten(0, *range(8), next_=4)), of_ten(8, 8, 9)))
    assert songs_in(captured(reader)) == [str(n) for n in range(10)]
    assert reader.calls == ["p", "p items 8", "p version"]


def test_a_next_page_after_the_last_entry_is_not_missed() -> None:
    reader = Reader(p=Reading(playlist(of_ten(0, *range(10), next_=12))))
    assert captured(reader).entries == 10
    assert reader.calls == ["p"]


MALFORMED: dict[str, Any] = {
    "a text": "text",
    "a list": [None],
    "without items": {"offset": 0, "total": 0},
    "items are no list": page([]) | {"items": {"0": None}},
    "total is null": page([]) | {"total": None},
    "total is a text": page([]) | {"total": "1"},
    "total is negative": page([]) | {"total": -1},
    "total is a truth": page([]) | {"total": True},
    "offset is missing": {"items": [], "total": 0},
    "offset is a fraction": page([]) | {"offset": 0.0},
}


@pytest.mark.parametrize("odd", MALFORMED.values(), ids=MALFORMED)
def test_a_playlist_whose_page_is_no_page_is_tried_later(odd: Any) -> None:
    error = refused(Reader(p=Reading(playlist(odd))))
    assert isinstance(error, Unavailable)
    assert "no page of entries" in str(error)


@pytest.mark.parametrize("odd", MALFORMED.values(), ids=MALFORMED)
def test_a_following_page_that_is_no_page_is_asked_for_again(odd: Any) -> None:
    first, second = pages(1, 1)
    reader = Reader(p=Reading(first, odd, odd, second))
    assert captured(reader).entries == 2
    assert reader.calls.count("p items 1") == 3
    assert "no page of entries" in str(refused(Reader(p=Reading(first, *[odd] * 4))))


# The endpoint, by what the answers say

REFUSALS = {
    "401": UserNeeded("said 401"),
    "403": PlaylistRefused("said 403"),
    "404": PlaylistRefused("said 404"),
}


@pytest.mark.parametrize(
    ("shape", "listing"), [("items", "items"), ("tracks", "tracks"), ("both", "items")]
)
def test_the_other_pages_come_from_the_endpoint_of_the_first_one_s_name(
    shape: str, listing: str
) -> None:
    reader = Reader(p=Reading(*pages(1, 1, shape=shape)))
    assert captured(reader).entries == 2
    assert reader.calls == ["p", f"p {listing} 1", "p version"]


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize(
    ("shape", "likelier", "other"), [("items", "items", "tracks"), ("tracks", "tracks", "items")]
)
def test_where_the_likelier_endpoint_refuses_the_other_is_asked_from_then_on(
    shape: str, likelier: Listing, other: Listing, refusal: PipelineError
) -> None:
    reader = Reader(p=Reading(*pages(1, 1, 1, shape=shape), closed={likelier: refusal}))
    assert captured(reader).entries == 3
    assert reader.calls == ["p", f"p {likelier} 1", f"p {other} 1", f"p {other} 2", "p version"]


@pytest.mark.parametrize("shape", ["items", "tracks"])
def test_where_both_refuse_the_newer_endpoint_s_reason_is_told(shape: str) -> None:
    closed: dict[Listing, PipelineError] = {
        "items": PlaylistRefused("items say why"),
        "tracks": PlaylistRefused("tracks say why"),
    }
    reader = Reader(p=Reading(*pages(1, 1, shape=shape), closed=closed))
    assert refused(reader) is closed["items"]
    assert len(reader.calls) == 3


@pytest.mark.parametrize("error", [AppRefused("Premium"), SkipThis("said 400")], ids=["app", "400"])
def test_what_the_other_endpoint_would_not_mend_is_not_tried_there(error: PipelineError) -> None:
    reader = Reader(p=Reading(*pages(1, 1), closed={"items": error}))
    assert refused(reader) is error
    assert reader.calls == ["p", "p items 1"]


def test_an_endpoint_in_trouble_is_not_one_that_refuses() -> None:
    reader = Reader(p=Reading(*pages(1, 1), closed={"items": Unavailable("said 502")}))
    assert "said 502" in str(refused(reader))
    assert set(reader.calls) == {"p", "p items 1"}


NO_PAGE = [{"name": "x", "snapshot_id": "version1"}, playlist(None), playlist(None, "both")]


@pytest.mark.parametrize("body", NO_PAGE)
def test_where_spotify_keeps_the_entries_back_items_is_asked_for_all_of_them(body: Json) -> None:
    following = [page([entry(track(str(n)))], n, 2) for n in range(2)]
    reader = Reader(p=Reading(body, *following))
    found = captured(reader)
    assert reader.calls == ["p", "p items 0", "p items 1", "p version"]
    assert found.entries == 2
    document = raw.encode("p", DAY, found.answers)
    assert tables_of(document).column("playlist_entry", "song_id") == ["0", "1"]


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_where_spotify_keeps_the_entries_back_there_too_its_reason_is_told(
    refusal: PipelineError,
) -> None:
    reader = Reader(p=Reading(playlist(None), closed={"items": refusal}))
    assert refused(reader) is refusal
    assert reader.calls == ["p", "p items 0"]


def test_a_playlist_that_is_empty_although_its_page_is_kept_back_is_captured() -> None:
    reader = Reader(p=Reading(playlist(None), page([])))
    assert captured(reader).entries == 0
    assert reader.calls == ["p", "p items 0", "p version"]


# Waiting and asking again


def test_each_call_is_made_again_where_that_makes_sense() -> None:
    time = FakeTime()
    first, second = pages(1, 1)
    busy = TooManyCalls("busy", 7, is_quota=False)
    reader = Reader(p=[Reading(busy), Reading(first, Unavailable("502"), second)])
    assert captured(reader, time).entries == 2
    assert time.naps == [7, 1]
    assert reader.calls == ["p", "p", "p items 1", "p items 1", "p version"]


def test_a_version_mark_that_can_not_be_had_is_no_capture() -> None:
    reader = Reader(p=Reading(*pages(1, 1), version=Unavailable("said 502")))
    assert "said 502" in str(refused(reader))
    assert reader.calls.count("p version") == 4


# Unchanged since


def test_what_was_fetched_for_an_earlier_day_takes_the_place_of_the_pages() -> None:
    first, second = pages(1, 1)
    yesterday = NOON - timedelta(days=1)
    earlier = [answer(second, "page", yesterday)]
    asked: list[tuple[str, int]] = []

    def repeat(reply: Reply, found: Page) -> Sequence[raw.Answer]:
        asked.append((reply.body["snapshot_id"], found.total))
        return earlier

    reader = Reader(p=Reading(first))
    found = captured(reader, repeat=repeat)
    assert reader.calls == ["p"]
    assert asked == [("version1", 2)]
    assert (found.entries, found.unchanged_since) == (2, yesterday)
    assert [body.fetched_at for body in found.answers] == [NOON, yesterday]
    assert found.answers[1:] == earlier


@pytest.mark.parametrize(
    "reading",
    [
        SMALL,
        Reading(*pages(0)),
        Reading(playlist(None), page([None], 0, 2), page([None], 1, 2)),
        with_page(0, offset=2),
    ],
    ids=["one page", "empty", "kept back", "in the middle"],
)
def test_earlier_pages_are_looked_for_only_where_pages_follow_the_first(reading: Reading) -> None:
    def repeat(reply: Reply, found: Page) -> None:
        raise AssertionError("not to be asked")

    reader = Reader(p=[reading, SMALL])  # what is not whole is read again
    assert captured(reader, repeat=repeat).unchanged_since is None


# On its day


@pytest.mark.parametrize("moment", [MIDNIGHT, NOON - timedelta(days=1)], ids=["after", "before"])
def test_nothing_is_asked_on_another_day(moment: Any) -> None:
    reader = Reader(p=WHOLE)
    error = refused(reader, FakeTime(moment))
    assert isinstance(error, SkipThis)
    assert "2026-11-22 ended before it was asked for" in str(error)
    assert reader.calls == []


def test_a_capture_that_began_in_time_may_end_after_midnight() -> None:
    time = FakeTime(MIDNIGHT - timedelta(seconds=1))
    first, *rest = pages(2, 2, 1)

    def past_midnight() -> Json:
        time.go_on(300)
        return rest[0]

    assert captured(Reader(p=Reading(first, past_midnight, rest[1])), time).entries == 5


def test_no_second_read_begins_after_midnight() -> None:
    time = FakeTime(MIDNIGHT - timedelta(seconds=1))
    first, second = pages(1, 1)

    def past_midnight() -> Json:
        time.go_on(1)
        return second

    reader = Reader(p=[Reading(first, past_midnight, version="version2"), WHOLE])
    assert "ended before it was asked for" in str(refused(reader, time))
    assert reader.calls.count("p") == 1


@pytest.mark.parametrize(
    "trouble", [TooManyCalls("busy", 60, is_quota=False), Unavailable("said 502")]
)
def test_who_waits_past_midnight_for_the_first_answer_asks_no_more(trouble: PipelineError) -> None:
    time = FakeTime(MIDNIGHT - timedelta(seconds=1))
    reader = Reader(p=[Reading(trouble), WHOLE])
    assert "ended before it was asked for" in str(refused(reader, time))
    assert reader.calls == ["p"]
