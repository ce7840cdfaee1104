"""Not fetching again what has not changed: earlier pages of a playlist whose version is the same.

Off unless its owner asks for it. Spotify's version mark may lag behind a change and moves without
one, so it is believed only together with the first page, and only for so many days.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache

from spotify_pipeline.ingest import payloads
from spotify_pipeline.ingest.capture import Repeat
from spotify_pipeline.ingest.payloads import Page
from spotify_pipeline.ingest.reader import Reply
from spotify_pipeline.ingest.refusals import Unavailable
from spotify_pipeline.lake import keys, raw
from spotify_pipeline.lake.raw import Answer
from spotify_pipeline.lake.store import ObjectStore


class EarlierCaptures:
    """The captures of the `refetch_days` days before `day`."""

    def __init__(self, store: ObjectStore, day: date, refetch_days: int) -> None:
        self._store = store
        self._days = [day - timedelta(days=n) for n in range(1, refetch_days + 1)]
        self._captured = lru_cache(lambda day: raw.captured(store, day))

    def pages_of(self, playlist_id: str) -> Repeat:
        """What repeats the pages of this playlist's last capture, if nothing has changed."""

        def repeat(reply: Reply, page: Page) -> Sequence[Answer] | None:
            last = next((day for day in self._days if playlist_id in self._captured(day)), None)
            if last is None:
                return None
            try:
                playlist, *pages = raw.decode(self._store.get(keys.raw(last, playlist_id)))
                version = reply.body.get("snapshot_id")
                is_same = version is not None and version == playlist.body.get("snapshot_id")
                if not is_same or not _fits(playlist, page, pages):
                    return None
            except (ValueError, Unavailable):  # damaged: its own day tells of that
                return None
            fetched = min(answer.fetched_at for answer in pages).date()
            return pages if fetched >= self._days[-1] else None

        return repeat


def _fits(playlist: Answer, page: Page, pages: Sequence[Answer]) -> bool:
    """Whether `pages` carry on from `page` to the end, as they did from the earlier first page."""
    before = payloads.first_page(playlist.body)
    if before is None or payloads.fingerprint(before) != payloads.fingerprint(page):
        return False
    if page.is_short:
        return False
    entries = len(page.entries)
    for answer in pages:
        following = payloads.parse_page(answer.body)
        if following.is_short or (following.offset, following.total) != (entries, page.total):
            return False
        entries += len(following.entries)
    return entries == page.total
