"""The music itself: songs, albums, artists and podcast episodes, each made from its number.

The numbers go on for ever and any of them can be asked for alone; nothing is stored. Which of them
stand in a playlist is `playlists`' business, how the API writes them down is `payloads`'.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from spotify_pipeline.sandbox import names
from spotify_pipeline.sandbox.draw import Draw, spotify_id

# Of a thousand neighbouring songs, each stands on one of 250 albums by one of 80 artists.
_SONGS, _ALBUMS, _ARTISTS = 1000, 250, 80


@dataclass(frozen=True)
class Artist:
    """Someone who made a song."""

    artist_id: str
    name: str


@dataclass(frozen=True)
class Album:
    """A release; `image` is the key of its cover."""

    album_id: str
    name: str
    album_type: str
    release_date: str
    precision: str
    total_tracks: int
    image: str
    artists: tuple[Artist, ...]


@dataclass(frozen=True)
class Song:
    """A track; `popularity` is its middle value, about which the days vary."""

    number: int
    song_id: str
    name: str
    duration_ms: int
    explicit: bool
    isrc: str
    popularity: int
    track_number: int
    album: Album
    artists: tuple[Artist, ...]


@dataclass(frozen=True)
class Episode:
    """An episode of a podcast, with what is told of its show."""

    episode_id: str
    name: str
    duration_ms: int
    release_date: str
    image: str
    show_id: str
    show_name: str


class Library:
    """All the music that follows from a seed.

    Songs from number 0 up are ordinary. Those below 0 are the odd corner: each has an album and an
    artist of its own, and all three bear an awkward name.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def song(self, number: int) -> Song:
        """The song of this number, with its album and its artists."""
        draw = Draw(self.seed, "song", number)
        if number < 0:
            album_number, track_number = number, 1
        else:
            block, place = divmod(number, _SONGS)
            album_number = block * _ALBUMS + place % _ALBUMS
            track_number = place // _ALBUMS + 1
        main = self._artist_of_album(album_number)
        guests = -number % 3 if number < 0 else draw.pick((0,) * 9 + (1, 1, 2))
        year, code = draw.between(60, 99), draw.below(100_000)
        return Song(
            number=number,
            song_id=spotify_id(self.seed, "song", number),
            name=_name(number, names.song_name(draw)),
            duration_ms=draw.between(95_000, 420_000),
            explicit=draw.one_in(8),
            isrc=f"XX{draw.text('ABCDEFGHJK', 3)}{year:02}{code:05}",
            popularity=draw.between(15, 90),
            track_number=track_number,
            album=self._album(album_number),
            artists=tuple(_artist(self.seed, main + step) for step in range(1 + guests)),
        )

    def episode(self, number: int) -> Episode:
        """The podcast episode of this number."""
        draw = Draw(self.seed, "episode", number)
        return Episode(
            episode_id=spotify_id(self.seed, "episode", number),
            name=names.episode_name(draw),
            duration_ms=draw.between(600_000, 5_400_000),
            release_date=_day(draw).isoformat(),
            image=draw.hex(40),
            show_id=spotify_id(self.seed, "show", number),
            show_name=names.show_name(draw),
        )

    def _album(self, number: int) -> Album:
        draw = Draw(self.seed, "album", number)
        day, precision = (
            _day(draw).isoformat(),
            draw.pick(("day",) * 7 + ("month", "year")),
        )
        return Album(
            album_id=spotify_id(self.seed, "album", number),
            name=_name(number, names.album_name(draw)),
            album_type=draw.pick(("album", "album", "single", "compilation")),
            release_date=day[: {"year": 4, "month": 7, "day": 10}[precision]],
            precision=precision,
            total_tracks=draw.between(4, 18),
            image=draw.hex(40),
            artists=(_artist(self.seed, self._artist_of_album(number)),),
        )

    @staticmethod
    def _artist_of_album(number: int) -> int:
        if number < 0:
            return number
        block, place = divmod(number, _ALBUMS)
        return block * _ARTISTS + place % _ARTISTS


@lru_cache(maxsize=65_536)
def _artist(seed: int, number: int) -> Artist:
    name = _name(number, names.artist_name(Draw(seed, "artist", number)))
    return Artist(artist_id=spotify_id(seed, "artist", number), name=name)


def _name(number: int, ordinary: str) -> str:
    return ordinary if number >= 0 else names.AWKWARD[number % len(names.AWKWARD)]


def _day(draw: Draw) -> date:
    return date(1964, 1, 1) + timedelta(days=draw.below(22_000))
