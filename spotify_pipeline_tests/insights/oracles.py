"""What the questions must answer, in plain Python: one playlist and one day after the other."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any

from spotify_pipeline_tests.insights.histories import ARTISTS, POPULARITY, YEARS, History
from spotify_pipeline_tests.loading.rows import Entries, day

Rows = Counter[tuple[Any, ...]]

LAST_DAYS = 90


def playlist_changes(history: History, on: int) -> Rows:
    """(playlist, change, song, position, previous position, gap, since, days, is at least)."""
    found: Rows = Counter()
    for playlist, days in _captured(history, on):
        if len(days) == 1:
            continue
        previous = days[-2]
        now, then = _slots(history[playlist][on]), _slots(history[playlist][previous])
        gap = on - previous
        for slot in now.keys() - then.keys():
            found[playlist, "entered", slot[0], now[slot], None, gap, None, None, None] += 1
        for slot in then.keys() - now.keys():
            since, is_first = _since(
                days[:-1], lambda d, s=slot, p=playlist: s in _slots(history[p][d])
            )
            stayed = (since, previous - since + 1, is_first)
            found[
                (playlist, "left", slot[0], None, then[slot], gap, day(stayed[0]), *stayed[1:])
            ] += 1
        stayed_now = [slot for slot in now if slot in then]
        stayed_then = [slot for slot in then if slot in now]
        for slot in stayed_now:
            if stayed_now.index(slot) != stayed_then.index(slot):
                found[playlist, "moved", slot[0], now[slot], then[slot], gap, None, None, None] += 1
    return found


def artist_presence(history: History, on: int) -> Rows:
    """(artist, entries, songs, playlists, since)."""
    entries: Counter[str] = Counter()
    songs, playlists, since = defaultdict(set), defaultdict(set), defaultdict(list)
    for playlist, days in _captured(history, on):
        there = {d: {r for s in history[playlist][d] if s for r in ARTISTS[s]} for d in days}
        for song in filter(None, history[playlist][on]):
            for artist in set(ARTISTS[song]):
                entries[artist] += 1
                songs[artist].add(song)
                playlists[artist].add(playlist)
        for artist in there[on]:
            first, _ = _since(days, lambda d, r=artist, t=there: r in t[d])
            since[artist].append(first)
    return Counter(
        (artist, count, len(songs[artist]), len(playlists[artist]), day(min(since[artist])))
        for artist, count in entries.items()
    )


def catalogue_age(history: History, on: int) -> Rows:
    """(playlist, year, songs, median year)."""
    found: Rows = Counter()
    for playlist, _ in _captured(history, on):
        songs = {song for song in history[playlist][on] if song}
        years = [year for song in songs if (year := YEARS[song])]
        for year, count in Counter(YEARS[song] for song in songs).items():
            found[playlist, year, count, median(years) if years else None] += 1
    return found


def playlist_turnover(history: History, on: int) -> Rows:
    """(day, playlist, entries, entered, left, turnover, gap)."""
    found: Rows = Counter()
    for playlist, days in _captured(history, on):
        for previous, this in list(zip([None, *days], days, strict=False))[-LAST_DAYS:]:
            now = Counter(history[playlist][this])
            if previous is None:
                found[day(this), playlist, now.total(), None, None, None, None] += 1
                continue
            then = Counter(history[playlist][previous])
            entered, left = (now - then).total(), (then - now).total()
            both = now.total() + then.total()
            share = (entered + left) / both if both else 0.0
            gap = this - previous
            found[day(this), playlist, now.total(), entered, left, share, gap] += 1
    return found


def playlist_overlap(history: History, on: int) -> Rows:
    """(playlist, other, songs in both, share)."""
    songs = {p: {s for s in history[p][on] if s} for p, _ in _captured(history, on)}
    return Counter(
        (one, other, len(songs[one] & songs[other]), _share(songs[one], songs[other]))
        for one, other in combinations(sorted(songs), 2)
        if songs[one] & songs[other]
    )


def popularity(history: History, on: int) -> Rows:
    """(day, playlist, songs, mean, least, greatest)."""
    found: Rows = Counter()
    for playlist, days in _captured(history, on):
        for this in days[-LAST_DAYS:]:
            songs = {song for song in history[playlist][this] if song}
            known = [value for song in songs if (value := POPULARITY[song]) is not None]
            if known:
                mean = sum(known) / len(known)
                found[day(this), playlist, len(known), mean, min(known), max(known)] += 1
    return found


ORACLES: Mapping[str, tuple[Callable[[History, int], Rows], Sequence[str]]] = {
    "playlist_changes": (
        playlist_changes,
        (
            "playlist_id",
            "change",
            "song_id",
            "position",
            "previous_position",
            "gap_days",
            "present_since",
            "days_stayed",
            "is_at_least",
        ),
    ),
    "artist_presence": (
        artist_presence,
        ("artist_id", "entries", "songs", "playlists", "present_since"),
    ),
    "catalogue_age": (catalogue_age, ("playlist_id", "release_year", "songs", "median_year")),
    "playlist_turnover": (
        playlist_turnover,
        (
            "snapshot_date",
            "playlist_id",
            "entries",
            "entries_entered",
            "entries_left",
            "turnover",
            "gap_days",
        ),
    ),
    "playlist_overlap": (
        playlist_overlap,
        ("playlist_id", "other_playlist_id", "shared_songs", "share"),
    ),
    "popularity": (
        popularity,
        (
            "snapshot_date",
            "playlist_id",
            "songs",
            "mean_popularity",
            "least_popularity",
            "greatest_popularity",
        ),
    ),
}
"""By the name of the question: the oracle, and the columns that it speaks of."""


def _captured(history: History, on: int) -> Iterator[tuple[str, list[int]]]:
    """The playlists captured on the day, each with its captured days until then."""
    for playlist, captured in history.items():
        if on in captured:
            yield playlist, sorted(d for d in captured if d <= on)


def _since(days: Sequence[int], is_there: Callable[[int], bool]) -> tuple[int, bool]:
    """The first of the last days in a row of which it is true, and whether that is the first."""
    first = len(days) - 1
    while first > 0 and is_there(days[first - 1]):
        first -= 1
    return days[first], first == 0


def _slots(entries: Entries) -> dict[tuple[str | None, int], int]:
    """Positions by song and which copy of it, in the order of the playlist."""
    seen: Counter[str | None] = Counter()
    slots = {}
    for position, song in enumerate(entries, start=1):
        seen[song] += 1
        slots[song, seen[song]] = position
    return slots


def _share(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)
