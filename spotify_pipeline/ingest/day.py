"""Capturing a day: its playlists a few at a time, each on its own, and the account of it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import PipelineError
from spotify_pipeline.ingest.capture import PlaylistCapture
from spotify_pipeline.ingest.patience import Patience
from spotify_pipeline.ingest.reader import PlaylistReader
from spotify_pipeline.ingest.refetch import EarlierCaptures
from spotify_pipeline.lake import attempts, keys, raw
from spotify_pipeline.lake.store import ObjectStore


@dataclass(frozen=True)
class CapturePolicy:
    """How a day's playlists are read; `concurrency` calls are under way at a time."""

    concurrency: int = 4
    playlist_wait_seconds: int = 300
    run_wait_seconds: int = 900
    refetch_days: int = 0
    """For so many days the pages of an unchanged playlist are not fetched again."""


@dataclass(frozen=True)
class PlaylistReport:
    """What a run did for one playlist; `reason` says why it failed."""

    playlist_id: str
    outcome: Literal["captured", "unchanged", "already there", "failed"]
    name: str = ""
    entries: int = 0
    unchanged_since: datetime | None = None
    reason: str = ""


def complete_day(
    open_reader: Callable[[], AbstractContextManager[PlaylistReader]],
    store: ObjectStore,
    playlist_ids: Sequence[str],
    day: date,
    clock: Clock,
    log: Callable[[str], object],
    policy: CapturePolicy,
    *,
    ignore_wait: bool = False,
) -> list[PlaylistReport]:
    """As `capture_day`, but Spotify is not even opened for a day that is whole, and a run that
    could not open it leaves its account as well."""
    if set(playlist_ids) <= raw.captured(store, day):
        # Also tells who is wanted no more, when one was taken out of the configuration.
        _record(store, day, clock, playlist_ids, ())
        return already_there(playlist_ids)
    try:
        with open_reader() as reader:
            return capture_day(
                reader, store, playlist_ids, day, clock, log, policy, ignore_wait=ignore_wait
            )
    except PipelineError as error:
        # Its reason is true of every playlist.
        failures = [attempts.Failure(playlist_id, str(error)) for playlist_id in playlist_ids]
        _record(store, day, clock, playlist_ids, failures)
        return [PlaylistReport(f.playlist_id, "failed", reason=f.reason) for f in failures]


def already_there(playlist_ids: Sequence[str]) -> list[PlaylistReport]:
    """The account of playlists that were captured before."""
    return [PlaylistReport(playlist_id, "already there") for playlist_id in playlist_ids]


def _record(
    store: ObjectStore,
    day: date,
    clock: Clock,
    playlist_ids: Sequence[str],
    failures: Sequence[attempts.Failure],
) -> None:
    """An attempt that asked for nothing yet; what Spotify asked for before it stays in force."""
    wait_until = attempts.wait_until(store, clock())
    attempt = attempts.Attempt(tuple(playlist_ids), tuple(failures), wait_until)
    attempts.record(store, day, clock(), attempt)


def capture_day(
    reader: PlaylistReader,
    store: ObjectStore,
    playlist_ids: Sequence[str],
    day: date,
    clock: Clock,
    log: Callable[[str], object],
    policy: CapturePolicy,
    *,
    ignore_wait: bool = False,
    patience: Patience | None = None,
) -> list[PlaylistReport]:
    """Captures what the day still lacks; a playlist that fails stops none of the others.

    Spotify's wish of an earlier run to wait is respected, unless `ignore_wait` says otherwise.
    """
    patience = patience or Patience(
        policy.concurrency, policy.playlist_wait_seconds, policy.run_wait_seconds, clock, log
    )
    wait_until = attempts.wait_until(store, clock())
    if wait_until and not ignore_wait:
        patience.hold_until(wait_until)
    there = raw.captured(store, day)
    reports = {
        playlist_id: PlaylistReport(playlist_id, "already there")
        for playlist_id in playlist_ids
        if playlist_id in there
    }
    earlier = EarlierCaptures(store, day, policy.refetch_days)
    started_at = clock()
    known = attempts.readable(store, day)
    if not known or set(known.playlist_ids) != set(playlist_ids):
        # Before it begins, for a run that is killed can't tell any more what it set out for.
        _record(store, day, clock, playlist_ids, ())
    try:
        missing = [playlist_id for playlist_id in playlist_ids if playlist_id not in there]
        # Some more than calls are under way: those whose playlist is being packed and stored.
        with _workers(policy.concurrency * 3 // 2, patience) as workers:
            tasks = [
                workers.submit(
                    _capture_one,
                    PlaylistCapture(
                        reader, patience.for_playlist(), id_, day, clock, earlier.pages_of(id_)
                    ),
                    store,
                    patience,
                )
                for id_ in missing
            ]
            for report in (task.result() for task in as_completed(tasks)):
                is_news = not any(report.reason == other.reason for other in reports.values())
                reports[report.playlist_id] = report
                log(f"playlist {len(reports)} of {len(playlist_ids)}, {_told(report, is_news)}")
    finally:
        failures = tuple(
            attempts.Failure(report.playlist_id, report.reason)
            for report in reports.values()
            if report.outcome == "failed"
        )
        asked = patience.asked_to_wait_until
        if not asked and not any(report.name for report in reports.values()):
            asked = wait_until  # nothing answered, so nothing took that wish back
        attempt = attempts.Attempt(tuple(playlist_ids), failures, asked)
        attempts.record(store, day, started_at, attempt)
    return [reports[playlist_id] for playlist_id in playlist_ids]


def _capture_one(
    capture: PlaylistCapture, store: ObjectStore, patience: Patience
) -> PlaylistReport:
    """Stores the raw document of one playlist, or tells why it can't be had."""
    playlist_id, day = capture.playlist_id, capture.day
    try:
        found = capture.run()
        # Whoever comes second finds the other's capture, which is as good.
        store.put_new(keys.raw(day, playlist_id), raw.encode(playlist_id, day, found.answers))
    except PipelineError as error:
        patience.note(error)
        return PlaylistReport(playlist_id, "failed", reason=str(error))
    patience.note(None)
    return PlaylistReport(
        playlist_id,
        "unchanged" if found.unchanged_since else "captured",
        found.name,
        found.entries,
        found.unchanged_since,
    )


@contextmanager
def _workers(number: int, patience: Patience) -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the block, however it ends: none of them goes on waiting."""
    workers = ThreadPoolExecutor(number, thread_name_prefix="capture")
    try:
        yield workers
    finally:
        patience.give_up()
        workers.shutdown(cancel_futures=True)


def _told(report: PlaylistReport, is_news: bool) -> str:
    place = f"{report.playlist_id} {report.name!r}" if report.name else report.playlist_id
    if report.outcome == "failed":
        return f"failed: {place}: {report.reason}" if is_news else f"failed likewise: {place}"
    since = report.unchanged_since
    unchanged = f", unchanged since it was fetched on {since:%Y-%m-%d}" if since else ""
    return f"{report.entries:,} entries: {place}{unchanged}"
