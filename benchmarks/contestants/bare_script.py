"""A day from Spotify into DuckDB by a bare script: spotipy in a loop, dicts, data frames.

`python -m benchmarks.contestants.bare_script API_URL TOKEN DUCKDB_FILE PLAYLIST_ID…`. It keeps no
raw documents and no history: a second day adds its rows to the first day's.
"""

import sys

import duckdb
import pandas as pd

from benchmarks.contestants.plain_python import tables_of
from benchmarks.contestants.spotipy_loop import lines


def main() -> None:
    api_url, token, file, *playlist_ids = sys.argv[1:]
    tables = tables_of(lines(api_url, token, playlist_ids))
    with duckdb.connect(file) as connection:
        for name, rows in tables.items():
            connection.register("found", pd.DataFrame(rows))
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS FROM found LIMIT 0")
            connection.execute(f"INSERT INTO {name} FROM found")


if __name__ == "__main__":
    main()
