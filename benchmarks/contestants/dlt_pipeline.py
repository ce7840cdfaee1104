"""A day from Spotify into DuckDB with dlt: its REST client and a transformer per table.

`python -m benchmarks.contestants.dlt_pipeline API_URL TOKEN DUCKDB_FILE PLAYLIST_ID…`. Playlists
are read in dlt's own threads; rows are merged by their keys, so that a day can be run again.
"""

import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

from benchmarks.contestants.plain_python import tables_of

KEYS = {
    "playlist": ("snapshot_date", "playlist_id"),
    "playlist_entry": ("snapshot_date", "playlist_id", "position"),
    "song": ("snapshot_date", "song_id"),
    "album": ("snapshot_date", "album_id"),
    "artist": ("snapshot_date", "artist_id"),
    "song_artist": ("snapshot_date", "song_id", "artist_position"),
}


@dlt.source
def spotify(api_url: str, token: str, playlist_ids: list[str]) -> Any:
    """The six tables of some playlists."""
    client = RESTClient(api_url, auth=BearerTokenAuth(token))

    @dlt.resource(selected=False)
    def ids() -> Iterator[str]:
        yield from playlist_ids

    @dlt.transformer(data_from=ids, selected=False, parallelized=True)
    def tables(playlist_id: str) -> Iterator[dict[str, list[dict[str, Any]]]]:
        yield tables_of(lines(client, playlist_id))

    def rows_of(table: str) -> Any:
        @dlt.transformer(
            data_from=tables, name=table, primary_key=KEYS[table], write_disposition="merge"
        )
        def rows(found: dict[str, list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
            yield found[table]

        return rows

    return [rows_of(table) for table in KEYS]


@dlt.source
def raw_answers(api_url: str, token: str, playlist_ids: list[str]) -> Any:
    """The answers as they are."""
    client = RESTClient(api_url, auth=BearerTokenAuth(token))

    @dlt.resource(selected=False)
    def ids() -> Iterator[str]:
        yield from playlist_ids

    @dlt.transformer(data_from=ids, parallelized=True)
    def answers(playlist_id: str) -> Iterator[list[dict[str, Any]]]:
        yield list(lines(client, playlist_id))

    return answers


def lines(client: RESTClient, playlist_id: str) -> Iterator[dict[str, Any]]:
    """An answer a line, with when it was asked for."""
    query = {"additional_types": "track,episode"}
    playlist = client.get(f"playlists/{playlist_id}", params=query).json()
    yield {**_asked(playlist_id), "playlist": playlist}
    if further := playlist["items"]["next"]:
        for page in client.paginate(
            further, paginator=JSONLinkPaginator(next_url_path="next"), data_selector="$"
        ):
            yield {**_asked(playlist_id), "page": page[0]}


def _asked(playlist_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "playlist_id": playlist_id,
        "snapshot_date": now.date().isoformat(),
        "fetched_at": now.isoformat(),
    }


def pipeline(file: str, folder: str) -> Any:
    """Into a DuckDB file; dlt's own books lie in the folder."""
    return dlt.pipeline("spotify", folder, destination=dlt.destinations.duckdb(file))


def main() -> None:
    api_url, token, file, *playlist_ids = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        pipeline(file, folder).run(spotify(api_url, token, playlist_ids)).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
