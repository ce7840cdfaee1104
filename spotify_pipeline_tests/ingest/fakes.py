"""A Spotify that plays what a test wrote down, and a time that passes only when somebody waits."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from spotify_pipeline.errors import PipelineError
from spotify_pipeline.ingest.patience import Patience
from spotify_pipeline.ingest.reader import Listing, Reply
from spotify_pipeline_tests.synthetic import NOON, Json, entry, page, playlist, track

Answer = Json | PipelineError | Callable[[], Json]


class FakeTime:
    """Seconds and the hour, both moved by pauses; keeps how long these were."""

    def __init__(self, started: datetime = NOON) -> None:
        self.naps: list[float] = []
        self.told: list[str] = []
        self._started, self._seconds = started, 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._seconds

    def clock(self) -> datetime:
        return self._started + timedelta(seconds=self._seconds)

    def go_on(self, seconds: float) -> None:
        with self._lock:
            self._seconds += seconds

    def pause(self, seconds: float) -> bool:
        self.naps.append(seconds)
        self.go_on(seconds)
        return False

    def patience(
        self, playlist_seconds: float = 300, run_seconds: float = 900, concurrency: int = 4
    ) -> Patience:
        return Patience(
            concurrency,
            playlist_seconds,
            run_seconds,
            self.clock,
            self.told.append,
            self.now,
            self.pause,
        )


class Reading:
    """What Spotify answers during one read of a playlist, call by call, and its version mark at
    the end. An endpoint in `closed` refuses, whatever the others say."""

    def __init__(
        self,
        *answers: Answer,
        version: str | PipelineError | None = "version1",
        closed: Mapping[Listing, PipelineError] | None = None,
    ) -> None:
        self.answers, self.version, self.closed = answers, version, closed or {}


class Reader:
    """Gives out prepared readings, the last of a playlist again and again; keeps every call."""

    def __init__(self, **readings: Reading | Sequence[Reading]) -> None:
        self.calls: list[str] = []
        self._readings = {
            name: [found] if isinstance(found, Reading) else list(found)
            for name, found in readings.items()
        }
        self._current: dict[str, Reading] = {}
        self._left: dict[str, list[Answer]] = {}

    def sign_in(self) -> None:
        pass

    def playlist(self, playlist_id: str) -> Reply:
        self._note(playlist_id)
        waiting = self._readings[playlist_id]
        reading = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        self._current[playlist_id] = reading
        self._left[playlist_id] = list(reading.answers)
        return self._reply(playlist_id, f"/v1/playlists/{playlist_id}")

    def page(self, playlist_id: str, listing: Listing, offset: int) -> Reply:
        self._note(f"{playlist_id} {listing} {offset}")
        if refusal := self._current[playlist_id].closed.get(listing):
            raise refusal
        return self._reply(playlist_id, f"/v1/playlists/{playlist_id}/{listing}")

    def snapshot_id(self, playlist_id: str) -> str | None:
        self._note(f"{playlist_id} version")
        version = self._current[playlist_id].version
        if isinstance(version, PipelineError):
            raise version
        return version

    def _note(self, call: str) -> None:
        self.calls.append(call)
        assert len(self.calls) < 1000, "this would never end"

    def _reply(self, playlist_id: str, path: str) -> Reply:
        answer: Any = self._left[playlist_id].pop(0)
        if isinstance(answer, PipelineError):
            raise answer
        return Reply(
            {"method": "GET", "path": path, "params": {}}, answer() if callable(answer) else answer
        )


def pages(*sizes: int, total: int | None = None, shape: Any = "items") -> list[Json]:
    """The playlist with its first page, and its other pages."""
    total = sum(sizes) if total is None else total
    made = []
    for number, size in enumerate(sizes):
        offset = sum(sizes[:number])
        songs = [entry(track(str(offset + place)), shape) for place in range(size)]
        made.append(page(songs, offset, total))
    return [playlist(made[0], shape), *made[1:]]


WHOLE = Reading(*pages(2, 2, 1))
SMALL = Reading(*pages(1))
