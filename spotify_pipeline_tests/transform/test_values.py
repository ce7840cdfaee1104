"""Single values: what is read, what becomes null, and what is counted as odd.

All values of one kind go through the transform together, a song each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from spotify_pipeline_tests.rows import Tables, tables_of
from spotify_pipeline_tests.synthetic import Json, album, document, entry, track


def read(songs: Sequence[Json]) -> Tables:
    """The tables of songs (fields of a track each), their ids in the order given."""
    return tables_of(document([entry(track(f"{n:03}") | fields) for n, fields in enumerate(songs)]))


def song_values(column: str, field: str, values: Sequence[Any]) -> tuple[list[Any], int]:
    """What the values become, and how many of them count as odd."""
    tables = read([{field: value} for value in values])
    return tables.column("song", column), tables.odd_values.get(column, 0)


RELEASES: Mapping[tuple[Any, Any], tuple[str | None, bool]] = {
    # as said, with which precision: as read, whether it counts as odd
    ("1973", "year"): ("1973-01-01", False),
    ("1981-12", "month"): ("1981-12-01", False),
    ("1999-02-28", "day"): ("1999-02-28", False),
    ("2000-02-29", "day"): ("2000-02-29", False),
    ("2024-02-29", "day"): ("2024-02-29", False),
    ("1981-12-01", "DAY"): ("1981-12-01", False),
    ("0000", "year"): (None, False),
    (None, None): (None, False),
    ("0000", None): (None, False),
    ("1999-02-30", "day"): (None, True),
    ("1900-02-29", "day"): (None, True),
    ("2023-02-29", "day"): (None, True),
    ("1999-04-31", "day"): (None, True),
    ("1999-13-01", "day"): (None, True),
    ("1999-00-10", "day"): (None, True),
    ("1999-01-00", "day"): (None, True),
    ("0000-01-01", "day"): (None, True),
    ("1981-13", "month"): (None, True),
    ("1981-12-01", "month"): (None, True),
    ("1981", "day"): (None, True),
    ("81", "year"): (None, True),
    ("19811", "year"): (None, True),
    ("1981\n", "year"): (None, True),
    ("1981-12-01", "century"): (None, True),
    ("1981-12-01", None): (None, True),
    ("soon", "day"): (None, True),
    ("", "day"): (None, True),
    (1981, "year"): ("1981-01-01", False),
    (True, "year"): (None, True),
}


def test_release_dates() -> None:
    songs = [
        {"album": album(f"{n:03}", release_date=said, release_date_precision=precision)}
        for n, (said, precision) in enumerate(RELEASES)
    ]
    tables = read(songs)
    found = dict(zip(RELEASES, tables.column("album", "album_release_date"), strict=True))
    assert found == {said: expected for said, (expected, _) in RELEASES.items()}
    odd = sum(is_odd for _, is_odd in RELEASES.values())
    assert tables.odd_values == {"album_release_date": odd}


def test_the_precision_stays_where_the_date_is_no_date() -> None:
    tables = read([{"album": album(release_date="0000", release_date_precision="year")}])
    assert tables.only("album")["album_release_precision"] == "year"


def test_whole_numbers() -> None:
    good = [0, 1, -1, 200_000, 10**18 - 1, "7", "007"]
    read_as, odd = song_values("song_duration", "duration_ms", good)
    assert read_as == ["0", "1", "-1", "200000", str(10**18 - 1), "7", "7"]
    assert odd == 0


def test_what_is_no_whole_number_is_null_and_counted() -> None:
    odd_ones = [1.5, 1e3, True, False, "", " 7", "7\n", "7.0", "١", "abc", [1], {"ms": 1}, 10**30]
    read_as, odd = song_values("song_duration", "duration_ms", odd_ones)
    assert read_as == [None] * len(odd_ones)
    assert odd == len(odd_ones)


def test_booleans() -> None:
    assert song_values("song_explicit", "explicit", [True, False, None]) == (
        ["true", "false", None],
        0,
    )


def test_what_is_no_boolean_is_null_and_counted() -> None:
    odd_ones = [0, 1, "yes", "TRUE", "", [], {}]
    read_as, odd = song_values("song_explicit", "explicit", odd_ones)
    assert read_as == [None] * len(odd_ones)
    assert odd == len(odd_ones)


def test_every_guarded_number_of_a_song_is_counted_under_its_column() -> None:
    odd = {
        "duration_ms": "x",
        "explicit": "x",
        "popularity": "x",
        "disc_number": "x",
        "track_number": "x",
        "album": album(total_tracks="x", release_date="x"),
    }
    tables = tables_of(document([entry(track(**odd), added_at="x")]))
    assert tables.odd_values == {
        "song_duration": 1,
        "song_explicit": 1,
        "song_popularity": 1,
        "disc_number": 1,
        "track_number": 1,
        "album_total_tracks": 1,
        "album_release_date": 1,
        "added_at": 1,
    }


TIMES: Mapping[Any, tuple[str | None, bool]] = {
    "2026-01-02T03:04:05Z": ("2026-01-02 03:04:05", False),
    "2026-01-02T03:04:05.6Z": ("2026-01-02 03:04:05.6", False),
    "2026-01-02T03:04:05.678901Z": ("2026-01-02 03:04:05.678901", False),
    "2024-02-29T23:59:59Z": ("2024-02-29 23:59:59", False),
    "1970-01-01T00:00:00Z": ("1970-01-01 00:00:00", False),
    None: (None, False),
    "": (None, True),
    "2026-01-02": (None, True),
    "2026-01-02 03:04:05": (None, True),
    "2026-01-02T03:04:05": (None, True),
    "2026-01-02T03:04:05+01:00": (None, True),
    "2026-01-02T24:00:00Z": (None, True),
    "2026-02-29T00:00:00Z": (None, True),
    "2026-01-02T03:04:60Z": (None, True),
    "2026-01-02T03:04:05Z\n": (None, True),
    1_767_323_045: (None, True),
}


def test_times() -> None:
    slots = [entry(track(), added_at=said) for said in TIMES]
    tables = tables_of(document(slots))
    found = dict(zip(TIMES, tables.column("playlist_entry", "added_at"), strict=True))
    assert found == {said: expected for said, (expected, _) in TIMES.items()}
    assert tables.odd_values == {"added_at": sum(is_odd for _, is_odd in TIMES.values())}
