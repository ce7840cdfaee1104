"""The six tables, as data: the only place that says what a row is.

CSV headers, engine schemas, publishing SQL, Dagster's column metadata, checks and the data
dictionary are derived from here. Hand-written DDL is held to it by a test. How values are read
out of Spotify's answers belongs to `transform`; how tables are stored belongs to `loading`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

VERSION = 1
"""Raised when a table, column, type, nullability or key changes, words aside; a batch carries it,
so a new contract means new batches."""


class Type(StrEnum):
    """What a value is. In CSV all are text: dates `YYYY-MM-DD`, times `YYYY-MM-DD HH:MM:SS[.f]`
    in UTC, booleans `true` and `false`."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True)
class Column:
    """One column. `references` names the table whose key it holds; `personal` marks what tells
    about a person and stays out of previews; `source` is the raw field that it comes from, several
    with commas between them, or nothing where it tells of the row itself."""

    name: str
    type: Type
    description: str
    source: str
    nullable: bool = True
    references: str | None = None
    personal: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(filter(None, self.source.split(", ")))


@dataclass(frozen=True)
class Table:
    """One table. `key` identifies a row and is never null; its first part is the snapshot date,
    but where a table has one row per id."""

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def previewed(self) -> tuple[str, ...]:
        """The columns that a preview of a day shows: neither what tells about a person, nor the
        day, which is the same in all rows."""
        return tuple(c.name for c in self.columns if not c.personal and c.name != "snapshot_date")

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def _string(name: str, description: str, source: str, **more: object) -> Column:
    return Column(name, Type.STRING, description, source, **more)  # type: ignore[arg-type]


def _integer(name: str, description: str, source: str, **more: object) -> Column:
    return Column(name, Type.INTEGER, description, source, **more)  # type: ignore[arg-type]


def _boolean(name: str, description: str, source: str) -> Column:
    return Column(name, Type.BOOLEAN, description, source)


_SNAPSHOT_DATE = Column(
    "snapshot_date",
    Type.DATE,
    "UTC day of the capture",
    "snapshot_date",
    nullable=False,
)
_FETCHED_AT = Column(
    "fetched_at",
    Type.TIMESTAMP,
    "when the answer that holds this row arrived, UTC",
    "fetched_at",
    nullable=False,
)
_PLAYLIST_ID = _string("playlist_id", "Spotify's id of the playlist", "playlist_id", nullable=False)

PLAYLIST = Table(
    "playlist",
    "one row per playlist and day",
    ("snapshot_date", "playlist_id"),
    (
        _SNAPSHOT_DATE,
        _PLAYLIST_ID,
        _string("playlist_name", "name", "playlist.name"),
        _string("playlist_description", "description, may be empty", "playlist.description"),
        _string("owner_id", "Spotify id of the owner", "playlist.owner.id", personal=True),
        _string(
            "owner_name", "display name of the owner", "playlist.owner.display_name", personal=True
        ),
        _boolean("is_public", "shown on the owner's profile", "playlist.public"),
        _boolean("is_collaborative", "others may edit it", "playlist.collaborative"),
        _string("snapshot_id", "Spotify's own version mark", "playlist.snapshot_id"),
        _integer("followers", "followers, where Spotify says", "playlist.followers.total"),
        _integer("total_entries", "entries, as Spotify counts them", "playlist.items.total"),
        _string("playlist_url", "link to the playlist", "playlist.external_urls.spotify"),
        _FETCHED_AT,
    ),
)

PLAYLIST_ENTRY = Table(
    "playlist_entry",
    "one row per slot of a playlist and day",
    ("snapshot_date", "playlist_id", "position"),
    (
        _SNAPSHOT_DATE,
        Column(
            "playlist_id",
            Type.STRING,
            "Spotify's id of the playlist",
            "playlist_id",
            nullable=False,
            references="playlist",
        ),
        _integer(
            "position",
            "place in the playlist, 1 is the top",
            "page.offset, playlist.items.offset",
            nullable=False,
        ),
        _string(
            "entry_type",
            "track, episode, local (a file of the owner's) or unavailable (nothing is there)",
            "item.type, item.id, item.uri, is_local",
            nullable=False,
        ),
        _string("song_id", "the song, null unless a track", "item.id", references="song"),
        _string("entry_uri", "Spotify's address of the entry", "item.uri"),
        _string("entry_name", "title as shown", "item.name"),
        Column("added_at", Type.TIMESTAMP, "when it was added, UTC; may be null", "added_at"),
        _string("added_by", "Spotify id of who added it", "added_by.id", personal=True),
    ),
)

SONG = Table(
    "song",
    "one row per song and day",
    ("snapshot_date", "song_id"),
    (
        _SNAPSHOT_DATE,
        _string("song_id", "Spotify's id of the track", "item.id", nullable=False),
        _string("song_name", "title", "item.name"),
        _integer("song_duration", "length in milliseconds", "item.duration_ms"),
        _boolean("song_explicit", "explicit lyrics", "item.explicit"),
        _string("song_isrc", "recording code, stable across releases", "item.external_ids.isrc"),
        _string("song_url", "link to the song", "item.external_urls.spotify"),
        _integer("song_popularity", "0 to 100; null where withheld", "item.popularity"),
        Column(
            "song_added",
            Type.DATE,
            "earliest day it was added to any of the day's playlists; null and 1970 left out",
            "added_at",
        ),
        _string("album_id", "its album", "item.album.id", references="album"),
        _string("artist_id", "its first artist", "item.artists[0].id", references="artist"),
        _integer("disc_number", "disc on the album", "item.disc_number"),
        _integer("track_number", "track on the disc", "item.track_number"),
        _FETCHED_AT,
    ),
)

ALBUM = Table(
    "album",
    "one row per album and day",
    ("snapshot_date", "album_id"),
    (
        _SNAPSHOT_DATE,
        _string("album_id", "Spotify's id of the album", "item.album.id", nullable=False),
        _string("album_name", "title, may be empty", "item.album.name"),
        _string("album_type", "album, single or compilation", "item.album.album_type"),
        Column(
            "album_release_date",
            Type.DATE,
            "release day; the first of the month or year where Spotify knows no more",
            "item.album.release_date",
        ),
        _string(
            "album_release_precision",
            "year, month or day",
            "item.album.release_date_precision",
        ),
        _integer("album_total_tracks", "tracks on the album", "item.album.total_tracks"),
        _string("album_url", "link to the album", "item.album.external_urls.spotify"),
        _string("album_image_url", "widest cover image", "item.album.images[0].url"),
        _string("artist_id", "its first artist", "item.album.artists[0].id", references="artist"),
        _FETCHED_AT,
    ),
)

ARTIST = Table(
    "artist",
    "one row per artist and day",
    ("snapshot_date", "artist_id"),
    (
        _SNAPSHOT_DATE,
        _string(
            "artist_id",
            "Spotify's id of the artist",
            "item.artists[].id, item.album.artists[].id",
            nullable=False,
        ),
        _string("artist_name", "name", "item.artists[].name, item.album.artists[].name"),
        _string(
            "artist_url",
            "link to the artist",
            "item.artists[].external_urls.spotify, item.album.artists[].external_urls.spotify",
        ),
        _FETCHED_AT,
    ),
)

SONG_ARTIST = Table(
    "song_artist",
    "one row per artist of a song and day",
    ("snapshot_date", "song_id", "artist_position"),
    (
        _SNAPSHOT_DATE,
        Column("song_id", Type.STRING, "the song", "item.id", nullable=False, references="song"),
        _integer(
            "artist_position", "place among the artists, 1 is first", "item.artists", nullable=False
        ),
        Column(
            "artist_id",
            Type.STRING,
            "the artist",
            "item.artists[].id",
            nullable=False,
            references="artist",
        ),
    ),
)

TABLES: tuple[Table, ...] = (PLAYLIST, PLAYLIST_ENTRY, SONG, ALBUM, ARTIST, SONG_ARTIST)

CURRENT: tuple[Table, ...] = (SONG, ALBUM, ARTIST)
"""The tables that also have a `PUBLIC.TB_<name>` with one row per id: see `current`."""

ARRIVAL = (
    _string("_file", "key of the file in the bucket", "", nullable=False),
    _integer("_row", "number of the row in the file", "", nullable=False),
    Column("_loaded_at", Type.TIMESTAMP, "when the pipe read the file", "", nullable=False),
)
"""What LANDING says of a row besides."""

SEEN = (
    Column("first_seen", Type.DATE, "first day it was captured", "snapshot_date", nullable=False),
    Column("last_seen", Type.DATE, "last day it was captured", "snapshot_date", nullable=False),
)
"""What a table with one row per id says of the days, instead of a snapshot date."""


def landing_columns(table: Table) -> tuple[Column, ...]:
    """The columns of `LANDING.<name>`: only keys are never null, so that files from before a
    column was added still come in."""
    columns = (replace(column, nullable=column.name not in table.key) for column in table.columns)
    return (*columns, *ARRIVAL)


def current(table: Table) -> Table:
    """`PUBLIC.TB_<name>` of one of `CURRENT`: of each id the row that was fetched last."""
    _, identity = table.key
    columns = (column for column in table.columns if column.name != "snapshot_date")
    return Table(f"tb_{table.name}", f"one row per {table.name}", (identity,), (*columns, *SEEN))


def table(name: str) -> Table:
    """The table called `name`; KeyError where there is none."""
    return {table.name: table for table in TABLES}[name]
