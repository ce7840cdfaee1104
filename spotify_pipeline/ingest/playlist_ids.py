"""The forms in which people write a playlist down: id, URI or link."""

import re

from spotify_pipeline.errors import FixConfiguration

_ID = r"(?P<id>[0-9A-Za-z]{22})"
_FORMS = re.compile(
    rf"(?:{_ID}"
    rf"|spotify:(?:user:[^:]+:)?playlist:{_ID.replace('id', 'uri')}"
    rf"|https?://(?:open|play)\.spotify\.com/(?:intl-[a-z-]+/)?(?:user/[^/]+/)?"
    rf"playlist/{_ID.replace('id', 'link')}/?(?:\?.*)?)"
)


def require_playlists(text: str) -> tuple[str, ...]:
    """As `parse_playlists`; raises `FixConfiguration` where there are none."""
    playlist_ids = parse_playlists(text)
    if not playlist_ids:
        raise FixConfiguration(
            "No playlists are configured. Set SPOTIFY_PLAYLISTS in .env to ids, URIs or "
            "links, separated by commas; or see the whole thing without an account: "
            "spotify-pipeline demo"
        )
    return playlist_ids


def parse_playlists(text: str) -> tuple[str, ...]:
    """The ids in a comma-separated list, without repeats, in order.

    Raises `FixConfiguration` naming every part that is none of the three forms.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    matches = [(part, _FORMS.fullmatch(part)) for part in parts]
    if unknown := [part for part, match in matches if not match]:
        raise FixConfiguration(
            f"SPOTIFY_PLAYLISTS: no playlist in {', '.join(map(repr, unknown))}. Known forms: "
            f"an id of 22 letters and digits, spotify:playlist:<id>, "
            f"https://open.spotify.com/playlist/<id>; separated by commas."
        )
    ids = [next(filter(None, match.groupdict().values())) for _, match in matches if match]
    return tuple(dict.fromkeys(ids))
