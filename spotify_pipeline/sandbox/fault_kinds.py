"""The ways in which Spotify can be unpleasant, by name: which requests each hits, and when.

What is answered stands in `fault_answers`, who is hit in `faults`. Nothing here knows HTTP, so
that whoever only lists the kinds need not load a server.
"""

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "rate_limit",
    "rate_limit_silent",
    "quota",
    "server_error",
    "timeout",
    "drop",
    "truncate",
    "cut_json",
    "html",
    "wrong_json",
    "unauthorized",
    "expired_token",
    "forbidden",
    "premium",
    "not_allowlisted",
    "not_found",
    "tracks_closed",
    "items_closed",
    "changing",
    "no_token",
    "invalid_grant",
    "denied",
]

Where = Literal["api", "listing", "tracks", "items", "token", "authorize"]
"""The requests a kind can hit: any of the Web API's, those for pages of entries or for one of the
two listings alone, those to the token endpoint, those of a browser that signs in."""


@dataclass(frozen=True)
class Kind:
    """What is fixed about a kind of fault."""

    summary: str
    where: Where = "api"
    seconds: int | None = None
    """What `seconds` is unless told otherwise; None if the kind has no use for any."""


KINDS: dict[FaultKind, Kind] = {
    "rate_limit": Kind("429 with Retry-After (seconds)", seconds=5),
    "rate_limit_silent": Kind("429 as bare text, without Retry-After"),
    "quota": Kind("429 QUOTA_EXCEEDED with Retry-After (seconds; 0 leaves it out)", seconds=86_400),
    "server_error": Kind(
        "500, 502, 503 with Retry-After (seconds), 504, in turn; two are HTML", seconds=1
    ),
    "timeout": Kind("the answer comes seconds late", seconds=60),
    "drop": Kind("the connection closes before any byte"),
    "truncate": Kind("the connection closes in the middle of the body"),
    "cut_json": Kind("200, but the JSON ends in the middle"),
    "html": Kind("200 with a maintenance page"),
    "wrong_json": Kind("200 with {}, [] and null, in turn"),
    "unauthorized": Kind("401 Valid user authentication required"),
    "expired_token": Kind("401 The access token expired"),
    "forbidden": Kind("403 Forbidden"),
    "premium": Kind("403, the app's owner has no Premium"),
    "not_allowlisted": Kind("403 as bare text, the user is not registered for the app"),
    "not_found": Kind("404 Resource not found"),
    "tracks_closed": Kind("403 for /playlists/{id}/tracks alone", "tracks"),
    "items_closed": Kind("403 for /playlists/{id}/items alone", "items"),
    "changing": Kind("after each page the playlist is one day further on", "listing"),
    "no_token": Kind("503 from the token endpoint", "token"),
    "invalid_grant": Kind("400 invalid_grant from the token endpoint", "token"),
    "denied": Kind("the user refuses consent in the browser", "authorize"),
}
