"""Answers of the API for tests, in the shapes that occur, and raw documents made of them.

Each builder makes something ordinary; keyword arguments replace or add fields.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from spotify_pipeline.lake import raw

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

Json = dict[str, Any]
Shape = Literal["items", "tracks", "both"]

_LISTINGS = {"items": ["items"], "tracks": ["tracks"], "both": ["items", "tracks"]}
_CONTENTS = {"items": ["item"], "tracks": ["track"], "both": ["item", "track"]}


def link(kind: str, identity: str) -> Json:
    return {"spotify": f"https://open.spotify.com/{kind}/{identity}"}


def artist(artist_id: str = "artist1", **fields: Any) -> Json:
    ordinary = {"id": artist_id, "name": "Artist", "external_urls": link("artist", artist_id)}
    return ordinary | fields


def album(album_id: str = "album1", **fields: Any) -> Json:
    return {
        "id": album_id,
        "name": "Album",
        "album_type": "album",
        "release_date": "1981-12-01",
        "release_date_precision": "day",
        "total_tracks": 10,
        "external_urls": link("album", album_id),
        "images": [{"url": "https://i.scdn.co/image/wide", "width": 640, "height": 640}],
        "artists": [artist()],
    } | fields


def track(track_id: str = "song1", **fields: Any) -> Json:
    return {
        "type": "track",
        "track": True,
        "episode": False,
        "id": track_id,
        "uri": f"spotify:track:{track_id}",
        "name": "Song",
        "duration_ms": 200_000,
        "explicit": False,
        "disc_number": 1,
        "track_number": 2,
        "is_local": False,
        "external_ids": {"isrc": "XX0000000001"},
        "external_urls": link("track", track_id),
        "artists": [artist()],
        "album": album(),
    } | fields


def episode(episode_id: str = "episode1", **fields: Any) -> Json:
    return {
        "type": "episode",
        "track": False,
        "episode": True,
        "id": episode_id,
        "uri": f"spotify:episode:{episode_id}",
        "name": "Episode",
        "duration_ms": 900_000,
        "explicit": False,
        "external_urls": link("episode", episode_id),
        "show": {"id": "show1", "name": "Show", "type": "show"},
    } | fields


def local_file(**fields: Any) -> Json:
    return {
        "type": "track",
        "id": None,
        "uri": "spotify:local:Artist:Album:Title:273",
        "name": "Title",
        "is_local": True,
        "artists": [{"id": None, "name": "Artist", "external_urls": {}}],
        "album": {"id": None, "name": "Album", "images": [], "artists": [], "external_urls": {}},
    } | fields


def entry(content: Any = None, shape: Shape = "items", **fields: Any) -> Json:
    """A slot with `content` (an item, None, or something odd) in it."""
    ordinary: Json = {
        "added_at": "2026-01-02T03:04:05Z",
        "added_by": {"id": "user1"},
        "is_local": False,
    }
    return ordinary | dict.fromkeys(_CONTENTS[shape], content) | fields


def page(
    entries: Sequence[Any], offset: int = 0, total: int | None = None, next_: str | None = None
) -> Json:
    return {
        "offset": offset,
        "limit": 50,
        "total": len(entries) if total is None else total,
        "next": next_,
        "items": list(entries),
    }


def playlist(first_page: Any, shape: Shape = "items", **fields: Any) -> Json:
    """The playlist object with its first page in it."""
    ordinary: Json = {
        "name": "Playlist",
        "description": "",
        "owner": {"id": "owner1", "display_name": "Owner"},
        "public": True,
        "collaborative": False,
        "snapshot_id": "version1",
        "external_urls": link("playlist", "playlist1"),
    }
    return ordinary | dict.fromkeys(_LISTINGS[shape], first_page) | fields


def answer(
    body: Json, kind: Literal["playlist", "page"] = "playlist", fetched_at: datetime = NOON
) -> raw.Answer:
    return raw.Answer(kind, fetched_at, {"method": "GET", "path": "/v1/…", "params": {}}, body)


def document(
    entries: Sequence[Any],
    playlist_id: str = "playlist1",
    shape: Shape = "items",
    day: date = DAY,
    fetched_at: datetime = NOON,
) -> bytes:
    """The raw document of a playlist that fits into one answer."""
    body = playlist(page(entries), shape)
    return raw.encode(playlist_id, day, [answer(body, fetched_at=fetched_at)])
