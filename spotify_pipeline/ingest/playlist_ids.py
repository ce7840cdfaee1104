"""The forms in which people write a playlist down: id, URI or link."""

import re
from collections.abc import Sequence

from spotify_pipeline.errors import FixConfiguration

_ID = r"(?P<id>[0-9A-Za-z]{22})"
_FORMS = re.compile(
    rf"(?:{_ID}"
    rf"|spotify:(?:user:[^:]+:)?playlist:{_ID.replace('id', 'uri')}"
    rf"|https?://(?:open|play)\.spotify\.com/(?:intl-[a-z-]+/)?(?:user/[^/]+/)?"
    rf"playlist/{_ID.replace('id', 'link')}/?(?:\?.*)?)"
)


def require_some(playlist_ids: tuple[str, ...]) -> tuple[str, ...]:
    """These playlists; raises `FixConfiguration` where there are none."""
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
    wanted = wanted_playlists(text)
    _require_ids(wanted)
    return wanted


def wanted_playlists(text: str) -> tuple[str, ...]:
    """As `parse_playlists`, for captures, where one that is mistyped stops no other: a part that is
    none of the three forms stands for itself, until `require_id` refuses it."""
    text = text.encode(errors="replace").decode()  # what is no UTF-8 could be stored nowhere
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(dict.fromkeys(map(_id_in, parts)))


def require_id(playlist_id: str) -> None:
    """Raises `FixConfiguration` for what is no id: to be asked before it becomes part of a path."""
    _require_ids([playlist_id])


def _id_in(part: str) -> str:
    match = _FORMS.fullmatch(part)
    return next(filter(None, match.groupdict().values())) if match else part


def _require_ids(wanted: Sequence[str]) -> None:
    if unknown := [each for each in wanted if not re.fullmatch(_ID, each)]:
        raise FixConfiguration(
            f"SPOTIFY_PLAYLISTS: no playlist in {', '.join(map(repr, unknown))}. Known forms: "
            f"an id of 22 letters and digits, spotify:playlist:<id>, "
            f"https://open.spotify.com/playlist/<id>; separated by commas."
        )
