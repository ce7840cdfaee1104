"""One day as the graph's steps do it, but without the graph: what is left is Dagster's own cost.

`python -m benchmarks.without_dagster API_URL ACCOUNTS_URL HOME PLAYLIST_ID…`. Checks, insights and
the report, which only the graph makes, are not in it.
"""

import sys
from pathlib import Path

from benchmarks.spotify import CREDENTIALS
from spotify_pipeline import contract
from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.ingest.day import CapturePolicy, capture_day
from spotify_pipeline.lake import batch, manifests
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe


def main() -> None:
    api_url, accounts_url, home, *playlist_ids = sys.argv[1:]
    day = today(machine_clock)
    store = FolderStore(Path(home) / "lake")
    database = DuckDBDatabase(Path(home) / "spotify.duckdb")
    client = SpotifyClient(Credentials(*CREDENTIALS), api_url, accounts_url)
    policy = CapturePolicy()
    capture_day(client, store, playlist_ids, day, machine_clock, lambda _: None, policy)
    batch.issue(store, EmbeddedEngine(), [day], machine_clock)
    with database.session() as session:
        for table in contract.TABLES:
            EmbeddedPipe(store).load(session, table)
    with database.session() as session:
        manifest = manifests.current(store, day)
        assert manifest
        publishing.publish(session, manifest, machine_clock())


if __name__ == "__main__":
    main()
