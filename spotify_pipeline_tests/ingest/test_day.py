"""A day of playlists: a few at a time, each on its own, and the account of it."""

import gzip
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline.errors import FixConfiguration, PipelineError, SkipThis
from spotify_pipeline.ingest.day import (
    CapturePolicy,
    PlaylistReport,
    capture_day,
    complete_day,
)
from spotify_pipeline.ingest.patience import Patience
from spotify_pipeline.ingest.reader import Listing, Reply
from spotify_pipeline.ingest.refusals import (
    AppRefused,
    PlaylistRefused,
    TokenRefused,
    TooManyCalls,
    Unavailable,
    Unreachable,
    UserNeeded,
)
from spotify_pipeline.lake import attempts, keys
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.ingest.fakes import (
    SMALL,
    WHOLE,
    Answer,
    FakeTime,
    Reader,
    Reading,
    pages,
)
from spotify_pipeline_tests.synthetic import DAY, NOON, Json, page, playlist

MIDNIGHT = NOON.replace(hour=0) + timedelta(days=1)
ONE_BY_ONE = CapturePolicy(concurrency=1)
QUOTA = TooManyCalls("The quota is used up", 86_400, is_quota=True)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def capture(
    reader: Any,
    store: FolderStore,
    *playlist_ids: str,
    time: FakeTime | None = None,
    policy: CapturePolicy = ONE_BY_ONE,
    ignore_wait: bool = False,
) -> list[PlaylistReport]:
    time = time or FakeTime()
    return capture_day(
        reader,
        store,
        playlist_ids or ("p",),
        DAY,
        time.clock,
        time.told.append,
        policy,
        ignore_wait=ignore_wait,
        patience=time.patience(
            policy.playlist_wait_seconds, policy.run_wait_seconds, policy.concurrency
        ),
    )


def outcomes(reports: Sequence[PlaylistReport]) -> dict[str, str]:
    return {report.playlist_id: report.outcome for report in reports}


def entries_in(store: FolderStore, playlist_id: str) -> int:
    lines = gzip.decompress(store.get(keys.raw(DAY, playlist_id))).splitlines()
    answers = [json.loads(line) for line in lines]
    listings = [answers[0]["playlist"]["items"], *(answer["page"] for answer in answers[1:])]
    return sum(len(listing["items"]) for listing in listings)


# What is done and told


def test_each_playlist_is_stored_and_reported_in_the_configured_order(store: FolderStore) -> None:
    reader = Reader(c=WHOLE, a=SMALL, b=Reading(SkipThis("gone")))
    assert capture(reader, store, "c", "a", "b", policy=CapturePolicy()) == [
        PlaylistReport("c", "captured", "Playlist", 5),
        PlaylistReport("a", "captured", "Playlist", 1),
        PlaylistReport("b", "failed", reason="gone"),
    ]
    assert store.list_keys(keys.RAW) == [keys.raw(DAY, "a"), keys.raw(DAY, "c")]
    assert entries_in(store, "c") == 5


def test_progress_is_told_playlist_by_playlist(store: FolderStore, time: FakeTime) -> None:
    store.put_new(keys.raw(DAY, "a"), b"")
    many = Reading(*pages(*[100] * 11))
    nameless = Reading(pages(1)[0] | {"name": None})
    reader = Reader(b=many, c=Reading(SkipThis("gone")), d=nameless)
    capture(reader, store, "a", "b", "c", "d", time=time)
    assert time.told == [
        "playlist 2 of 4, 1,100 entries: b 'Playlist'",
        "playlist 3 of 4, failed: c: gone",
        "playlist 4 of 4, 1 entries: d",
    ]


def test_a_reason_that_many_share_is_told_once(store: FolderStore, time: FakeTime) -> None:
    gone = Reading(SkipThis("gone"))
    capture(Reader(a=gone, b=gone, c=SMALL), store, "a", "b", "c", time=time)
    assert time.told[:2] == [
        "playlist 1 of 3, failed: a: gone",
        "playlist 2 of 3, failed likewise: b",
    ]


def test_a_wait_is_told_while_it_lasts(store: FolderStore, time: FakeTime) -> None:
    busy = Reading(TooManyCalls("busy", 90, is_quota=False))
    capture(Reader(p=[busy, SMALL]), store, time=time)
    assert time.told == [
        "Spotify said 429: too many calls; it asks to wait 90 s, until 2026-11-22 12:01 UTC",
        "playlist 1 of 1, 1 entries: p 'Playlist'",
    ]


# Only what is missing


def test_what_is_there_is_not_asked_for_again(store: FolderStore) -> None:
    capture(Reader(p=WHOLE), store)
    before = store.get(keys.raw(DAY, "p"))
    reader = Reader(p=SMALL)
    assert capture(reader, store) == [PlaylistReport("p", "already there")]
    assert reader.calls == []
    assert store.get(keys.raw(DAY, "p")) == before


def test_who_comes_second_discards_its_own(store: FolderStore) -> None:
    class Raced(Reader):
        """Another run stores its capture while this one is reading."""

        def snapshot_id(self, playlist_id: str) -> str | None:
            assert store.put_new(keys.raw(DAY, playlist_id), b"the other's")
            return super().snapshot_id(playlist_id)

    assert outcomes(capture(Raced(p=WHOLE), store)) == {"p": "captured"}
    assert store.get(keys.raw(DAY, "p")) == b"the other's"


def test_the_next_run_fetches_only_what_is_missing(store: FolderStore) -> None:
    capture(Reader(a=SMALL, b=Reading(SkipThis("x")), c=WHOLE), store, "a", "b", "c")
    reader = Reader(a=SMALL, b=SMALL, c=WHOLE)
    assert outcomes(capture(reader, store, "a", "b", "c")) == {
        "a": "already there",
        "b": "captured",
        "c": "already there",
    }
    assert reader.calls == ["b"]
    assert attempts.missing(store, DAY) == []


# One bad playlist stops nobody else

BAD: dict[str, Answer] = {
    "404": PlaylistRefused("Spotify said 404"),
    "401": UserNeeded("Spotify said 401"),
    "400": SkipThis("Spotify said 400"),
    "unreachable": Unavailable("Spotify could not be reached"),
    "token": TokenRefused("Spotify said 401"),
    "malformed": playlist("no page"),
    "in part": playlist(page([None], 0, 2)) | {"tracks": None},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize(("place", "concurrency"), [(0, 1), (1, 1), (2, 4)])
def test_one_that_fails_stops_none_of_the_others(
    store: FolderStore, bad: Answer, place: int, concurrency: int
) -> None:
    failing = Reading(bad, *[page([], 1, 2)] * 10)
    readings = {name: failing if n == place else SMALL for n, name in enumerate("abc")}
    policy = CapturePolicy(concurrency)
    found = capture(Reader(**readings), store, "a", "b", "c", policy=policy)
    failed = "abc"[place]
    assert outcomes(found) == {n: "failed" if n == failed else "captured" for n in "abc"}
    assert found[place].reason
    assert store.list_keys(keys.RAW) == [keys.raw(DAY, n) for n in "abc" if n != failed]


def test_a_lake_that_takes_no_more_is_told_of_each_playlist(tmp_path: Path) -> None:
    class Full(FolderStore):
        def put_new(self, key: str, body: bytes) -> bool:
            if key.startswith(keys.RAW):
                raise FixConfiguration("No space left on device")
            return super().put_new(key, body)

    found = capture(Reader(a=SMALL, b=SMALL), Full(tmp_path), "a", "b")
    assert [report.reason for report in found] == ["No space left on device"] * 2


def test_the_next_playlist_does_not_begin_after_midnight(store: FolderStore) -> None:
    time = FakeTime(MIDNIGHT - timedelta(seconds=1))

    def past_midnight() -> Json:
        time.go_on(1)
        return pages(1)[0]

    reader = Reader(a=Reading(past_midnight), b=SMALL)
    found = capture(reader, store, "a", "b", time=time)
    assert outcomes(found) == {"a": "captured", "b": "failed"}
    assert "2026-11-22 ended before it was asked for" in found[1].reason
    assert store.list_keys(keys.RAW) == [keys.raw(DAY, "a")]
    assert reader.calls == ["a"]


# The account of it


def test_the_attempt_keeps_who_was_wanted_and_why_who_failed(store: FolderStore) -> None:
    reader = Reader(a=SMALL, b=Reading(SkipThis("Spotify said 404: gone.")))
    capture(reader, store, "a", "b")
    assert attempts.latest(store, DAY) == attempts.Attempt(
        ("a", "b"), (attempts.Failure("b", "Spotify said 404: gone."),)
    )


def bug() -> Json:
    raise ZeroDivisionError


def test_a_run_that_breaks_off_leaves_its_attempt_behind(store: FolderStore) -> None:
    failed, broken = Reading(SkipThis("gone")), Reading(bug)
    with pytest.raises(ZeroDivisionError):
        capture(Reader(a=SMALL, b=failed, c=broken, d=SMALL), store, "a", "b", "c", "d")
    missing = {failure.playlist_id: failure.reason for failure in attempts.missing(store, DAY)}
    assert missing["b"] == "gone"
    assert missing["c"] == "not tried: the run ended before it"
    assert "a" not in missing


# A few at a time


class Busy:
    """A reader whose calls wait until as many are under way as a test wants to see at once."""

    def __init__(self, together: int) -> None:
        self.together, self.now, self.most, self.calls = together, 0, 0, 0
        self.changed = threading.Condition()

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        with self.changed:
            self.calls += 1
            self.now += 1
            self.most = max(self.most, self.now)
            self.changed.notify_all()
            if not self.changed.wait_for(lambda: self.most >= self.together, timeout=2):
                self.together = 0  # they don't come: wait no more
            # Room for one more to come, if nothing keeps it back.
            self.changed.wait_for(lambda: self.most > self.together, timeout=0.01)
        yield
        with self.changed:
            self.now -= 1

    def sign_in(self) -> None:
        pass

    def playlist(self, playlist_id: str) -> Reply:
        with self._under_way():
            return Reply({}, pages(1, 1)[0])

    def page(self, playlist_id: str, listing: Listing, offset: int) -> Reply:
        with self._under_way():
            return Reply({}, pages(1, 1)[1])

    def snapshot_id(self, playlist_id: str) -> str | None:
        with self._under_way():
            return "version1"


@pytest.mark.parametrize("concurrency", [1, 2, 4])
def test_as_many_calls_as_allowed_are_under_way_and_never_more(
    store: FolderStore, concurrency: int
) -> None:
    reader = Busy(concurrency)
    ids = [f"p{number:02}" for number in range(6, 0, -1)]
    found = capture(reader, store, *ids, policy=CapturePolicy(concurrency))
    assert [report.playlist_id for report in found] == ids
    assert {report.outcome for report in found} == {"captured"}
    assert (reader.most, reader.calls) == (concurrency, 18)


def test_reports_are_in_the_configured_order_whoever_ends_first(store: FolderStore) -> None:
    others_done = threading.Event()
    done: list[str] = []

    def last() -> Json:
        assert others_done.wait(timeout=30)
        return pages(1)[0]

    class Watched(FakeTime):
        def __init__(self) -> None:
            super().__init__()
            self.told = self  # type: ignore[assignment]

        def append(self, text: str) -> None:
            done.append(text.split()[-2])
            if len(done) == 2:
                others_done.set()

    reader = Reader(a=Reading(last), b=SMALL, c=SMALL)
    found = capture(reader, store, "a", "b", "c", time=Watched(), policy=CapturePolicy(3))
    assert done[-1] == "a"
    assert [report.playlist_id for report in found] == ["a", "b", "c"]
    attempt = attempts.latest(store, DAY)
    assert attempt
    assert attempt.playlist_ids == ("a", "b", "c")


# What is true of more than one playlist


def test_a_used_up_quota_fails_all_with_one_call_and_is_kept_for_the_next_run(
    store: FolderStore, time: FakeTime
) -> None:
    reader = Reader(a=Reading(QUOTA), b=SMALL, c=SMALL)
    found = capture(reader, store, "a", "b", "c", time=time)
    assert reader.calls == ["a"]
    assert {report.outcome for report in found} == {"failed"}
    assert len({report.reason for report in found}) == 1
    assert "asks to wait 24 h, until 2026-11-23 12:00 UTC" in found[0].reason
    attempt = attempts.latest(store, DAY)
    assert attempt
    assert attempt.wait_until == NOON + timedelta(days=1)


def test_what_was_captured_before_the_quota_ended_stays(store: FolderStore) -> None:
    reader = Reader(a=SMALL, b=Reading(*pages(1, 1)[:1], QUOTA), c=SMALL)
    assert outcomes(capture(reader, store, "a", "b", "c")) == {
        "a": "captured",
        "b": "failed",
        "c": "failed",
    }
    assert reader.calls == ["a", "b", "b items 1"]
    assert store.list_keys(keys.RAW) == [keys.raw(DAY, "a")]


def test_the_next_run_makes_no_call_while_it_should_wait_and_says_so(store: FolderStore) -> None:
    capture(Reader(a=Reading(QUOTA)), store, "a")
    for hours in (1, 2):  # and hands the wish on to the one after it
        reader = Reader(a=SMALL)
        [report] = capture(reader, store, "a", time=FakeTime(NOON + timedelta(hours=hours)))
        assert reader.calls == []
        assert "asked an earlier run to wait until 2026-11-23 12:00 UTC" in report.reason
        assert "--ignore-wait" in report.reason


def test_the_next_run_asks_all_the_same_where_it_is_told_to(store: FolderStore) -> None:
    capture(Reader(a=Reading(QUOTA)), store, "a")
    assert outcomes(capture(Reader(a=SMALL), store, "a", ignore_wait=True)) == {"a": "captured"}
    assert attempts.wait_until(store, NOON) is None


def test_the_run_after_the_wait_asks_again(store: FolderStore) -> None:
    busy = TooManyCalls("busy", 3600, is_quota=False)
    capture(Reader(a=Reading(busy)), store, "a")
    an_hour_later = FakeTime(NOON + timedelta(hours=1))
    assert outcomes(capture(Reader(a=SMALL), store, "a", time=an_hour_later)) == {"a": "captured"}


def test_a_wait_longer_than_any_patience_fails_all_with_one_call(store: FolderStore) -> None:
    busy = TooManyCalls("busy", 3600, is_quota=False)
    reader = Reader(a=Reading(busy), b=SMALL, c=SMALL)
    found = capture(reader, store, "a", "b", "c")
    assert reader.calls == ["a"]
    assert all("asks to wait 1 h" in report.reason for report in found)
    assert all("SPOTIFY_PLAYLIST_WAIT_SECONDS=300" in report.reason for report in found)


def test_the_policy_s_patience_is_the_run_s(store: FolderStore, time: FakeTime) -> None:
    busy = TooManyCalls("busy", 3600, is_quota=False)
    policy = CapturePolicy(1, playlist_wait_seconds=7, run_wait_seconds=9)
    [report] = capture_day(
        Reader(a=Reading(busy)), store, ["a"], DAY, time.clock, time.told.append, policy
    )
    assert "SPOTIFY_PLAYLIST_WAIT_SECONDS=7" in report.reason


def test_an_app_that_is_refused_is_refused_for_all_with_one_call(store: FolderStore) -> None:
    reader = Reader(a=SMALL, b=Reading(AppRefused("Premium needed")), c=SMALL, d=SMALL)
    found = capture(reader, store, "a", "b", "c", "d")
    assert reader.calls == ["a", "b"]
    assert [report.reason for report in found[1:]] == ["Premium needed"] * 3


def test_an_outage_is_not_asked_about_playlist_by_playlist(
    store: FolderStore, time: FakeTime
) -> None:
    ids = [f"p{number:03}" for number in range(100)]
    reader = Reader(**dict.fromkeys(ids, Reading(Unreachable("no answer"))))
    found = capture(reader, store, *ids, time=time)
    assert len(reader.calls) == 5 * 4
    assert found[4].reason == "no answer"
    assert {report.reason for report in found[5:]} == {
        "no answer (5 playlists in a row; the others were not tried.)"
    }


def test_many_playlists_that_spotify_itself_trips_over_stop_no_other(store: FolderStore) -> None:
    broken = {f"a{number}": Reading(Unavailable("said 502")) for number in range(8)}
    found = capture(Reader(**broken, b=SMALL), store, *broken, "b")
    assert found[-1].outcome == "captured"


@pytest.mark.parametrize("good", [SMALL, Reading(PlaylistRefused("404"))], ids=["here", "404"])
def test_trouble_with_an_answer_now_and_then_is_no_outage(
    store: FolderStore, good: Reading
) -> None:
    ids = [f"p{number:03}" for number in range(20)]
    bad = Reading(Unreachable("no answer"))
    reader = Reader(**{id_: bad if n % 5 else good for n, id_ in enumerate(ids)})
    found = capture(reader, store, *ids)
    assert set(ids) <= set(reader.calls)
    assert all(report.reason == "no answer" for n, report in enumerate(found) if n % 5)


# Breaking off


@pytest.mark.parametrize(
    "trouble", [TooManyCalls("busy", 600, is_quota=False), Unavailable("said 502")]
)
def test_a_run_that_breaks_off_waits_for_nobody(store: FolderStore, trouble: PipelineError) -> None:
    """One playlist waits for Spotify in real time when another one meets a bug of ours."""
    asked, waiting, ended = threading.Event(), threading.Event(), threading.Event()

    class Watched(Patience):
        def wait(self, seconds: float) -> None:
            waiting.set()
            super().wait(seconds)

    def refuse_then() -> Json:
        assert asked.wait(timeout=30)
        raise trouble

    def bug_then() -> Json:
        asked.set()
        assert waiting.wait(timeout=30)
        return bug()

    patience = Watched(2, 10_000, 10_000, lambda: NOON, lambda text: None)
    reader = Reader(a=Reading(refuse_then), b=Reading(bug_then), c=SMALL)

    def run() -> None:
        with pytest.raises(ZeroDivisionError):
            capture_day(
                reader, store, ["a", "b", "c"], DAY, lambda: NOON, lambda text: None,
                CapturePolicy(2), patience=patience,
            )  # fmt: skip
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        assert ended.wait(timeout=0.9), "it still waits"
    finally:
        patience.give_up()
    assert {failure.playlist_id for failure in attempts.missing(store, DAY)} >= {"a", "b"}


def test_a_run_that_breaks_off_makes_no_more_calls(store: FolderStore) -> None:
    reading, stopped = threading.Event(), threading.Event()

    class Stopped(Patience):
        def give_up(self) -> None:
            super().give_up()
            stopped.set()

    def slow_page() -> Json:
        reading.set()
        assert stopped.wait(timeout=30)
        return rest[2]

    def bug_then() -> Json:
        assert reading.wait(timeout=30)
        return bug()

    first, *rest = pages(*[1] * 500)
    reader = Reader(a=Reading(first, *rest[:2], slow_page, *rest[3:]), b=Reading(bug_then))
    patience = Stopped(2, 300, 900, lambda: NOON, lambda text: None)
    with pytest.raises(ZeroDivisionError):
        capture_day(
            reader, store, ["a", "b"], DAY, lambda: NOON, lambda text: None,
            CapturePolicy(2), patience=patience,
        )  # fmt: skip
    assert [call for call in reader.calls if "items" in call] == [f"a items {n}" for n in (1, 2, 3)]
    assert store.list_keys(keys.RAW) == []


def test_what_a_run_set_out_for_is_told_before_it_asks(store: FolderStore) -> None:
    """Whoever kills it leaves no time for that; on a first day nobody else could tell."""
    seen = []

    def look() -> Json:
        seen.append(attempts.latest(store, DAY))
        return pages(1)[0]

    capture(Reader(a=Reading(look), b=SMALL), store, "a", "b")
    assert seen == [attempts.Attempt(("a", "b"), ())]
    assert len(store.list_keys(keys.ATTEMPTS)) == 1, "and not again where all went well"


def test_a_wish_that_was_ignored_stays_where_nothing_answered(store: FolderStore) -> None:
    until = NOON + timedelta(hours=5)
    attempts.record(store, DAY, NOON, attempts.Attempt(("p",), (), until))
    time = FakeTime(NOON + timedelta(hours=1))
    capture(Reader(p=Reading(Unreachable("no answer"))), store, time=time, ignore_wait=True)
    assert attempts.wait_until(store, time.clock()) == until
    time.go_on(60)
    capture(Reader(p=SMALL), store, time=time, ignore_wait=True)
    assert attempts.wait_until(store, time.clock()) is None


# A run


def complete(reader: Any, store: FolderStore, *playlist_ids: str) -> list[PlaylistReport]:
    """As a run does; an error in the place of a reader is what opening it raises."""

    def open_reader() -> Any:
        if isinstance(reader, PipelineError):
            raise reader
        return nullcontext(reader)

    time = FakeTime()
    return complete_day(
        open_reader, store, playlist_ids, DAY, time.clock, time.told.append, ONE_BY_ONE
    )


def test_a_run_captures_what_the_day_lacks(store: FolderStore) -> None:
    capture(Reader(a=WHOLE), store, "a")
    reports = complete(Reader(b=SMALL), store, "a", "b")
    assert outcomes(reports) == {"a": "already there", "b": "captured"}


def test_a_run_opens_no_reader_for_a_day_that_is_whole(store: FolderStore) -> None:
    capture(Reader(a=WHOLE), store, "a")
    before = store.list_keys("")
    assert outcomes(complete(FixConfiguration("no secret"), store, "a")) == {"a": "already there"}
    assert store.list_keys("") == before


def test_a_run_that_could_not_open_a_reader_leaves_its_account(store: FolderStore) -> None:
    capture(Reader(a=WHOLE), store, "a")
    reports = complete(FixConfiguration("no secret"), store, "a", "b")
    assert [(report.outcome, report.reason) for report in reports] == [("failed", "no secret")] * 2
    assert attempts.missing(store, DAY) == [attempts.Failure("b", "no secret")]
