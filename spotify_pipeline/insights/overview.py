"""A day in a few numbers: what the command line prints, and what the UI draws over time."""

from collections.abc import Mapping
from datetime import date

import pandas as pd

from spotify_pipeline import contract
from spotify_pipeline.insights import questions
from spotify_pipeline.insights.answers import ask
from spotify_pipeline.insights.question import Question
from spotify_pipeline.loading.database import Session

CHANGES = ("entered", "left", "moved")


def playlists_of(session: Session, day: date) -> pd.DataFrame:
    """The playlists captured on `day`: name, entries, has_previous and the number of changes."""
    turnover = ask(session, questions.PLAYLIST_TURNOVER, day)
    today = turnover[turnover["snapshot_date"] == day]
    changes = ask(session, questions.PLAYLIST_CHANGES, day)
    counts = pd.crosstab(changes["playlist_id"], changes["change"]).reindex(
        index=today["playlist_id"], columns=list(CHANGES), fill_value=0
    )
    return pd.DataFrame(
        {
            "name": list(today["playlist_name"].fillna(today["playlist_id"])),
            "entries": list(today["entries"]),
            "has_previous": list(today["previous_date"].notna()),
            **{change: list(counts[change]) for change in CHANGES},
        }
    )


def row_counts(session: Session) -> dict[str, int]:
    """The rows of every table that people query, by its full name."""
    names = [f"PUBLIC.TB_{table.name.upper()}" for table in contract.CURRENT]
    names += [f"HISTORY.{table.name.upper()}" for table in contract.TABLES]
    return {name: int(session.execute(f"SELECT COUNT(*) FROM {name}")[0][0]) for name in names}


def numbers(question: Question, answer: pd.DataFrame, day: date) -> Mapping[str, int | float]:
    """What of an answer is worth following from day to day; what isn't known is left out."""
    today = answer[answer["snapshot_date"] == day]
    found = {
        questions.PLAYLIST_CHANGES.name: _of_changes,
        questions.ARTIST_PRESENCE.name: _of_artists,
        questions.CATALOGUE_AGE.name: _of_ages,
        questions.PLAYLIST_TURNOVER.name: _of_turnover,
        questions.PLAYLIST_OVERLAP.name: _of_overlap,
        questions.POPULARITY.name: _of_popularity,
    }[question.name](today)
    return {name: value for name, value in found.items() if not pd.isna(value)}


def _of_changes(today: pd.DataFrame) -> dict[str, int | float]:
    return {change: int((today["change"] == change).sum()) for change in CHANGES}


def _of_artists(today: pd.DataFrame) -> dict[str, int | float]:
    return {"in_several_playlists": int((today["playlists"] > 1).sum())}


def _of_ages(today: pd.DataFrame) -> dict[str, int | float]:
    years = today["release_year"].astype(float).repeat(list(today["songs"]))
    return {"median_year": float(years.median()), "songs_without_year": int(years.isna().sum())}


def _of_turnover(today: pd.DataFrame) -> dict[str, int | float]:
    compared = today.dropna(subset=["turnover"])
    entered, left = int(compared["entries_entered"].sum()), int(compared["entries_left"].sum())
    of_both_days = 2 * int(compared["entries"].sum()) - entered + left
    return {
        "entries": int(today["entries"].sum()),
        "turnover": (entered + left) / of_both_days if of_both_days else float("nan"),
    }


def _of_overlap(today: pd.DataFrame) -> dict[str, int | float]:
    return {"greatest_share": float(today["share"].max())}


def _of_popularity(today: pd.DataFrame) -> dict[str, int | float]:
    songs = int(today["songs"].sum())
    total = float((today["mean_popularity"] * today["songs"].astype(int)).sum())
    return {"mean_popularity": total / songs if songs else float("nan")}
