"""The script that one writes first: Spark reads the JSON and writes CSV, table after table.

It is what the transform is compared with: ordinary and in order, and it asks for nothing more than
the six tables. Spark finds the schema itself, ids are made unique by `dropDuplicates`, and nothing
is kept from one table to the next. That spares it what the pipeline's own transform does besides:
a defined choice among rows with one id, odd values told from good ones, sorted gzip files.
"""

from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def write_tables(spark: SparkSession, raw: Path, out: Path) -> None:
    """Reads the raw documents in `raw`, writes `out/<table>/part-*.csv`."""
    lines = spark.read.json(str(raw))
    for name, table in TABLES.items():
        table(lines).write.mode("overwrite").option("header", True).csv(str(out / name))


def entries(lines: DataFrame) -> DataFrame:
    """One row per entry; the first page of a playlist comes inside the playlist."""
    page = lines.select(
        "snapshot_date",
        "playlist_id",
        F.to_timestamp("fetched_at").alias("fetched_at"),
        F.coalesce("page.offset", "playlist.items.offset").alias("offset"),
        F.posexplode(F.coalesce("page.items", "playlist.items.items")).alias("index", "entry"),
    )
    return page.select(
        "snapshot_date",
        "playlist_id",
        "fetched_at",
        (F.col("offset") + F.col("index") + 1).alias("position"),
        "entry.is_local",
        F.to_timestamp("entry.added_at").alias("added_at"),
        F.col("entry.added_by.id").alias("added_by"),
        "entry.item",
    )


def tracks(lines: DataFrame) -> DataFrame:
    return entries(lines).where((F.col("item.type") == "track") & ~F.col("is_local"))


def playlist(lines: DataFrame) -> DataFrame:
    return lines.where("kind = 'playlist'").select(
        "snapshot_date",
        "playlist_id",
        F.col("playlist.name").alias("playlist_name"),
        F.col("playlist.description").alias("playlist_description"),
        F.col("playlist.owner.id").alias("owner_id"),
        F.col("playlist.owner.display_name").alias("owner_name"),
        F.col("playlist.public").alias("is_public"),
        F.col("playlist.collaborative").alias("is_collaborative"),
        "playlist.snapshot_id",
        F.col("playlist.items.total").alias("total_entries"),
        F.col("playlist.external_urls.spotify").alias("playlist_url"),
        F.to_timestamp("fetched_at").alias("fetched_at"),
    )


def playlist_entry(lines: DataFrame) -> DataFrame:
    is_track = F.col("item.type") == "track"
    return entries(lines).select(
        "snapshot_date",
        "playlist_id",
        "position",
        F.when(F.col("is_local"), "local")
        .when(F.col("item.id").isNull(), "unavailable")
        .otherwise(F.col("item.type"))
        .alias("entry_type"),
        F.when(is_track, F.col("item.id")).alias("song_id"),
        F.col("item.uri").alias("entry_uri"),
        F.col("item.name").alias("entry_name"),
        "added_at",
        "added_by",
    )


def song(lines: DataFrame) -> DataFrame:
    songs = tracks(lines).select(
        "snapshot_date",
        F.col("item.id").alias("song_id"),
        F.col("item.name").alias("song_name"),
        F.col("item.duration_ms").alias("song_duration"),
        F.col("item.explicit").alias("song_explicit"),
        F.col("item.external_ids.isrc").alias("song_isrc"),
        F.col("item.external_urls.spotify").alias("song_url"),
        F.to_date("added_at").alias("song_added"),
        F.col("item.album.id").alias("album_id"),
        F.col("item.artists")[0]["id"].alias("artist_id"),
        "item.disc_number",
        "item.track_number",
        "fetched_at",
    )
    return songs.dropDuplicates(["song_id"])


def album(lines: DataFrame) -> DataFrame:
    albums = tracks(lines).select(
        "snapshot_date",
        F.col("item.album.id").alias("album_id"),
        F.col("item.album.name").alias("album_name"),
        "item.album.album_type",
        F.col("item.album.release_date").alias("album_release_date"),
        F.col("item.album.release_date_precision").alias("album_release_precision"),
        F.col("item.album.total_tracks").alias("album_total_tracks"),
        F.col("item.album.external_urls.spotify").alias("album_url"),
        F.col("item.album.images")[0]["url"].alias("album_image_url"),
        F.col("item.album.artists")[0]["id"].alias("artist_id"),
        "fetched_at",
    )
    return albums.dropDuplicates(["album_id"])


def artist(lines: DataFrame) -> DataFrame:
    artists = tracks(lines).select(
        "snapshot_date", "fetched_at", F.explode("item.artists").alias("artist")
    )
    return artists.select(
        "snapshot_date",
        F.col("artist.id").alias("artist_id"),
        F.col("artist.name").alias("artist_name"),
        F.col("artist.external_urls.spotify").alias("artist_url"),
        "fetched_at",
    ).dropDuplicates(["artist_id"])


def song_artist(lines: DataFrame) -> DataFrame:
    artists = tracks(lines).select(
        "snapshot_date",
        F.col("item.id").alias("song_id"),
        F.posexplode("item.artists").alias("index", "artist"),
    )
    return artists.select(
        "snapshot_date",
        "song_id",
        (F.col("index") + 1).alias("artist_position"),
        F.col("artist.id").alias("artist_id"),
    ).dropDuplicates(["song_id", "artist_position"])


TABLES: dict[str, Callable[[DataFrame], DataFrame]] = {
    "playlist": playlist,
    "playlist_entry": playlist_entry,
    "song": song,
    "album": album,
    "artist": artist,
    "song_artist": song_artist,
}
