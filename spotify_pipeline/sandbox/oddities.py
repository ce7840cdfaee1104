"""What real playlists hold and careless readers trip over, each as a change to an ordinary entry.

An oddity gets an entry in its fullest form (`payloads.full_entry`), the thing itself under
`content`, and changes it in place. Awkward names are not here but in `names`; shapes are not here
but in `shapes`.
"""

from collections.abc import Callable
from urllib.parse import quote_plus

from spotify_pipeline.sandbox.draw import spotify_id
from spotify_pipeline.sandbox.shapes import Json

Oddity = Callable[[Json], None]


def odd_number(name: str) -> int:
    """The number of the thing in the library that bears this oddity, always below 0."""
    return -1 - list(ODDITIES).index(name)


def _as_is(entry: Json) -> None:
    """Odd through its number or its repetition alone."""


def _unavailable(entry: Json) -> None:
    entry["content"] = None


def _local(entry: Json) -> None:
    song = entry["content"]
    _make_local(entry, song["artists"][0]["name"], song["album"]["name"])


def _local_without_artist(entry: Json) -> None:
    _make_local(entry, "", entry["content"]["album"]["name"])


def _local_without_album(entry: Json) -> None:
    _make_local(entry, entry["content"]["artists"][0]["name"], "")


def _make_local(entry: Json, artist: str, album: str) -> None:
    """A file from someone's disk: all ids null, and an album that lacks `total_tracks`."""
    song = entry["content"]
    seconds = song["duration_ms"] // 1000
    parts = ":".join(map(quote_plus, (artist, album, song["name"])))
    nowhere: Json = {"id": None, "href": None, "uri": None, "external_urls": {}}
    entry["is_local"] = True
    entry["content"] = {
        **nowhere,
        "album": {
            **nowhere,
            "album_type": None,
            "artists": [],
            "available_markets": [],
            "images": [],
            "name": album,
            "release_date": None,
            "release_date_precision": None,
            "type": "album",
        },
        "artists": [{**nowhere, "name": artist, "type": "artist"}],
        "available_markets": [],
        "disc_number": 0,
        "duration_ms": seconds * 1000,
        "explicit": False,
        "external_ids": {},
        "is_local": True,
        "name": song["name"],
        "popularity": 0,
        "preview_url": None,
        "track_number": 0,
        "type": "track",
        "uri": f"spotify:local:{parts}:{seconds}",
    }


def _added_by_spotify(entry: Json) -> None:
    entry["added_by"].update(
        id="",
        uri="spotify:user:",
        href=entry["added_by"]["href"].rpartition("/")[0] + "/",
        external_urls={"spotify": "https://open.spotify.com/user/"},
    )


def _relinked(entry: Json) -> None:
    """A substitute for a release that cannot be had here; the 2026 shape hides the original."""
    song = entry["content"]
    original = spotify_id("relinked", song["id"])
    song["linked_from"] = {
        "external_urls": {"spotify": f"https://open.spotify.com/track/{original}"},
        "href": f"https://api.spotify.com/v1/tracks/{original}",
        "id": original,
        "type": "track",
        "uri": f"spotify:track:{original}",
    }


def _episode_as_track(entry: Json) -> None:
    """The older way to write an episode: in a track's form, with an album and artists."""
    episode = entry["content"]
    episode.update(type="episode", track=False, episode=True)
    episode["uri"] = episode["uri"].replace(":track:", ":episode:")
    episode["album"].update(release_date=None, release_date_precision=None)


def _of_entry(**values: object) -> Oddity:
    return lambda entry: entry.update(values)


def _of_song(**values: object) -> Oddity:
    return lambda entry: entry["content"].update(values)


def _of_album(**values: object) -> Oddity:
    return lambda entry: entry["content"]["album"].update(values)


def _released(date: str, precision: str) -> Oddity:
    return _of_album(release_date=date, release_date_precision=precision)


ODDITIES: dict[str, Oddity] = {
    "unavailable": _unavailable,
    "local": _local,
    "local_without_artist": _local_without_artist,
    "local_without_album": _local_without_album,
    "episode": _as_is,
    "twice": _as_is,
    "thrice": _as_is,
    "added_long_ago": _of_entry(added_at=None, added_by=None),
    "added_1970": _of_entry(added_at="1970-01-01T00:00:00Z"),
    "added_by_spotify": _added_by_spotify,
    "released_in_a_year": _released("1973", "year"),
    "released_in_a_month": _released("1981-12", "month"),
    "released_on_a_day": _released("1999-02-28", "day"),
    "released_in_year_0": _released("0000", "year"),
    "album_type_null": _of_album(album_type=None),
    "album_type_upper": _of_album(album_type="ALBUM"),
    "album_without_images": _of_album(images=[]),
    "without_isrc": _of_song(external_ids={}),
    "relinked": _relinked,
    "restricted": _of_song(restrictions={"reason": "market"}, is_playable=False),
    "explicit": _of_song(explicit=True),
    "lasts_no_time": _of_song(duration_ms=0),
    "side_b": _of_song(disc_number=2, track_number=11),
    "album_without_name": _of_album(name=""),
    "episode_as_track": _episode_as_track,
    "without_name": _of_song(name=""),
    "without_album": _of_song(album=None),
    "without_artists": _of_song(artists=[]),
}
"""Every oddity by its name. "episode" is made one by `payloads`, "several artists" by the library:
every third song of the odd corner has two guests."""
