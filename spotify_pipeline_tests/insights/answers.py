"""Answers as the questions give them, of any size and with names of every kind."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd

from spotify_pipeline.insights.answers import frame
from spotify_pipeline.insights.question import Question
from spotify_pipeline.insights.questions import (
    ARTIST_PRESENCE,
    CATALOGUE_AGE,
    PLAYLIST_CHANGES,
    PLAYLIST_OVERLAP,
    PLAYLIST_TURNOVER,
    POPULARITY,
)
from spotify_pipeline_tests.loading.rows import DAY

HOSTILE = [
    "<script>alert('1')</script>",
    "{{ 7 * 7 }} {% raw %}",
    "$x^2$ costs $5 \\frac",
    "Party 🎉🎵 mix",
    "音楽の時間",
    "x" * 10_000,
    None,
    "",
    "quotes \"' & </style>",
    "W" * 60,
    "\u202eturned around",
    "e" + "\u0301" * 500,
    "line\nbreak\ttab\x00",
]

Names = Sequence[str | None]


def of(question: Question, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """An answer with these rows; what isn't said is missing."""
    names = [column.name for column in question.columns]
    for row in rows:
        assert row.keys() <= set(names)
    return frame([[row.get(name) for name in names] for row in rows], question.columns)


def playlists(names: Names) -> list[dict[str, Any]]:
    return [
        {"snapshot_date": DAY, "playlist_id": f"id{number:03}", "playlist_name": name}
        for number, name in enumerate(names)
    ]


def changes(names: Names, entered: int = 2, left: int = 1, moved: int = 3) -> pd.DataFrame:
    kinds = ["entered"] * entered + ["left"] * left + ["moved"] * moved
    return of(
        PLAYLIST_CHANGES,
        [
            each
            | {
                "change": kind,
                "entry_name": name,
                "entry_type": "track",
                "artist_name": name,
                "song_url": f"https://open.spotify.com/track/{place}",
                "position": None if kind == "left" else place,
                "previous_position": None if kind == "entered" else place,
                "days_stayed": 4 if kind == "left" else None,
                "is_at_least": False if kind == "left" else None,
            }
            for name, each in zip(names, playlists(names), strict=True)
            for place, kind in enumerate(kinds, start=1)
        ],
    )


def artists(names: Names) -> pd.DataFrame:
    return of(
        ARTIST_PRESENCE,
        [
            {
                "snapshot_date": DAY,
                "artist_id": f"artist{number}",
                "artist_name": name,
                "entries": 12_345 - number,
                "songs": 1,
                "playlists": 1 + number,
                "present_since": DAY - timedelta(days=40 * number),
                "artist_url": f"https://open.spotify.com/artist/{number}",
            }
            for number, name in enumerate(names)
        ],
    )


def ages(names: Names, years: Sequence[int | None] = (1961, 1999, None, 2026)) -> pd.DataFrame:
    known = [year for year in years if year]
    middle = known[len(known) // 2] if known else None
    return of(
        CATALOGUE_AGE,
        [
            each | {"release_year": year, "songs": 3 + number, "median_year": middle}
            for number, each in enumerate(playlists(names))
            for year in years
        ],
    )


def turnover(names: Names, days: int = 5, share: float = 0.1) -> pd.DataFrame:
    return of(
        PLAYLIST_TURNOVER,
        [
            each
            | {
                "snapshot_date": on,
                "entries": 100,
                "entries_entered": None if before is None else 10,
                "entries_left": None if before is None else 10,
                "turnover": None if before is None else share / (number + 1),
                "previous_date": before,
                "gap_days": None if before is None else 1,
                "playlist_url": f"https://open.spotify.com/playlist/{number}",
            }
            for number, each in enumerate(playlists(names))
            for before, on in _days(days)
        ],
    )


def overlaps(names: Names) -> pd.DataFrame:
    return of(
        PLAYLIST_OVERLAP,
        [
            one
            | {
                "other_playlist_id": other["playlist_id"],
                "other_playlist_name": other["playlist_name"],
                "shared_songs": 7,
                "share": 0.5,
            }
            for one, other in zip(playlists(names), playlists(names)[1:], strict=False)
        ],
    )


def popularities(names: Names, days: int = 5) -> pd.DataFrame:
    return of(
        POPULARITY,
        [
            each
            | {
                "snapshot_date": on,
                "songs": 10,
                "mean_popularity": 40.0 + number,
                "least_popularity": 1,
                "greatest_popularity": 99,
            }
            for number, each in enumerate(playlists(names))
            for _, on in _days(days)
        ],
    )


def _days(count: int) -> list[tuple[date | None, date]]:
    """The last days, each with the one before it."""
    days = [DAY - timedelta(days=n) for n in reversed(range(count))]
    return list(zip([None, *days], days, strict=False))
