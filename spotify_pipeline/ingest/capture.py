"""Capturing one playlist: whole or not at all.

A capture is complete when its pages hold as many entries as Spotify counts and the playlist's
version mark is the same after the last page as before the first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.errors import PipelineError, RetryLater, SkipThis
from spotify_pipeline.ingest import payloads
from spotify_pipeline.ingest.patience import PlaylistPatience
from spotify_pipeline.ingest.payloads import Page
from spotify_pipeline.ingest.reader import Listing, PlaylistReader, Reply
from spotify_pipeline.ingest.refusals import PlaylistRefused, UserNeeded
from spotify_pipeline.lake.raw import Answer

READS = 3
"""How often a playlist that changes while it is read is read again."""

Repeat = Callable[[Reply, Page], Sequence[Answer] | None]
"""Earlier answers that hold the other pages of a playlist that has not changed since; or None."""


@dataclass(frozen=True)
class Capture:
    """All answers about a playlist, from one version of it, and how many entries they hold.

    `unchanged_since` is when the pages were fetched, if that was for an earlier day.
    """

    name: str
    answers: Sequence[Answer]
    entries: int
    unchanged_since: datetime | None = None


class _ChangedMeanwhile(Exception):
    """The pages don't fit together; the text says how."""


def capture(
    reader: PlaylistReader,
    patience: PlaylistPatience,
    playlist_id: str,
    day: date,
    clock: Clock,
    repeat: Repeat,
) -> Capture:
    """The playlist as it is on `day`, which must be today when it is first asked for."""
    capturing = _Capturing(reader, patience, playlist_id, day, clock, repeat)
    reason = None
    for _ in range(READS):
        try:
            return capturing.read()
        except _ChangedMeanwhile as change:
            reason = change
    raise RetryLater(
        f"None of {READS} reads of it was whole: {reason}. Nothing is kept of a part; the next "
        f"run tries again."
    )


class _Capturing:
    def __init__(
        self,
        reader: PlaylistReader,
        patience: PlaylistPatience,
        playlist_id: str,
        day: date,
        clock: Clock,
        repeat: Repeat,
    ) -> None:
        self._reader = reader
        self._call = patience.call
        self._playlist_id = playlist_id
        self._day = day
        self._clock = clock
        self._repeat = repeat

    def read(self) -> Capture:
        """All pages; raises `_ChangedMeanwhile` if they are not of one version."""
        reply = self._call(self._ask_for_playlist)
        name = str(reply.body.get("name") or "")
        answers = [Answer("playlist", self._clock(), reply.request, reply.body)]
        listings = payloads.listings(reply.body)
        page = payloads.first_page(reply.body)
        if page is None:
            page = self._add_page(answers, listings, 0)
        if page.offset:
            raise _ChangedMeanwhile(f"its first page begins with entry {page.offset + 1}")
        is_carried = len(answers) == 1
        if is_carried and len(page.entries) < page.total and (pages := self._repeat(reply, page)):
            since = min(answer.fetched_at for answer in pages)
            return Capture(name, [*answers, *pages], page.total, since)
        total, entries = page.total, len(page.entries)
        while entries < total:
            page = self._add_page(answers, listings, entries)
            _require_next(page, entries, total)
            entries += len(page.entries)
        if entries > total:
            raise _ChangedMeanwhile(f"its pages hold {entries:,} entries, Spotify counts {total:,}")
        if len(answers) > 1:
            self._require_version(reply.body.get("snapshot_id"))
        return Capture(name, answers, entries)

    def _ask_for_playlist(self) -> Reply:
        # Asked before each try: waiting for Spotify may take a call past midnight.
        if today(self._clock) != self._day:
            raise SkipThis(
                f"{self._day} ended before it was asked for; Spotify only tells the present."
            )
        return self._reader.playlist(self._playlist_id)

    def _add_page(self, answers: list[Answer], listings: list[Listing], offset: int) -> Page:
        """The page at `offset`, its answer added to `answers`."""

        def ask() -> tuple[Reply, Page]:
            reply = self._reader.page(self._playlist_id, listings[0], offset)
            return reply, payloads.parse_page(reply.body)

        refused: dict[Listing, PipelineError] = {}
        while listings:
            try:
                reply, page = self._call(ask)
            except (PlaylistRefused, UserNeeded) as refusal:
                refused[listings.pop(0)] = refusal
            else:
                answers.append(Answer("page", self._clock(), reply.request, reply.body))
                return page
        raise refused.get("items") or next(iter(refused.values()))

    def _require_version(self, version: object) -> None:
        if self._call(lambda: self._reader.snapshot_id(self._playlist_id)) != version:
            raise _ChangedMeanwhile("it changed while it was read")


def _require_next(page: Page, offset: int, total: int) -> None:
    """That `page` carries on from the entries before it."""
    if page.total != total:
        raise _ChangedMeanwhile(f"it had {total:,} entries first, and {page.total:,} then")
    if page.offset != offset:
        raise _ChangedMeanwhile(f"the page from {offset:,} on was that from {page.offset:,} on")
    if not page.entries:
        raise _ChangedMeanwhile(f"its pages hold {offset:,} entries, Spotify counts {total:,}")
