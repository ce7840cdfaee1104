"""Every question passes on good data, and names what is wrong with bad data."""

from collections.abc import Callable
from functools import partial

import pytest

from spotify_pipeline import contract
from spotify_pipeline.contract import ALBUM, ARTIST, PLAYLIST, PLAYLIST_ENTRY, SONG, SONG_ARTIST
from spotify_pipeline.loading import publishing, quality
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.quality import Finding
from spotify_pipeline_tests.loading.rows import (
    DAY,
    Row,
    Rows,
    day,
    insert,
    land,
    manifest,
    row,
)


def good(on: int) -> Rows:
    """A day on which nothing is wrong."""
    the_day = day(on)
    return {
        "playlist": [
            row(PLAYLIST, the_day, playlist_id="p1", total_entries=2),
            row(PLAYLIST, the_day, playlist_id="empty", total_entries=0),
        ],
        "playlist_entry": [
            row(PLAYLIST_ENTRY, the_day, playlist_id="p1", position=1, song_id="s1"),
            row(PLAYLIST_ENTRY, the_day, playlist_id="p1", position=2, entry_type="unavailable"),
        ],
        "song": [row(SONG, the_day, song_id="s1", album_id="a1", artist_id="r1")],
        "album": [row(ALBUM, the_day, album_id="a1", artist_id="r1")],
        "artist": [row(ARTIST, the_day, artist_id="r1")],
        "song_artist": [row(SONG_ARTIST, the_day, song_id="s1", artist_position=1, artist_id="r1")],
    }


@pytest.fixture
def published(session: Session) -> Session:
    """Three good days, DAY the last."""
    days = {on: good(on) for on in (-2, -1, 0)}
    for on, rows in days.items():
        land(session, manifest(day(on), 1, rows), rows)
    for table in contract.TABLES:
        rows_of_all = [values for rows in days.values() for values in rows[table.name]]
        insert(session, f"HISTORY.{table.name}", rows_of_all)
    for table in contract.CURRENT:
        session.execute(f"INSERT INTO PUBLIC.TB_{table.name} {publishing.definition(table)}")
    return session


def add(session: Session, table: contract.Table, on: int = 0, **values: object) -> None:
    insert(session, f"HISTORY.{table.name}", [row(table, day(on), **values)])


CURRENT = [manifest(day(n), 1, good(n)) for n in (-1, 0)]

QUESTIONS: dict[str, Callable[[Session], Finding]] = {
    "complete": partial(quality.complete, since=day(-2)),
    "volume": partial(quality.volume, since=day(-2)),
    "fresh": partial(quality.fresh, playlist_ids=["p1", "empty"], day=DAY),
}
for _table in contract.TABLES:
    QUESTIONS |= {
        f"keys {_table.name}": partial(quality.keys, table=_table, since=day(-2)),
        f"references {_table.name}": partial(quality.references, table=_table, since=day(-2)),
        f"rows_agree {_table.name}": partial(quality.rows_agree, manifests=CURRENT, table=_table),
    }
for _table in contract.CURRENT:
    QUESTIONS[f"current_keys {_table.name}"] = partial(quality.current_keys, table=_table)


@pytest.mark.parametrize("question", QUESTIONS)
def test_good_data_passes(published: Session, question: str) -> None:
    finding = QUESTIONS[question](published)
    assert (finding.passed, finding.offenders) == (True, ())
    assert finding.found.startswith("no ")


# Keys


@pytest.mark.parametrize("table", contract.TABLES, ids=lambda table: table.name)
def test_a_key_that_stands_twice_is_named(published: Session, table: contract.Table) -> None:
    [again, *_] = good(0)[table.name]
    insert(published, f"HISTORY.{table.name}", [again])
    finding = quality.keys(published, table, DAY)
    key = ", ".join(str(again[name]) for name in table.key)
    assert finding.offenders == (f"({key}): 2 times",)
    assert finding.expected == f"({', '.join(table.key)}) is unique since 2026-11-22"
    assert finding.found == "1 key stands more than once"


@pytest.mark.parametrize("table", contract.CURRENT, ids=lambda table: table.name)
def test_an_id_that_stands_twice_among_the_current_ones_is_named(
    published: Session, table: contract.Table
) -> None:
    published.execute(f"INSERT INTO PUBLIC.TB_{table.name} SELECT * FROM PUBLIC.TB_{table.name}")
    finding = quality.current_keys(published, table)
    [(identity,)] = published.execute(
        f"SELECT DISTINCT {table.key[-1]} FROM PUBLIC.TB_{table.name}"
    )
    assert finding.offenders == (f"{identity} 2 times",)
    assert finding.expected == f"{table.key[-1]} is unique"


def test_the_same_id_on_two_days_is_no_duplicate(published: Session) -> None:
    assert quality.keys(published, SONG, day(-2)).passed


# References


@pytest.mark.parametrize(
    ("table", "values", "offender"),
    [
        (PLAYLIST_ENTRY, {"playlist_id": "p9", "position": 1}, "playlist_id p9: no such playlist"),
        (
            PLAYLIST_ENTRY,
            {"playlist_id": "p1", "position": 3, "song_id": "s9"},
            "song_id s9: no such song",
        ),
        (SONG, {"song_id": "s2", "album_id": "a9"}, "album_id a9: no such album"),
        (SONG, {"song_id": "s2", "artist_id": "r9"}, "artist_id r9: no such artist"),
        (ALBUM, {"album_id": "a2", "artist_id": "r9"}, "artist_id r9: no such artist"),
        (
            SONG_ARTIST,
            {"song_id": "s9", "artist_position": 1, "artist_id": "r1"},
            "song_id s9: no such song",
        ),
        (
            SONG_ARTIST,
            {"song_id": "s1", "artist_position": 2, "artist_id": "r9"},
            "artist_id r9 of s1: no such artist",
        ),
    ],
)
def test_what_points_to_nothing_is_named(
    published: Session, table: contract.Table, values: Row, offender: str
) -> None:
    add(published, table, **values)
    assert quality.references(published, table, DAY).offenders == (f"2026-11-22 {offender}",)


def test_a_row_of_another_day_does_not_answer_a_reference(published: Session) -> None:
    add(published, ALBUM, on=-1, album_id="a2")
    add(published, SONG, on=0, song_id="s2", album_id="a2")
    assert quality.references(published, SONG, day(-2)).offenders == (
        "2026-11-22 album_id a2: no such album",
    )


def test_a_reference_that_is_missing_often_is_named_once(published: Session) -> None:
    for song_id in ("s2", "s3"):
        add(published, SONG, song_id=song_id, album_id="a9")
    assert len(quality.references(published, SONG, DAY).offenders) == 1


# Complete


@pytest.mark.parametrize(
    ("total", "said"), [(3, "3"), (1, "1"), (None, "None")], ids=["less", "more", "unknown"]
)
def test_a_playlist_that_is_not_whole_is_named(
    published: Session, total: int | None, said: str
) -> None:
    published.execute(
        "UPDATE HISTORY.PLAYLIST SET total_entries = ? "
        "WHERE playlist_id = 'p1' AND snapshot_date = ?",
        [total, DAY],
    )
    finding = quality.complete(published, DAY)
    assert finding.offenders == (f"2026-11-22 p1: 2 entries, Spotify counted {said}",)


def test_a_playlist_whose_entries_are_all_gone_is_named(published: Session) -> None:
    published.execute(f"DELETE FROM HISTORY.PLAYLIST_ENTRY WHERE snapshot_date = '{DAY}'")
    finding = quality.complete(published, DAY)
    assert finding.offenders == ("2026-11-22 p1: 0 entries, Spotify counted 2",)


# Volume


@pytest.mark.parametrize(
    ("before", "now", "worth_a_look"),
    [
        (100, 151, True),
        (100, 150, False),  # not more than half
        (100, 49, True),
        (10, 30, False),  # not more than 20 entries
        (10, 31, True),
        (0, 21, True),
        (30, 0, True),
        (1000, 1021, False),
    ],
)
def test_a_sudden_change_of_size_is_named(
    session: Session, before: int, now: int, worth_a_look: bool
) -> None:
    add(session, PLAYLIST, on=-3, playlist_id="p1", total_entries=before)
    add(session, PLAYLIST, on=0, playlist_id="p1", total_entries=now)
    add(session, PLAYLIST, on=-1, playlist_id="p2", total_entries=5000)
    finding = quality.volume(session, DAY)
    assert finding.offenders == (
        (f"2026-11-22 p1: {now} entries, before {before}",) if worth_a_look else ()
    )


def test_the_first_day_of_a_playlist_is_no_change_of_size(session: Session) -> None:
    add(session, PLAYLIST, playlist_id="p1", total_entries=5000)
    assert quality.volume(session, DAY).passed


# Fresh


def test_a_stale_playlist_is_named_with_its_last_day(published: Session) -> None:
    add(published, PLAYLIST, on=-7, playlist_id="p2", total_entries=0)
    finding = quality.fresh(published, ["p1", "p2", "p3"], day(1))
    assert finding.offenders == ("p2: last captured 2026-11-15", "p3: last captured never")
    assert finding.expected == "every playlist captured since 2026-11-22"


def test_a_playlist_is_fresh_for_a_day_and_stale_after_two(published: Session) -> None:
    assert quality.fresh(published, ["p1"], day(1)).passed
    assert not quality.fresh(published, ["p1"], day(2)).passed


def test_playlists_that_are_not_configured_may_be_stale(published: Session) -> None:
    assert quality.fresh(published, [], day(30)).passed


# Rows agree


def test_rows_that_differ_anywhere_are_named_with_all_three_numbers(published: Session) -> None:
    published.execute(f"DELETE FROM HISTORY.SONG WHERE snapshot_date = '{DAY}'")
    assert quality.rows_agree(published, CURRENT, SONG).offenders == (
        "2026-11-22 batch 1: written 1, landed 1, published 0",
    )
    published.execute(f"DELETE FROM LANDING.SONG WHERE snapshot_date = '{DAY}'")
    assert quality.rows_agree(published, CURRENT, SONG).offenders == (
        "2026-11-22 batch 1: written 1, landed 0, published 0",
    )


def test_a_batch_that_is_not_published_yet_is_named(published: Session) -> None:
    two_songs = {"song": [row(SONG, song_id="s1"), row(SONG, song_id="s2")]}
    correction = manifest(DAY, 2, two_songs)
    land(published, correction, two_songs)
    assert quality.rows_agree(published, [correction], SONG).offenders == (
        "2026-11-22 batch 2: written 2, landed 2, published 1",
    )


def test_a_row_that_arrived_twice_is_one(published: Session) -> None:
    land(published, manifest(DAY, 1, good(0)), good(0))
    assert quality.rows_agree(published, [manifest(DAY, 1, good(0))], SONG).passed


# Names, since when, and how many


def test_who_has_a_name_is_told_by_it_and_by_the_id(published: Session) -> None:
    add(published, SONG, song_id="s2", song_name="Blue", album_id="a9")
    add(published, SONG, song_id="s2", song_name="Blue", album_id="a9")
    add(published, PLAYLIST, on=-1, playlist_id="p2", playlist_name="Charts", total_entries=0)
    add(published, PLAYLIST, on=0, playlist_id="p2", playlist_name="Hits", total_entries=99)
    told = [
        quality.keys(published, SONG, DAY),
        quality.references(published, SONG, DAY),
        quality.complete(published, DAY),
        quality.volume(published, DAY),
        quality.fresh(published, ["p2"], day(2)),
    ]
    assert [finding.offenders for finding in told] == [
        ("(2026-11-22, s2) Blue: 2 times",),
        ("2026-11-22 album_id a9 of Blue: no such album",),
        ("2026-11-22 Hits (p2): 0 entries, Spotify counted 99",),
        ("2026-11-22 Hits (p2): 99 entries, before 0",),
        ("Hits (p2): last captured 2026-11-22",),
    ]


@pytest.mark.parametrize("question", ["keys", "references", "complete", "volume"])
def test_only_the_days_since_are_judged(session: Session, question: str) -> None:
    add(session, PLAYLIST, on=-2, playlist_id="p1", total_entries=0)
    for _ in range(2):
        add(session, PLAYLIST_ENTRY, on=-1, playlist_id="p1", position=1, song_id="s9")
    add(session, PLAYLIST, on=-1, playlist_id="p1", total_entries=99)

    def ask(on: int) -> Finding:
        if question in ("keys", "references"):
            finding: Finding = getattr(quality, question)(session, PLAYLIST_ENTRY, day(on))
        else:
            finding = getattr(quality, question)(session, day(on))
        return finding

    assert not ask(-1).passed, "the day itself counts"
    assert ask(0).passed


def test_all_offenders_are_counted_and_the_first_are_shown(session: Session) -> None:
    for number in range(25):
        add(session, PLAYLIST, playlist_id=f"p{number:02}", total_entries=1)
    finding = quality.complete(session, DAY)
    assert len(finding.shown) == quality.SHOWN + 1
    assert finding.shown[0].startswith("2026-11-22 p00")
    assert finding.shown[-1] == "and 5 more"
    assert finding.found == "25 playlists differ"
