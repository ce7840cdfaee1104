"""Spotify's answers by dlt's own REST source, declared as its documentation begins: a dependent
resource for the pages, one call after another."""

from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source


def raw_answers(api_url: str, token: str, playlist_ids: list[str]) -> Any:
    """Playlists, and the entries on their pages."""
    ids = [[{"id": each} for each in playlist_ids]]
    of_playlist = "playlists/{resources.ids.id}"
    return rest_api_source(
        {
            "client": {"base_url": api_url, "auth": {"type": "bearer", "token": token}},
            "resource_defaults": {
                "endpoint": {"params": {"additional_types": "track,episode", "limit": 50}}
            },
            "resources": [
                dlt.resource(ids, name="ids", selected=False),
                {
                    "name": "playlists",
                    "endpoint": {"path": of_playlist, "paginator": "single_page"},
                },
                {
                    "name": "items",
                    "endpoint": {
                        "path": f"{of_playlist}/items",
                        "data_selector": "items",
                        "paginator": {"type": "json_link", "next_url_path": "next"},
                    },
                },
            ],
        }
    )
