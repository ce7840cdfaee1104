"""The first rows of a table, for people: by key, and without what tells about a person."""

from spotify_pipeline import contract
from spotify_pipeline.contract import PLAYLIST, SONG
from spotify_pipeline.loading import preview
from spotify_pipeline.loading.database import Session
from spotify_pipeline_tests.loading.rows import DAY, day, insert, publish, row


def test_it_is_the_first_rows_by_key_of_those_that_are_wanted(session: Session) -> None:
    songs = [row(SONG, song_id=f"s{number}") for number in (9, 1, 8, 2, 7, 3)]
    insert(session, "HISTORY.SONG", [row(SONG, day(-1), song_id="s0"), *songs])
    found = preview.first_rows(session, "HISTORY", SONG, f"snapshot_date = '{DAY}'")
    assert [each["song_id"] for each in found] == ["s1", "s2", "s3", "s7", "s8"]
    assert list(found[0]) == list(SONG.column_names[1:])


def test_nothing_of_a_person_is_shown(session: Session) -> None:
    insert(session, "HISTORY.PLAYLIST", [row(PLAYLIST, playlist_id="p1", owner_name="Me")])
    [found] = preview.first_rows(session, "HISTORY", PLAYLIST)
    assert {"owner_id", "owner_name"}.isdisjoint(found)
    assert "Me" not in found.values()


def test_a_current_table_is_shown_with_the_days_it_was_seen(session: Session) -> None:
    publish(session, DAY, 1, {"song": [row(SONG, song_id="s1", song_name="Blue")]})
    [found] = preview.first_rows(session, "PUBLIC", contract.current(SONG))
    assert (found["song_name"], found["first_seen"], found["last_seen"]) == ("Blue", DAY, DAY)
