"""What lies in the files of batches, for people's eyes: first rows, and names for ids.

Values are text. A file that isn't as it should be has nothing to show here: what is wrong with it
is said by who works with its rows.
"""

import csv
import io
import zlib
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from spotify_pipeline import contract
from spotify_pipeline.lake import manifests
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import AT_ONCE, ObjectStore

ROWS = 5
"""How many rows a preview has."""

Row = Mapping[str, str]

_HEAD_BYTES = 4096  # compressed; a row takes some hundred
_BATCHES = 7


def first_rows(store: ObjectStore, manifest: Manifest) -> dict[str, list[Row]]:
    """The first rows of each table of a batch, without what tells about a person.

    Of each file only the beginning is read.
    """

    def look(table: contract.Table) -> list[Row]:
        try:
            rows = _rows(store.head(manifest.files[table.name].key, _HEAD_BYTES))
        except (KeyError, zlib.error, csv.Error):
            return []
        return [{name: row[name] for name in table.previewed if name in row} for row in rows[:ROWS]]

    tables = [table for table in contract.TABLES if table.name in manifest.files]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(look, tables)
        return {table.name: rows for table, rows in zip(tables, found, strict=True)}


def playlist_names(store: ObjectStore, playlist_ids: Collection[str]) -> dict[str, str]:
    """What these playlists were called at last, as far as the latest batches know them."""
    names: dict[str, str] = {}
    batches = list(manifests.current_batches(store).items()) if playlist_ids else []
    for day, number in reversed(batches[-_BATCHES:]):
        unknown = set(playlist_ids) - names.keys()
        if not unknown:
            break
        file = manifests.read(store, day, number).files[contract.PLAYLIST.name]
        try:
            rows = _rows(store.get(file.key))
        except (KeyError, zlib.error, csv.Error):
            continue
        named = ((row["playlist_id"], row["playlist_name"]) for row in rows)
        names |= {id_: name for id_, name in named if id_ in unknown and name}
    return names


def _rows(beginning: bytes) -> list[dict[str, str]]:
    """The whole rows in the first bytes of a file, or in all of them."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)  # with gzip's header and sum
    text = stream.decompress(beginning).decode(errors="replace")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    return rows if stream.eof else rows[:-1]  # the last may be cut off
