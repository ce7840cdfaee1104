"""Songs, albums and artists: one row per id and day, the same whatever order things come in."""

from datetime import timedelta
from typing import Any

import pytest

from spotify_pipeline_tests.rows import tables_of
from spotify_pipeline_tests.synthetic import (
    NOON,
    album,
    artist,
    document,
    entry,
    episode,
    local_file,
    track,
)

LATER = NOON + timedelta(microseconds=1)


# Which of several wins


def test_of_two_fetches_the_later_wins() -> None:
    tables = tables_of(
        document([entry(track(name="late"))], "a", fetched_at=LATER),
        document([entry(track(name="early"))], "z", fetched_at=NOON),
    )
    assert tables.column("song", "song_name") == ["late"]


def test_of_two_playlists_fetched_at_once_the_greater_id_wins() -> None:
    tables = tables_of(
        document([entry(track(name="from z"))], "z"),
        document([entry(track(name="from a")), entry(track(name="lower down"))], "a"),
    )
    assert tables.column("song", "song_name") == ["from z"]


def test_of_two_places_in_a_playlist_the_lower_down_wins() -> None:
    names = [f"place {place}" for place in range(1, 12)]
    tables = tables_of(document([entry(track(name=name)) for name in names]))
    assert tables.column("song", "song_name") == ["place 11"]


def test_the_order_of_the_documents_decides_nothing() -> None:
    documents = [
        document([entry(track(name=name, album=album(name=name)))], name, fetched_at=when)
        for name, when in (("a", NOON), ("b", LATER), ("c", LATER))
    ]
    made = {str(tables_of(*order).bytes) for order in (documents, documents[::-1])}
    assert len(made) == 1
    assert "c" in made.pop()


def test_albums_and_artists_are_taken_from_the_same_winner() -> None:
    old = track("one", album=album(name="old"), artists=[artist(name="old")])
    new = track("two", album=album(name="new", artists=[]), artists=[artist(name="new")])
    tables = tables_of(
        document([entry(new)], "a", fetched_at=LATER), document([entry(old)], "b", fetched_at=NOON)
    )
    assert tables.only("album")["album_name"] == "new"
    assert tables.only("artist")["artist_name"] == "new"


def test_an_artist_who_is_named_twice_in_one_entry_is_told_the_same_every_time() -> None:
    names = ["", "B", "A", "C", "a"]
    made = set()
    for order in (names, names[::-1], names[2:] + names[:2]):
        songs = [
            entry(track(str(n), artists=[artist(name=name) for name in order])) for n in range(50)
        ]
        made.add(tables_of(document(songs)).only("artist")["artist_name"])
    assert len(made) == 1


# song_added


def added(*moments: str | None) -> Any:
    """song_added of a song that was added at these moments."""
    slots = [entry(track(), added_at=moment) for moment in moments]
    return tables_of(document(slots)).only("song")["song_added"]


def test_a_song_was_added_when_it_was_first_added_anywhere() -> None:
    tables = tables_of(
        document([entry(track(), added_at="2026-03-01T00:00:00Z")], "a"),
        document([entry(track(), added_at="2025-12-31T23:59:59Z")], "b"),
        document([entry(track(), added_at="2026-01-01T00:00:00Z")], "c"),
    )
    assert tables.only("song")["song_added"] == "2025-12-31"


def test_null_and_1970_don_t_count_as_added() -> None:
    assert added(None, "1970-01-01T00:00:00Z", "2026-03-01T10:00:00Z") == "2026-03-01"


def test_a_song_of_which_nobody_knows_when_it_was_added_says_so() -> None:
    assert added(None, "1970-01-01T00:00:00Z") is None


def test_another_song_s_day_is_not_taken() -> None:
    slots = [
        entry(track("old"), added_at="2001-01-01T00:00:00Z"),
        entry(track("new"), added_at="2026-01-01T00:00:00Z"),
    ]
    assert tables_of(document(slots)).column("song", "song_added") == ["2026-01-01", "2001-01-01"]


# Rows


def test_a_song_tells_what_spotify_tells() -> None:
    tables = tables_of(document([entry(track(popularity=42, explicit=True), "tracks")]))
    assert tables.only("song") == {
        "snapshot_date": "2026-11-22",
        "song_id": "song1",
        "song_name": "Song",
        "song_duration": "200000",
        "song_explicit": "true",
        "song_isrc": "XX0000000001",
        "song_url": "https://open.spotify.com/track/song1",
        "song_popularity": "42",
        "song_added": "2026-01-02",
        "album_id": "album1",
        "artist_id": "artist1",
        "disc_number": "1",
        "track_number": "2",
        "fetched_at": "2026-11-22 12:00:00.000000",
    }


def test_an_album_tells_what_spotify_tells() -> None:
    assert tables_of(document([entry(track())])).only("album") == {
        "snapshot_date": "2026-11-22",
        "album_id": "album1",
        "album_name": "Album",
        "album_type": "album",
        "album_release_date": "1981-12-01",
        "album_release_precision": "day",
        "album_total_tracks": "10",
        "album_url": "https://open.spotify.com/album/album1",
        "album_image_url": "https://i.scdn.co/image/wide",
        "artist_id": "artist1",
        "fetched_at": "2026-11-22 12:00:00.000000",
    }


def test_an_artist_tells_what_spotify_tells() -> None:
    assert tables_of(document([entry(track())])).only("artist") == {
        "snapshot_date": "2026-11-22",
        "artist_id": "artist1",
        "artist_name": "Artist",
        "artist_url": "https://open.spotify.com/artist/artist1",
        "fetched_at": "2026-11-22 12:00:00.000000",
    }


def test_every_artist_of_a_song_has_a_place() -> None:
    song = track(artists=[artist("b"), artist("a"), artist("b")])
    rows = tables_of(document([entry(song)]))["song_artist"]
    assert [(row["artist_position"], row["artist_id"]) for row in rows] == [
        ("1", "b"),
        ("2", "a"),
        ("3", "b"),
    ]


def test_artists_without_id_leave_their_place_empty() -> None:
    song = track(artists=[artist("a"), artist(id=None), artist("c")])
    rows = tables_of(document([entry(song)]))["song_artist"]
    assert [(row["artist_position"], row["artist_id"]) for row in rows] == [("1", "a"), ("3", "c")]


def test_artists_of_a_song_are_those_of_the_winning_entry() -> None:
    slots = [
        entry(track(artists=[artist("a"), artist("b")])),
        entry(track(artists=[artist("c")])),
    ]
    assert tables_of(document(slots)).column("song_artist", "artist_id") == ["c"]


def test_the_artist_of_an_album_alone_is_an_artist_too() -> None:
    song = track(album=album(artists=[artist("of the album")]))
    assert tables_of(document([entry(song)])).column("artist", "artist_id") == [
        "artist1",
        "of the album",
    ]


def test_only_songs_bring_albums_and_artists() -> None:
    slots = [entry(None), entry(episode()), entry(local_file(), is_local=True)]
    tables = tables_of(document(slots))
    assert {name: len(tables[name]) for name in ("song", "album", "artist", "song_artist")} == {
        "song": 0,
        "album": 0,
        "artist": 0,
        "song_artist": 0,
    }


@pytest.mark.parametrize("kind", ["ALBUM", "Album", "album"])
def test_the_kind_of_an_album_is_told_in_small_letters(kind: str) -> None:
    tables = tables_of(document([entry(track(album=album(album_type=kind)))]))
    assert tables.only("album")["album_type"] == "album"


def test_an_album_whose_name_was_taken_away_keeps_the_empty_name() -> None:
    tables = tables_of(document([entry(track(album=album(name="")))]))
    assert tables.only("album")["album_name"] == ""


def test_a_song_without_isrc_has_none() -> None:
    slots = [entry(track("a", external_ids={})), entry(track("b", external_ids={"isrc": ""}))]
    assert tables_of(document(slots)).column("song", "song_isrc") == [None, None]
