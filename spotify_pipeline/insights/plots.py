"""Answers as plots: small PNG files that read well on white and on the UI's dark ground.

For each question a function from its answer to a figure: what is shown of it, and in which order.
How it is drawn is the business of `charts` and `drawing`.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from spotify_pipeline.insights import charts, drawing, questions
from spotify_pipeline.insights.answers import by, rows_of
from spotify_pipeline.insights.charts import Bar, Exchange, Line, Strip
from spotify_pipeline.insights.lettering import fitted
from spotify_pipeline.insights.question import Question

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 10
"""How many playlists, artists or pairs a plot has room for; the rest it counts."""

LINES = len(drawing.COLOURS)

_NAME, _ONE_OF_TWO = 176, 130
"""How wide a name may be, in pixels."""


def plot(question: Question, answer: pd.DataFrame) -> bytes | None:
    """The PNG of an answer, or None where there is nothing to be seen in it."""
    figure = figure_of(question, answer)
    return drawing.png(figure) if figure else None


def figure_of(question: Question, answer: pd.DataFrame) -> "Figure | None":
    """The same as matplotlib's figure."""
    return None if answer.empty else _FIGURES[question.name](answer)


def _playlist_changes(answer: pd.DataFrame) -> "Figure":
    counts = (
        answer.groupby(["playlist_id", "change"])
        .size()
        .unstack(fill_value=0)
        .reindex(columns=["entered", "left", "moved"], fill_value=0)
    )
    counts["all"] = counts["entered"] + counts["left"]
    counts = counts.sort_values(["all", "moved"], ascending=False, kind="stable")
    names = _names(answer)
    return charts.exchange(
        f"What entered and left on {_day(answer)}",
        [
            Exchange(
                _label(names[row.playlist_id], row.playlist_id),
                int(row.left),
                int(row.entered),
                f"{row.moved:,} moved" if row.moved else "",
            )
            for row in rows_of(counts.head(ROWS).reset_index())
        ],
        _left_out(len(counts), ROWS, "playlists"),
    )


def _artist_presence(answer: pd.DataFrame) -> "Figure":
    return charts.ranking(
        f"Artists in the playlists of {_day(answer)}",
        "entries",
        [
            Bar(
                _label(row.artist_name, row.artist_id),
                row.entries,
                f"{row.entries:,}",
                f"in {row.playlists:,} playlist{'' if row.playlists == 1 else 's'}, "
                f"since {_since(row.present_since, row.snapshot_date)}",
            )
            for row in rows_of(answer.head(ROWS))
        ],
        _left_out(len(answer), ROWS, "artists"),
    )


def _catalogue_age(answer: pd.DataFrame) -> "Figure | None":
    dated = answer.dropna(subset=["release_year"])
    if dated.empty:
        return None
    names = _names(answer)
    # The oldest on top.
    playlists = dated.groupby("playlist_id")["median_year"].first().sort_values(kind="stable")
    sizes = dated.groupby("playlist_id")["songs"].sum().sort_values(ascending=False, kind="stable")
    shown = set(sizes.head(ROWS).index)
    of_playlist = by(dated, "playlist_id")
    return charts.strips(
        f"Songs by release year, {_day(answer)}",
        "year of release; the larger the circle, the more songs",
        "median",
        [
            Strip(
                _label(names[playlist], playlist),
                [(int(row.release_year), int(row.songs)) for row in rows_of(of_playlist[playlist])],
                float(median),
            )
            for playlist, median in zip(map(str, playlists.index), playlists, strict=True)
            if playlist in shown
        ],
        _left_out(len(playlists), ROWS, "smaller playlists"),
    )


def _playlist_turnover(answer: pd.DataFrame) -> "Figure | None":
    known = answer.dropna(subset=["turnover"])
    return _over_days(
        known.assign(value=known["turnover"] * 100),
        "Turnover of the playlists",
        "% of the entries that entered or left, by captured day",
        lambda values: (0, max(5, values.max() * 1.06)),
    )


def _popularity(answer: pd.DataFrame) -> "Figure | None":
    return _over_days(
        answer.assign(value=answer["mean_popularity"]),
        "Popularity of the songs",
        "mean of Spotify's popularity, 0 to 100",
        lambda values: (max(0, values.min() - 5), min(100, values.max() + 5)),
    )


def _over_days(
    answer: pd.DataFrame,
    title: str,
    unit: str,
    scale: Callable[["pd.Series[float]"], tuple[float, float]],
) -> "Figure | None":
    """`value` over the days, a line for each of the playlists with the greatest mean."""
    if answer.empty:
        return None
    names = _names(answer)
    means = answer.groupby("playlist_id")["value"].mean()
    ranked = means.sort_values(ascending=False, kind="stable").index
    shown = answer[answer["playlist_id"].isin(ranked[:LINES])]
    return charts.lines(
        title,
        unit,
        [
            Line(
                _label(names[playlist], playlist),
                [
                    (row.snapshot_date, float(row.value))
                    for row in rows_of(shown[shown["playlist_id"] == playlist])
                ],
            )
            for playlist in ranked[:LINES]
        ],
        scale(shown["value"]),
        _left_out(len(ranked), LINES, "playlists, with smaller means"),
    )


def _playlist_overlap(answer: pd.DataFrame) -> "Figure":
    return charts.ranking(
        f"Playlists that share songs, {_day(answer)}",
        "% of the songs of both that are in both",
        [
            Bar(
                f"{_label(row.playlist_name, row.playlist_id, _ONE_OF_TWO)} + "
                f"{_label(row.other_playlist_name, row.other_playlist_id, _ONE_OF_TWO)}",
                row.share * 100,
                f"{row.share:.1%}",
                f"{row.shared_songs:,} song{'' if row.shared_songs == 1 else 's'}",
            )
            for row in rows_of(answer.head(ROWS))
        ],
        _left_out(len(answer), ROWS, "pairs"),
    )


_FIGURES: Mapping[str, Callable[[pd.DataFrame], "Figure | None"]] = {
    questions.PLAYLIST_CHANGES.name: _playlist_changes,
    questions.ARTIST_PRESENCE.name: _artist_presence,
    questions.CATALOGUE_AGE.name: _catalogue_age,
    questions.PLAYLIST_TURNOVER.name: _playlist_turnover,
    questions.PLAYLIST_OVERLAP.name: _playlist_overlap,
    questions.POPULARITY.name: _popularity,
}


def _names(answer: pd.DataFrame) -> Mapping[str, Any]:
    """The latest name of each playlist."""
    return dict(answer.groupby("playlist_id", sort=False)["playlist_name"].last(skipna=False))


def _day(answer: pd.DataFrame) -> str:
    day: date = answer["snapshot_date"].max()
    return f"{_short(day)} {day.year}"


def _short(day: date) -> str:
    return f"{day.day} {day:%b}"


def _since(day: date, today: date) -> str:
    return f"{day:%b %Y}" if (today - day).days > 300 else _short(day)


def _label(name: Any, otherwise: str, pixels: int = _NAME) -> str:
    return fitted(name, pixels, drawing.LETTER, otherwise)


def _left_out(found: int, shown: int, what: str) -> str:
    return f"and {found - shown:,} more {what}" if found > shown else ""
