"""What capturing asks of Spotify: the calls as a protocol, and the form of an answer.

How the calls are made is `client`'s business, when they are made again is `patience`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Listing = Literal["items", "tracks"]
"""The endpoint that lists a playlist's entries, and the key of its page in the playlist: `items`
since 2026, `tracks` before."""


@dataclass(frozen=True)
class Reply:
    """An answer as parsed, and how it was asked for, without host or credentials."""

    request: Mapping[str, Any]
    body: Mapping[str, Any]


class PlaylistReader(Protocol):
    """Reads playlists, one call each; may be called from several threads.

    Raises `refusals` for answers that are none.
    """

    def sign_in(self) -> None:
        """Gets what the calls need to be let in; they do so themselves where it is missing."""

    def playlist(self, playlist_id: str) -> Reply:
        """The playlist object with its first page, where Spotify gives one."""

    def page(self, playlist_id: str, listing: Listing, offset: int) -> Reply:
        """The page of entries that begins at `offset`."""

    def snapshot_id(self, playlist_id: str) -> str | None:
        """Spotify's version mark of the playlist, now."""
