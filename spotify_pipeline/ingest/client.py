"""The Spotify Web API through spotipy, with its traps closed: one call, one answer or one error.

spotipy's own sessions sleep for as long as a 429 says, report server errors as 429 and trip over
error bodies of another form. Ours never repeat a call, and judge every answer before spotipy reads
it. What the refusals mean is told in `refusals`, how often to ask again in `patience`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import requests
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyClientCredentials, SpotifyOAuth

from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import SkipThis
from spotify_pipeline.ingest.playlist_ids import require_id
from spotify_pipeline.ingest.reader import Listing, Reply
from spotify_pipeline.ingest.refusals import (
    TokenRefused,
    Unavailable,
    Unreachable,
    judge_answer,
    judge_clock,
    judge_sign_in,
)
from spotify_pipeline.ingest.sessions import session
from spotify_pipeline.ingest.sign_in import SCOPE, Credentials

TIMEOUT_SECONDS = 20
PAGE_LIMIT = 50
"""The longest page that Spotify documents."""

_NO_OBJECT = "Spotify's answer was no JSON object. Try again in a few minutes."
_TYPES = {"additional_types": "track,episode"}


class SpotifyClient:
    """A `PlaylistReader`; answers are returned as received.

    `on_new_refresh_token` hears of a refresh token that Spotify sends, and of the one before it.
    `clock` is held against Spotify's, where captures go by it.
    """

    def __init__(
        self,
        credentials: Credentials,
        api_url: str,
        accounts_url: str,
        on_new_refresh_token: Callable[[str, str], object] = lambda _new, _old: None,
        clock: Clock | None = None,
    ) -> None:
        credentials.require()
        self._sign_in = _auth_manager(credentials, accounts_url, on_new_refresh_token)
        self._signing_in = threading.Lock()

        def judge(response: requests.Response) -> None:
            judge_answer(response)
            if clock:
                judge_clock(response, clock)

        # spotipy closes the sessions itself when the client goes.
        self._spotify = spotipy.Spotify(
            auth_manager=self._sign_in,
            requests_session=session(judge),
            requests_timeout=TIMEOUT_SECONDS,
        )
        self._spotify.prefix = api_url if api_url.endswith("/") else f"{api_url}/"

    def sign_in(self) -> None:
        """Gets an access token, unless the one at hand still holds."""
        with _explained(), self._signing_in:  # one thread asks for it, the others wait
            self._sign_in.get_access_token(as_dict=False)

    def playlist(self, playlist_id: str) -> Reply:
        """The playlist object with its first page, where Spotify gives one."""
        require_id(playlist_id)
        with self._signed_in():
            body = _object(
                self._spotify.playlist(playlist_id, additional_types=("track", "episode"))
            )
            if body.get("id") != playlist_id:
                raise Unavailable("Spotify's answer is not about this playlist. Try again later.")
            return _reply(f"/v1/playlists/{playlist_id}", _TYPES, body)

    def page(self, playlist_id: str, listing: Listing, offset: int) -> Reply:
        """The page of entries that begins at `offset`.

        Asked for by its own address: a page's `next` may lead to another host, which the token is
        not for, and it repeats whatever length the page before it had.
        """
        path = f"playlists/{playlist_id}/{listing}"
        params = {"limit": str(PAGE_LIMIT), "offset": str(offset)} | _TYPES
        with self._signed_in():
            # spotipy has no method of its own for /tracks any more; `next` gets any address.
            body = self._spotify.next({"next": f"{self._spotify.prefix}{path}?{urlencode(params)}"})
            return _reply(f"/v1/{path}", params, body)

    def snapshot_id(self, playlist_id: str) -> str | None:
        """Spotify's version mark of the playlist, now."""
        with self._signed_in():
            version = _object(self._spotify.playlist(playlist_id, "snapshot_id"))
            return version.get("snapshot_id")

    @contextmanager
    def _signed_in(self) -> Iterator[None]:
        """A call with a token that holds; one that is refused all the same is forgotten."""
        self.sign_in()
        cache = self._sign_in.cache_handler
        token = cache.get_cached_token()
        try:
            with _explained():
                yield
        except TokenRefused:
            with self._signing_in:
                if cache.get_cached_token() is token:  # others may have a new one by now
                    token["expires_at"] = 0
            raise


class _TokenCache(MemoryCacheHandler):  # type: ignore[misc]
    """Keeps tokens in memory, and tells of a refresh token that is not the one it began with."""

    def __init__(self, token: Mapping[str, Any], on_new: Callable[[str, str], object]) -> None:
        super().__init__(dict(token))
        self._on_new = on_new

    def save_token_to_cache(self, token_info: dict[str, Any]) -> None:
        known, new = self.token_info["refresh_token"], token_info.get("refresh_token")
        if not new or not isinstance(new, str):
            new = known
        super().save_token_to_cache(token_info | {"refresh_token": new})
        if new != known:
            self._on_new(new, known)


def _auth_manager(
    credentials: Credentials, accounts_url: str, on_new_refresh_token: Callable[[str, str], object]
) -> Any:
    common = {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "requests_timeout": TIMEOUT_SECONDS,
        "requests_session": session(judge_sign_in),
    }
    manager: Any
    if credentials.refresh_token:
        # Without a scope and an expiry in the cache spotipy would start an interactive sign-in.
        token = {"refresh_token": credentials.refresh_token, "expires_at": 0, "scope": SCOPE}
        manager = SpotifyOAuth(
            redirect_uri="http://127.0.0.1",  # asked for, but used only when a user signs in
            scope=SCOPE,
            open_browser=False,
            cache_handler=_TokenCache(token, on_new_refresh_token),
            **common,
        )
    else:
        manager = SpotifyClientCredentials(cache_handler=MemoryCacheHandler(), **common)
    manager.OAUTH_TOKEN_URL = f"{accounts_url.rstrip('/')}/api/token"
    return manager


def _reply(path: str, params: Mapping[str, str], body: Any) -> Reply:
    return Reply({"method": "GET", "path": path, "params": dict(params)}, _object(body))


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):  # spotipy gives None where the body is no JSON
        raise Unavailable(_NO_OBJECT)
    return body


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what spotipy and requests raise into errors sorted by what to do."""
    try:
        yield
    except spotipy.SpotifyException as error:
        raise SkipThis(f"Spotify can't be asked for this: {error.msg}") from error
    except RecursionError as error:  # spotipy met JSON that is nested too deeply
        raise Unavailable(_NO_OBJECT) from error
    except requests.RequestException as error:
        raise Unreachable(
            f"Spotify could not be reached ({type(error).__name__}). "
            f"Check the network; the next run tries again."
        ) from error
