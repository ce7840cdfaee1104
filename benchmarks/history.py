"""A lake with so many days of batches, made once and kept; `add_day` brings a day into another."""

import multiprocessing
import os
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from benchmarks.raw_documents import DAY, answers
from spotify_pipeline.clock import machine_clock
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.lake import batch, keys, manifests, raw
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.draw import spotify_id
from spotify_pipeline.sandbox.playlists import PlaylistPlan


def lake_with(days: int, playlists: int, entries: int, data: Path) -> tuple[Path, list[date]]:
    """The lake's folder, made unless it is there, and its days."""
    folder = data / f"history-{days}-{playlists}-{entries}"
    dates = [DAY - timedelta(days=n) for n in reversed(range(days))]
    whole = folder / "whole"  # written last
    if not whole.exists():
        with multiprocessing.get_context("spawn").Pool() as pool:
            pool.map(partial(_make_day, folder, playlists, entries), dates, chunksize=10)
        whole.touch()
    return folder, dates


def _make_day(folder: Path, playlists: int, entries: int, day: date) -> None:
    plans = [
        PlaylistPlan(spotify_id("history", number), f"Playlist {number}", entries, stay=15 + number)
        for number in range(playlists)
    ]
    catalogue = Catalogue(1, plans)
    store = FolderStore(folder)
    if manifests.current(store, day):
        return
    for plan in plans:
        playlist = catalogue.playlist(plan.playlist_id, day)
        assert playlist
        body = raw.encode(plan.playlist_id, day, answers(playlist))
        store.put_new(keys.raw(day, plan.playlist_id), body)
    outcome = batch.issue(store, EmbeddedEngine(), [day], machine_clock)[day]
    if isinstance(outcome, Exception):
        raise outcome


def add_day(source: Path, lake: Path, day: date) -> None:
    """Links a day's files and manifest into another lake."""
    for there in source.rglob(f"dt={day}"):
        for file in filter(Path.is_file, there.rglob("*")):
            target = lake / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, target)
