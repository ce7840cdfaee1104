"""The payload shapes, as far as paging needs them; decided by looking at the answer.

Apps since 2026 get `items` holding `item`, older ones `tracks` holding `track`, and some get both
at once. What the entries mean is the transform's business.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from spotify_pipeline.ingest.reader import Listing
from spotify_pipeline.ingest.refusals import Unavailable
from spotify_pipeline.lake.raw import Answer


@dataclass(frozen=True)
class Page:
    """A page of entries: those from `offset` on, out of `total`; and where the next one begins, if
    it says so."""

    offset: int
    total: int
    entries: Sequence[Any]
    next_offset: int | None = None

    @property
    def is_short(self) -> bool:
        """Whether entries are left out between it and the next page. More than up to there is no
        fault: old answers hold 100 beside a `next` that goes by a smaller limit."""
        end = self.offset + len(self.entries)
        return self.next_offset is not None and end < min(self.next_offset, self.total)


def parse_page(body: Any) -> Page:
    """The page in an answer; raises `Unavailable` where it has not what paging needs."""
    if isinstance(body, Mapping) and isinstance(body.get("items"), list):
        offset, total = body.get("offset"), body.get("total")
        if _is_count(offset) and _is_count(total):
            return Page(offset, total, body["items"], _offset_in(body.get("next")))
    raise Unavailable(
        "Spotify's answer is no page of entries (items, offset and total were expected). "
        "The next run tries again."
    )


def first_page(playlist: Mapping[str, Any]) -> Page | None:
    """The page that a playlist carries; None where Spotify keeps it back."""
    # The new name comes first: where both are there they hold the same.
    page = playlist.get("items") or playlist.get("tracks")
    return None if page is None else parse_page(page)


def listings(playlist: Mapping[str, Any]) -> list[Listing]:
    """The endpoints that may list the playlist's other entries, the likelier one first."""
    if playlist.get("items"):
        return ["items", "tracks"]
    if playlist.get("tracks"):
        return ["tracks", "items"]
    return ["items"]


def entries_of(answers: Sequence[Answer]) -> list[tuple[Any, Any]]:
    """The fingerprint of a whole playlist."""
    pages = (
        first_page(answer.body) if answer.kind == "playlist" else parse_page(answer.body)
        for answer in answers
    )
    return [entry for page in pages if page for entry in fingerprint(page)]


def fingerprint(page: Page) -> list[tuple[Any, Any]]:
    """What tells one version of a page from another: what was added when, in order."""
    return [
        (entry.get("added_at"), _content(entry).get("uri"))
        for entry in page.entries
        if isinstance(entry, Mapping)
    ]


def _content(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    content = entry["item"] if "item" in entry else entry.get("track")
    return content if isinstance(content, Mapping) else {}


_OFFSET = re.compile(r"[?&]offset=([0-9]{1,18})(?![^&#])")


def _offset_in(address: Any) -> int | None:
    """Which page an address names; nothing else of it is of use, for it is never asked."""
    found = _OFFSET.search(address) if isinstance(address, str) else None
    return int(found[1]) if found else None


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
