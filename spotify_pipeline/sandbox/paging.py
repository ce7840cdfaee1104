"""Pages: which part of a list a request asks for, and the object that wraps the part.

What is in the list is not known here.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

from spotify_pipeline.sandbox.shapes import Json

_DEFAULT_LIMIT = 20


@dataclass(frozen=True)
class Window:
    """The part of a list from `offset` on, at most `limit` long."""

    offset: int
    limit: int

    @classmethod
    def asked_for(cls, query: QueryParams, max_limit: int) -> "Window":
        """The window of a request, refused with 400 if it is none."""
        limit = _integer(query.get("limit"), _DEFAULT_LIMIT)
        if limit is None or not 1 <= limit <= max_limit:
            raise HTTPException(400, "Invalid limit")
        offset = _integer(query.get("offset"), 0)
        if offset is None or offset < 0:
            raise HTTPException(400, "Invalid offset")
        return cls(offset, limit)


@dataclass(frozen=True)
class Paging:
    """How the pages of one list are addressed."""

    address: str
    query: dict[str, str]
    """Parameters other than offset and limit, which every address keeps."""
    max_limit: int

    def page(self, window: Window, total: int, items: list[Json]) -> Json:
        """The paging object of a window; the addresses it leads to respect `max_limit`, even where
        the window itself, embedded in a playlist, does not."""
        limit = min(window.limit, self.max_limit)
        end, before = window.offset + window.limit, max(window.offset - limit, 0)
        return {
            "href": self._link(window.offset, window.limit),
            "items": items,
            "limit": window.limit,
            "next": self._link(end, limit) if end < total else None,
            "offset": window.offset,
            "previous": self._link(before, limit) if window.offset > 0 else None,
            "total": total,
        }

    def _link(self, offset: int, limit: int) -> str:
        query = {"offset": str(offset), "limit": str(limit), **self.query}
        return f"{self.address}?{urlencode(query)}"


def _integer(text: str | None, default: int) -> int | None:
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        return None
