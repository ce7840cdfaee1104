"""Spotify on a bad day: which requests are hit by which fault, and how faults are ordered.

The middleware wraps the well-behaved application of `app` and is all that counts and draws. What
a hit request gets to see is `fault_answers`' business, which kinds there are `fault_kinds`'.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.sandbox.app import DAYS_ON
from spotify_pipeline.sandbox.draw import Draw
from spotify_pipeline.sandbox.fault_answers import ANSWERS, Hit
from spotify_pipeline.sandbox.fault_kinds import KINDS, FaultKind, Where

_PATHS: dict[Where, re.Pattern[str]] = {
    "api": re.compile(r"/v1/(playlists/(?P<playlist>[^/]+))?.*"),
    "listing": re.compile(r"/v1/playlists/(?P<playlist>[^/]+)/(items|tracks)"),
    "tracks": re.compile(r"/v1/playlists/(?P<playlist>[^/]+)/tracks"),
    "items": re.compile(r"/v1/playlists/(?P<playlist>[^/]+)/items"),
    "token": re.compile(r"/api/token"),
    "authorize": re.compile(r"/authorize"),
}
_GRAIN = 1_000_000


@dataclass(frozen=True)
class Fault:
    """One way of misbehaving, and how often."""

    kind: FaultKind
    playlist_id: str = ""
    """Only requests for this playlist; empty means any."""
    times: int | None = None
    """How many requests it hits before it is over; None means for ever."""
    share: float = 1.0
    """Which part of the requests it hits. Each request draws anew when it is sent again, and the
    same whatever others are sent meanwhile."""
    seconds: int | None = None
    """What Retry-After says, or how late the answer is; None leaves it to the kind."""

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise FixConfiguration("; ".join(problems))

    def _problems(self) -> Collection[str]:
        if self.kind not in KINDS:
            return [f"unknown kind {self.kind!r}, there are {', '.join(KINDS)}"]
        kind = KINDS[self.kind]
        checks = {
            "times is at least 1": self.times is None or self.times >= 1,
            "share is above 0 and at most 1": 0 < self.share <= 1,
            "seconds is at least 0": self.seconds is None or self.seconds >= 0,
            f"{self.kind} has no use for seconds": self.seconds is None or kind.seconds is not None,
            f"{self.kind} can't be kept to one playlist": not self.playlist_id
            or "playlist" in _PATHS[kind.where].groupindex,
        }
        return [text for text, is_well in checks.items() if not is_well]

    def matches(self, path: str) -> bool:
        """Whether a request for this path is one that the fault can hit."""
        found = _PATHS[KINDS[self.kind].where].fullmatch(path)
        return found is not None and self.playlist_id in ("", found.groupdict().get("playlist"))


_KEYS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "playlist": ("playlist_id", str),
    "times": ("times", int),
    "share": ("share", float),
    "seconds": ("seconds", int),
}


def parse_faults(texts: Sequence[str], playlist_ids: Collection[str]) -> tuple[Fault, ...]:
    """Faults from `KIND[,playlist=ID][,times=N][,share=0.1][,seconds=S]`, all problems at once."""
    faults, problems = [], []
    for text in texts:
        try:
            faults.append(_parse_fault(text, playlist_ids))
        except FixConfiguration as error:
            problems.append(f"{text}: {error}.")
    if problems:
        raise FixConfiguration("Such faults can't be had.\n" + "\n".join(problems))
    return tuple(faults)


def _parse_fault(text: str, playlist_ids: Collection[str]) -> Fault:
    kind, *settings = text.split(",")
    values: dict[str, Any] = {}
    problems = []
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in _KEYS:
            problems.append(f"unknown key {key!r}, there are {', '.join(_KEYS)}")
            continue
        name, read = _KEYS[key]
        try:
            values[name] = read(value)
        except ValueError:
            problems.append(f"{key} is a number, not {value!r}")
    if values.get("playlist_id", "") not in {"", *playlist_ids}:
        problems.append(f"unknown playlist, there are {', '.join(playlist_ids)}")
    try:
        fault = Fault(cast(FaultKind, kind), **values)
    except FixConfiguration as error:
        problems.insert(0, str(error))
    if problems:
        raise FixConfiguration("; ".join(problems))
    return fault


def with_faults(app: ASGIApp, faults: Sequence[Fault], seed: int = 1) -> ASGIApp:
    """The application, misbehaving: the first fault that matches and draws answers a request."""
    return _Faulty(app, faults, seed)


class _Faulty:
    def __init__(self, app: ASGIApp, faults: Sequence[Fault], seed: int) -> None:
        self._app = app
        self._faults = tuple(faults)
        self._seed = seed
        self._hits: Counter[int] = Counter()
        self._asked: Counter[tuple[int, str]] = Counter()
        self._days_on: Counter[str] = Counter()
        # One application may be served by several servers, each in a thread of its own.
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        found = _PATHS["api"].fullmatch(path)
        playlist_id = (found["playlist"] if found else None) or ""

        def move_on() -> None:
            self._days_on[playlist_id] += 1

        with self._lock:
            scope = {**scope, DAYS_ON: self._days_on[playlist_id]}
            hit = self._hit(path, f"{path}?{scope['query_string'].decode()}")
        if hit is None:
            await self._app(scope, receive, send)
            return
        fault, turn = hit
        seconds = fault.seconds if fault.seconds is not None else KINDS[fault.kind].seconds or 0
        await ANSWERS[fault.kind](Hit(self._app, scope, receive, send, seconds, turn, move_on))

    def _hit(self, path: str, address: str) -> tuple[Fault, int] | None:
        """The fault that hits a request, and how many it has hit before."""
        for place, fault in enumerate(self._faults):
            turn = self._hits[place]
            if turn == fault.times or not fault.matches(path):
                continue
            self._asked[place, address] += 1
            draw = Draw(self._seed, place, address, self._asked[place, address])
            if draw.below(_GRAIN) < fault.share * _GRAIN:
                self._hits[place] += 1
                return fault, turn
        return None
