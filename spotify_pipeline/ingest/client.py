"""The Spotify Web API through spotipy, with its traps closed.

spotipy's own sessions sleep for as long as a 429 says, report server errors as 429 and trip over
error bodies of another form; ours retry server errors a few times, and judge every answer before
spotipy reads it. Errors leave here as `errors`.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import spotipy
from requests.adapters import HTTPAdapter
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyClientCredentials, SpotifyOAuth
from urllib3.util import Retry

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis

TIMEOUT_SECONDS = 20
SCOPE = "playlist-read-private playlist-read-collaborative"
REDIRECT_URI = "http://127.0.0.1:8888/callback"

# On DEBUG it writes the client secret and tokens.
logging.getLogger("spotipy").setLevel(logging.INFO)


@dataclass(frozen=True)
class Credentials:
    """An app's id and secret, and a user's refresh token where one has signed in."""

    client_id: str
    client_secret: str
    refresh_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(client_id={self.client_id!r}, …)"


@dataclass(frozen=True)
class Reply:
    """An answer as parsed, and how it was asked for, without host or credentials."""

    request: Mapping[str, Any]
    body: Mapping[str, Any]


class SpotifyClient:
    """Reads playlists; answers are returned as received, errors say what to do."""

    def __init__(self, credentials: Credentials, api_url: str, accounts_url: str) -> None:
        missing = [
            name
            for name, value in (
                ("SPOTIFY_CLIENT_ID", credentials.client_id),
                ("SPOTIFY_CLIENT_SECRET", credentials.client_secret),
            )
            if not value
        ]
        if missing:
            raise FixConfiguration(
                f"Spotify asks for an app's credentials and {' and '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} not set. Make an app at "
                f"https://developer.spotify.com/dashboard and put them into .env; or see the whole "
                f"thing without an account: spotify-pipeline demo"
            )
        # spotipy closes the sessions itself when the client goes.
        self._spotify = spotipy.Spotify(
            auth_manager=_auth_manager(credentials, accounts_url),
            requests_session=_session(_judge_answer),
            requests_timeout=TIMEOUT_SECONDS,
        )
        self._spotify.prefix = api_url if api_url.endswith("/") else f"{api_url}/"

    def playlist(self, playlist_id: str) -> Reply:
        """The playlist object with its first page, where Spotify gives one."""
        params = {"additional_types": "track,episode"}
        with _explained():
            body = self._spotify.playlist(playlist_id, additional_types=("track", "episode"))
            return Reply(_request(f"/v1/playlists/{playlist_id}", params), _whole(body))

    def next_page(self, page: Mapping[str, Any]) -> Reply:
        """The page that follows `page`, by the link it carries."""
        link = urlsplit(page["next"])
        with _explained():
            body = self._spotify.next(page)
            return Reply(_request(link.path, dict(parse_qsl(link.query))), _whole(body))

    def snapshot_id(self, playlist_id: str) -> str | None:
        """Spotify's version mark of the playlist, now."""
        with _explained():
            return _whole(self._spotify.playlist(playlist_id, "snapshot_id")).get("snapshot_id")


def _request(path: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"method": "GET", "path": path, "params": dict(params)}


def _session(judge: Callable[[requests.Response], None]) -> requests.Session:
    """A session that passes every answer to `judge`, which raises for those that are none."""
    session = requests.Session()
    session.hooks["response"].append(lambda response, **_: judge(response))
    retry = Retry(
        total=3,
        read=2,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=None,  # asking for a token twice does no harm
        backoff_factor=0.5,
        respect_retry_after_header=False,
        raise_on_status=False,
    )
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session


def _auth_manager(credentials: Credentials, accounts_url: str) -> Any:
    common = {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "requests_timeout": TIMEOUT_SECONDS,
        "requests_session": _session(_judge_sign_in),
    }
    manager: Any
    if credentials.refresh_token:
        # Without a scope and an expiry in the cache spotipy would start an interactive sign-in.
        token = {"refresh_token": credentials.refresh_token, "expires_at": 0, "scope": SCOPE}
        manager = SpotifyOAuth(
            redirect_uri=REDIRECT_URI,
            scope=SCOPE,
            open_browser=False,
            cache_handler=MemoryCacheHandler(token),
            **common,
        )
    else:
        manager = SpotifyClientCredentials(cache_handler=MemoryCacheHandler(), **common)
    manager.OAUTH_TOKEN_URL = f"{accounts_url.rstrip('/')}/api/token"
    return manager


def _whole(answer: Any) -> Mapping[str, Any]:
    if not isinstance(answer, dict):  # spotipy gives None where the body is no JSON
        raise RetryLater("Spotify's answer was no JSON object. Try again in a few minutes.")
    return answer


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what spotipy and requests raise into errors sorted by what to do."""
    try:
        yield
    except spotipy.SpotifyException as error:
        raise SkipThis(f"Spotify can't be asked for this: {error.msg}") from error
    except requests.RequestException as error:
        raise RetryLater(
            f"Spotify could not be reached ({type(error).__name__}). "
            f"Check the network; the next run tries again."
        ) from error


def _judge_sign_in(response: requests.Response) -> None:
    token = _json_object(response)
    if response.ok and {"access_token", "expires_in"} <= token.keys():
        return
    if token.get("error") == "invalid_client":
        raise FixConfiguration(
            "Spotify does not know this app: check SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET."
        )
    if token.get("error") == "invalid_grant":
        raise FixConfiguration(
            "The sign-in is over or was revoked: get a new SPOTIFY_REFRESH_TOKEN."
        )
    raise RetryLater(
        f"Spotify's sign-in said {response.status_code} and gave no token. The next run tries "
        f"again; if it stays so, check SPOTIFY_ACCOUNTS_URL."
    )


def _judge_answer(response: requests.Response) -> None:
    if response.status_code >= 400:
        raise _api_error(response)


def _api_error(response: requests.Response) -> PipelineError:
    status = response.status_code
    said = f"Spotify said {status}"
    if status == 429:
        seconds = response.headers.get("Retry-After")
        wait = f"asks to wait {seconds} s" if seconds else "asks to wait, not for how long"
        return RetryLater(f"{said}: too many calls, it {wait}. The next run tries again.")
    if status >= 500:
        return RetryLater(f"{said} again and again: trouble on its side. The next run tries again.")
    if status == 401:
        return FixConfiguration(
            f"{said}: this playlist needs a signed-in user: set SPOTIFY_REFRESH_TOKEN."
        )
    if status == 403:
        return SkipThis(
            f"{said}: the app or its user may not read it. New apps read only playlists that the "
            f"signed-in user owns or collaborates on, and the app's owner needs Premium."
        )
    if status == 404:
        return SkipThis(
            f"{said}: deleted, private, or one of Spotify's own, which apps can't read any more. "
            f"Copy its songs to a playlist of yours, or take it out of SPOTIFY_PLAYLISTS."
        )
    return SkipThis(f"{said}: {response.text[:200]}")


def _json_object(response: requests.Response) -> Mapping[str, Any]:
    """The answer's JSON object, empty where it holds something else."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
