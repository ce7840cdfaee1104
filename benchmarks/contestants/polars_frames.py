"""The six tables with polars."""

import gzip
from pathlib import Path

import polars as pl

c = pl.col


def write_tables(raw: Path, out: Path) -> dict[str, int]:
    """Reads the raw documents in `raw`, writes `out/<table>.csv.gz`; tells the rows of each."""
    # It finds the schema itself: where all values of a field are null, the field is left out.
    lines = pl.concat(
        (pl.read_ndjson(document.read_bytes()) for document in sorted(raw.glob("*.ndjson.gz"))),
        how="diagonal_relaxed",
    )
    tables = _tables(lines)
    for name, table in tables.items():
        with gzip.open(out / f"{name}.csv.gz", "wb", compresslevel=3) as stream:
            table.write_csv(stream)
    return {name: table.height for name, table in tables.items()}


def _tables(lines: pl.DataFrame) -> dict[str, pl.DataFrame]:
    playlist = c("playlist").struct
    page = pl.coalesce("page", playlist.field("items")).struct
    envelope = ["snapshot_date", "playlist_id", "fetched_at"]
    slots = lines.select(
        *envelope, page.field("offset"), page.field("items").alias("slot")
    ).explode("slot")
    entry = (
        slots.with_columns(
            position=c("offset") + pl.int_range(pl.len()).over("playlist_id", "offset") + 1,
            added_at=c("slot").struct.field("added_at"),
            added_by=c("slot").struct.field("added_by").struct.field("id"),
            item=c("slot").struct.field("item"),
            is_local=c("slot").struct.field("is_local"),
        )
        .drop("slot", "offset")
        .sort("fetched_at", "playlist_id", "position")
    )
    item = c("item").struct
    entry = entry.with_columns(
        entry_type=pl.when("is_local")
        .then(pl.lit("local"))
        .when(item.field("id").is_null())
        .then(pl.lit("unavailable"))
        .otherwise(item.field("type")),
        item_id=item.field("id"),
    )
    track = entry.filter(c("entry_type") == "track").with_columns(
        song_added=c("added_at").min().over("item_id").str.head(10),
        album_id=item.field("album").struct.field("id"),
    )
    song = track.unique("item_id", keep="last")
    album = item.field("album").struct
    artist = track.select(
        artist=pl.concat_list(item.field("artists"), album.field("artists"))
    ).explode("artist")
    credit = song.select("snapshot_date", "item_id", artist=item.field("artists")).explode("artist")
    return {
        "playlist": lines.filter(c("kind") == "playlist").select(
            "snapshot_date",
            "playlist_id",
            playlist.field("name"),
            playlist.field("description"),
            playlist.field("owner").struct.field("id"),
            playlist.field("owner").struct.field("display_name"),
            playlist.field("public"),
            playlist.field("collaborative"),
            playlist.field("snapshot_id"),
            playlist.field("items").struct.field("total"),
            playlist.field("external_urls").struct.field("spotify"),
            "fetched_at",
        ),
        "playlist_entry": entry.select(
            "snapshot_date",
            "playlist_id",
            "position",
            "entry_type",
            pl.when(c("entry_type") == "track").then("item_id").alias("song_id"),
            item.field("uri"),
            item.field("name"),
            "added_at",
            "added_by",
        ),
        "song": song.select(
            "snapshot_date",
            "item_id",
            item.field("name", "duration_ms", "explicit", "disc_number", "track_number"),
            item.field("external_ids").struct.field("isrc"),
            item.field("external_urls").struct.field("spotify"),
            "song_added",
            "album_id",
            item.field("artists").list.first().struct.field("id").alias("artist_id"),
            "fetched_at",
        ),
        "album": track.unique("album_id", keep="last").select(
            "snapshot_date",
            "album_id",
            album.field("name", "album_type", "release_date", "release_date_precision"),
            album.field("total_tracks"),
            album.field("external_urls").struct.field("spotify"),
            album.field("images").list.first().struct.field("url"),
            album.field("artists").list.first().struct.field("id").alias("artist_id"),
            "fetched_at",
        ),
        "artist": artist.unnest("artist")
        .unique("id", keep="last")
        .select("id", "name", c("external_urls").struct.field("spotify")),
        "song_artist": credit.select(
            "snapshot_date",
            "item_id",
            (pl.int_range(pl.len()).over("item_id") + 1).alias("artist_position"),
            c("artist").struct.field("id").alias("artist_id"),
        ),
    }
