"""What people read: the latest day, and what entered, left and moved."""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_pipeline.contract import ALBUM, ARTIST, PLAYLIST, PLAYLIST_ENTRY, SONG, SONG_ARTIST
from spotify_pipeline.loading.database import Session
from spotify_pipeline_tests.loading.rows import (
    DAY,
    GONE,
    Entries,
    capture,
    day,
    insert,
    publish,
    row,
)


def changes(session: Session, on: int = 0, playlist: str = "p1") -> list[tuple[Any, ...]]:
    """(change, entry, previous position, position) of a day, in that order."""
    found = session.execute(
        "SELECT change, entry_name, previous_position, position FROM PUBLIC.PLAYLIST_CHANGES "
        "WHERE snapshot_date = ? AND playlist_id = ?",
        [day(on), playlist],
    )
    return sorted(found, key=lambda change: (change[0], change[2] or 0, change[3] or 0))


def changed(session: Session, before: Entries, after: Entries) -> list[tuple[Any, ...]]:
    """The changes from one day to the next."""
    capture(session, -1, before)
    capture(session, 0, after)
    return changes(session)


# Changes


def test_the_first_captured_day_has_no_changes(session: Session) -> None:
    capture(session, 0, "abc")
    assert session.execute("SELECT * FROM PUBLIC.PLAYLIST_CHANGES") == []


def test_an_unchanged_playlist_has_no_changes(session: Session) -> None:
    assert changed(session, ["a", GONE, "b", "a"], ["a", GONE, "b", "a"]) == []


def test_what_comes_entered_and_what_goes_left(session: Session) -> None:
    assert changed(session, "ab", "bc") == [("entered", "c", None, 2), ("left", "a", 1, None)]


def test_what_only_shifts_because_another_left_or_came_is_no_move(session: Session) -> None:
    assert changed(session, "abcd", "xacd") == [("entered", "x", None, 1), ("left", "b", 2, None)]


def test_entries_that_changed_places_moved(session: Session) -> None:
    assert changed(session, "abc", "acb") == [("moved", "b", 2, 3), ("moved", "c", 3, 2)]


def test_a_second_copy_enters_and_the_first_stays(session: Session) -> None:
    assert changed(session, "ab", "aba") == [("entered", "a", None, 3)]


def test_a_copy_that_goes_left_once(session: Session) -> None:
    assert changed(session, "aab", "ab") == [("left", "a", 2, None)]


def test_unavailable_slots_come_and_go_too(session: Session) -> None:
    assert changed(session, ["a", GONE], [GONE, GONE, "a"]) == [
        ("entered", None, None, 2),
        ("moved", "a", 1, 3),
        ("moved", None, 2, 1),
    ]


def test_an_emptied_playlist_lost_everything(session: Session) -> None:
    assert changed(session, "ab", "") == [("left", "a", 1, None), ("left", "b", 2, None)]


def test_a_refilled_playlist_got_everything(session: Session) -> None:
    capture(session, -2, "ab")
    assert changed(session, "", "ab") == [("entered", "a", None, 1), ("entered", "b", None, 2)]


def test_changes_are_against_the_previous_captured_day_with_the_gap(session: Session) -> None:
    capture(session, -9, "z")
    capture(session, -4, "a")
    capture(session, 0, "b")
    capture(session, -1, "something else", playlist="p2")
    assert session.execute(
        "SELECT change, entry_name, previous_date, gap_days FROM PUBLIC.PLAYLIST_CHANGES "
        "WHERE snapshot_date = '2026-11-22' ORDER BY change"
    ) == [("entered", "b", day(-4), 4), ("left", "a", day(-4), 4)]


def test_a_day_on_which_a_playlist_was_not_captured_has_no_changes(session: Session) -> None:
    capture(session, -1, "ab")
    capture(session, 0, "c", playlist="p2")
    capture(session, 1, "ab")
    assert changes(session, 0) == []
    assert changes(session, 1) == []


def test_a_correction_of_the_past_changes_the_changes(session: Session) -> None:
    for number, entries in enumerate(("ab", "abc"), start=1):
        rows = {
            "playlist": [row(PLAYLIST, day(-1), playlist_id="p1")],
            "playlist_entry": [
                row(PLAYLIST_ENTRY, day(-1), playlist_id="p1", position=n, entry_uri=entry)
                for n, entry in enumerate(entries)
            ],
        }
        publish(session, day(-1), number, rows)
        if number == 1:
            insert(session, "HISTORY.PLAYLIST", [row(PLAYLIST, playlist_id="p1")])
        assert len(changes(session)) == len(entries)


def expected_changes(days: Mapping[date, Entries]) -> Counter[tuple[Any, ...]]:
    """The same in plain Python, for one playlist."""
    found: Counter[tuple[Any, ...]] = Counter()
    for (previous, before), (on, after) in pairwise(sorted(days.items())):
        then, now = _slots(before), _slots(after)
        stayed = [slot for slot in now if slot in then]
        order = [slot for slot in then if slot in now]
        gap = (on - previous).days
        for slot in now.keys() - then.keys():
            found[on, "entered", slot[0], None, now[slot], previous, gap] += 1
        for slot in then.keys() - now.keys():
            found[on, "left", slot[0], then[slot], None, previous, gap] += 1
        for slot in stayed:
            if stayed.index(slot) != order.index(slot):
                found[on, "moved", slot[0], then[slot], now[slot], previous, gap] += 1
    return found


def _slots(entries: Entries) -> dict[tuple[str | None, int], int]:
    """Positions by entry and which copy of it, in the order of the playlist."""
    seen: Counter[str | None] = Counter()
    slots = {}
    for position, entry in enumerate(entries, start=1):
        seen[entry] += 1
        slots[entry, seen[entry]] = position
    return slots


captured_days = st.dictionaries(
    st.integers(-6, 0), st.lists(st.sampled_from(["a", "b", "c", "d", GONE]), max_size=6)
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["p1", "p2"]), captured_days))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changes_are_those_of_a_plain_reference(
    session: Session, playlists: dict[str, dict[int, list[str | None]]]
) -> None:
    session.execute("DELETE FROM HISTORY.PLAYLIST")
    session.execute("DELETE FROM HISTORY.PLAYLIST_ENTRY")
    for playlist, days in playlists.items():
        for on, entries in days.items():
            capture(session, on, entries, playlist)
    for playlist, days in playlists.items():
        found = session.execute(
            "SELECT snapshot_date, change, song_id, previous_position, position, previous_date, "
            "gap_days FROM PUBLIC.PLAYLIST_CHANGES WHERE playlist_id = ?",
            [playlist],
        )
        expected = expected_changes({day(on): entries for on, entries in days.items()})
        assert Counter(found) == expected


# The latest day


def test_playlist_today_is_one_wide_row_per_entry_of_the_latest_day(session: Session) -> None:
    capture(session, -1, "old")
    capture(session, 0, ["s1", GONE, "s1"])
    for on in (-1, 0):
        insert(
            session,
            "HISTORY.SONG",
            [row(SONG, day(on), song_id="s1", album_id="a1", song_duration=1000 + on)],
        )
        insert(session, "HISTORY.ALBUM", [row(ALBUM, day(on), album_id="a1", album_name=f"A{on}")])
        insert(
            session,
            "HISTORY.ARTIST",
            [row(ARTIST, day(on), artist_id=a, artist_name=f"{a}{on}") for a in ("r1", "r2")],
        )
        insert(
            session,
            "HISTORY.SONG_ARTIST",
            [
                row(SONG_ARTIST, day(on), song_id="s1", artist_position=2, artist_id="r1"),
                row(SONG_ARTIST, day(on), song_id="s1", artist_position=1, artist_id="r2"),
            ],
        )
    found = session.execute(
        "SELECT playlist_name, position, entry_type, artist_names, album_name, song_duration "
        "FROM PUBLIC.PLAYLIST_TODAY ORDER BY position"
    )
    assert found == [
        ("P1", 1, "track", "r20, r10", "A0", 1000),
        ("P1", 2, "unavailable", None, None, None),
        ("P1", 3, "track", "r20, r10", "A0", 1000),
    ]


def test_playlist_today_leaves_out_playlists_that_were_not_captured_today(
    session: Session,
) -> None:
    capture(session, -1, "a", playlist="p1")
    capture(session, 0, "b", playlist="p2")
    assert session.execute("SELECT playlist_id FROM PUBLIC.PLAYLIST_TODAY") == [("p2",)]


# A long history


@pytest.mark.slow
def test_a_day_out_of_a_million_entries_is_there_in_a_moment(session: Session) -> None:
    began = datetime.combine(DAY, datetime.min.time())
    session.execute(
        "INSERT INTO HISTORY.PLAYLIST (snapshot_date, playlist_id, total_entries, fetched_at) "
        "SELECT CAST(? AS DATE) + CAST(d AS INTEGER), 'p' || p, 100, ? "
        "FROM range(100) AS days (d), range(100) AS playlists (p)",
        [DAY, began],
    )
    session.execute(
        "INSERT INTO HISTORY.PLAYLIST_ENTRY "
        "(snapshot_date, playlist_id, position, entry_type, entry_uri) "
        "SELECT CAST(? AS DATE) + CAST(d AS INTEGER), 'p' || p, n + 1, 'track', "
        "'song' || CASE WHEN (n * 7 + d) % 20 = 0 THEN n + d ELSE n END "
        "FROM range(100) AS days (d), range(100) AS playlists (p), range(100) AS slots (n)",
        [DAY],
    )
    for question in (
        f"SELECT * FROM PUBLIC.PLAYLIST_CHANGES WHERE snapshot_date = '{day(50)}'",
        "SELECT * FROM PUBLIC.PLAYLIST_TODAY",
    ):
        start = time.monotonic()
        assert session.execute(question)
        assert time.monotonic() - start < 5  # half a second here; slow machines exist
