"""What stands in a playlist on a day: a pure function of seed, plan and date.

A playlist is a row of slots. In each, one song follows the other after a fixed stay; the stays of
neighbouring slots begin on different days, so every day some songs leave and as many enter, and no
past has to be replayed to know the present. Each song's rank wanders slowly up and down, so the
others change places. Who stands where is decided here, what it looks like in `payloads`.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from spotify_pipeline.sandbox.draw import Draw, spotify_id
from spotify_pipeline.sandbox.oddities import ODDITIES, odd_number

# After so many songs a slot begins again with its first, so songs that left come back some day.
_SONGS_PER_SLOT = 5

_ODD_SINCE = date(2015, 1, 1).toordinal()


@dataclass(frozen=True)
class PlaylistPlan:
    """What is fixed about a playlist.

    It always holds exactly `size` entries, the `oddities` among them for good (names out of
    `oddities.ODDITIES`; a name given twice is the same song twice). Of the other entries one half
    stays for `stay` days, the other for two and a half times as long: 0.7 / `stay` of them are
    replaced a day. If the first half counts at least `stay`, some are replaced every day.
    """

    playlist_id: str
    name: str
    size: int
    stay: int = 20
    drift: float = 0.3
    """How far an entry wanders, as a share of the playlist: much in charts, little elsewhere."""
    description: str | None = ""
    owner_id: str = "sandbox_owner"
    owner_name: str | None = "Sandbox Owner"
    guests: tuple[str, ...] = ()
    """Ids of others who add entries; with any, the playlist is collaborative."""
    public: bool | None = True
    has_cover: bool = True
    oddities: tuple[str, ...] = ()

    @property
    def editors(self) -> tuple[str, ...]:
        """Ids of all who may add entries."""
        return (self.owner_id, *self.guests)

    def __post_init__(self) -> None:
        if unknown := set(self.oddities) - set(ODDITIES):
            raise ValueError(
                f"Unknown oddities {sorted(unknown)}; there are {', '.join(ODDITIES)}."
            )
        if self.size < len(self.oddities):
            raise ValueError(f"{self.size} entries cannot hold {len(self.oddities)} oddities.")
        if self.stay < 1:
            raise ValueError(f"An entry stays at least a day, not {self.stay}.")


class Entry(NamedTuple):
    """One slot of a playlist on one day; `number` is the song's in the library."""

    number: int
    added_at: datetime
    added_by: str
    oddity: str | None


class State(NamedTuple):
    """A playlist on a day: its entries in order, and the mark that changes with its content."""

    entries: tuple[Entry, ...]
    snapshot_id: str


def default_plans(seed: int) -> tuple[PlaylistPlan, ...]:
    """The four playlists that a catalogue holds unless told otherwise."""
    chart, radio, odd, slow = (
        spotify_id(seed, "playlist", kind) for kind in ("chart", "radio", "odd", "slow")
    )
    return (
        PlaylistPlan(chart, "Harbour Chart 100", 100, description="The hundred of the day."),
        PlaylistPlan(
            radio,
            "Kitchen Radio",
            230,
            stay=25,
            drift=0.01,
            description="Whoever washes up may choose, three songs at most",
            guests=("aunt_brona", "cousin.ilka"),
            public=False,
        ),
        PlaylistPlan(
            odd,
            "Box of Odd Things",
            50,
            stay=9,
            drift=0.08,
            owner_name=None,
            public=None,
            oddities=(*ODDITIES, "twice", "thrice", "thrice"),
        ),
        PlaylistPlan(
            slow, "Songs for a Slow Sunday", 15, stay=60, description=None, has_cover=False
        ),
    )


@lru_cache(maxsize=16)
def playlist_state(seed: int, plan: PlaylistPlan, day: date) -> State:
    """The playlist as it stands on a day."""
    ranked = sorted(_slots(seed, plan, day))
    entries = tuple(entry for _, _, entry in ranked)
    mark = blake2b(digest_size=24)
    mark.update(repr((seed, plan)).encode())
    for entry in entries:
        mark.update(f"{entry.number} {entry.added_at.timestamp():.0f}\n".encode())
    return State(entries, base64.b64encode(mark.digest()).decode())


def _slots(seed: int, plan: PlaylistPlan, day: date) -> Iterator[tuple[int, int, Entry]]:
    """Rank, slot and entry of each slot; the slot decides between equal ranks."""
    for slot in range(plan.size):
        oddity = plan.oddities[slot] if slot < len(plan.oddities) else None
        if oddity is None:
            number, first_day = _tenant(plan, slot, day.toordinal())
        else:
            number, first_day = odd_number(oddity), _ODD_SINCE - 17 * slot
        draw = Draw(seed, plan.playlist_id, slot, first_day)
        # The day before: at whatever hour of its first day an entry is looked at, it must not
        # have been added in the future.
        ago = timedelta(seconds=draw.between(1, 86_400))
        added_at = datetime.fromordinal(first_day).replace(tzinfo=UTC) - ago
        rank = _rank(draw, plan, day)
        yield rank, slot, Entry(number, added_at, draw.pick(plan.editors), oddity)


def _tenant(plan: PlaylistPlan, slot: int, today: int) -> tuple[int, int]:
    """The number of the song that stands in a slot today, and its first day there.

    The slots without oddity take turns between two lanes, a quick and a patient one. Within a lane
    the changes of song are spread evenly over the stay.
    """
    place, lane = divmod(slot - len(plan.oddities), 2)
    lane_size = (plan.size - len(plan.oddities) + 1 - lane) // 2
    stay = plan.stay if lane == 0 else plan.stay * 5 // 2
    turn, days_so_far = divmod(today + place * stay // lane_size, stay)
    return slot + plan.size * (turn % _SONGS_PER_SLOT), today - days_so_far


def _rank(draw: Draw, plan: PlaylistPlan, day: date) -> int:
    """A rank that wanders up and down in a triangle, its pace set by the stay."""
    period = draw.between(plan.stay, 3 * plan.stay)
    half = abs(2 * ((day.toordinal() + draw.below(period)) % period) - period)
    return draw.below(1_000_000) + int(1_000_000 * plan.drift) * half // period
