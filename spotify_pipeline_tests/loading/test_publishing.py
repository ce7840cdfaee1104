"""Publishing, case by case; every order of everything is in test_publishing_in_any_order."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from spotify_pipeline import contract
from spotify_pipeline.contract import ALBUM, ARTIST, PLAYLIST, PLAYLIST_ENTRY, SONG, SONG_ARTIST
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import publishing, quality
from spotify_pipeline.loading.database import Session, literal, literals
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline_tests.loading.rows import (
    DAY,
    NOON,
    ODD,
    Row,
    Rows,
    arrive,
    bag,
    contents,
    day,
    insert,
    land,
    manifest,
    publish,
    row,
)
from spotify_pipeline_tests.loading.sessions import (
    BEGIN,
    COMMIT,
    ROLLBACK,
    Crash,
    Crashing,
    Disturbed,
    Recording,
)

SMALL_DAY: Rows = {
    "playlist": [row(PLAYLIST, playlist_id="p1", total_entries=2)],
    "playlist_entry": [
        row(PLAYLIST_ENTRY, playlist_id="p1", position=1, song_id="s1"),
        row(PLAYLIST_ENTRY, playlist_id="p1", position=2, song_id="s1"),
    ],
    "song": [row(SONG, song_id="s1", song_name="One", album_id="a1", artist_id="r1")],
    "album": [row(ALBUM, album_id="a1", artist_id="r1")],
    "artist": [row(ARTIST, artist_id="r1")],
    "song_artist": [row(SONG_ARTIST, song_id="s1", artist_position=1, artist_id="r1")],
}


def songs(on: int, *names: str, hour: int = 6, **ids: str) -> list[Row]:
    """Songs by id and name; `names` are both."""
    at = datetime.combine(day(on), datetime.min.time()) + timedelta(hours=hour)
    named = {name: name for name in names} | ids
    return [
        row(SONG, day(on), song_id=id_, song_name=name, fetched_at=at)
        for id_, name in named.items()
    ]


def current_songs(session: Session) -> list[tuple[object, ...]]:
    """TB_SONG in short, days as the distance from DAY."""
    return [
        (id_, name, (first - DAY).days, (last - DAY).days)
        for id_, name, first, last in session.execute(
            "SELECT song_id, song_name, first_seen, last_seen FROM PUBLIC.TB_SONG ORDER BY 1"
        )
    ]


# One day


def test_a_batch_gets_into_history_and_the_current_tables(session: Session) -> None:
    published = publish(session, DAY, 1, SMALL_DAY)
    counts = {name: len(rows) for name, rows in SMALL_DAY.items()}
    assert published == publishing.Published(1, counts, is_new=True)
    found = contents(session)
    for table in contract.TABLES:
        expected = [tuple(values.values()) for values in SMALL_DAY[table.name]]
        assert list(found[f"HISTORY.{table.name}"].elements()) == expected
    assert current_songs(session) == [("s1", "One", 0, 0)]
    assert publishing.ledger(session) == {DAY: 1}


def test_publishing_again_changes_nothing_and_says_so(session: Session) -> None:
    publish(session, DAY, 1, SMALL_DAY)
    before = session.execute("SELECT * FROM OPS.LEDGER"), contents(session)
    again = publishing.publish(session, manifest(DAY, 1, SMALL_DAY), NOON + timedelta(hours=1))
    assert not again.is_new
    assert again.rows == {name: len(rows) for name, rows in SMALL_DAY.items()}
    assert (session.execute("SELECT * FROM OPS.LEDGER"), contents(session)) == before


def test_a_row_that_arrived_twice_is_published_once(session: Session) -> None:
    of = manifest(DAY, 1, SMALL_DAY)
    land(session, of, SMALL_DAY)
    land(session, of, SMALL_DAY, at=NOON + timedelta(seconds=1))
    publishing.publish(session, of, NOON)
    assert contents(session)["HISTORY.playlist_entry"].total() == 2


def test_equal_rows_of_a_file_are_all_published(session: Session) -> None:
    same = [row(SONG_ARTIST, song_id="s1", artist_position=1, artist_id="r1")] * 2
    publish(session, DAY, 1, {"song_artist": same})
    assert contents(session)["HISTORY.song_artist"].total() == 2


def test_the_ledger_says_what_was_published_when(session: Session) -> None:
    publish(session, DAY, 1, SMALL_DAY)
    [(on, batch, digest, at, rows)] = session.execute("SELECT * FROM OPS.LEDGER")
    assert (on, batch, digest, at) == (DAY, 1, "digest1", NOON.replace(tzinfo=None))
    assert rows == (
        '{"playlist": 1, "playlist_entry": 2, "song": 1, "album": 1, "artist": 1, "song_artist": 1}'
    )


# Corrections


def test_a_newer_batch_takes_the_place_of_the_days_rows(session: Session) -> None:
    publish(session, DAY, 1, {"song": songs(0, "s1", "s2")})
    publish(session, DAY, 2, {"song": songs(0, "s2", "s3")})
    assert [id_ for id_, *_ in current_songs(session)] == ["s2", "s3"]
    found = session.execute("SELECT song_id FROM HISTORY.SONG ORDER BY 1")
    assert found == [("s2",), ("s3",)]


def test_an_older_batch_is_not_published_and_the_answer_is_the_newer_one(session: Session) -> None:
    publish(session, DAY, 2, {"song": songs(0, "s2")})
    before = contents(session)
    late = publish(session, DAY, 1, {"song": songs(0, "s1", "s3")})
    assert (late.batch, late.rows["song"], late.is_new) == (2, 1, False)
    assert contents(session) == before


def test_a_correction_may_empty_a_day(session: Session) -> None:
    publish(session, DAY, 1, SMALL_DAY)
    publish(session, DAY, 2, {})
    found = contents(session)
    assert found.pop("OPS.LEDGER").total() == 1
    assert {name: rows.total() for name, rows in found.items()} == dict.fromkeys(found, 0)


def test_other_days_are_left_alone(session: Session) -> None:
    publish(session, day(-1), 1, {"song": songs(-1, "s1")})
    publish(session, DAY, 1, {"song": songs(0, "s1", "s2")})
    publish(session, DAY, 2, {"song": songs(0, "s3")})
    assert session.execute("SELECT snapshot_date, song_id FROM HISTORY.SONG ORDER BY 1") == [
        (day(-1), "s1"),
        (DAY, "s3"),
    ]


# Current tables


def test_the_row_that_was_fetched_last_counts_as_a_whole(session: Session) -> None:
    [full] = songs(0, s1="old", hour=6)
    [newer] = songs(1, s1="new", hour=6)
    publish(session, day(1), 1, {"song": [newer | {"song_isrc": None}]})
    publish(session, day(0), 1, {"song": [full | {"song_isrc": "DE-1"}]})
    found = session.execute("SELECT song_name, song_isrc FROM PUBLIC.TB_SONG")
    assert found == [("new", None)], "a null of the last row is not filled from an older one"


def test_a_past_day_that_was_fetched_later_counts_more(session: Session) -> None:
    publish(session, day(1), 1, {"song": songs(1, s1="tomorrow", hour=0)})
    publish(session, day(0), 1, {"song": songs(0, s1="after midnight", hour=25)})
    assert current_songs(session) == [("s1", "after midnight", 0, 1)]


def test_of_rows_fetched_at_the_same_moment_the_later_days_counts(session: Session) -> None:
    publish(session, day(1), 1, {"song": songs(1, s1="later day", hour=1)})
    publish(session, day(0), 1, {"song": songs(0, s1="earlier day", hour=25)})
    assert current_songs(session) == [("s1", "later day", 0, 1)]


def test_first_and_last_seen_span_all_days(session: Session) -> None:
    for on in (0, 5, -3):
        publish(session, day(on), 1, {"song": songs(on, "s1")})
    assert current_songs(session) == [("s1", "s1", -3, 5)]


@pytest.mark.parametrize(
    ("corrected", "seen"), [(-3, (0, 5)), (0, (-3, 5)), (5, (-3, 0))], ids=["first", "mid", "last"]
)
def test_a_correction_that_removes_an_id_from_a_day_mends_first_and_last_seen(
    session: Session, corrected: int, seen: tuple[int, int]
) -> None:
    for on in (-3, 0, 5):
        publish(session, day(on), 1, {"song": songs(on, s1=f"of {on}")})
    publish(session, day(corrected), 2, {})
    assert current_songs(session) == [("s1", f"of {seen[1]}", *seen)]


def test_an_id_that_no_day_has_any_more_is_gone(session: Session) -> None:
    publish(session, DAY, 1, {"song": songs(0, "s1")})
    publish(session, DAY, 2, {"song": songs(0, "s2")})
    assert current_songs(session) == [("s2", "s2", 0, 0)]


# Not whole


@pytest.mark.parametrize("already", [False, True], ids=["first batch", "correction"])
def test_a_batch_that_is_not_whole_in_landing_changes_nothing(
    session: Session, already: bool
) -> None:
    if already:
        publish(session, DAY, 1, SMALL_DAY)
    before = session.execute("SELECT * FROM OPS.LEDGER"), contents(session)
    of = manifest(DAY, 2, SMALL_DAY)
    land(session, of, SMALL_DAY, [table for table in contract.TABLES if table != SONG])
    entries = {"playlist_entry": SMALL_DAY["playlist_entry"][:1]}
    session.execute("DELETE FROM LANDING.PLAYLIST_ENTRY WHERE _file LIKE '%/2-digest2/%'")
    land(session, of, entries)
    with pytest.raises(RetryLater) as raised:
        publishing.publish(session, of, NOON)
    assert "Batch 2 of 2026-11-22" in str(raised.value)
    assert "playlist_entry 1 of 2 rows, song 0 of 1 rows." in str(raised.value)
    assert (session.execute("SELECT * FROM OPS.LEDGER"), contents(session)) == before


def test_landed_counts_distinct_rows_by_file(session: Session) -> None:
    today, other = manifest(DAY, 1, SMALL_DAY), manifest(day(1), 1, {})
    for _ in range(2):
        land(session, today, SMALL_DAY)
    land(session, manifest(DAY, 2, SMALL_DAY), SMALL_DAY)
    found = publishing.landed(session, [today, other])
    assert found[DAY] == {name: len(rows) for name, rows in SMALL_DAY.items()}
    assert found[day(1)] == {table.name: 0 for table in contract.TABLES}
    assert publishing.is_landed(today, found[DAY])
    assert publishing.is_landed(other, found[day(1)])
    assert not publishing.is_landed(today, found[DAY] | {"song": 2})
    assert publishing.landed(session, []) == {}


def test_each_table_is_asked_for_its_own_files(session: Session) -> None:
    """The names of all files in every SELECT would be six times the text, and it has a limit."""
    batches = [manifest(day(on), 1, SMALL_DAY) for on in range(3)]
    for of in batches:
        land(session, of, SMALL_DAY)
    watched = Recording(session)
    publishing.landed(watched, batches)
    publishing.arrivals(watched, batches)
    for statement in watched.statements:
        for of in batches:
            for name, file in of.files.items():
                [select] = [part for part in statement.split(" UNION ALL ") if file.key in part]
                assert f" FROM LANDING.{name} " in select
                assert select.count(file.key) == 1
    assert len(watched.statements) == 2


def test_batches_that_were_counted_are_not_counted_again(session: Session) -> None:
    here, gone = manifest(DAY, 1, SMALL_DAY), manifest(day(1), 1, SMALL_DAY)
    land(session, here, SMALL_DAY)
    assert publishing.whole(session, [here, gone]) == [here]
    found = publishing.landed(session, [here, gone])
    watched = Recording(session)
    assert publishing.whole(watched, [here, gone], found) == [here]
    assert publishing.whole(watched, [], {}) == []
    less = {on: {"song": counts["song"]} for on, counts in found.items()}
    assert publishing.whole(watched, [here, gone], less) == [], "a table that is gone holds nothing"
    assert watched.statements == []


def test_arrivals_are_the_times_of_the_last_rows(session: Session) -> None:
    of = manifest(DAY, 1, SMALL_DAY | {"album": []})
    land(session, of, SMALL_DAY | {"album": []})
    later = NOON + timedelta(minutes=5)
    land(session, of, SMALL_DAY, [SONG], at=later)
    expected = {file.key: NOON for name, file in of.files.items() if name != "album"}
    assert publishing.arrivals(session, [of]) == expected | {of.files["song"].key: later}
    assert publishing.arrivals(session, []) == {}


# One transaction


def test_it_is_one_transaction_of_dml_that_begins_with_the_ledger(session: Session) -> None:
    watched = Recording(session)
    publish(session, DAY, 1, SMALL_DAY)
    correction = manifest(DAY, 2, SMALL_DAY)
    land(session, correction, SMALL_DAY)
    publishing.publish(watched, correction, NOON)
    begin, turn, first, *others, commit = watched.statements
    assert (begin, commit) == (BEGIN, COMMIT)
    assert turn.startswith("UPDATE OPS.TURN ")
    assert first.startswith("MERGE INTO OPS.LEDGER")
    verbs = {statement.split()[0] for statement in others}
    assert verbs == {"DELETE", "INSERT", "SELECT"}
    assert not any(";" in statement for statement in watched.statements), "one at a time"


def test_what_fails_is_rolled_back_after_the_ledger_was_taken(session: Session) -> None:
    watched = Recording(session)
    with pytest.raises(RetryLater):
        publishing.publish(watched, manifest(DAY, 1, SMALL_DAY), NOON)
    assert watched.statements[0] == BEGIN
    assert watched.statements[2].startswith("MERGE INTO OPS.LEDGER")
    assert watched.statements[-1] == ROLLBACK


def test_a_crash_at_any_statement_leaves_the_day_as_it_was(session: Session) -> None:
    publish(session, DAY, 1, SMALL_DAY)
    before = contents(session)
    correction = manifest(DAY, 2, {"song": songs(0, "s1", "s2")})
    land(session, correction, {"song": songs(0, "s1", "s2")})
    done = 0
    while crashes(session, correction, done):
        assert contents(session) == before
        done += 1
    assert done > 3 * len(contract.TABLES), "every statement had its crash"
    assert publishing.ledger(session) == {DAY: 2}


def crashes(session: Session, of: Manifest, done: int) -> bool:
    """Publishes, with a crash after `done` statements unless it is through by then."""
    try:
        publishing.publish(Crashing(session, done), of, NOON)
    except Crash:
        return True
    return False


# What others commit meanwhile


@pytest.mark.slow
def test_rows_that_land_meanwhile_make_no_current_table_wrong(session: Session) -> None:
    """Songs that TB_SONG has from an earlier day land between any two statements of publishing."""
    ids = [f"s{n}" for n in range(30)]
    publish(session, day(-1), 1, {"song": songs(-1, **dict.fromkeys(ids, "old"))})
    outcomes = []
    while not outcomes or outcomes[-1] is not None:
        done = len(outcomes)
        rows: Rows = {"song": songs(0, **{ids[done]: f"new {done}"})}
        outcomes.append(published_while_landing(session, manifest(DAY, done + 1, rows), rows, done))
        for table in contract.CURRENT:
            defined = bag(session.execute(publishing.definition(table)))
            assert contents(session)[f"PUBLIC.TB_{table.name}"] == defined, f"after {done}"
    assert {True, False} <= set(outcomes), "some came in time, some too late"


def published_while_landing(session: Session, of: Manifest, rows: Rows, done: int) -> bool | None:
    """Whether it is published if its songs land after `done` statements; None: it has no more."""
    disturbed = Disturbed(session, done, lambda inner: arrive(inner, of, rows, SONG))
    try:
        return publishing.publish(disturbed, of, NOON).is_new
    except RetryLater:
        return False if disturbed.has_happened else None


TWICE = "OPS.LEDGER has 2 rows for 2026-11-22, where one belongs: somebody wrote there besides"


def add_to_ledger(session: Session) -> None:
    """As nobody does who takes a turn first."""
    session.execute(f"INSERT INTO OPS.LEDGER VALUES ({literal(DAY)}, 1, 'other', now(), '{{}}')")


def test_a_day_that_somebody_noted_meanwhile_is_not_published(session: Session) -> None:
    """A MERGE of Snowflake may not wait for who adds a row, and no key forbids two."""
    of = manifest(DAY, 1, SMALL_DAY)
    land(session, of, SMALL_DAY)
    before = contents(session)
    for done in count(2):  # the second statement takes the ledger
        disturbed = Disturbed(session, done, add_to_ledger)
        said = refusal(disturbed, of)
        if not said:
            break
        assert said.startswith(TWICE)
        assert contents(session) == before
    assert not disturbed.has_happened, "refused whenever it happened, up to the last statement"
    assert done > 3 * len(contract.TABLES)


def refusal(session: Session, of: Manifest) -> str:
    """Why the batch is not published; empty if it is."""
    try:
        publishing.publish(session, of, NOON)
    except FixConfiguration as error:
        return str(error)
    return ""


def test_without_a_row_to_wait_for_nothing_is_written(session: Session) -> None:
    of = manifest(DAY, 1, SMALL_DAY)
    land(session, of, SMALL_DAY)
    before = contents(session)
    turn = session.execute("SELECT * FROM OPS.TURN")
    session.execute("DELETE FROM OPS.TURN")
    try:
        assert "OPS.TURN has no row" in refusal(session, of)
        assert contents(session) == before
        with pytest.raises(FixConfiguration, match=r"050_tables\.sql"):
            publishing.note_missed(session, {DAY: [Failure("p1", "why")]}, NOON)
        assert missed(session) == []
    finally:
        session.execute("INSERT INTO OPS.TURN VALUES (?)", turn[0])


def test_a_day_that_was_published_twice_is_made_anew_as_the_refusal_says(session: Session) -> None:
    publish(session, DAY, 1, SMALL_DAY)
    expected = contents(session)
    for name in [name for name in expected if not name.startswith("OPS")]:
        session.execute(f"INSERT INTO {name} SELECT * FROM {name}")
    add_to_ledger(session)
    of = manifest(DAY, 2, SMALL_DAY)
    land(session, of, SMALL_DAY)
    for batch in (of, manifest(DAY, 1, SMALL_DAY)):
        said = refusal(session, batch)
        assert said.startswith(TWICE)
    [remedy] = re.findall(r"\((DELETE .*?)\)", said)
    session.execute(remedy)
    assert publishing.publish(session, manifest(DAY, 1, SMALL_DAY), NOON).is_new
    assert contents(session) == expected


# Missed


def missed(session: Session) -> list[tuple[object, ...]]:
    return session.execute(
        "SELECT snapshot_date, playlist_id, reason, noted_at FROM OPS.MISSED ORDER BY 1, 2"
    )


def test_missed_playlists_are_noted_once_and_for_ever(session: Session) -> None:
    gaps = {DAY: [Failure("p1", "it's private"), Failure("p2", "gone")], day(-2): []}
    publishing.note_missed(session, gaps, NOON)
    expected = [
        (DAY, "p1", "it's private", NOON.replace(tzinfo=None)),
        (DAY, "p2", "gone", NOON.replace(tzinfo=None)),
    ]
    assert missed(session) == expected

    later = datetime(2027, 1, 1, tzinfo=UTC)
    publishing.note_missed(session, {DAY: [Failure("p1", "another reason")]}, later)
    publishing.note_missed(session, {}, later)
    assert missed(session) == expected

    publishing.note_missed(session, {day(1): [Failure("p1", "again")]}, later)
    assert len(missed(session)) == 3


def test_missed_playlists_are_noted_together_or_not_at_all(session: Session) -> None:
    gaps = {DAY: [Failure("p1", "why"), Failure("p2", "why")]}
    with pytest.raises(Crash):
        publishing.note_missed(Crashing(session, 4), gaps, NOON)
    assert missed(session) == []


def test_what_another_run_notes_meanwhile_is_not_noted_twice(session: Session) -> None:
    gaps = {DAY: [Failure("p1", "mine"), Failure("p2", "mine")]}
    theirs = {"snapshot_date": DAY, "playlist_id": "p2", "reason": "theirs", "noted_at": NOON}
    disturbed = Disturbed(session, 1, lambda inner: insert(inner, "OPS.MISSED", [theirs]))
    publishing.note_missed(disturbed, gaps, NOON)
    found = [(playlist, reason) for _, playlist, reason, _ in missed(session)]
    assert found == [("p1", "mine"), ("p2", "theirs")]


def test_where_all_that_was_missed_is_noted_nobody_waits_for_a_turn(session: Session) -> None:
    gaps = {DAY: [Failure("p1", "why")]}
    publishing.note_missed(session, gaps, NOON)
    watched = Recording(session)
    publishing.note_missed(watched, gaps, NOON)
    assert len(watched.statements) == 1


def test_a_column_may_be_added_to_what_is_missed(database: DuckDBDatabase) -> None:
    with database.session() as session:
        session.execute("ALTER TABLE OPS.MISSED ADD COLUMN remark VARCHAR")
        publishing.note_missed(session, {DAY: [Failure("p1", "why")]}, NOON)
        assert [playlist for _, playlist, _, _ in missed(session)] == ["p1"]


def test_a_reason_may_have_any_characters(session: Session) -> None:
    publishing.note_missed(session, {DAY: [Failure("p1", ODD)]}, NOON)
    assert [reason for _, _, reason, _ in missed(session)] == [ODD]


# SQL literals


def test_a_backslash_does_not_get_into_sql() -> None:
    """It begins an escape on Snowflake: this text would change there, or not end."""
    for text in ("\\", "C:\\new", "it's \\"):
        with pytest.raises(ValueError, match="backslash"):
            literal(text)
        with pytest.raises(ValueError, match="backslash"):
            literals(["fine", text])


def test_what_is_ours_gets_into_sql_as_it_is() -> None:
    assert literals([DAY, 3, "a/b.csv.gz", "it's"]) == "'2026-11-22', 3, 'a/b.csv.gz', 'it''s'"
    assert literals([]) == "NULL"


# Older batches


def test_a_batch_from_before_a_table_was_added_is_published_without_it(session: Session) -> None:
    now = manifest(DAY, 1, SMALL_DAY)
    before = replace(now, files={name: now.files[name] for name in now.files if name != "album"})
    land(session, now, SMALL_DAY, [table for table in contract.TABLES if table is not ALBUM])
    assert "album" not in publishing.landed(session, [before])[DAY]
    assert publishing.publish(session, before, NOON).is_new
    assert session.execute("SELECT COUNT(*) FROM HISTORY.ALBUM") == [(0,)]
    assert quality.rows_agree(session, [before], ALBUM).passed
