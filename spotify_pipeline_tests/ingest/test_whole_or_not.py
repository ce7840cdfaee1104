"""Whatever Spotify does, call by call: a playlist is stored whole, or fails with a reason."""

from collections.abc import Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from spotify_pipeline.errors import PipelineError, SkipThis
from spotify_pipeline.ingest.capture import READS
from spotify_pipeline.ingest.day import CapturePolicy, capture_day
from spotify_pipeline.ingest.reader import Listing, Reply
from spotify_pipeline.ingest.refusals import (
    AppRefused,
    PlaylistRefused,
    TokenRefused,
    TooManyCalls,
    Unavailable,
    UserNeeded,
)
from spotify_pipeline.lake import attempts, keys, raw
from spotify_pipeline_tests.ingest.fakes import FakeTime
from spotify_pipeline_tests.synthetic import DAY, Json, entry, page, playlist, track

PER_PAGE = 2
MOST_ENTRIES = 7
MOST_CALLS = READS * (2 + 2 * MOST_ENTRIES) * 4 + 20
"""Of one playlist: each read asks both endpoints for each page, each call is made four times for
trouble, and some more while Spotify asks to wait."""

ERRORS: dict[str, PipelineError] = {
    "busy": TooManyCalls("busy", 30, is_quota=False),
    "busy, silent": TooManyCalls("busy", None, is_quota=False),
    "busy, no wait": TooManyCalls("busy", 0, is_quota=False),
    "busy for hours": TooManyCalls("busy", 9999, is_quota=False),
    "quota": TooManyCalls("quota", 86_400, is_quota=True),
    "quota, silent": TooManyCalls("quota", None, is_quota=True),
    "502": Unavailable("said 502"),
    "token": TokenRefused("said 401"),
    "user": UserNeeded("said 401"),
    "403": PlaylistRefused("said 403"),
    "400": SkipThis("said 400"),
    "premium": AppRefused("said 403"),
}
EVENTS = ["ok", "changes", "shorter", "half", "elsewhere", "malformed", *ERRORS]


class Spotify:
    """Playlists whose content is known, each with a script of what happens call by call."""

    def __init__(self, scripts: dict[str, Sequence[str]], size: int, shape: Any) -> None:
        self.size, self.shape = size, shape
        self.scripts = {name: list(script) for name, script in scripts.items()}
        self.versions = {name: [self._songs(name, 0, size)] for name in scripts}
        self.calls = dict.fromkeys(scripts, 0)

    @staticmethod
    def _songs(name: str, version: int, size: int) -> list[str]:
        return [f"{name}{version}-{place}" for place in range(size)]

    def sign_in(self) -> None:
        pass

    def playlist(self, playlist_id: str) -> Reply:
        body = self._page(playlist_id, 0)
        version = f"version{len(self.versions[playlist_id])}"
        carried = body if self.shape else None
        return Reply({}, playlist(carried, self.shape or "items", snapshot_id=version))

    def page(self, playlist_id: str, listing: Listing, offset: int) -> Reply:
        return Reply({}, self._page(playlist_id, offset))

    def snapshot_id(self, playlist_id: str) -> str | None:
        self._happen(playlist_id)
        return f"version{len(self.versions[playlist_id])}"

    def _happen(self, name: str) -> str:
        self.calls[name] += 1
        assert self.calls[name] <= MOST_CALLS, "this would never end"
        script = self.scripts[name]
        event = script.pop(0) if len(script) > 1 else script[0]
        if event in ERRORS:
            raise ERRORS[event]
        versions = self.versions[name]
        if event == "changes":
            versions.append(self._songs(name, len(versions), self.size))
        if event == "shorter":
            versions.append(self._songs(name, len(versions), max(len(versions[-1]) - 1, 0)))
        return event

    def _page(self, name: str, offset: int) -> Json:
        event = self._happen(name)
        songs = self.versions[name][-1]
        offset += event == "elsewhere"
        found = songs[offset : offset + (PER_PAGE // 2 if event == "half" else PER_PAGE)]
        shape = self.shape or "items"
        body = page([entry(track(song), shape) for song in found], offset, len(songs))
        return {"items": None} if event == "malformed" else body


class Shelf:
    """A store in memory."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def put_new(self, key: str, body: bytes) -> bool:
        return self.bodies.setdefault(key, body) is body

    def get(self, key: str) -> bytes:
        return self.bodies[key]

    def list_keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.bodies if key.startswith(prefix))


def songs_in(document: bytes, listing: str, content: str) -> list[str]:
    bodies = [answer.body for answer in raw.decode(document)]
    listings = [bodies[0].get(listing), *bodies[1:]]
    return [slot[content]["id"] for body in listings if body for slot in body["items"]]


# Half of the scripts end well, or hardly any read would come to its end.
SCRIPTS = st.lists(st.one_of(st.just("ok"), st.sampled_from(EVENTS)), min_size=1, max_size=9).map(
    lambda script: [*script, "ok"]
) | st.lists(st.sampled_from(EVENTS), min_size=1, max_size=9)


@settings(derandomize=True, max_examples=120, deadline=None)
@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=4),
    size=st.integers(0, MOST_ENTRIES),
    shape=st.sampled_from(["items", "tracks", "both", None]),
    concurrency=st.integers(1, 3),
)
@example([["ok", "ok", "changes", "ok"]], MOST_ENTRIES, "items", 1)
@example([["ok", "elsewhere", "ok"]], 2, None, 1)
@example([["ok", "elsewhere", "ok"]], MOST_ENTRIES, "items", 1)
@example([["502"]] * 4, 3, "items", 1)
@example([["half"]], MOST_ENTRIES, "tracks", 1)
@example([["shorter"]], MOST_ENTRIES, "items", 1)
def test_a_playlist_is_stored_whole_or_fails_with_a_reason(
    scripts: list[list[str]], size: int, shape: Any, concurrency: int
) -> None:
    spotify = Spotify(dict(zip("abcd", scripts, strict=False)), size, shape)
    time, store, ids = FakeTime(), Shelf(), list(spotify.scripts)
    reports = capture_day(
        spotify,
        store,  # type: ignore[arg-type]
        ids,
        DAY,
        time.clock,
        time.told.append,
        CapturePolicy(concurrency),
        patience=time.patience(concurrency=concurrency),
    )
    assert [report.playlist_id for report in reports] == ids
    attempt = attempts.latest(store, DAY)  # type: ignore[arg-type]
    assert attempt
    failed = {failure.playlist_id: failure.reason for failure in attempt.failures}
    for report in reports:
        name = report.playlist_id
        if report.outcome == "captured":
            content = "track" if shape == "tracks" else "item"
            listing = "tracks" if shape == "tracks" else "items"
            songs = songs_in(store.get(keys.raw(DAY, name)), listing, content)
            assert songs in spotify.versions[name]
            assert report.entries == len(songs)
        else:
            assert report.outcome == "failed"
            assert len(report.reason) > 5
            assert failed.pop(name) == report.reason
            assert keys.raw(DAY, name) not in store.bodies
    assert not failed


def test_a_spotify_that_behaves_is_captured_in_every_form() -> None:
    """Else the test above could pass with failures alone."""
    for shape in ("items", "tracks", "both", None):
        spotify = Spotify({"a": ["ok", "502", "busy", "half", "ok"]}, MOST_ENTRIES, shape)
        time, store = FakeTime(), Shelf()
        [report] = capture_day(
            spotify, store, ["a"], DAY, time.clock, print, CapturePolicy(), patience=time.patience()
        )  # type: ignore[arg-type]
        assert (report.outcome, report.entries) == ("captured", MOST_ENTRIES)
