"""How the API writes things down, in the fullest form: everything that any regime ever shows.

An entry's track or episode stands under `content`; `shapes` gives it the key of a regime and takes
away what that regime does not show. Paging and addresses of the server do not belong here: all
addresses in here are Spotify's own, and lead nowhere, since the things are invented.
"""

from datetime import date

from spotify_pipeline.sandbox.draw import Draw
from spotify_pipeline.sandbox.library import Album, Artist, Episode, Library, Song
from spotify_pipeline.sandbox.oddities import ODDITIES
from spotify_pipeline.sandbox.playlists import Entry, PlaylistPlan
from spotify_pipeline.sandbox.shapes import Json

_MARKETS = ["BR", "DE", "GB", "JP", "US"]


def full_playlist(seed: int, plan: PlaylistPlan, snapshot_id: str, day: date) -> Json:
    """The playlist object without its page of entries."""
    draw = Draw(seed, "followers", plan.playlist_id)
    cover = draw.hex(40)
    followers = draw.between(10, 90_000) + _drift(draw, 200, day)
    return {
        "collaborative": bool(plan.guests),
        "description": plan.description,
        **_reference("playlist", plan.playlist_id),
        "followers": {"href": None, "total": followers},
        "images": _cover(cover) if plan.has_cover else None,
        "name": plan.name,
        "owner": {**_reference("user", plan.owner_id), "display_name": plan.owner_name},
        "primary_color": None,
        "public": plan.public,
        "snapshot_id": snapshot_id,
    }


def full_entry(library: Library, entry: Entry, day: date) -> Json:
    """One entry of a playlist, its oddity applied."""
    payload: Json = {
        "added_at": f"{entry.added_at:%Y-%m-%dT%H:%M:%SZ}",
        "added_by": _reference("user", entry.added_by),
        "is_local": False,
        "primary_color": None,
        "content": (
            _episode(library.episode(entry.number))
            if entry.oddity == "episode"
            else _track(library, library.song(entry.number), day)
        ),
        "video_thumbnail": {"url": None},
    }
    if entry.oddity is not None:
        ODDITIES[entry.oddity](payload)
    return payload


def _track(library: Library, song: Song, day: date) -> Json:
    drift = _drift(Draw(library.seed, "popularity", song.number), 10, day)
    return {
        "album": _album(song.album),
        "artists": list(map(_artist, song.artists)),
        "available_markets": _MARKETS,
        "disc_number": 1,
        "duration_ms": song.duration_ms,
        "episode": False,
        "explicit": song.explicit,
        "external_ids": {"isrc": song.isrc},
        **_reference("track", song.song_id),
        "is_local": False,
        "is_playable": True,
        "name": song.name,
        "popularity": song.popularity + drift,
        "preview_url": None,
        "track": True,
        "track_number": song.track_number,
    }


def _album(album: Album) -> Json:
    return {
        "album_type": album.album_type,
        "artists": list(map(_artist, album.artists)),
        "available_markets": _MARKETS,
        **_reference("album", album.album_id),
        "images": _images(album.image),
        "name": album.name,
        "release_date": album.release_date,
        "release_date_precision": album.precision,
        "total_tracks": album.total_tracks,
    }


def _artist(artist: Artist) -> Json:
    return {**_reference("artist", artist.artist_id), "name": artist.name}


def _episode(episode: Episode) -> Json:
    description = f"In which {episode.show_name} is 100% invented."
    return {
        "audio_preview_url": None,
        "description": description,
        "duration_ms": episode.duration_ms,
        "episode": True,
        "explicit": False,
        **_reference("episode", episode.episode_id),
        "html_description": f"<p>{description}</p>",
        "images": _images(episode.image),
        "is_externally_hosted": False,
        "is_playable": True,
        "language": "en",
        "languages": ["en"],
        "name": episode.name,
        "release_date": episode.release_date,
        "release_date_precision": "day",
        "show": {
            "available_markets": _MARKETS,
            **_reference("show", episode.show_id),
            "images": _images(episode.image),
            "media_type": "audio",
            "name": episode.show_name,
            "publisher": "Sandbox Broadcasting",
        },
        "track": False,
    }


def _reference(kind: str, identity: str) -> Json:
    """The five keys by which the API names anything."""
    return {
        "external_urls": {"spotify": f"https://open.spotify.com/{kind}/{identity}"},
        "href": f"https://api.spotify.com/v1/{kind}s/{identity}",
        "id": identity,
        "type": kind,
        "uri": f"spotify:{kind}:{identity}",
    }


def _cover(key: str) -> list[Json]:
    """One that its owner has uploaded: nobody measured it."""
    return [{"height": None, "url": f"https://i.scdn.co/image/{key}", "width": None}]


def _images(key: str) -> list[Json]:
    return [
        {"height": size, "url": f"https://i.scdn.co/image/{key}{size}", "width": size}
        for size in (640, 300, 64)
    ]


def _drift(draw: Draw, reach: int, day: date) -> int:
    """A number from 0 to `reach` that moves by one a day, up and then down again."""
    return abs((day.toordinal() + draw.below(2 * reach)) % (2 * reach) - reach)
