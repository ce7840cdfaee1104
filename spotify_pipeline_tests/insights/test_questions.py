"""The questions: against plain Python on any history, and on those that people will ask about."""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from sqlfluff.core import FluffConfig, Linter

from spotify_pipeline.errors import SkipThis
from spotify_pipeline.insights.answers import ask, published_batch
from spotify_pipeline.insights.question import Question
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
from spotify_pipeline_tests.insights.histories import History, histories, write
from spotify_pipeline_tests.insights.oracles import ORACLES
from spotify_pipeline_tests.loading.rows import DAY, GONE, day

every_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.name)

WEEK: History = {
    "p1": {
        -5: ["a", "b", "b", GONE],
        -4: ["b", "a", "b"],
        -2: ["b", "a", "c", "c"],
        -1: ["a", "b", "d"],
        0: ["c", "a", GONE, "d"],
        1: ["d", "d"],
    },
    "p2": {-3: ["a"], -1: [], 0: ["a", "c"]},
    "p3": {-2: ["d", "b"], -1: ["d", "b"]},
    "p4": {0: ["b", "b"]},
}
"""Gaps, a return, copies, an emptied playlist, one not captured today and one that is new."""


def answer(session: Session, question: Question, on: int = 0) -> Counter[tuple[Any, ...]]:
    """The answer in the oracle's columns."""
    _, columns = ORACLES[question.name]
    found = ask(session, question, day(on))[list(columns)].astype(object)
    rows = found.where(found.notna(), None).itertuples(index=False, name=None)
    return Counter(tuple(_rounded(value) for value in row) for row in rows)


def expected(history: History, question: Question, on: int = 0) -> Counter[tuple[Any, ...]]:
    oracle, _ = ORACLES[question.name]
    rows = oracle(history, on).elements()
    return Counter(tuple(_rounded(value) for value in row) for row in rows)


def _rounded(value: Any) -> Any:
    return round(value, 9) if isinstance(value, float) else value


def one(session: Session, history: History, question: Question, **where: Any) -> Mapping[str, Any]:
    """The only row of the answer about DAY in which these columns have these values."""
    write(session, history)
    found = ask(session, question, DAY)
    for name, value in where.items():
        found = found[found[name] == value]
    [row] = found.to_dict("records")
    return row


# Any history


@every_question
def test_a_week_is_answered_as_by_plain_python(session: Session, question: Question) -> None:
    write(session, WEEK)
    for on in range(-6, 2):
        assert answer(session, question, on) == expected(WEEK, question, on), on


@pytest.mark.slow
@every_question
@given(history=histories)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_history_is_answered_as_by_plain_python(
    session: Session, question: Question, history: History
) -> None:
    write(session, history)
    for on in (-1, 0):
        assert answer(session, question, on) == expected(history, question, on)


@pytest.mark.slow
@given(history=histories)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changes_are_those_of_the_view(session: Session, history: History) -> None:
    write(session, history)
    columns = "playlist_id, change, song_id, position, previous_position, gap_days"
    found = session.execute(
        f"SELECT {columns} FROM PUBLIC.PLAYLIST_CHANGES WHERE snapshot_date = '{DAY}'"
    )
    answered = ask(session, PLAYLIST_CHANGES, DAY)[columns.split(", ")].astype(object)
    rows = answered.where(answered.notna(), None).itertuples(index=False, name=None)
    assert Counter(rows) == Counter(found)


# What left, and how long it had stayed


def left(session: Session, days: Mapping[int, str]) -> tuple[Any, ...]:
    """(since, days, is at least) of song a, which is gone on DAY."""
    row = one(session, {"p1": days}, PLAYLIST_CHANGES, change="left", song_id="a")
    return row["present_since"], row["days_stayed"], row["is_at_least"]


def test_a_stay_is_counted_from_the_first_day_seen_to_the_last(session: Session) -> None:
    assert left(session, {-4: "b", -3: "ab", -2: "ab", -1: "ab", 0: "b"}) == (day(-3), 3, False)


def test_a_song_of_one_day_stayed_a_day(session: Session) -> None:
    assert left(session, {-2: "b", -1: "ab", 0: "b"}) == (day(-1), 1, False)


def test_days_without_a_capture_do_not_count_as_gone(session: Session) -> None:
    assert left(session, {-9: "b", -8: "a", -5: "a", -2: "a", 0: "b"}) == (day(-8), 7, False)


def test_who_comes_back_begins_anew(session: Session) -> None:
    assert left(session, {-5: "b", -4: "a", -3: "b", -2: "ab", -1: "ab", 0: "b"}) == (
        day(-2),
        2,
        False,
    )


def test_what_was_there_from_the_first_captured_day_stayed_at_least_so_long(
    session: Session,
) -> None:
    assert left(session, {-2: "ab", -1: "ab", 0: "b"}) == (day(-2), 2, True)


def test_a_second_copy_has_a_stay_of_its_own(session: Session) -> None:
    assert left(session, {-3: "ab", -2: "aab", -1: "aab", 0: "ab"}) == (day(-2), 2, False)


def test_only_what_left_has_stayed(session: Session) -> None:
    write(session, {"p1": {-1: "abc", 0: "bad"}})
    changes = ask(session, PLAYLIST_CHANGES, DAY)
    others = changes[changes["change"] != "left"]
    assert set(others["change"]) == {"entered", "moved"}
    assert others[["present_since", "days_stayed", "is_at_least"]].isna().all(axis=None)


def test_of_what_left_the_song_is_that_of_the_day_before(session: Session) -> None:
    row = one(session, {"p1": {-1: "ab", 0: "a"}}, PLAYLIST_CHANGES, change="left")
    assert row["artist_name"] == "R2"
    assert row["song_url"] == "https://open.spotify.com/track/b"
    assert row["playlist_name"] == "P1"


def test_the_changes_of_a_day_put_moves_last(session: Session) -> None:
    write(session, {"p1": {-1: "abc", 0: "bac"}, "p2": {-1: "cd", 0: "ca"}})
    changes = ask(session, PLAYLIST_CHANGES, DAY)
    assert changes[["playlist_name", "change", "entry_name"]].values.tolist() == [
        ["P2", "entered", "Song a"],
        ["P2", "left", "Song d"],
        ["P1", "moved", "Song b"],
        ["P1", "moved", "Song a"],
    ]


# The others


def test_an_artist_is_there_since_the_longest_presence_that_lasts(session: Session) -> None:
    history = {"p1": {-3: "a", -2: "", 0: "a"}, "p2": {-2: "b", -1: "b", 0: "b"}}
    row = one(session, history, ARTIST_PRESENCE, artist_id="r1")
    assert (row["entries"], row["songs"], row["playlists"]) == (2, 2, 2)
    assert row["present_since"] == day(-2)


def test_an_artist_who_is_named_twice_on_a_song_counts_once(session: Session) -> None:
    assert one(session, {"p1": {0: "c"}}, ARTIST_PRESENCE, artist_id="r3")["entries"] == 1


def test_the_median_is_that_of_songs_not_of_years(session: Session) -> None:
    row = one(session, {"p1": {0: "abcc"}}, CATALOGUE_AGE, release_year=1970)
    assert (row["songs"], row["median_year"]) == (2, 1970)


def test_a_playlist_in_which_all_is_new_has_turned_over(session: Session) -> None:
    row = one(session, {"p1": {-3: "ab", 0: "cd"}}, PLAYLIST_TURNOVER, snapshot_date=DAY)
    assert (row["turnover"], row["gap_days"]) == (1, 3)


def test_turnover_tells_of_the_last_ninety_captured_days(session: Session) -> None:
    write(session, {"p1": {-2 * n: "ab"[: n % 2 + 1] for n in range(95)}})
    turnover = ask(session, PLAYLIST_TURNOVER, DAY)
    assert len(turnover) == 90
    assert turnover["snapshot_date"].min() == DAY - timedelta(days=178)
    assert turnover["turnover"].notna().all()


def test_playlists_with_the_same_songs_overlap_wholly(session: Session) -> None:
    history = {"p1": {0: "aab"}, "p2": {0: "ba"}, "p3": {0: "d"}}
    row = one(session, history, PLAYLIST_OVERLAP)
    assert (row["playlist_name"], row["other_playlist_name"]) == ("P1", "P2")
    assert (row["shared_songs"], row["share"]) == (2, 1)


def test_where_spotify_tells_no_popularity_there_is_no_row(session: Session) -> None:
    write(session, {"p1": {0: "c"}})
    assert ask(session, POPULARITY, DAY).empty


# What they are


@every_question
def test_a_file_runs_as_it_is_about_the_latest_published_day(
    session: Session, question: Question
) -> None:
    write(session, WEEK)
    latest = ask(session, question, day(1))
    assert session.execute(question.sql) == session.execute(question.sql_of(day(1)))
    assert len(session.execute(question.sql)) == len(latest)


@every_question
def test_the_day_is_put_in_once(question: Question) -> None:
    assert question.sql_of(DAY) != question.sql
    assert "OPS.LEDGER" not in question.sql_of(DAY)
    assert question.sql.startswith("--")


@every_question
def test_the_columns_are_those_of_the_file_and_are_described(question: Question) -> None:
    selected = sqlglot.parse_one(question.sql, dialect="snowflake").named_selects
    assert selected == [column.name for column in question.columns]
    assert all(column.description for column in question.columns)
    assert question.grain.startswith("one row per ")


@every_question
def test_the_tables_are_those_of_the_file(question: Question) -> None:
    statement = sqlglot.parse_one(question.sql_of(DAY), dialect="snowflake")
    read = {table.name.lower() for table in statement.find_all(sqlglot.exp.Table) if table.db}
    assert read == {table.name for table in question.tables}


@pytest.mark.slow
@every_question
@pytest.mark.parametrize("dialect", ["duckdb", "snowflake"])
def test_both_grammars_know_every_word_of_it(question: Question, dialect: str) -> None:
    linter = Linter(config=FluffConfig(overrides={"dialect": dialect}))
    parsed = linter.parse_string(question.sql)
    assert parsed.violations == []


@every_question
def test_an_empty_answer_has_its_columns_and_types(session: Session, question: Question) -> None:
    write(session, {})
    empty = ask(session, question, DAY)
    write(session, WEEK)
    full = ask(session, question, DAY)
    assert len(empty) == 0 < len(full)
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_numbers_that_are_missing_are_missing_and_no_fractions(session: Session) -> None:
    write(session, {"p1": {-1: "a", 0: "b"}})
    changes = ask(session, PLAYLIST_CHANGES, DAY)
    assert str(changes["position"].dtype) == "Int64"
    assert list(changes["position"].isna()) == [False, True]


def test_about_a_day_that_is_not_published_nothing_can_be_asked(session: Session) -> None:
    write(session, {"p1": {-1: "a"}})
    assert published_batch(session, day(-1)) == 1
    with pytest.raises(SkipThis, match=f"^{DAY} is not published: materialize published"):
        published_batch(session, DAY)


# A long history


@pytest.fixture(scope="module")
def long_history(opened: Session) -> Session:
    """A million entries: a hundred playlists on a hundred days, a twentieth new every day; and one
    of a thousand entries that Spotify has nothing for, which is emptied on the last day."""
    for table in ("PLAYLIST", "PLAYLIST_ENTRY", "SONG", "ARTIST", "ALBUM", "SONG_ARTIST"):
        opened.execute(f"DELETE FROM HISTORY.{table}")
    last = f"(CAST('{DAY}' AS DATE) - 99)"
    opened.execute(
        f"INSERT INTO HISTORY.PLAYLIST (snapshot_date, playlist_id, total_entries, fetched_at) "
        f"SELECT {last} + CAST(d AS INTEGER), 'p' || p, 100, {last} "
        f"FROM range(100) AS days (d), range(101) AS playlists (p)"
    )
    opened.execute(
        f"INSERT INTO HISTORY.PLAYLIST_ENTRY "
        f"(snapshot_date, playlist_id, position, entry_type, entry_uri, song_id) "
        f"SELECT {last} + CAST(d AS INTEGER), 'p' || p, n + 1, 'track', 'u' || song, 's' || song "
        f"FROM (SELECT d, p, n, (p * 37 + n * 101 + CASE WHEN (n * 7 + d) % 20 = 0 THEN d ELSE 0 "
        f"END) % 20000 AS song FROM range(100) AS days (d), range(100) AS playlists (p), "
        f"range(100) AS slots (n)) AS slots"
    )
    opened.execute(
        f"INSERT INTO HISTORY.PLAYLIST_ENTRY (snapshot_date, playlist_id, position, entry_type) "
        f"SELECT {last} + CAST(d AS INTEGER), 'p100', n + 1, 'unavailable' "
        f"FROM range(99) AS days (d), range(1000) AS slots (n)"
    )
    opened.execute(
        "INSERT INTO HISTORY.SONG (snapshot_date, song_id, song_popularity, artist_id, album_id, "
        "fetched_at) SELECT DISTINCT snapshot_date, song_id, 50, "
        "'r' || hash(song_id) % 3000, 'l' || hash(song_id) % 5000, snapshot_date "
        "FROM HISTORY.PLAYLIST_ENTRY WHERE song_id IS NOT NULL"
    )
    opened.execute(
        "INSERT INTO HISTORY.SONG_ARTIST SELECT snapshot_date, song_id, 1, artist_id "
        "FROM HISTORY.SONG"
    )
    return opened


@pytest.mark.slow
@every_question
def test_a_day_out_of_a_million_entries_is_there_in_a_moment(
    long_history: Session, question: Question
) -> None:
    start = time.monotonic()
    assert len(ask(long_history, question, DAY))
    assert time.monotonic() - start < 15  # a second here; slow machines exist
