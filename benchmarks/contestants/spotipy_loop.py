"""Reading playlists as spotipy's examples do: one after another, `next` for each further page."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import spotipy


def lines(api_url: str, token: str, playlist_ids: list[str]) -> Iterator[dict[str, Any]]:
    """An answer a line, with when it was asked for."""
    spotify = spotipy.Spotify(auth=token)
    spotify.prefix = api_url
    for playlist_id in playlist_ids:
        playlist = spotify.playlist(playlist_id, additional_types=("track", "episode"))
        yield {**_asked(playlist_id), "playlist": playlist}
        page = playlist["items"]
        while page := spotify.next(page):
            yield {**_asked(playlist_id), "page": page}


def _asked(playlist_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "playlist_id": playlist_id,
        "snapshot_date": now.date().isoformat(),
        "fetched_at": now.isoformat(),
    }


def write_lines(api_url: str, token: str, playlist_ids: list[str], file: Path) -> None:
    with file.open("w") as stream:
        for line in lines(api_url, token, playlist_ids):
            stream.write(json.dumps(line) + "\n")
