"""The six tables from the frame of raw lines.

`F` and `W` are the functions module and the Window class of the engine in use; `keep` turns a
frame that is used several times into one that is computed once. An odd object comes as a struct of
nulls, an odd list as null.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from spotify_pipeline import contract
from spotify_pipeline.transform import values

VERSION = 2
"""Raised whenever the same raw lines would give other rows; a batch carries it."""

Frame = Any
Keep = Callable[[Frame], Frame]


def transform(F: Any, W: Any, lines: Frame, keep: Keep) -> dict[str, Frame]:
    """The tables of the contract by name, for every snapshot date in `lines`.

    `lines` has the columns of `schema.RAW_LINE`. The result also holds `odd_values`: per snapshot
    date, the counts of `GUARDED`.
    """
    playlists = _playlist(F, lines)
    entries = keep(_entries(F, lines))
    songs = keep(_songs(F, W, entries))
    frames = {
        "playlist": playlists,
        "playlist_entry": entries,
        "song": songs,
        "album": _album(F, entries),
        "artist": _artist(F, entries),
        "song_artist": _song_artist(F, songs),
    }
    tables = {
        table.name: frames[table.name].select(*table.column_names) for table in contract.TABLES
    }
    return tables | {"odd_values": _odd_values(F, playlists, entries, songs)}


def _playlist(F: Any, lines: Frame) -> Frame:
    """One row per playlist, and the raw text of odd values."""
    c = F.col
    playlists = lines.where(_is_playlist(F)).select(
        "*",
        c("playlist.public").alias("raw_public"),
        c("playlist.collaborative").alias("raw_collaborative"),
        c("playlist.followers.total").alias("raw_followers"),
        F.coalesce(c("playlist.items.total"), c("playlist.tracks.total")).alias("raw_total"),
    )
    return playlists.select(
        "snapshot_date",
        "playlist_id",
        c("playlist.name").alias("playlist_name"),
        c("playlist.description").alias("playlist_description"),
        c("playlist.owner.id").alias("owner_id"),
        c("playlist.owner.display_name").alias("owner_name"),
        values.boolean(F, c("raw_public")).alias("is_public"),
        values.boolean(F, c("raw_collaborative")).alias("is_collaborative"),
        c("playlist.snapshot_id").alias("snapshot_id"),
        values.integer(F, c("raw_followers")).alias("followers"),
        values.integer(F, c("raw_total")).alias("total_entries"),
        c("playlist.external_urls.spotify").alias("playlist_url"),
        values.timestamp(F, c("fetched_at")).alias("fetched_at"),
        "raw_public",
        "raw_collaborative",
        "raw_followers",
        "raw_total",
    )


def _is_playlist(F: Any) -> Any:
    return F.col("kind") == F.lit("playlist")


def _entries(F: Any, lines: Frame) -> Frame:
    """One row per slot, with everything that later tables need and the raw text of odd values."""
    c = F.col

    def of_page(field: str) -> Any:
        # A playlist's first page comes inside the playlist object; where both names of it are
        # there, the newer one counts.
        first = _either(F, c(f"playlist.items.{field}"), c(f"playlist.tracks.{field}"))
        return F.when(_is_playlist(F), first).otherwise(c(f"page.{field}"))

    pages = lines.select(
        "snapshot_date",
        "playlist_id",
        values.timestamp(F, c("fetched_at")).alias("fetched_at"),
        F.coalesce(of_page("offset"), F.lit("0")).alias("offset"),
        of_page("items").alias("slots"),
    )
    slots = pages.select(
        "snapshot_date",
        "playlist_id",
        "fetched_at",
        "offset",
        F.posexplode("slots").alias("index", "slot"),
    )

    def item(path: str) -> Any:
        return _either(F, _field(c("slot.item"), path), _field(c("slot.track"), path))

    raw = slots.select(
        "snapshot_date",
        "playlist_id",
        "fetched_at",
        (c("offset").cast("bigint") + c("index") + F.lit(1)).alias("position"),
        c("slot.added_at").alias("raw_added_at"),
        c("slot.added_by.id").alias("added_by"),
        F.coalesce(c("slot.is_local"), item("is_local")).alias("is_local"),
        values.text(F, item("id")).alias("item_id"),
        values.lower(F, item("type")).alias("item_type"),
        item("uri").alias("entry_uri"),
        item("name").alias("entry_name"),
        item("duration_ms").alias("raw_duration"),
        item("explicit").alias("raw_explicit"),
        item("popularity").alias("raw_popularity"),
        item("disc_number").alias("raw_disc_number"),
        item("track_number").alias("raw_track_number"),
        values.text(F, item("external_ids.isrc")).alias("song_isrc"),
        item("external_urls.spotify").alias("song_url"),
        (c("slot.item.album").isNotNull() | c("slot.track.album").isNotNull()).alias("has_album"),
        values.text(F, item("album.id")).alias("album_id"),
        item("album.name").alias("album_name"),
        values.lower(F, item("album.album_type")).alias("album_type"),
        item("album.release_date").alias("raw_release_date"),
        values.lower(F, item("album.release_date_precision")).alias("album_release_precision"),
        item("album.total_tracks").alias("raw_total_tracks"),
        item("album.external_urls.spotify").alias("album_url"),
        item("album.images").alias("images"),
        item("album.artists").alias("album_artists"),
        item("artists").alias("artists"),
    )
    return raw.select(
        "*",
        _entry_type(F).alias("entry_type"),
        F.when(_entry_type(F) == F.lit("track"), c("item_id")).alias("song_id"),
        values.timestamp(F, c("raw_added_at")).alias("added_at"),
        values.integer(F, c("raw_duration")).alias("song_duration"),
        values.boolean(F, c("raw_explicit")).alias("song_explicit"),
        values.integer(F, c("raw_popularity")).alias("song_popularity"),
        values.integer(F, c("raw_disc_number")).alias("disc_number"),
        values.integer(F, c("raw_track_number")).alias("track_number"),
        values.release_date(F, c("raw_release_date"), c("album_release_precision")).alias(
            "album_release_date"
        ),
        values.integer(F, c("raw_total_tracks")).alias("album_total_tracks"),
    )


def _either(F: Any, first: Any, second: Any) -> Any:
    """The first, unless it is null. Where a whole block of rows has it, DuckDB takes it as it is;
    for `coalesce` it copies each value, lists and all, which takes six times as long."""
    return F.when(first.isNotNull(), first).otherwise(second)


def _field(struct: Any, path: str) -> Any:
    """A nested field; SQLFrame doesn't resolve dotted names as deep as an album's link."""
    return reduce(lambda field, name: field.getField(name), path.split("."), struct)


def _entry_type(F: Any) -> Any:
    """Local files have no id, so they are told first; what has no id or no known type is gone."""
    c = F.col
    local = (c("is_local") == F.lit("true")) | c("entry_uri").startswith("spotify:local:")
    return (
        F.when(F.coalesce(local, F.lit(False)), F.lit("local"))
        .when(c("item_id").isNull(), F.lit("unavailable"))
        .when(F.coalesce(c("item_type"), F.lit("track")) == F.lit("track"), F.lit("track"))
        .when(c("item_type") == F.lit("episode"), F.lit("episode"))
        .otherwise(F.lit("unavailable"))
    )


# Of rows with one key the one that was fetched last is taken.
_FETCHED_LAST = ("fetched_at", "playlist_id", "position")


def _latest(F: Any, frame: Frame, key: str, columns: Sequence[str], *ties: str) -> Frame:
    """Of the rows with one key, the one that was fetched last; `ties`, texts or null, decide
    between rows of one entry."""
    # Engines differ in which of null and a value is greater.
    known = (F.col(tie).isNotNull().alias(f"has_{tie}") for tie in ties)
    texts = (F.coalesce(F.col(tie), F.lit("")).alias(tie) for tie in ties)
    order = F.struct(*_FETCHED_LAST, *known, *texts)
    latest = F.max_by(F.struct(*columns), order).alias("latest")
    return (
        frame.groupBy("snapshot_date", key)
        .agg(latest)
        .select("snapshot_date", key, *(F.col(f"latest.{name}").alias(name) for name in columns))
    )


def _first_id(F: Any, artists: str) -> Any:
    return values.text(F, F.try_element_at(F.col(artists), F.lit(1)).getField("id"))


def _songs(F: Any, W: Any, entries: Frame) -> Frame:
    c = F.col
    # Chart playlists say 1970 where they mean "unknown".
    added = F.when(~c("added_at").startswith("1970-"), F.substring("added_at", 1, 10))
    tracks = entries.where(c("song_id").isNotNull()).select(
        "*",
        F.min(added).over(W.partitionBy("snapshot_date", "song_id")).alias("song_added"),
    )
    # With the list of artists in it, a row is better ranked than carried through an aggregate.
    order = (F.col(name).desc() for name in _FETCHED_LAST)
    window = W.partitionBy("snapshot_date", "song_id").orderBy(*order)
    ranked = tracks.select("*", F.row_number().over(window).alias("rank"))
    return ranked.where(c("rank") == F.lit(1)).select(
        "snapshot_date",
        "song_id",
        c("entry_name").alias("song_name"),
        "song_duration",
        "song_explicit",
        "song_isrc",
        "song_url",
        "song_popularity",
        "song_added",
        "album_id",
        _first_id(F, "artists").alias("artist_id"),
        "disc_number",
        "track_number",
        "fetched_at",
        "has_album",
        "artists",
    )


def _album(F: Any, entries: Frame) -> Frame:
    c = F.col
    albums = entries.where(c("song_id").isNotNull() & c("album_id").isNotNull()).select(
        "*",
        F.try_element_at(c("images"), F.lit(1)).getField("url").alias("album_image_url"),
        _first_id(F, "album_artists").alias("artist_id"),
    )
    return _latest(F, albums, "album_id", contract.ALBUM.column_names[2:])


def _artist(F: Any, entries: Frame) -> Frame:
    """Artists of songs and of their albums: both are referred to."""
    c = F.col
    tracks = entries.where(c("song_id").isNotNull())

    def named(artists: str) -> Frame:
        return tracks.select(
            "snapshot_date", "playlist_id", "position", "fetched_at", F.explode(artists).alias("a")
        ).select(
            "snapshot_date",
            "playlist_id",
            "position",
            "fetched_at",
            values.text(F, c("a.id")).alias("artist_id"),
            c("a.name").alias("artist_name"),
            c("a.external_urls.spotify").alias("artist_url"),
        )

    artists = named("artists").unionByName(named("album_artists"))
    # One entry may name an artist twice, and differently.
    return _latest(
        F,
        artists.where(c("artist_id").isNotNull()),
        "artist_id",
        contract.ARTIST.column_names[2:],
        "artist_name",
        "artist_url",
    )


def _song_artist(F: Any, songs: Frame) -> Frame:
    c = F.col
    return (
        songs.select("snapshot_date", "song_id", F.posexplode("artists").alias("index", "a"))
        .select(
            "snapshot_date",
            "song_id",
            (c("index") + F.lit(1)).alias("artist_position"),
            values.text(F, c("a.id")).alias("artist_id"),
        )
        .where(c("artist_id").isNotNull())
    )


# Where the text of a column that is read with care is found in its frame.
_OF_PLAYLISTS = {
    "is_public": "raw_public",
    "is_collaborative": "raw_collaborative",
    "followers": "raw_followers",
    "total_entries": "raw_total",
}
_OF_ENTRIES = {
    "added_at": "raw_added_at",
    "song_duration": "raw_duration",
    "song_explicit": "raw_explicit",
    "song_popularity": "raw_popularity",
    "disc_number": "raw_disc_number",
    "track_number": "raw_track_number",
    "album_release_date": "raw_release_date",
    "album_total_tracks": "raw_total_tracks",
}

GUARDED = (*_OF_PLAYLISTS, *_OF_ENTRIES, "entry_type", "album_id", "artist_id")
"""The columns whose odd values are counted: those that were there and became null."""


def _odd_values(F: Any, playlists: Frame, entries: Frame, songs: Frame) -> Frame:
    c = F.col

    def odd(raw: str, column: str) -> Any:
        # The year 0000 is Spotify's way of saying that it doesn't know: null, but not odd.
        return (c(raw) != F.lit("0000")) & c(column).isNull()

    def counts(frame: Frame, conditions: Mapping[str, Any]) -> Frame:
        found = {name: F.count(F.when(is_odd, F.lit(1))) for name, is_odd in conditions.items()}
        columns = (found.get(name, F.lit(0)).alias(name) for name in GUARDED)
        return frame.groupBy("snapshot_date").agg(*columns)

    known = F.coalesce(c("item_type"), F.lit("track")).isin("track", "episode")
    of_playlists = {name: odd(raw, name) for name, raw in _OF_PLAYLISTS.items()}
    of_entries = {name: odd(raw, name) for name, raw in _OF_ENTRIES.items()}
    # A song may have no album and an empty list of artists: but not another thing in their place.
    of_songs = {
        "album_id": c("has_album") & c("album_id").isNull(),
        "artist_id": c("artists").isNull()
        | (F.try_element_at("artists", F.lit(1)).isNotNull() & c("artist_id").isNull()),
    }
    found = (
        counts(playlists, of_playlists)
        .unionByName(counts(entries, of_entries | {"entry_type": ~known}))
        .unionByName(counts(songs, of_songs))
    )
    return found.groupBy("snapshot_date").agg(*(F.sum(name).alias(name) for name in GUARDED))
