"""Capturing one playlist: whole or not at all.

A capture is complete when its pages carry on from each other, hold as many entries as Spotify
counts, and the playlist's version mark is the same after the last page as before the first.
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
    version: object
    answers: Sequence[Answer]
    entries: int
    unchanged_since: datetime | None = None


def _no_repeat(_reply: Reply, _page: Page) -> None:
    return None


class _ChangedMeanwhile(Exception):
    """The pages don't fit together; the text says how."""


@dataclass(frozen=True)
class PlaylistCapture:
    """Captures one playlist as it is on `day`, which must be today when it is first asked for."""

    reader: PlaylistReader
    patience: PlaylistPatience
    playlist_id: str
    day: date
    clock: Clock
    repeat: Repeat = _no_repeat

    def run(self) -> Capture:
        """The playlist, whole; raises a `PipelineError` where it can't be had so."""
        before, reason = None, ""
        for _ in range(READS):
            try:
                found, version = self._read()
            except _ChangedMeanwhile as change:
                before, reason = None, str(change)
                continue
            if version == found.version:
                return found
            # Some versions change at every look; two equal reads in a row are as good a proof.
            entries = payloads.entries_of(found.answers)
            if entries == before:
                return found
            before, reason = entries, "it changed while it was read"
        raise RetryLater(
            f"None of {READS} reads of it was whole: {reason}. Nothing is kept of a part; the "
            f"next run tries again."
        )

    def probe(self) -> tuple[str, int]:
        """Its name and number of entries, if it can be read beyond its first page."""
        reply, page = self.patience.call(self._ask_for_playlist)
        if page is None or len(page.entries) < page.total:
            offset = len(page.entries) if page else 0
            page = self._add_page([], payloads.listings(reply.body), offset)
        return str(reply.body.get("name") or ""), page.total

    def _read(self) -> tuple[Capture, object]:
        """All pages, and the version after the last one; raises if they don't fit together."""
        reply, page = self.patience.call(self._ask_for_playlist)
        name, version = str(reply.body.get("name") or ""), reply.body.get("snapshot_id")
        answers = [Answer("playlist", self.clock(), reply.request, reply.body)]
        listings = payloads.listings(reply.body)
        if page is None:
            page = self._add_page(answers, listings, 0)
        elif (
            page.offset == 0
            and len(page.entries) < page.total
            and (pages := self.repeat(reply, page))
        ):
            since = min(answer.fetched_at for answer in pages)
            return Capture(name, version, [*answers, *pages], page.total, since), version
        total, entries = page.total, 0
        while True:
            _require_next(page, entries, total)
            entries += len(page.entries)
            if entries >= total:
                break
            page = self._add_page(answers, listings, entries)
        if entries > total:
            raise _ChangedMeanwhile(f"its pages hold {entries:,} entries, Spotify counts {total:,}")
        found = Capture(name, version, answers, entries)
        if len(answers) == 1:
            return found, version
        return found, self.patience.call(lambda: self.reader.snapshot_id(self.playlist_id))

    def _ask_for_playlist(self) -> tuple[Reply, Page | None]:
        # Looked at before each try: waiting for Spotify may take a call past midnight.
        if today(self.clock) != self.day:
            raise SkipThis(
                f"{self.day} ended before it was asked for; Spotify only tells the present."
            )
        reply = self.reader.playlist(self.playlist_id)
        return reply, payloads.first_page(reply.body)

    def _add_page(self, answers: list[Answer], listings: list[Listing], offset: int) -> Page:
        """The page at `offset`, its answer added to `answers`."""

        def ask() -> tuple[Reply, Page]:
            reply = self.reader.page(self.playlist_id, listings[0], offset)
            return reply, payloads.parse_page(reply.body)

        refused: dict[Listing, PipelineError] = {}
        while listings:
            try:
                reply, page = self.patience.call(ask)
            except (PlaylistRefused, UserNeeded) as refusal:
                refused[listings.pop(0)] = refusal
            else:
                answers.append(Answer("page", self.clock(), reply.request, reply.body))
                return page
        raise refused.get("items") or next(iter(refused.values()))


def _require_next(page: Page, offset: int, total: int) -> None:
    """That `page` carries on from the entries before it."""
    if page.total != total:
        raise _ChangedMeanwhile(f"it had {total:,} entries first, and {page.total:,} then")
    if page.offset != offset:
        raise _ChangedMeanwhile(f"the page from {offset:,} on was that from {page.offset:,} on")
    if not page.entries and offset < total:
        raise _ChangedMeanwhile(f"its pages hold {offset:,} entries, Spotify counts {total:,}")
    if page.is_short:
        # To go on from where it ends would have an entry twice for each that is left out, so that
        # the sum would be right.
        raise _ChangedMeanwhile(
            f"the page from {offset:,} on held {len(page.entries):,} entries, and the next one "
            f"begins at {page.next_offset:,}"
        )
