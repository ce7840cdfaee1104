"""The regimes of the API as views of one full payload: which keys they use, what they leave out.

`items` is development mode since 2026, `tracks` the Extended Quota, `both` the dual shape that was
seen in between. Building payloads does not belong here.
"""

from typing import Any, Literal

Json = dict[str, Any]
"""A JSON object."""

Shape = Literal["items", "tracks", "both"]
"""Which regime the sandbox plays."""

_OF_TRACK = {"available_markets", "linked_from", "popularity"}
_REMOVED = {
    "track": _OF_TRACK,
    "episode": _OF_TRACK,  # some episodes come in a track's form
    "album": {"available_markets"},
    "show": {"available_markets", "publisher"},
    "playlist": {"followers"},
}


def shaped_playlist(playlist: Json, page: Json | None, shape: Shape) -> Json:
    """The playlist object with its first page of entries under the keys of the regime, or without
    these keys if there is no page to be seen."""
    keys = {"items": ["items"], "tracks": ["tracks"], "both": ["items", "tracks"]}[shape]
    metadata = _reduced(playlist) if shape == "items" else playlist
    return metadata if page is None else {**metadata, **dict.fromkeys(keys, page)}


def shaped_entry(entry: Json, shape: Shape) -> Json:
    """A full entry with its content under the keys of the regime."""
    keys = {"items": ["item"], "tracks": ["track"], "both": ["item", "track"]}[shape]
    shaped = {key: value for key, value in entry.items() if key != "content"}
    content = _reduced(entry["content"]) if shape == "items" else entry["content"]
    return {**shaped, **dict.fromkeys(keys, content)}


def _reduced(thing: Any) -> Any:
    """A copy without what the 2026 regime removed, down to the albums and shows within."""
    if not isinstance(thing, dict):
        return thing
    removed = _REMOVED.get(thing.get("type", ""), set())
    return {key: _reduced(value) for key, value in thing.items() if key not in removed}
