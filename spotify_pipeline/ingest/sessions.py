"""HTTP sessions for spotipy whose answers are judged before it reads them, and end in time.

What an answer means is told by the judge that is passed in; when to ask again is `patience`'s
business: a session never repeats a call.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

from spotify_pipeline.lake.raw import BY_THE_BOOK, require_text

CALL_SECONDS = 60
"""How long an answer may take in all; each of its parts has spotipy's timeout."""

# On DEBUG it writes the client secret, codes and tokens.
logging.getLogger("spotipy").setLevel(logging.INFO)


def session(judge: Callable[[requests.Response], None]) -> requests.Session:
    """A session that passes every answer to `judge`, which raises for those that are none."""
    made = requests.Session()
    made.auth = _as_it_is
    hooks: list[Callable[..., None]] = made.hooks["response"]
    hooks.append(lambda response, **_: _bound(response))
    hooks.append(lambda response, **_: judge(response))
    hooks.append(lambda response, **_: _parse(response))
    return made


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request signed as spotipy signed it: without an `auth`, requests looks for each call
    whether `~/.netrc` has a password for the host, which would take the token's place."""
    return request


class _BoundedBody:
    """A body that is read as it comes: waiting for all of it could last for ever."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._ends = time.monotonic() + CALL_SECONDS

    def stream(self, amount: int, decode_content: bool) -> Iterator[bytes]:
        while chunk := self._raw.read1(amount, decode_content=decode_content):
            if time.monotonic() > self._ends:
                raise requests.ReadTimeout("the answer came too slowly")
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def _bound(response: requests.Response) -> None:
    response.raw = _BoundedBody(response.raw)


class _Body(dict[str, Any]):
    """An answer that does not write itself out.

    spotipy formats each for its debug log, whether that is read or not: a fifth of a call's time.
    """

    def __repr__(self) -> str:
        return f"<{len(self)} fields>"


def _parse(response: requests.Response) -> None:
    """Has the body read as what will be stored: quietly, and only if it is JSON by the book."""
    read = response.json

    def json() -> Any:
        body = read(**BY_THE_BOOK)
        require_text(response.content, body)
        return _Body(body) if isinstance(body, dict) else body

    response.json = json
