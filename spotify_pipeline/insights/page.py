"""The report's page: the facts of a day as one HTML file that needs nothing from outside.

The same facts give the same bytes. Names are whatever others wrote: the template escapes them, and
only addresses of Spotify's become links.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pandas as pd

from spotify_pipeline.insights import questions
from spotify_pipeline.insights.answers import by, rows_of
from spotify_pipeline.insights.facts import Facts
from spotify_pipeline.insights.lettering import shortened
from spotify_pipeline.insights.sparkline import Day, Sparkline, sparkline
from spotify_pipeline.lake import attempts

if TYPE_CHECKING:
    from jinja2 import Template

SPOTIFY = "https://open.spotify.com/"

SHOWN = 8
"""How many rows a list shows; the rest is counted."""

_NAME = 60


@dataclass(frozen=True)
class Link:
    """A name; `url` is empty where there is none of Spotify's."""

    name: str
    url: str = ""


@dataclass(frozen=True)
class Listing:
    """The first rows of a list, and how many more there are."""

    rows: Sequence[Any] = ()
    more: int = 0


@dataclass(frozen=True)
class Playlist:
    """One of the small multiples, and what changed in it."""

    title: Link
    entries: int
    entered: int | None
    left: int | None
    since: date | None
    line: Sparkline
    came: Listing = field(default_factory=Listing)
    went: Listing = field(default_factory=Listing)
    moved: int = 0


def render(facts: Facts) -> bytes:
    """The page, in UTF-8."""
    manifest = facts.manifest
    return (
        _template()
        .render(
            day=facts.day,
            is_synthetic=facts.source == "sandbox",
            playlists=_playlists(facts),
            artists=_listing(facts.answer(questions.ARTIST_PRESENCE), _artist),
            ages=_ages(facts.answer(questions.CATALOGUE_AGE)),
            overlaps=_listing(facts.answer(questions.PLAYLIST_OVERLAP), _pair),
            popularity=_popularity(facts),
            silence={question.name: question.silence for question in questions.QUESTIONS},
            manifest=manifest,
            odd_values={name: n for name, n in sorted(manifest.odd_values.items()) if n},
            quarantined=_first(manifest.quarantined),
            missing=attempts.by_reason(facts.missing),
            missed=_first(facts.missed),
        )
        .encode()
    )


def link(name: Any, url: Any, otherwise: Any = None) -> Link:
    """A name with its address, if that is one of Spotify's."""
    is_spotifys = isinstance(url, str) and url.startswith(SPOTIFY)
    return Link(shortened(name, _NAME, otherwise), url if is_spotifys else "")


def _playlists(facts: Facts) -> list[Playlist]:
    changes = by(facts.answer(questions.PLAYLIST_CHANGES), "playlist_id")
    turnover = facts.answer(questions.PLAYLIST_TURNOVER)
    return [
        _playlist(days, changes.get(playlist_id))
        for playlist_id, days in by(turnover, "playlist_id").items()
    ]


def _playlist(days: pd.DataFrame, changes: pd.DataFrame | None) -> Playlist:
    today = days.iloc[-1]
    has_previous = not pd.isna(today["previous_date"])
    of_kind = by(changes, "change") if changes is not None else {}
    return Playlist(
        title=link(today["playlist_name"], today["playlist_url"], today["playlist_id"]),
        entries=int(today["entries"]),
        entered=int(today["entries_entered"]) if has_previous else None,
        left=int(today["entries_left"]) if has_previous else None,
        since=today["previous_date"] if has_previous and today["gap_days"] > 1 else None,
        line=sparkline(
            [
                Day(row.snapshot_date, row.entries, row.entries_entered, row.entries_left)
                for row in rows_of(days.fillna({"entries_entered": 0, "entries_left": 0}))
            ]
        ),
        came=_listing(of_kind.get("entered"), _change),
        went=_listing(of_kind.get("left"), _change),
        moved=len(of_kind.get("moved", ())),
    )


def _change(row: Any) -> dict[str, Any]:
    known = not pd.isna(row.days_stayed)
    return {
        "song": link(row.entry_name, row.song_url, f"({row.entry_type})"),
        "artist": "" if pd.isna(row.artist_name) else shortened(row.artist_name, _NAME),
        "position": int(row.previous_position if row.change == "left" else row.position),
        "days": int(row.days_stayed) if known else None,
        "is_at_least": known and bool(row.is_at_least),
    }


def _artist(row: Any) -> dict[str, Any]:
    return {
        "artist": link(row.artist_name, row.artist_url, row.artist_id),
        "entries": row.entries,
        "playlists": row.playlists,
        "since": row.present_since,
    }


def _ages(answer: pd.DataFrame) -> list[dict[str, Any]]:
    found = []
    for playlist_id, rows in by(answer, "playlist_id").items():
        years = rows["release_year"].dropna()
        found.append(
            {
                "name": shortened(rows["playlist_name"].iloc[0], _NAME, playlist_id),
                "median": None if years.empty else round(float(rows["median_year"].iloc[0])),
                "oldest": None if years.empty else int(years.min()),
                "newest": None if years.empty else int(years.max()),
                "songs": int(rows["songs"].sum()),
                "undated": int(rows["songs"][rows["release_year"].isna()].sum()),
            }
        )
    return found


def _pair(row: Any) -> dict[str, Any]:
    return {
        "one": shortened(row.playlist_name, _NAME, row.playlist_id),
        "other": shortened(row.other_playlist_name, _NAME, row.other_playlist_id),
        "songs": row.shared_songs,
        "share": row.share,
    }


def _popularity(facts: Facts) -> list[dict[str, Any]]:
    answer = facts.answer(questions.POPULARITY)
    return [
        {
            "name": shortened(row.playlist_name, _NAME, row.playlist_id),
            "mean": row.mean_popularity,
            "least": row.least_popularity,
            "greatest": row.greatest_popularity,
        }
        for row in rows_of(answer[answer["snapshot_date"] == facts.day])
    ]


def _listing(answer: pd.DataFrame | None, row: Any) -> Listing:
    if answer is None:
        return Listing()
    first = _first(rows_of(answer.head(SHOWN)))
    return Listing([row(each) for each in first.rows], max(0, len(answer) - SHOWN))


def _first(rows: Sequence[Any]) -> Listing:
    return Listing(rows[:SHOWN], max(0, len(rows) - SHOWN))


@functools.cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    # For HTML whatever the file is called: what comes from outside is text.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = "{:,}".format
    source = files(__package__).joinpath("report.html.jinja").read_text("utf-8")
    return environment.from_string(source)
