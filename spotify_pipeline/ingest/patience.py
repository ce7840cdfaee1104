"""How long a run waits for Spotify, and how often it asks again.

All calls of a run pass one gate, a few at a time. It is closed while Spotify asks to wait, and for
good once the run has waited for as long as it may or nothing more can be had; what waits before it
gives up when its own patience ends. Backing off is done here and nowhere else.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import PipelineError, RetryLater
from spotify_pipeline.ingest.refusals import AppRefused, TooManyCalls, Unavailable, Unreachable

T = TypeVar("T")

BACKOFF_SECONDS = (1, 2, 4)
"""The pauses before a call is made again, while Spotify is unavailable; after the last one it is
made once more."""

SILENT_SECONDS = 5
"""The wait where Spotify asks for one without saying how long."""

OUTAGE = 5
"""So many playlists in a row without any answer are no bad luck: the run asks no more."""

_TOO_MANY = "Spotify said 429: too many calls; it"
_NOT_SAID = "does not say how long to wait"
_LATER = "The first run after that tries again."
_STOPPED = "The run was stopped before this playlist was read."


class OutOfPatience(RetryLater):
    """Spotify asks to wait for longer than this playlist or this run may."""


class Patience:
    """One run's gate and what is left of its waiting time; shared by the run's threads.

    `concurrency` is how many calls are under way at a time. `pause` waits so many seconds and says
    whether the gate was shut meanwhile.
    """

    def __init__(
        self,
        concurrency: int,
        playlist_seconds: float,
        run_seconds: float,
        clock: Clock,
        tell: Callable[[str], object],
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._playlist_seconds = playlist_seconds
        self._run_seconds = run_seconds
        self._clock = clock
        self._tell = tell
        self._now = now
        self._is_shut = threading.Event()
        self._pause = pause or self._is_shut.wait
        self.slots = threading.BoundedSemaphore(concurrency)
        self._lock = threading.Lock()
        self._left = run_seconds
        self._opens_at = now()
        self._wait_until = clock()
        self._asked = ""
        self._end: PipelineError | None = None
        self._unanswered = 0

    def for_playlist(self) -> "PlaylistPatience":
        """The patience of one playlist."""
        return PlaylistPatience(self, self._playlist_seconds, self._now)

    def give_up(self) -> None:
        """Ends every wait at once and allows no more calls: the run is over."""
        self.shut(RetryLater(_STOPPED))

    def shut(self, reason: PipelineError) -> None:
        """No more calls in this run."""
        with self._lock:
            self._end = self._end or reason
        self._is_shut.set()

    def end_by_quota(self, refusal: TooManyCalls) -> None:
        """As `shut`: the app has no calls left, for as long as Spotify says."""
        asked = f"{_NOT_SAID}. No more calls were made. The next run tries again."
        if refusal.seconds:
            self._close(refusal.seconds, is_asked=True)
            asked = f"{self._asked}. No more calls were made. {_LATER}"
        self.shut(RetryLater(f"{refusal}; it {asked}"))

    def hold_until(self, moment: datetime) -> None:
        """An earlier run was asked to wait until `moment`: waits too, or shuts if that is long."""
        seconds = (moment - self._clock()).total_seconds()
        if seconds <= min(self._playlist_seconds, self._run_seconds):
            self.close_gate(seconds, is_asked=True)
            return
        self._wait_until = moment
        self.shut(
            RetryLater(
                f"Spotify asked an earlier run to wait until {moment:%Y-%m-%d %H:%M} UTC, so no "
                f"call was made. {_LATER} To ask all the same: spotify-pipeline run --ignore-wait"
            )
        )

    @property
    def asked_to_wait_until(self) -> datetime | None:
        """Until when Spotify wants no calls, if that is not over yet."""
        return self._wait_until if self._wait_until > self._clock() else None

    def note(self, error: PipelineError | None) -> None:
        """How a playlist ended: too many without any answer end the run."""
        with self._lock:
            self._unanswered = self._unanswered + 1 if isinstance(error, Unreachable) else 0
            is_outage = self._unanswered >= OUTAGE
        if is_outage and error:
            self.shut(
                RetryLater(f"{error} ({OUTAGE} playlists in a row; the others were not tried.)")
            )

    def pass_gate(self, left: float) -> float:
        """Waits until calls may be made, for `left` seconds at most; how long it has waited."""
        waited = 0.0
        while True:
            with self._lock:
                if self._end:
                    raise self._end
                seconds, is_run_spent = self._opens_at - self._now(), self._left < 0
            if seconds <= 0:
                return waited
            if waited + seconds > left:
                raise OutOfPatience(
                    f"{_TOO_MANY} {self._asked}, longer than this playlist may wait "
                    f"(SPOTIFY_PLAYLIST_WAIT_SECONDS={self._playlist_seconds:.0f}). {_LATER}"
                )
            if is_run_spent:
                raise OutOfPatience(
                    f"{_TOO_MANY} {self._asked}, and this run has waited for as long as it may "
                    f"(SPOTIFY_RUN_WAIT_SECONDS={self._run_seconds:.0f}). {_LATER}"
                )
            self.wait(seconds)
            waited += seconds

    def close_gate(self, seconds: float, *, is_asked: bool) -> None:
        """Keeps all calls back for `seconds`, because Spotify asked for so many or for some."""
        if self._close(seconds, is_asked) >= 1:  # not what others were told a moment ago
            self._tell(f"{_TOO_MANY} {self._asked}")

    def wait(self, seconds: float) -> None:
        """Waits, unless the gate is shut."""
        if self._pause(seconds) and self._end:
            raise self._end

    def _close(self, seconds: float, is_asked: bool) -> float:
        """Closes the gate for `seconds` from now; by how much longer than it already was."""
        with self._lock:
            opened = max(self._opens_at, self._now())
            added = self._now() + seconds - opened
            if added <= 0:
                return 0
            self._opens_at = opened + added
            self._left -= added
            if is_asked:
                self._wait_until = self._clock() + timedelta(seconds=seconds)
                until = f"{self._wait_until:%Y-%m-%d %H:%M} UTC"
                self._asked = f"asks to wait {_spoken(seconds)}, until {until}"
            else:
                self._asked = f"names no wait that would do: trying {_spoken(seconds)}"
            return added


class PlaylistPatience:
    """One playlist's calls, each made again while that makes sense."""

    def __init__(self, patience: Patience, seconds: float, now: Callable[[], float]) -> None:
        self._patience = patience
        self._left = seconds
        self._now = now

    def call(self, ask: Callable[[], T]) -> T:
        """What `ask` gives; raises its error once waiting and asking again are no use."""
        refusals = 0
        pauses = iter(BACKOFF_SECONDS)
        while True:
            began = self._now()
            try:
                with self._patience.slots:
                    self._left -= self._patience.pass_gate(self._left)
                    began = self._now()
                    return ask()
            except AppRefused as refusal:
                self._patience.shut(refusal)
                raise
            except TooManyCalls as refusal:
                if refusal.is_quota:
                    self._patience.end_by_quota(refusal)
                else:
                    # Whoever asks for no wait, or for none again and again, gets one of ours.
                    seconds = max(refusal.seconds or SILENT_SECONDS, 2**refusals)
                    self._patience.close_gate(seconds, is_asked=seconds == refusal.seconds)
                    refusals += 1
            except Unavailable as failure:
                pause = next(pauses, None)
                if pause is None:
                    raise
                pause = max(pause, failure.seconds)
                self._left -= self._now() - began + pause
                if self._left < 0:
                    raise
                self._patience.wait(pause)


def _spoken(seconds: float) -> str:
    """A span of time as people say it: 45 s, 12 min, 3 h 20 min."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [f"{hours} h"] if hours else []
    parts += [f"{minutes} min"] if minutes else []
    return " ".join(parts)
