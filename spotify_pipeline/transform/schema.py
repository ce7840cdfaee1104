"""The input: which fields of Spotify's answers are read, for both payload shapes.

Every scalar is read as text, so that an odd value can be seen, counted and turned into null
instead of failing the read. Field names are Spotify's; what they become is `tables`' business.
A dict is a struct, a one-element list an array, `TEXT` a scalar.
"""

from collections.abc import Mapping
from typing import Any

TEXT = "text"

_LINK = {"spotify": TEXT}
_ARTIST = {"id": TEXT, "name": TEXT, "external_urls": _LINK}
_ALBUM = {
    "id": TEXT,
    "name": TEXT,
    "album_type": TEXT,
    "release_date": TEXT,
    "release_date_precision": TEXT,
    "total_tracks": TEXT,
    "external_urls": _LINK,
    "images": [{"url": TEXT}],
    "artists": [_ARTIST],
}
# Tracks, episodes and local files share one struct: what a kind lacks is null.
_ITEM = {
    "id": TEXT,
    "uri": TEXT,
    "name": TEXT,
    "type": TEXT,
    "is_local": TEXT,
    "duration_ms": TEXT,
    "explicit": TEXT,
    "popularity": TEXT,
    "disc_number": TEXT,
    "track_number": TEXT,
    "external_ids": {"isrc": TEXT},
    "external_urls": _LINK,
    "album": _ALBUM,
    "artists": [_ARTIST],
}
ENTRY = {
    "added_at": TEXT,
    "added_by": {"id": TEXT},
    "is_local": TEXT,
    "item": _ITEM,  # development mode, 2026
    "track": _ITEM,  # Extended Quota
}
_PAGE = {"offset": TEXT, "total": TEXT, "items": [ENTRY]}
_PLAYLIST = {
    "name": TEXT,
    "description": TEXT,
    "owner": {"id": TEXT, "display_name": TEXT},
    "public": TEXT,
    "collaborative": TEXT,
    "snapshot_id": TEXT,
    "followers": {"total": TEXT},
    "external_urls": _LINK,
    "items": _PAGE,
    "tracks": _PAGE,
}

ENVELOPE = ("kind", "playlist_id", "snapshot_date", "fetched_at")
"""What every line says about the answer in it; a line that lacks one of them can't be read."""

RAW_LINE: Mapping[str, Any] = {
    **dict.fromkeys(ENVELOPE, TEXT),
    "playlist": _PLAYLIST,
    "page": _PAGE,
}
"""One line of a raw document: the envelope, and the answer under the name of its kind."""


def duckdb_type(field: Any) -> str:
    """`field` in DuckDB's words, such as `STRUCT("id" VARCHAR)[]`."""
    if field == TEXT:
        return "VARCHAR"
    if isinstance(field, list):
        return f"{duckdb_type(field[0])}[]"
    inner = ", ".join(f'"{name}" {duckdb_type(inner)}' for name, inner in field.items())
    return f"STRUCT({inner})"
