"""The catalogue: what the sandbox holds, asked by playlist and day.

The one door to the synthetic data, for the server and for whoever wants to know what it must
answer. How the data comes about lies in `library`, `playlists` and `payloads`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from spotify_pipeline.sandbox.library import Library
from spotify_pipeline.sandbox.payloads import full_entry, full_playlist
from spotify_pipeline.sandbox.playlists import (
    Entry,
    PlaylistPlan,
    default_plans,
    playlist_state,
)
from spotify_pipeline.sandbox.shapes import Json, Shape, shaped_entry, shaped_playlist


class Catalogue:
    """Invented music and playlists; the same seed and plans give the same on every machine."""

    def __init__(self, seed: int = 1, playlists: Sequence[PlaylistPlan] | None = None) -> None:
        self.seed = seed
        self.playlists = default_plans(seed) if playlists is None else tuple(playlists)
        self._plans = {plan.playlist_id: plan for plan in self.playlists}
        if len(self._plans) < len(self.playlists):
            raise ValueError("Two of the playlists have the same playlist_id.")
        self._library = Library(seed)

    def playlist(self, playlist_id: str, day: date) -> "PlaylistOnDay | None":
        """A playlist as it stands on a day, or None if there is no such playlist."""
        plan = self._plans.get(playlist_id)
        return None if plan is None else PlaylistOnDay(self._library, plan, day)


@dataclass(frozen=True)
class PlaylistOnDay:
    """One playlist on one day; got from `Catalogue.playlist`."""

    library: Library
    plan: PlaylistPlan
    day: date

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Who stands in the playlist, in order."""
        return playlist_state(self.library.seed, self.plan, self.day).entries

    @property
    def snapshot_id(self) -> str:
        """Spotify's version mark: differs exactly when the entries or the plan do."""
        return playlist_state(self.library.seed, self.plan, self.day).snapshot_id

    def payload(self, shape: Shape, page: Json | None) -> Json:
        """The playlist object as the API writes it, with the page of entries that it embeds; None
        for who may not see any."""
        full = full_playlist(self.library.seed, self.plan, self.snapshot_id, self.day)
        return shaped_playlist(full, page, shape)

    def entry_payloads(self, shape: Shape, offset: int = 0, limit: int | None = None) -> list[Json]:
        """Entries as the API writes them; only those asked for are made."""
        end = None if limit is None else offset + limit
        return [
            shaped_entry(full_entry(self.library, entry, self.day), shape)
            for entry in self.entries[offset:end]
        ]
