"""The six tables by hand, in the SQL of DuckDB: what an analyst with time for it would write.

As the pipeline's own transform it picks the row that was fetched last, and reads every entry just
once. Types are DuckDB's to convert: one odd value fails the day. One payload shape is read.
"""

from pathlib import Path

import duckdb

_ARTISTS = "STRUCT(id VARCHAR, name VARCHAR, external_urls STRUCT(spotify VARCHAR))[]"
_ALBUM = f"""STRUCT(
    id VARCHAR, name VARCHAR, album_type VARCHAR, release_date VARCHAR,
    release_date_precision VARCHAR, total_tracks BIGINT, external_urls STRUCT(spotify VARCHAR),
    images STRUCT(url VARCHAR)[], artists {_ARTISTS})"""
_ITEM = f"""STRUCT(
    id VARCHAR, uri VARCHAR, name VARCHAR, type VARCHAR, duration_ms BIGINT, explicit BOOLEAN,
    popularity BIGINT, disc_number BIGINT, track_number BIGINT, external_ids STRUCT(isrc VARCHAR),
    external_urls STRUCT(spotify VARCHAR), album {_ALBUM}, artists {_ARTISTS})"""
_PAGE = f"""STRUCT("offset" BIGINT, total BIGINT, items STRUCT(
    added_at TIMESTAMP, added_by STRUCT(id VARCHAR), is_local BOOLEAN, item {_ITEM})[])"""
_PLAYLIST = f"""STRUCT(
    name VARCHAR, description VARCHAR, owner STRUCT(id VARCHAR, display_name VARCHAR),
    public BOOLEAN, collaborative BOOLEAN, snapshot_id VARCHAR, followers STRUCT(total BIGINT),
    external_urls STRUCT(spotify VARCHAR), items {_PAGE})"""

COLUMNS = {
    "kind": "VARCHAR",
    "playlist_id": "VARCHAR",
    "snapshot_date": "DATE",
    "fetched_at": "TIMESTAMP",
    "playlist": _PLAYLIST,
    "page": _PAGE,
}

_ENTRIES = """
CREATE TABLE entries AS
WITH pages AS (
    SELECT snapshot_date, playlist_id, fetched_at, coalesce(page, playlist.items) AS page
    FROM lines
), slots AS (
    SELECT snapshot_date, playlist_id, fetched_at, page."offset" AS first,
        generate_subscripts(page.items, 1) AS index, unnest(page.items) AS slot
    FROM pages
)
SELECT snapshot_date, playlist_id, first + index AS position, fetched_at, slot.added_at,
    slot.added_by.id AS added_by,
    CASE
        WHEN slot.is_local THEN 'local'
        WHEN slot.item.id IS NULL THEN 'unavailable'
        ELSE slot.item.type
    END AS entry_type,
    slot.item
FROM slots
"""

_TRACKS = "entries WHERE entry_type = 'track'"

_TABLES = {
    "playlist": """
        SELECT snapshot_date, playlist_id, playlist.name AS playlist_name,
            playlist.description AS playlist_description, playlist.owner.id AS owner_id,
            playlist.owner.display_name AS owner_name, playlist.public AS is_public,
            playlist.collaborative AS is_collaborative, playlist.snapshot_id,
            playlist.followers.total AS followers, playlist.items.total AS total_entries,
            playlist.external_urls.spotify AS playlist_url, fetched_at
        FROM lines WHERE kind = 'playlist' ORDER BY playlist_id""",
    "playlist_entry": """
        SELECT snapshot_date, playlist_id, position, entry_type,
            CASE entry_type WHEN 'track' THEN item.id END AS song_id, item.uri AS entry_uri,
            item.name AS entry_name, added_at, added_by
        FROM entries ORDER BY playlist_id, position""",
    "song": f"""
        SELECT snapshot_date, item.id AS song_id, item.name AS song_name,
            item.duration_ms AS song_duration, item.explicit AS song_explicit,
            item.external_ids.isrc AS song_isrc, item.external_urls.spotify AS song_url,
            item.popularity AS song_popularity,
            CAST(min(added_at) OVER (PARTITION BY item.id) AS DATE) AS song_added,
            item.album.id AS album_id, item.artists[1].id AS artist_id, item.disc_number,
            item.track_number, fetched_at
        FROM {_TRACKS}
        QUALIFY row_number() OVER (
            PARTITION BY item.id ORDER BY fetched_at DESC, playlist_id DESC, position DESC) = 1
        ORDER BY song_id""",
    "album": f"""
        SELECT any_value(snapshot_date) AS snapshot_date, item.album.id AS album_id,
            unnest(arg_max(
                {{
                    'album_name': item.album.name, 'album_type': item.album.album_type,
                    'album_release_date': item.album.release_date,
                    'album_release_precision': item.album.release_date_precision,
                    'album_total_tracks': item.album.total_tracks,
                    'album_url': item.album.external_urls.spotify,
                    'album_image_url': item.album.images[1].url,
                    'artist_id': item.album.artists[1].id, 'fetched_at': fetched_at
                }},
                (fetched_at, playlist_id, position)))
        FROM {_TRACKS} GROUP BY item.album.id ORDER BY album_id""",
    "artist": f"""
        WITH named AS (
            SELECT snapshot_date, playlist_id, position, fetched_at,
                unnest(item.artists || item.album.artists) AS artist
            FROM {_TRACKS}
        )
        SELECT any_value(snapshot_date) AS snapshot_date, artist.id AS artist_id,
            unnest(arg_max(
                {{
                    'artist_name': artist.name, 'artist_url': artist.external_urls.spotify,
                    'fetched_at': fetched_at
                }},
                (fetched_at, playlist_id, position)))
        FROM named GROUP BY artist.id ORDER BY artist_id""",
    "song_artist": f"""
        WITH songs AS (
            SELECT any_value(snapshot_date) AS snapshot_date, item.id AS song_id,
                arg_max(item.artists, (fetched_at, playlist_id, position)) AS artists
            FROM {_TRACKS} GROUP BY item.id
        )
        SELECT snapshot_date, song_id, generate_subscripts(artists, 1) AS artist_position,
            unnest(artists).id AS artist_id
        FROM songs ORDER BY song_id, artist_position""",
}


def write_tables(raw: Path, out: Path) -> dict[str, int]:
    """Reads the raw documents in `raw`, writes `out/<table>.csv.gz`; tells the rows of each."""
    with duckdb.connect(
        config={"memory_limit": "2GB", "temp_directory": str(out / "spilled")}
    ) as connection:
        connection.execute("SET preserve_insertion_order = false")
        columns = ", ".join(f"'{name}': '{column}'" for name, column in COLUMNS.items())
        connection.execute(
            f"CREATE VIEW lines AS FROM read_json('{raw}/*.ndjson.gz', "
            f"format = 'newline_delimited', hive_partitioning = false, columns = {{{columns}}})"
        )
        connection.execute(_ENTRIES)
        rows = {}
        for name, query in _TABLES.items():
            copy = f"COPY ({query}) TO '{out}/{name}.csv.gz' (HEADER)"
            [(rows[name],)] = connection.execute(copy).fetchall()
    return rows
