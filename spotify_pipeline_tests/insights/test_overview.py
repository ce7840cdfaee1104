"""A day in a few numbers."""

import pytest

from spotify_pipeline.insights import overview
from spotify_pipeline.insights.answers import ask
from spotify_pipeline.insights.questions import (
    ARTIST_PRESENCE,
    CATALOGUE_AGE,
    PLAYLIST_CHANGES,
    PLAYLIST_OVERLAP,
    PLAYLIST_TURNOVER,
    POPULARITY,
    QUESTIONS,
)
from spotify_pipeline.loading.database import Session
from spotify_pipeline_tests.insights.histories import write
from spotify_pipeline_tests.loading.rows import DAY

HISTORY = {
    "p1": {-5: "dd", -1: "abcd", 0: "bacaa"},
    "p2": {0: "bcd"},
    "p3": {-1: "a"},
}


def test_the_playlists_of_a_day_come_with_their_changes(session: Session) -> None:
    write(session, HISTORY)
    found = overview.playlists_of(session, DAY)
    assert found.values.tolist() == [["P1", 5, True, 2, 1, 2], ["P2", 3, False, 0, 0, 0]]
    assert list(found.columns) == ["name", "entries", "has_previous", "entered", "left", "moved"]


def test_a_day_without_playlists_is_an_empty_frame(session: Session) -> None:
    write(session, HISTORY)
    assert overview.playlists_of(session, DAY.replace(year=2020)).empty


def test_row_counts_name_every_table_that_people_query(session: Session) -> None:
    write(session, {"p1": {0: "d"}})
    counts = overview.row_counts(session)
    assert len(counts) == 9
    assert {name: count for name, count in counts.items() if count} == {
        "HISTORY.PLAYLIST": 1,
        "HISTORY.PLAYLIST_ENTRY": 1,
        "HISTORY.SONG": 1,
        "HISTORY.ALBUM": 1,
    }


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        (PLAYLIST_CHANGES, {"entered": 2, "left": 1, "moved": 2}),
        (ARTIST_PRESENCE, {"in_several_playlists": 3}),
        (CATALOGUE_AGE, {"median_year": 1970, "songs_without_year": 1}),
        (PLAYLIST_TURNOVER, {"entries": 8, "turnover": 3 / 9}),
        (PLAYLIST_OVERLAP, {"greatest_share": 0.5}),
        (POPULARITY, {"mean_popularity": (10 + 41 + 41 + 60) / 4}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_followed_from_day_to_day(
    session: Session, question: object, numbers: dict[str, float]
) -> None:
    write(session, HISTORY)
    found = overview.numbers(question, ask(session, question, DAY), DAY)  # type: ignore[arg-type]
    assert found == pytest.approx(numbers)
    assert {type(value) for value in found.values()} <= {int, float}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.name)
def test_of_nothing_only_counts_are_known(session: Session, question: object) -> None:
    write(session, {})
    found = overview.numbers(question, ask(session, question, DAY), DAY)  # type: ignore[arg-type]
    assert set(found.values()) <= {0}
