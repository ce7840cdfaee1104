"""The six tables with pandas and `json_normalize`, as most scripts on Spotify's API begin."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd


def write_tables(raw: Path, out: Path) -> dict[str, int]:
    """Reads the raw documents in `raw`, writes `out/<table>.csv.gz`; tells the rows of each."""
    lines = []
    for document in sorted(raw.glob("*.ndjson.gz")):
        with gzip.open(document) as stream:
            lines += map(json.loads, stream)
    tables = _tables(lines)
    for name, table in tables.items():
        table.to_csv(
            out / f"{name}.csv.gz",
            index=False,
            compression={"method": "gzip", "compresslevel": 3},
        )
    return {name: len(table) for name, table in tables.items()}


def _tables(lines: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    playlist = pd.json_normalize([line for line in lines if line["kind"] == "playlist"])
    pages = [line | {"page": line.get("page") or line["playlist"]["items"]} for line in lines]
    entry = pd.json_normalize(
        pages,
        ["page", "items"],
        ["snapshot_date", "playlist_id", "fetched_at", ["page", "offset"]],
    )
    index = entry.groupby(["playlist_id", "page.offset"], sort=False).cumcount()
    entry["position"] = entry["page.offset"].astype("int64") + index + 1
    entry["entry_type"] = entry["item.type"].where(entry["item.id"].notna(), "unavailable")
    entry.loc[entry["is_local"].eq(True), "entry_type"] = "local"
    entry = entry.sort_values(["fetched_at", "playlist_id", "position"])
    track = entry[entry["entry_type"] == "track"].copy()
    track["song_added"] = track.groupby("item.id")["added_at"].transform("min").str[:10]
    track["artist_id"] = track["item.artists"].str[0].str["id"]
    track["album_artist_id"] = track["item.album.artists"].str[0].str["id"]
    track["album_image_url"] = track["item.album.images"].str[0].str["url"]
    song = track.drop_duplicates("item.id", keep="last")
    artists = track["item.artists"] + track["item.album.artists"]
    artist = pd.json_normalize(artists.explode().tolist())
    credit = song[["snapshot_date", "item.id", "item.artists"]].explode("item.artists")
    return {
        "playlist": playlist[_PLAYLIST],
        "playlist_entry": entry[_ENTRY],
        "song": song[_SONG],
        "album": track.drop_duplicates("item.album.id", keep="last")[_ALBUM],
        "artist": artist[_ARTIST].drop_duplicates("id", keep="last"),
        "song_artist": credit.assign(
            artist_position=credit.groupby("item.id").cumcount() + 1,
            artist_id=credit["item.artists"].str["id"],
        ).drop(columns="item.artists"),
    }


_PLAYLIST = [
    "snapshot_date",
    "playlist_id",
    "playlist.name",
    "playlist.description",
    "playlist.owner.id",
    "playlist.owner.display_name",
    "playlist.public",
    "playlist.collaborative",
    "playlist.snapshot_id",
    "playlist.items.total",
    "playlist.external_urls.spotify",
    "fetched_at",
]
_ENTRY = [
    "snapshot_date",
    "playlist_id",
    "position",
    "entry_type",
    "item.id",
    "item.uri",
    "item.name",
    "added_at",
    "added_by.id",
]
_SONG = [
    "snapshot_date",
    "item.id",
    "item.name",
    "item.duration_ms",
    "item.explicit",
    "item.external_ids.isrc",
    "item.external_urls.spotify",
    "song_added",
    "item.album.id",
    "artist_id",
    "item.disc_number",
    "item.track_number",
    "fetched_at",
]
_ALBUM = [
    "snapshot_date",
    "item.album.id",
    "item.album.name",
    "item.album.album_type",
    "item.album.release_date",
    "item.album.release_date_precision",
    "item.album.total_tracks",
    "item.album.external_urls.spotify",
    "album_image_url",
    "album_artist_id",
    "fetched_at",
]
_ARTIST = ["id", "name", "external_urls.spotify"]
