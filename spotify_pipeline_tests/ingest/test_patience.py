"""How long a run waits and how often it asks again, in a time that only waiting moves."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis
from spotify_pipeline.ingest.patience import OUTAGE, Patience, PlaylistPatience
from spotify_pipeline.ingest.refusals import (
    AppRefused,
    PlaylistRefused,
    TokenRefused,
    TooManyCalls,
    Unavailable,
    Unreachable,
    UserNeeded,
)
from spotify_pipeline_tests.ingest.fakes import FakeTime
from spotify_pipeline_tests.synthetic import NOON

DOWN = Unavailable("said 502")
UNREACHABLE = Unreachable("no answer")


def busy(seconds: int | None) -> TooManyCalls:
    return TooManyCalls("Spotify said 429: too many calls", seconds, is_quota=False)


def quota(seconds: int | None) -> TooManyCalls:
    return TooManyCalls("Spotify said 429: the quota is used up", seconds, is_quota=True)


class Call:
    """Ends as told, one time after the other, the last way for ever; counts how often."""

    def __init__(self, *ends: PipelineError | str | Callable[[], PipelineError | str]) -> None:
        self.ends, self.count = list(ends), 0

    def __call__(self) -> str:
        self.count += 1
        assert self.count < 1000, "this would never end"
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        end = end() if callable(end) else end
        if isinstance(end, PipelineError):
            raise end
        return end


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def refused(patience: Patience | PlaylistPatience, call: Call | None = None) -> str:
    """Why a call is given up; with none given, that it is not even made."""
    playlist = patience.for_playlist() if isinstance(patience, Patience) else patience
    asked = call or Call("never")
    with pytest.raises(PipelineError) as caught:
        playlist.call(asked)
    assert call or not asked.count
    return str(caught.value)


def is_open(patience: Patience) -> bool:
    return patience.for_playlist().call(Call("yes")) == "yes"


# Asked to wait


def test_a_wait_that_spotify_asks_for_is_waited_and_told(time: FakeTime) -> None:
    call = Call(busy(90), "here")
    assert time.patience().for_playlist().call(call) == "here"
    assert (call.count, time.naps) == (2, [90])
    assert time.told == [
        "Spotify said 429: too many calls; it asks to wait 90 s, until 2026-11-22 12:01 UTC"
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (1, "1 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3599, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400, "24 h"),
    ],
)
def test_spans_are_told_as_people_say_them(time: FakeTime, seconds: int, told: str) -> None:
    time.patience().close_gate(seconds, is_asked=True)
    assert f"asks to wait {told}, until" in time.told[0]


def test_who_did_not_meet_the_refusal_waits_too(time: FakeTime) -> None:
    patience = time.patience()
    patience.close_gate(10, is_asked=True)
    time.go_on(4)
    assert is_open(patience)
    assert time.naps == [6]


def test_a_wait_that_is_over_holds_nobody_up(time: FakeTime) -> None:
    patience = time.patience()
    patience.close_gate(10, is_asked=True)
    time.go_on(10)
    assert is_open(patience)
    assert time.naps == []


def test_who_waits_waits_on_where_more_is_asked_for_meanwhile() -> None:
    class Longer(FakeTime):
        def pause(self, seconds: float) -> bool:
            if not self.naps:
                self.go_on(5)
                patience.close_gate(20, is_asked=True)
            self.naps.append(seconds)
            self.go_on(seconds)
            return False

    time = Longer()
    patience = time.patience()
    patience.close_gate(10, is_asked=True)
    assert is_open(patience)
    assert time.naps == [10, 10]
    assert time.now() == 25


def test_a_shorter_wait_than_the_one_that_lasts_changes_nothing(time: FakeTime) -> None:
    patience = time.patience()
    patience.close_gate(60, is_asked=True)
    patience.close_gate(5, is_asked=True)
    assert is_open(patience)
    assert time.naps == [60]
    assert len(time.told) == 1


# A playlist's patience


def test_a_wait_longer_than_a_playlist_s_patience_fails_it_and_the_others_without_a_call(
    time: FakeTime,
) -> None:
    patience = time.patience(playlist_seconds=300, run_seconds=10_000)
    call = Call(busy(600))
    said = refused(patience, call)
    assert call.count == 1
    assert refused(patience) == said
    assert time.naps == []
    assert "asks to wait 10 min, until 2026-11-22 12:10 UTC" in said
    assert "SPOTIFY_PLAYLIST_WAIT_SECONDS=300" in said
    assert "The first run after that tries again." in said


def test_once_that_wait_is_over_calls_are_made_again(time: FakeTime) -> None:
    patience = time.patience(playlist_seconds=300, run_seconds=10_000)
    refused(patience, Call(busy(600)))
    time.go_on(600)
    assert is_open(patience)


def test_all_waits_of_a_playlist_are_taken_from_one_patience(time: FakeTime) -> None:
    playlist = time.patience(playlist_seconds=100).for_playlist()
    assert playlist.call(Call(busy(40), "one")) == "one"
    assert playlist.call(Call(busy(40), "two")) == "two"
    call = Call(busy(40))
    assert "SPOTIFY_PLAYLIST_WAIT_SECONDS=100" in refused(playlist, call)
    assert call.count == 1
    assert time.naps == [40, 40]


def test_the_next_playlist_s_patience_is_fresh(time: FakeTime) -> None:
    patience = time.patience(playlist_seconds=100)
    for _ in range(3):
        assert patience.for_playlist().call(Call(busy(80), "here")) == "here"


def test_a_patience_of_nothing_waits_for_nothing(time: FakeTime) -> None:
    patience = time.patience(playlist_seconds=0)
    refused(patience, Call(busy(1)))
    time.go_on(1)
    call = Call(DOWN)
    assert refused(patience, call) == "said 502"
    assert (call.count, time.naps) == (1, [])


# A run's patience


def test_a_run_waits_no_longer_in_all_than_it_may(time: FakeTime) -> None:
    patience = time.patience(playlist_seconds=300, run_seconds=250)
    for _ in range(2):
        assert patience.for_playlist().call(Call(busy(100), "here")) == "here"
    call = Call(busy(100))
    said = refused(patience, call)
    assert call.count == 1
    assert refused(patience) == said
    assert "asks to wait 100 s, until 2026-11-22 12:05 UTC" in said
    assert "SPOTIFY_RUN_WAIT_SECONDS=250" in said
    assert time.naps == [100, 100]


def test_refusals_that_several_threads_meet_at_once_count_once(time: FakeTime) -> None:
    patience = time.patience(playlist_seconds=300, run_seconds=250)
    for _ in range(2):
        for _ in range(4):
            patience.close_gate(100, is_asked=True)
        assert is_open(patience)
    assert time.naps == [100, 100]
    assert len(time.told) == 2
    patience.close_gate(100, is_asked=True)
    assert "SPOTIFY_RUN_WAIT_SECONDS=250" in refused(patience)


def test_refusals_that_overlap_count_for_as_long_as_they_last_together(time: FakeTime) -> None:
    patience = time.patience(playlist_seconds=300, run_seconds=150)
    patience.close_gate(100, is_asked=True)
    time.go_on(40)
    patience.close_gate(100, is_asked=True)
    time.go_on(10)
    assert is_open(patience)
    assert time.naps == [90]
    patience.close_gate(20, is_asked=True)
    assert "SPOTIFY_RUN_WAIT_SECONDS=150" in refused(patience)


def test_refusals_a_moment_apart_are_told_once(time: FakeTime) -> None:
    patience = time.patience()
    for _ in range(4):
        patience.close_gate(100, is_asked=True)
        time.go_on(0.01)
    assert len(time.told) == 1


def test_threads_that_are_refused_together_wait_together() -> None:
    together = threading.Barrier(4, timeout=30)

    class UntilAllWait(FakeTime):
        def pause(self, seconds: float) -> bool:
            if together.wait() == 0:
                super().pause(seconds)
            together.wait()
            return False

    def refuse() -> PipelineError:
        together.wait()
        return busy(8)

    time = UntilAllWait()
    patience = time.patience(playlist_seconds=8, run_seconds=8)
    with ThreadPoolExecutor(4) as threads:
        calls = [Call(refuse, "here") for _ in range(4)]
        assert (
            list(threads.map(lambda call: patience.for_playlist().call(call), calls))
            == ["here"] * 4
        )
    assert time.naps == [8]


# Asked to wait, but not for how long


def test_silent_refusals_are_waited_for_longer_and_longer_and_given_up(time: FakeTime) -> None:
    call = Call(busy(None))
    said = refused(time.patience(300, 900), call)
    assert "SPOTIFY_PLAYLIST_WAIT_SECONDS=300" in said
    assert time.naps == sorted(time.naps)
    assert time.naps[0] == 5
    assert time.naps[-1] > 100
    assert sum(time.naps) <= 300
    assert call.count == len(time.naps) + 1 <= 10


@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_a_spotify_that_asks_for_a_moment_for_ever_is_given_up(
    time: FakeTime, seconds: int
) -> None:
    call = Call(busy(seconds))
    assert "SPOTIFY_PLAYLIST_WAIT_SECONDS=300" in refused(time.patience(300, 900), call)
    assert call.count <= 10
    assert 100 < sum(time.naps) <= 300


def test_a_run_s_patience_ends_silent_refusals_too(time: FakeTime) -> None:
    assert "SPOTIFY_RUN_WAIT_SECONDS=50" in refused(time.patience(300, 50), Call(busy(None)))
    assert sum(time.naps) <= 50


# No calls left


def test_a_used_up_quota_ends_the_run_s_calls_at_once(time: FakeTime) -> None:
    patience = time.patience()
    call = Call(quota(86_400))
    said = refused(patience, call)
    assert refused(patience) == said
    assert (call.count, time.naps) == (1, [])
    assert said == (
        "Spotify said 429: the quota is used up; it asks to wait 24 h, until 2026-11-23 "
        "12:00 UTC. No more calls were made. The first run after that tries again."
    )
    time.go_on(100_000)
    assert refused(patience) == said


@pytest.mark.parametrize("seconds", [None, 0])
def test_a_used_up_quota_without_an_end_ends_them_too(time: FakeTime, seconds: int | None) -> None:
    patience = time.patience()
    call = Call(quota(seconds))
    said = refused(patience, call)
    assert refused(patience) == said
    assert (call.count, time.naps) == (1, [])
    assert "does not say how long to wait. No more calls were made. The next run" in said
    assert patience.asked_to_wait_until is None


def test_who_waits_while_the_quota_ends_makes_no_call() -> None:
    class QuotaEnds(FakeTime):
        def pause(self, seconds: float) -> bool:
            patience.end_by_quota(quota(86_400))
            return super().pause(seconds)

    time = QuotaEnds()
    patience = time.patience()
    patience.close_gate(10, is_asked=True)
    assert "the quota is used up" in refused(patience)
    assert time.naps == [10]


def test_until_when_spotify_wants_no_calls_is_known_while_it_lasts(time: FakeTime) -> None:
    patience = time.patience()
    assert patience.asked_to_wait_until is None
    refused(patience, Call(quota(600)))
    assert patience.asked_to_wait_until == NOON + timedelta(minutes=10)
    time.go_on(599)
    assert patience.asked_to_wait_until == NOON + timedelta(minutes=10)
    time.go_on(1)
    assert patience.asked_to_wait_until is None


def test_a_wait_too_long_for_us_is_known_as_well(time: FakeTime) -> None:
    patience = time.patience()
    refused(patience, Call(busy(7200)))
    assert patience.asked_to_wait_until == NOON + timedelta(hours=2)


def test_a_run_that_an_earlier_one_s_wait_holds_back_makes_no_call_and_says_so(
    time: FakeTime,
) -> None:
    patience = time.patience()
    until = NOON + timedelta(hours=20)
    patience.hold_until(until)
    said = refused(patience)
    assert "asked an earlier run to wait until 2026-11-23 08:00 UTC, so no call was made" in said
    assert "spotify-pipeline run --ignore-wait" in said
    assert patience.asked_to_wait_until == until


def test_what_is_true_of_the_app_ends_the_run_s_calls(time: FakeTime) -> None:
    patience = time.patience()
    refusal = AppRefused("Premium needed")
    call = Call(refusal)
    assert refused(patience, call) == "Premium needed"
    with pytest.raises(AppRefused):
        patience.for_playlist().call(Call("never"))
    assert call.count == 1


def test_the_first_reason_to_end_is_the_one_that_is_told(time: FakeTime) -> None:
    patience = time.patience()
    patience.shut(AppRefused("first"))
    patience.shut(AppRefused("second"))
    assert refused(patience) == "first"


# Trouble that may pass


def test_trouble_is_asked_about_again_with_growing_pauses_and_then_told(time: FakeTime) -> None:
    call = Call(DOWN)
    assert refused(time.patience(), call) == "said 502"
    assert (call.count, time.naps) == (4, [1, 2, 4])


def test_trouble_that_passes_is_not_told(time: FakeTime) -> None:
    call = Call(DOWN, TokenRefused("said 401"), DOWN, "here")
    assert time.patience().for_playlist().call(call) == "here"
    assert time.told == []


def test_each_call_has_its_own_tries(time: FakeTime) -> None:
    playlist = time.patience().for_playlist()
    for _ in range(3):
        assert playlist.call(Call(DOWN, DOWN, DOWN, "here")) == "here"


def test_calls_that_fail_slowly_use_up_the_playlist_s_patience(time: FakeTime) -> None:
    def slowly() -> PipelineError:
        time.go_on(20)
        return DOWN

    playlist = time.patience(playlist_seconds=50).for_playlist()
    call = Call(slowly)
    assert refused(playlist, call) == "said 502"
    assert (call.count, time.naps) == (3, [1, 2])  # 20 + 1, 20 + 2, and 20 more are too many
    call = Call(slowly)
    refused(playlist, call)
    assert call.count == 1


def test_slow_answers_cost_no_patience(time: FakeTime) -> None:
    def slowly() -> str:
        time.go_on(200)
        return "here"

    playlist = time.patience(playlist_seconds=50).for_playlist()
    for _ in range(3):
        assert playlist.call(Call(slowly)) == "here"
    assert playlist.call(Call(DOWN, "here")) == "here"


@pytest.mark.parametrize(
    "error",
    [PlaylistRefused("403"), UserNeeded("401"), SkipThis("400"), FixConfiguration("x")],
    ids=lambda error: type(error).__name__,
)
def test_a_plain_no_is_not_asked_about_again_and_stops_no_other(
    time: FakeTime, error: PipelineError
) -> None:
    patience = time.patience()
    call = Call(error)
    assert refused(patience, call) == str(error)
    assert (call.count, time.naps) == (1, [])
    assert is_open(patience)


# An outage


def test_too_many_playlists_in_a_row_without_an_answer_end_the_run(time: FakeTime) -> None:
    patience = time.patience()
    for _ in range(OUTAGE - 1):
        patience.note(UNREACHABLE)
    assert is_open(patience)
    patience.note(UNREACHABLE)
    said = refused(patience)
    assert said == f"no answer ({OUTAGE} playlists in a row; the others were not tried.)"
    assert OUTAGE == 5


@pytest.mark.parametrize(
    "end",
    [None, PlaylistRefused("404"), RetryLater("changed"), DOWN],
    ids=["success", "404", "changed", "502"],
)
def test_any_answer_in_between_breaks_the_row(time: FakeTime, end: PipelineError | None) -> None:
    patience = time.patience()
    for _ in range(3):
        for _ in range(OUTAGE - 1):
            patience.note(UNREACHABLE)
        patience.note(end)
    assert is_open(patience)


# The run breaks off


@pytest.mark.parametrize("call", [Call(busy(600)), Call(DOWN)], ids=["gate", "backoff"])
def test_nobody_goes_on_waiting_once_the_run_is_given_up(call: Call) -> None:
    patience = Patience(4, 10_000, 10_000, lambda: NOON, lambda text: None)
    asked = threading.Event()
    ends: list[str] = []

    def ask() -> str:
        asked.set()
        return call()

    def wait() -> None:
        try:
            patience.for_playlist().call(ask)
        except RetryLater as error:
            ends.append(str(error))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert asked.wait(timeout=30)
    patience.give_up()
    thread.join(timeout=0.9)  # the shortest pause would be a second
    assert not thread.is_alive(), "it still waits"
    assert ends == ["The run was stopped before this playlist was read."]
    assert call.count == 1


def test_no_more_calls_are_made_once_the_run_is_given_up(time: FakeTime) -> None:
    patience = time.patience()
    playlist = patience.for_playlist()
    assert playlist.call(Call("here")) == "here"
    patience.give_up()
    assert refused(playlist) == "The run was stopped before this playlist was read."


def test_only_what_spotify_asked_for_is_a_wish_of_spotify(time: FakeTime) -> None:
    """Where it says no time, ours must not keep later runs back."""
    patience = time.patience()
    patience.close_gate(60, is_asked=False)
    assert patience.asked_to_wait_until is None
    patience.close_gate(90, is_asked=True)
    assert patience.asked_to_wait_until == NOON + timedelta(seconds=90)


def test_who_waits_at_the_gate_is_woken_when_it_is_shut() -> None:
    waiting, ended = threading.Event(), threading.Event()
    caught: list[PipelineError] = []

    class Watched(Patience):
        def wait(self, seconds: float) -> None:
            waiting.set()
            super().wait(seconds)

    patience = Watched(1, 10_000, 10_000, lambda: NOON, lambda text: None)
    patience.close_gate(1_000, is_asked=True)

    def call() -> None:
        try:
            patience.for_playlist().call(lambda: None)
        except PipelineError as error:
            caught.append(error)
        ended.set()

    threading.Thread(target=call, daemon=True).start()
    assert waiting.wait(timeout=30)
    patience.shut(RetryLater("the quota is used up"))
    assert ended.wait(timeout=30), "it still waits"
    assert [str(error) for error in caught] == ["the quota is used up"]


def test_a_server_in_trouble_is_asked_again_after_the_wait_that_it_names(time: FakeTime) -> None:
    answers = iter([Unavailable("said 503", 30), None])

    def ask() -> None:
        if error := next(answers):
            raise error

    time.patience().for_playlist().call(ask)
    assert time.naps == [30]


def test_a_server_in_trouble_that_names_too_long_a_wait_is_given_up(time: FakeTime) -> None:
    def ask() -> None:
        raise Unavailable("said 503 and asks to wait 3600 s", 3600)

    with pytest.raises(Unavailable, match="3600 s"):
        time.patience().for_playlist().call(ask)
    assert time.naps == []


def test_what_is_left_of_an_earlier_wait_is_waited_out_if_it_is_short(time: FakeTime) -> None:
    patience = time.patience()
    patience.hold_until(NOON + timedelta(seconds=20))
    patience.for_playlist().call(lambda: None)
    assert time.naps == [20]
