"""What was tried and what failed outlives the run."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake import attempts, keys
from spotify_pipeline.lake.attempts import Attempt, Failure
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.synthetic import DAY, NOON, document

GONE = Failure("b", "Spotify said 404: deleted.")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def capture(store: FolderStore, *playlist_ids: str, days_on: int = 0) -> None:
    day = DAY + timedelta(days=days_on)
    for playlist_id in playlist_ids:
        assert store.put_new(keys.raw(day, playlist_id), document([], playlist_id, day=day))


def test_the_last_attempt_counts(store: FolderStore) -> None:
    first, second = Attempt(("a", "b"), (GONE,)), Attempt(("a",), ())
    attempts.record(store, DAY, NOON, first)
    attempts.record(store, DAY, NOON + timedelta(hours=1), second)
    assert attempts.latest(store, DAY) == second


def test_two_attempts_in_one_second_are_both_kept(store: FolderStore) -> None:
    first, second = Attempt(("a",), ()), Attempt(("b",), ())
    attempts.record(store, DAY, NOON, first)
    attempts.record(store, DAY, NOON, second)
    assert len(store.list_keys(keys.attempts_prefix(DAY))) == 2
    assert attempts.latest(store, DAY) == second


def test_an_attempt_past_midnight_is_later_than_those_before(store: FolderStore) -> None:
    evening, night = NOON.replace(hour=23), NOON.replace(hour=0) + timedelta(days=1)
    attempts.record(store, DAY, evening, Attempt(("a",), ()))
    attempts.record(store, DAY, night, Attempt(("a", "b"), ()))
    assert attempts.latest(store, DAY) == Attempt(("a", "b"), ())


def test_an_attempt_after_the_clock_was_set_back_is_later_than_those_before(
    store: FolderStore,
) -> None:
    attempts.record(store, DAY, NOON, Attempt(("a", "b"), ()))
    attempts.record(store, DAY, NOON - timedelta(hours=2), Attempt(("a",), ()))
    assert attempts.latest(store, DAY) == Attempt(("a",), ())


def test_an_attempt_that_repeats_the_last_one_is_not_kept_again(store: FolderStore) -> None:
    for hour in range(3):
        attempts.record(store, DAY, NOON + timedelta(hours=hour), Attempt(("a", "b"), (GONE,)))
    assert len(store.list_keys(keys.attempts_prefix(DAY))) == 1


def test_a_day_without_attempt_misses_nothing(store: FolderStore) -> None:
    assert attempts.latest(store, DAY) is None
    assert attempts.missing(store, DAY) == []


def test_missing_are_those_without_document_with_the_reason(store: FolderStore) -> None:
    capture(store, "a")
    attempts.record(store, DAY, NOON, Attempt(("a", "b", "c"), (GONE,)))
    assert attempts.missing(store, DAY) == [
        GONE,
        Failure("c", "not tried: the run ended before it"),
    ]


def test_who_failed_and_was_captured_later_is_not_missing(store: FolderStore) -> None:
    attempts.record(store, DAY, NOON, Attempt(("a", "b"), (GONE,)))
    capture(store, "a", "b")
    assert attempts.missing(store, DAY) == []


def test_a_gap_is_told_by_day_and_playlist(store: FolderStore) -> None:
    capture(store, "a")
    attempts.record(store, DAY, NOON, Attempt(("a", "b"), (GONE,)))
    capture(store, "a", "b", days_on=1)
    next_day = DAY + timedelta(days=1)
    attempts.record(store, next_day, NOON, Attempt(("a", "b"), ()))
    assert attempts.gaps(store, [DAY, next_day]) == {DAY: [GONE]}


def test_a_day_that_no_run_tried_lacks_the_playlists_of_the_last_attempt(
    store: FolderStore,
) -> None:
    attempts.record(store, DAY, NOON, Attempt(("a", "b"), (GONE,)))
    skipped = DAY + timedelta(days=3)
    never = "no run tried it before the day ended"
    assert attempts.gaps(store, [skipped]) == {skipped: [Failure("a", never), Failure("b", never)]}


def test_days_before_the_first_attempt_have_no_gap(store: FolderStore) -> None:
    attempts.record(store, DAY, NOON, Attempt(("a",), ()))
    assert attempts.gaps(store, [DAY - timedelta(days=1)]) == {}


def test_the_attempted_days_are_told_in_order(store: FolderStore) -> None:
    for days_on in (2, 0, 1):
        attempts.record(store, DAY + timedelta(days=days_on), NOON, Attempt(("a",), ()))
    assert attempts.days(store) == [DAY + timedelta(days=n) for n in range(3)]


# Until when Spotify wants no calls

LATER = NOON + timedelta(hours=20)


def waiting(until: datetime | None) -> Attempt:
    return Attempt(("a",), (), until)


def test_until_when_spotify_asked_to_wait_is_read_back(store: FolderStore) -> None:
    attempts.record(store, DAY, NOON, waiting(LATER))
    assert attempts.latest(store, DAY) == waiting(LATER)
    assert attempts.wait_until(store, NOON) == LATER


def test_the_wait_is_remembered_past_midnight(store: FolderStore) -> None:
    attempts.record(store, DAY, NOON, waiting(LATER))
    assert attempts.wait_until(store, LATER - timedelta(microseconds=1)) == LATER


def test_a_wait_that_is_over_is_none(store: FolderStore) -> None:
    attempts.record(store, DAY, NOON, waiting(LATER))
    assert attempts.wait_until(store, LATER) is None


def test_the_last_run_says_whether_there_is_a_wait(store: FolderStore) -> None:
    assert attempts.wait_until(store, NOON) is None
    attempts.record(store, DAY, NOON, waiting(LATER))
    attempts.record(store, DAY, NOON + timedelta(hours=1), waiting(None))
    assert attempts.wait_until(store, NOON) is None


def test_the_last_day_s_run_says_whether_there_is_a_wait(store: FolderStore) -> None:
    next_day, next_noon = DAY + timedelta(days=1), NOON + timedelta(days=1)
    attempts.record(store, DAY, NOON, waiting(next_noon + timedelta(hours=1)))
    attempts.record(store, next_day, next_noon, waiting(None))
    assert attempts.wait_until(store, next_noon) is None


def test_another_wait_is_another_attempt(store: FolderStore) -> None:
    for until in (None, LATER, LATER, LATER + timedelta(hours=1)):
        attempts.record(store, DAY, NOON, waiting(until))
    assert len(store.list_keys(keys.attempts_prefix(DAY))) == 3


@pytest.mark.parametrize("body", [b"", b"[]", b'{"playlist_ids": 1}', b"\xff", b"null"])
def test_a_damaged_account_is_told_with_what_to_do(store: FolderStore, body: bytes) -> None:
    key = keys.attempt(DAY, NOON, 0)
    store.put_new(key, body)
    with pytest.raises(FixConfiguration, match="move it away") as raised:
        attempts.latest(store, DAY)
    assert store.uri(key) in str(raised.value)


def test_an_attempt_of_the_first_release_has_no_wait(store: FolderStore) -> None:
    body = b'{"playlist_ids": ["a"], "failures": []}'
    store.put_new(keys.attempt(DAY, NOON, 0), body)
    assert attempts.latest(store, DAY) == waiting(None)
    assert attempts.wait_until(store, NOON) is None


# For people


def test_failures_are_told_by_reason_in_the_order_in_which_they_came() -> None:
    failures = [Failure("b", "gone."), Failure("a", "closed."), Failure("c", "gone.")]
    assert attempts.by_reason(failures) == ["b, c: gone.", "a: closed."]
    assert attempts.by_reason([]) == []
