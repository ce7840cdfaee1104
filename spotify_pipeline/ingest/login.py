"""Signing a user in: the authorization-code flow, with a browser here or on another machine.

Spotify leads the browser back to a listener on this machine, or the user pastes the address it
was led to; whichever comes first is taken. What becomes of the sign-in does not belong here.
"""

import contextlib
import functools
import threading
import webbrowser
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyOAuth

from spotify_pipeline.clock import Clock, machine_clock, today
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater
from spotify_pipeline.ingest.loopback import Form, Letterbox, listening
from spotify_pipeline.ingest.refusals import json_object
from spotify_pipeline.ingest.sessions import session
from spotify_pipeline.ingest.sign_in import DASHBOARD, PORT, SCOPE, Credentials, SignIn

_AGAIN = "Try again: spotify-pipeline login"
_TOKEN_SECONDS = 20

_print_at_once = functools.partial(print, flush=True)


def login(
    credentials: Credentials,
    accounts_url: str,
    *,
    port: int = PORT,
    open_browser: bool = True,
    read_line: Callable[[], str] | None = None,
    tell: Callable[[str], object] = _print_at_once,
    clock: Clock = machine_clock,
    timeout_seconds: float = 300,
) -> SignIn:
    """Asks a user for their consent and gives back the sign-in that came of it.

    `read_line` reads what the user pastes, and raises EOFError where nothing more can come, as
    `input` does; None where nobody can type. Port 0 is any free one.
    """
    credentials.require()
    letterbox = Letterbox()
    with listening(port, letterbox) as redirect_uri:
        # spotipy's cache is where the refresh token is picked up: asking for it as an answer
        # is deprecated.
        cache = MemoryCacheHandler()
        manager = SpotifyOAuth(
            client_id=credentials.client_id,
            client_secret=credentials.client_secret,
            redirect_uri=redirect_uri,
            scope=SCOPE,
            open_browser=False,
            cache_handler=cache,
            requests_session=session(functools.partial(_judge, redirect_uri=redirect_uri)),
            requests_timeout=_TOKEN_SECONDS,
        )
        manager.OAUTH_AUTHORIZE_URL = f"{accounts_url.rstrip('/')}/authorize"
        manager.OAUTH_TOKEN_URL = f"{accounts_url.rstrip('/')}/api/token"
        link = manager.get_authorize_url(letterbox.state)
        tell(_invitation(link, redirect_uri, timeout_seconds, can_paste=read_line is not None))
        if open_browser:
            _in_background(_show, link)
        if read_line:
            _in_background(_read_pasted, read_line, letterbox, redirect_uri, tell)
        form = letterbox.wait(timeout_seconds)
    if form is None:
        raise RetryLater(
            f"Nobody signed in within {timeout_seconds:g} s. {_AGAIN}. If Spotify's page spoke of "
            f"an invalid redirect URI: {_add_redirect_uri(redirect_uri)}"
        )
    _fetch_tokens(manager, _code(form))
    token = cache.get_cached_token()["refresh_token"]
    return SignIn(token, today(clock), credentials.client_id)


def _invitation(link: str, redirect_uri: str, timeout_seconds: float, can_paste: bool) -> str:
    paste = (
        "If the browser is on another machine, its last page can't be shown: paste the address "
        "of that page here.\n"
    )
    return (
        f"Sign in to Spotify with this link:\n\n  {link}\n\n"
        f"{redirect_uri} must stand among the app's redirect URIs at {DASHBOARD}.\n"
        f"{paste if can_paste else ''}"
        f"Waiting for {timeout_seconds:g} s; Ctrl-C ends it."
    )


def _add_redirect_uri(redirect_uri: str) -> str:
    return f"add {redirect_uri} to the app's redirect URIs at {DASHBOARD}"


def _in_background(function: Callable[..., object], *arguments: Any) -> None:
    """Runs it in a thread that keeps no process alive: both who read and who show may block."""
    threading.Thread(target=function, args=arguments, name=function.__name__, daemon=True).start()


def _show(link: str) -> None:
    """Opens a browser where one can be had; the link was told anyway."""
    with contextlib.suppress(webbrowser.Error, OSError):
        webbrowser.open(link)


def _read_pasted(
    read_line: Callable[[], str],
    letterbox: Letterbox,
    redirect_uri: str,
    tell: Callable[[str], object],
) -> None:
    """Reads until an answer to the link was pasted, or nothing more can come."""
    with contextlib.suppress(EOFError, OSError, ValueError):
        while (form := letterbox.open(_query(read_line()))) is None:
            tell(
                f"This is not where the link above leads. Expected was the address of the last "
                f"page, the whole of it: {redirect_uri}?code=…&state=…"
            )
        letterbox.put(form)


def _query(pasted: str) -> str:
    """The query of a pasted address; people paste it with and without what stands before it."""
    text = pasted.strip().strip("'\"<>")
    try:
        return urlsplit(text if "?" in text else f"?{text}").query
    except ValueError:  # as in http://[
        return ""


def _code(form: Form) -> str:
    """The code of an answer; raises where there is an error in it."""
    error = form.get("error")
    if not error:
        return form["code"]
    if error == "access_denied":
        raise FixConfiguration(
            f"Spotify was told not to let the app read your playlists. If that was not meant: "
            f"{_AGAIN}, and agree."
        )
    if error in ("server_error", "temporarily_unavailable"):
        raise RetryLater(f"Spotify could not sign you in just now. {_AGAIN}")
    raise FixConfiguration(
        f"Spotify refused the sign-in{_in_its_words(error)}. Compare SPOTIFY_CLIENT_ID with your "
        f"app at {DASHBOARD}. {_AGAIN}"
    )


def _fetch_tokens(manager: SpotifyOAuth, code: str) -> None:
    """Exchanges the code for tokens, which lie in the manager's cache afterwards."""
    try:
        manager.get_access_token(code, as_dict=False, check_cache=False)
    except requests.RequestException as error:
        raise RetryLater(
            f"You agreed, but Spotify could not be reached for the token "
            f"({type(error).__name__}). Check the network. {_AGAIN}"
        ) from error


def _judge(response: requests.Response, redirect_uri: str) -> None:
    """Raises for answers that hold no tokens, before spotipy trips over them."""
    answer = json_object(response)
    token, lifetime = answer.get("refresh_token"), answer.get("expires_in")
    if response.ok and token and isinstance(token, str) and isinstance(lifetime, int):
        return
    raise _refusal(
        response.status_code,
        answer.get("error"),
        str(answer.get("error_description")).lower(),
        redirect_uri,
    )


def _refusal(status: int, error: object, description: str, redirect_uri: str) -> PipelineError:
    if error == "invalid_client":
        return FixConfiguration(
            f"You agreed, but Spotify refused the app: compare SPOTIFY_CLIENT_ID and "
            f"SPOTIFY_CLIENT_SECRET with the app's settings at {DASHBOARD}. {_AGAIN}"
        )
    if error in ("invalid_grant", "invalid_request") and "redirect" in description:
        return FixConfiguration(
            f"You agreed, but Spotify does not lead this app's users here: "
            f"{_add_redirect_uri(redirect_uri)}. {_AGAIN}"
        )
    if error == "invalid_grant":
        return RetryLater(f"Spotify's code was used before, or is too old by now. {_AGAIN}")
    return RetryLater(
        f"You agreed, but Spotify said {status}{_in_its_words(error)} and gave no token. {_AGAIN}; "
        f"if it stays so, check SPOTIFY_ACCOUNTS_URL."
    )


def _in_its_words(error: object) -> str:
    """The error's name, if it is one: anything else may hold anything."""
    is_name = isinstance(error, str) and error.isidentifier() and len(error) < 40
    return f" ({error})" if is_name else ""
