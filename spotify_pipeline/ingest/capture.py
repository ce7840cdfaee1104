"""Capturing: one playlist whole or not at all, and a day of playlists one after the other.

A capture is complete when its pages hold as many entries as Spotify counts and the playlist's
version mark is the same after the last page as before the first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.errors import PipelineError, RetryLater, SkipThis
from spotify_pipeline.ingest.client import Reply
from spotify_pipeline.lake import attempts, keys, raw
from spotify_pipeline.lake.store import ObjectStore

READS = 3
"""How often a playlist that changes while it is read is read again."""


class PlaylistReader(Protocol):
    """The part of `SpotifyClient` that capturing uses."""

    def playlist(self, playlist_id: str) -> Reply: ...

    def next_page(self, page: Mapping[str, Any]) -> Reply: ...

    def snapshot_id(self, playlist_id: str) -> str | None: ...


@dataclass(frozen=True)
class DayReport:
    """What a run did for a day, by playlist id."""

    captured: Mapping[str, int]
    already_there: tuple[str, ...]
    failures: tuple[attempts.Failure, ...]


def capture_day(
    reader: PlaylistReader,
    store: ObjectStore,
    playlist_ids: Sequence[str],
    day: date,
    clock: Clock,
    log: Callable[[str], object],
) -> DayReport:
    """Captures what the day still lacks; a playlist that fails stops none of the others."""
    there = raw.captured(store, day)
    captured: dict[str, int] = {}
    failures: list[attempts.Failure] = []
    started_at = clock()
    try:
        for number, playlist_id in enumerate(playlist_ids, start=1):
            place = f"playlist {number} of {len(playlist_ids)} ({playlist_id})"
            if playlist_id in there:
                log(f"{place}: already there")
                continue
            try:
                captured[playlist_id] = _capture(reader, store, playlist_id, day, clock)
                log(f"{place}: {captured[playlist_id]:,} entries")
            except PipelineError as error:
                failures.append(attempts.Failure(playlist_id, str(error)))
                log(f"{place}: failed: {error}")
    finally:
        attempts.record(
            store, day, started_at, attempts.Attempt(tuple(playlist_ids), tuple(failures))
        )
    return DayReport(captured, tuple(p for p in playlist_ids if p in there), tuple(failures))


def _capture(
    reader: PlaylistReader, store: ObjectStore, playlist_id: str, day: date, clock: Clock
) -> int:
    """Stores the raw document of a playlist and returns the number of its entries."""
    for _ in range(READS):
        if today(clock) != day:
            raise SkipThis(f"{day} ended before it was asked for; Spotify only tells the present.")
        answers, entries, is_whole = _read(reader, playlist_id, clock)
        if is_whole:
            # Whoever comes second finds the other's capture, which is as good.
            store.put_new(keys.raw(day, playlist_id), raw.encode(playlist_id, day, answers))
            return entries
    raise RetryLater(
        f"It changed on each of {READS} reads, so no capture of it was whole. "
        f"The next run tries again."
    )


def _read(
    reader: PlaylistReader, playlist_id: str, clock: Clock
) -> tuple[list[raw.Answer], int, bool]:
    """All answers about a playlist, its entries, and whether they are from one version of it."""
    reply = reader.playlist(playlist_id)
    answers = [raw.Answer("playlist", clock(), reply.request, reply.body)]
    page = _first_page(reply.body)
    total, entries = page["total"], len(page["items"])
    is_whole = page["offset"] == 0
    # A page that doesn't carry on from the last one ends the read: links may lead in circles.
    while is_whole and page["next"]:
        next_reply = reader.next_page(page)
        answers.append(raw.Answer("page", clock(), next_reply.request, next_reply.body))
        page = _checked(next_reply.body)
        is_whole = page["offset"] == entries < total == page["total"] and page["items"] != []
        entries += len(page["items"])
    is_whole &= entries == total
    if is_whole and len(answers) > 1:
        is_whole = reader.snapshot_id(playlist_id) == reply.body.get("snapshot_id")
    return answers, entries, is_whole


def _first_page(playlist: Mapping[str, Any]) -> Mapping[str, Any]:
    # The new name comes first: where both are there they hold the same.
    page = playlist.get("items") or playlist.get("tracks")
    if page is None:
        raise SkipThis(
            "Spotify gives its name but not its entries: new apps read only playlists that the "
            "signed-in user owns or collaborates on."
        )
    return _checked(page)


def _checked(page: Any) -> Mapping[str, Any]:
    """The page, if it has what paging needs."""
    if (
        isinstance(page, Mapping)
        and isinstance(page.get("items"), list)
        and isinstance(page.get("total"), int)
        and isinstance(page.get("offset"), int)
        and isinstance(page.get("next", 0), str | None)
    ):
        return page
    raise RetryLater(
        "Spotify's answer is no page of entries (items, total, offset and next were expected). "
        "The next run tries again."
    )
