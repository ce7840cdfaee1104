"""The questions, as data: name, grain, columns. The SQL is the file of that name in `sql/`."""

from spotify_pipeline import contract
from spotify_pipeline.insights.question import Column, Question, Type


def _of(table: contract.Table, name: str) -> Column:
    """A column that is the contract's own."""
    column = table.column(name)
    types: dict[contract.Type, Type] = {
        contract.Type.STRING: "string",
        contract.Type.INTEGER: "integer",
        contract.Type.DATE: "date",
    }
    return Column(name, types[column.type], column.description)


_DAY = _of(contract.PLAYLIST, "snapshot_date")
_PLAYLIST_ID = _of(contract.PLAYLIST, "playlist_id")
_PLAYLIST_NAME = _of(contract.PLAYLIST, "playlist_name")
_PREVIOUS_DATE = Column("previous_date", "date", "the playlist's captured day before; null if none")
_GAP_DAYS = Column("gap_days", "integer", "days from that one to this one; 1 where none is missing")

PLAYLIST_CHANGES = Question(
    "playlist_changes",
    "one row per entry that entered, left or moved in a playlist since its previous captured day; "
    "of what left, how long it had stayed",
    (
        _DAY,
        _PLAYLIST_ID,
        _PLAYLIST_NAME,
        Column("change", "string", "entered, left or moved"),
        Column("position", "integer", "place in the playlist, 1 is the top; null for what left"),
        Column("previous_position", "integer", "its place before; null for what entered"),
        _of(contract.PLAYLIST_ENTRY, "entry_type"),
        _of(contract.PLAYLIST_ENTRY, "entry_name"),
        Column("artist_name", "string", "the song's first artist"),
        _of(contract.PLAYLIST_ENTRY, "song_id"),
        _of(contract.SONG, "song_url"),
        _PREVIOUS_DATE,
        _GAP_DAYS,
        Column(
            "present_since",
            "date",
            "of what left: the first day on which it was seen in an unbroken presence; days "
            "without a capture of the playlist break none",
        ),
        Column(
            "days_stayed",
            "integer",
            "of what left: days from present_since to the last day it was seen, both counted",
        ),
        Column(
            "is_at_least",
            "boolean",
            "of what left: it was there on the playlist's first captured day already, so it may "
            "have stayed longer than days_stayed says",
        ),
    ),
    (contract.PLAYLIST, contract.PLAYLIST_ENTRY, contract.SONG, contract.ARTIST),
    "No entry came, went or changed its place, or no playlist has an earlier captured day.",
)

ARTIST_PRESENCE = Question(
    "artist_presence",
    "one row per artist in the day's playlists: how often, and since when",
    (
        _DAY,
        _of(contract.ARTIST, "artist_id"),
        _of(contract.ARTIST, "artist_name"),
        Column("entries", "integer", "entries of all playlists that name the artist"),
        Column("songs", "integer", "different songs among them"),
        Column("playlists", "integer", "playlists that they are in"),
        Column(
            "present_since",
            "date",
            "first day of the longest presence that still lasts: in one playlist, on each of its "
            "captured days; what was before its first one nobody knows",
        ),
        _of(contract.ARTIST, "artist_url"),
    ),
    (contract.PLAYLIST, contract.PLAYLIST_ENTRY, contract.SONG_ARTIST, contract.ARTIST),
    "No song is in any of the day's playlists.",
)

CATALOGUE_AGE = Question(
    "catalogue_age",
    "one row per playlist and release year of its songs: how old the music is",
    (
        _DAY,
        _PLAYLIST_ID,
        _PLAYLIST_NAME,
        Column("release_year", "integer", "year of the song's album; null where it says none"),
        Column("songs", "integer", "different songs of that year in the playlist"),
        Column("median_year", "number", "middle year of all the playlist's songs that have one"),
    ),
    (contract.PLAYLIST, contract.PLAYLIST_ENTRY, contract.SONG, contract.ALBUM),
    "No song of the day's playlists has a release year.",
)

PLAYLIST_TURNOVER = Question(
    "playlist_turnover",
    "one row per playlist and captured day, the last 90 of them: how much of it came and went",
    (
        _DAY,
        _PLAYLIST_ID,
        _PLAYLIST_NAME,
        Column("entries", "integer", "entries of the playlist on that day"),
        Column("entries_entered", "integer", "those that were not there on the day before"),
        Column("entries_left", "integer", "those of the day before that were gone"),
        Column(
            "turnover",
            "number",
            "share of the entries of both days that entered or left: 0 nothing, 1 all of them; "
            "null on the first captured day",
        ),
        _PREVIOUS_DATE,
        _GAP_DAYS,
        _of(contract.PLAYLIST, "playlist_url"),
    ),
    (contract.PLAYLIST, contract.PLAYLIST_ENTRY),
    "No playlist has an earlier captured day to be compared with.",
)

PLAYLIST_OVERLAP = Question(
    "playlist_overlap",
    "one row per pair of playlists that share a song: how many, and which share of their songs",
    (
        _DAY,
        _PLAYLIST_ID,
        _PLAYLIST_NAME,
        Column("other_playlist_id", "string", "Spotify's id of the other playlist"),
        Column("other_playlist_name", "string", "its name"),
        Column("shared_songs", "integer", "different songs that are in both"),
        Column("share", "number", "the same as a share of the songs of both, 0 to 1 (Jaccard)"),
    ),
    (contract.PLAYLIST, contract.PLAYLIST_ENTRY),
    "No two playlists of the day share a song.",
)

POPULARITY = Question(
    "popularity",
    "one row per playlist and captured day, the last 90 of them, on which Spotify told how popular "
    "its songs are",
    (
        _DAY,
        _PLAYLIST_ID,
        _PLAYLIST_NAME,
        Column("songs", "integer", "different songs whose popularity is known"),
        Column("mean_popularity", "number", "their mean, on Spotify's scale from 0 to 100"),
        Column("least_popularity", "integer", "that of the least popular one"),
        Column("greatest_popularity", "integer", "that of the most popular one"),
    ),
    (contract.PLAYLIST, contract.PLAYLIST_ENTRY, contract.SONG),
    "Spotify told the popularity of no song: it withholds it from apps of 2026 and later.",
)

QUESTIONS = (
    PLAYLIST_CHANGES,
    ARTIST_PRESENCE,
    CATALOGUE_AGE,
    PLAYLIST_TURNOVER,
    PLAYLIST_OVERLAP,
    POPULARITY,
)
