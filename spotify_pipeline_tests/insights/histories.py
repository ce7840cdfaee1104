"""Small histories of playlists, put into the published tables, and what they say in plain Python.

An entry is known by a letter. What a song is like follows from its letter: its artists (one of them
named twice), its year, its popularity.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from hypothesis import strategies as st

from spotify_pipeline import contract
from spotify_pipeline.loading.database import Session
from spotify_pipeline_tests.loading.rows import GONE, Entries, Row, day, insert, row

History = Mapping[str, Mapping[int, Entries]]
"""Entries by playlist and captured day, counted from DAY."""

ARTISTS: Mapping[str, Sequence[str]] = {
    "a": ["r1"],
    "b": ["r2", "r1"],
    "c": ["r3", "r3"],
    "d": [],
}
YEARS = {"a": 1970, "b": 1970, "c": 2001, "d": None}
POPULARITY = {"a": 10, "b": 41, "c": None, "d": 60}

histories = st.dictionaries(
    st.sampled_from(["p1", "p2", "p3"]),
    st.dictionaries(
        st.integers(-6, 1), st.lists(st.sampled_from([*"abcd", GONE]), max_size=6), max_size=6
    ),
)


def write(session: Session, history: History) -> None:
    """Makes the history the one that is published, every day of it."""
    rows = rows_of(history)
    for table in contract.TABLES:
        session.execute(f"DELETE FROM HISTORY.{table.name}")
        insert(session, f"HISTORY.{table.name}", rows[table.name])
    session.execute("DELETE FROM OPS.LEDGER")
    days = sorted({on for captured in history.values() for on in captured})
    insert(session, "OPS.LEDGER", [_ledger(day(on)) for on in days])


def rows_of(history: History) -> Mapping[str, Sequence[Row]]:
    """The rows of all six tables."""
    rows: dict[str, list[Row]] = {table.name: [] for table in contract.TABLES}
    for playlist, captured in history.items():
        for on, entries in captured.items():
            rows["playlist"].append(_playlist(playlist, day(on), entries))
            rows["playlist_entry"] += _entries(playlist, day(on), entries)
    for on in {on for captured in history.values() for on in captured}:
        songs = {s for captured in history.values() for s in captured.get(on, ()) if s}
        for song in sorted(songs):
            rows["song"].append(_song(song, day(on)))
            rows["album"].append(_album(song, day(on)))
            rows["song_artist"] += _artists_of(song, day(on))
        artists = {artist for song in songs for artist in ARTISTS[song]}
        rows["artist"] += [_artist(artist, day(on)) for artist in sorted(artists)]
    return rows


def _playlist(playlist: str, on: date, entries: Entries) -> Row:
    url = f"https://open.spotify.com/playlist/{playlist}"
    return row(
        contract.PLAYLIST,
        on,
        playlist_id=playlist,
        playlist_name=playlist.upper(),
        playlist_url=url,
        total_entries=len(entries),
    )


def _entries(playlist: str, on: date, entries: Entries) -> list[Row]:
    return [
        row(
            contract.PLAYLIST_ENTRY,
            on,
            playlist_id=playlist,
            position=position,
            entry_type="track" if song else "unavailable",
            song_id=song,
            entry_uri=f"spotify:track:{song}" if song else None,
            entry_name=song and f"Song {song}",
        )
        for position, song in enumerate(entries, start=1)
    ]


def _song(song: str, on: date) -> Row:
    return row(
        contract.SONG,
        on,
        song_id=song,
        song_name=f"Song {song}",
        song_url=f"https://open.spotify.com/track/{song}",
        song_popularity=POPULARITY[song],
        album_id=f"l{song}",
        artist_id=next(iter(ARTISTS[song]), None),
    )


def _album(song: str, on: date) -> Row:
    year = YEARS[song]
    released = year and date(year, 5, 1)
    return row(contract.ALBUM, on, album_id=f"l{song}", album_release_date=released)


def _artists_of(song: str, on: date) -> list[Row]:
    return [
        row(contract.SONG_ARTIST, on, song_id=song, artist_position=place, artist_id=artist)
        for place, artist in enumerate(ARTISTS[song], start=1)
    ]


def _artist(artist: str, on: date) -> Row:
    return row(contract.ARTIST, on, artist_id=artist, artist_name=artist.upper())


def _ledger(on: date) -> dict[str, Any]:
    return {
        "snapshot_date": on,
        "batch": 1,
        "digest": "digest1",
        "published_at": f"{on} 12:00:00",
        "row_counts": "{}",
    }
