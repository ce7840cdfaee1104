"""A day's raw documents with so many entries, made once and kept.

`python -m benchmarks.raw_documents 20000 200000` makes both sizes and tells how big they are.
Playlists hold 1,000 entries of the sandbox's catalogue, paged as a capture pages them. Ten
playlists share their music and change it at ten paces: over ten playlists, about 4 of 9 entries
are songs that no entry before them had.
"""

import argparse
import json
import multiprocessing
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter

from spotify_pipeline.ingest.client import PAGE_LIMIT
from spotify_pipeline.lake import keys, raw
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.sandbox.catalogue import Catalogue, PlaylistOnDay
from spotify_pipeline.sandbox.draw import spotify_id
from spotify_pipeline.sandbox.paging import Paging, Window
from spotify_pipeline.sandbox.playlists import PlaylistPlan

DAY = date(2026, 11, 22)
DATA = Path(tempfile.gettempdir()) / "spotify_pipeline_benchmark"

_PLAYLIST, _SHARING = 1000, 10


@dataclass(frozen=True)
class Size:
    """How much lies in a folder: bytes as JSON, and as the gzip that is kept."""

    entries: int
    documents: int
    raw_bytes: int
    gzip_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.entries:,} entries: {self.documents:,} documents, "
            f"{self.raw_bytes / 1e6:,.0f} MB of JSON ({self.raw_bytes / self.entries:,.0f} bytes "
            f"an entry), {self.gzip_bytes / 1e6:,.0f} MB gzipped"
        )


def folder_with(entries: int, data: Path = DATA) -> tuple[Path, Size]:
    """A lake folder with so many entries, made unless it is there."""
    folder = data / str(entries)
    size_file = folder / "size.json"  # written last: without it the folder is not whole
    if not size_file.exists():
        size_file.parent.mkdir(parents=True, exist_ok=True)
        size_file.write_text(json.dumps(asdict(_make(folder, entries))))
    return folder, Size(**json.loads(size_file.read_text()))


def _make(folder: Path, entries: int) -> Size:
    groups = [
        range(first, min(first + _SHARING * _PLAYLIST, entries), _PLAYLIST)
        for first in range(0, entries, _SHARING * _PLAYLIST)
    ]
    with multiprocessing.get_context("spawn").Pool() as pool:
        sizes = pool.map(partial(_write_group, folder, entries), groups, chunksize=1)
    raw_bytes, gzip_bytes = (sum(group) for group in zip(*sizes, strict=True))
    return Size(entries, sum(map(len, groups)), raw_bytes, gzip_bytes)


def _write_group(folder: Path, entries: int, firsts: range) -> tuple[int, int]:
    """The playlists that begin at these entries of the whole; their bytes as JSON and as gzip."""
    store = FolderStore(folder)
    plans = [
        PlaylistPlan(
            spotify_id("benchmark", first),
            f"Playlist {first}",
            min(_PLAYLIST, entries - first),
            stay=15 + 3 * place,
        )
        for place, first in enumerate(firsts)
    ]
    catalogue = Catalogue(firsts[0], plans)  # another seed is other music
    raw_bytes = gzip_bytes = 0
    for plan in plans:
        playlist = catalogue.playlist(plan.playlist_id, DAY)
        assert playlist
        body = raw.encode(plan.playlist_id, DAY, answers(playlist))
        store.put_new(keys.raw(DAY, plan.playlist_id), body)
        raw_bytes += int.from_bytes(body[-4:], "little")  # gzip says so at its end
        gzip_bytes += len(body)
    return raw_bytes, gzip_bytes


def answers(playlist: PlaylistOnDay) -> list[raw.Answer]:
    """What Spotify says to who captures the playlist: 100 entries with it, then pages of 50."""
    path = f"/v1/playlists/{playlist.plan.playlist_id}"
    query = {"additional_types": "track,episode"}
    paging = Paging(f"https://api.spotify.com{path}/items", query, PAGE_LIMIT)
    entries = playlist.entry_payloads("items")
    morning = datetime.combine(playlist.day, time(6), UTC)
    found: list[raw.Answer] = []
    for offset in (0, *range(100, len(entries), PAGE_LIMIT)):
        window = Window(offset, PAGE_LIMIT if offset else 100)
        items = entries[offset : offset + window.limit]
        page = paging.page(window, len(entries), items)
        at = morning + timedelta(milliseconds=50 * len(found))
        if offset:
            params = {"limit": str(window.limit), "offset": str(offset), **query}
            request = {"method": "GET", "path": f"{path}/items", "params": params}
            found.append(raw.Answer("page", at, request, page))
        else:
            request = {"method": "GET", "path": path, "params": query}
            found.append(raw.Answer("playlist", at, request, playlist.payload("items", page)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entries", type=int, nargs="+")
    parser.add_argument("--data", type=Path, default=DATA)
    asked = parser.parse_args()
    for entries in asked.entries:
        began = perf_counter()
        _, size = folder_with(entries, asked.data)
        print(f"{size} ({perf_counter() - began:.0f} s)")


if __name__ == "__main__":
    main()
