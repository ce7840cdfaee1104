"""What Spotify's refusals mean: an answer that is none becomes an error that says what to do.

Whether to wait and ask again is decided in `patience`, by the class of the error. The meanings are
those of the Web API's reference and of its migration guide of February 2026.
"""

from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis

if TYPE_CHECKING:
    import requests

EDITORIAL = "37i9dQZ"
"""How the ids of Spotify's own playlists begin."""


CLOCK_TOLERANCE = timedelta(minutes=30)
"""Clocks drift by minutes, and answers may be kept for some on their way; wrong ones are wrong by
hours."""

_LONGEST_WAIT = 7 * 24 * 3600


class Unavailable(RetryLater):
    """No answer that can be read: the same call may do better in a moment, or in `seconds`."""

    def __init__(self, text: str, seconds: int = 0) -> None:
        super().__init__(text)
        self.seconds = seconds


class Unreachable(Unavailable):
    """No answer at all: likely true of every playlist."""


class TooManyCalls(RetryLater):
    """Spotify asks to wait: `seconds`, or None where it does not say how long."""

    def __init__(self, text: str, seconds: int | None, *, is_quota: bool) -> None:
        super().__init__(text)
        self.seconds = seconds
        self.is_quota = is_quota


class TokenRefused(Unavailable):
    """The access token is not taken any more; a new one may be."""


class AppRefused(FixConfiguration):
    """True of the app or its sign-in, and so of every playlist."""


class UserNeeded(FixConfiguration):
    """The call needs a user who has signed in."""


class PlaylistRefused(SkipThis):
    """This playlist, or this way to it, is closed."""


def judge_answer(response: "requests.Response") -> None:
    """Raises what an answer of the Web API means, if it is a refusal."""
    status = response.status_code
    if status < 400:
        return
    if status == 429:
        raise _too_many_calls(response)
    if status >= 500:
        seconds = _retry_after(response) or 0
        wait = f", and asks to wait {seconds} s" if seconds else ""
        raise Unavailable(
            f"Spotify said {status}: trouble on its side{wait}. The next run tries again.", seconds
        )
    judge = {401: _unauthorized, 403: _forbidden, 404: _not_found}.get(status, _other)
    raise judge(response)


def judge_clock(response: "requests.Response", clock: Clock) -> None:
    """Raises if this machine's clock is not Spotify's: by a wrong one a capture would be filed
    under another day, and that day, when it comes, be taken for done."""
    try:
        # HTTP's dates are of UTC, also where one says that it doesn't know its zone.
        said = parsedate_to_datetime(response.headers["Date"]).replace(tzinfo=UTC)
    except (KeyError, ValueError):  # then nobody knows
        return
    now = clock()
    if abs(now - said) > CLOCK_TOLERANCE:
        raise AppRefused(
            f"This machine's clock says {now:%Y-%m-%d %H:%M} UTC, Spotify's {said:%Y-%m-%d %H:%M}: "
            f"the capture would be filed under a wrong day. Set the clock (timedatectl set-ntp "
            f"true), and run it again."
        )


def judge_sign_in(response: "requests.Response") -> None:
    """Raises what an answer of the token endpoint means, if it holds no token."""
    token = json_object(response)
    if response.ok and "access_token" in token and isinstance(token.get("expires_in"), int):
        return
    if response.status_code == 429:
        raise _too_many_calls(response)
    if token.get("error") == "invalid_client":
        raise AppRefused(
            "Spotify does not know this app: check SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET."
        )
    if token.get("error") == "invalid_grant":
        raise AppRefused(
            "The sign-in is over or was revoked (Spotify ends each after six months). "
            "Sign in again: spotify-pipeline login. Where SPOTIFY_REFRESH_TOKEN is set, it has to "
            "go first: it wins over what is stored."
        )
    raise Unavailable(
        f"Spotify's sign-in said {response.status_code} and gave no token. The next run tries "
        f"again; if it stays so, check SPOTIFY_ACCOUNTS_URL."
    )


def json_object(response: "requests.Response") -> Mapping[str, Any]:
    """The answer's JSON object, empty where it holds something else."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _too_many_calls(response: "requests.Response") -> TooManyCalls:
    seconds = _retry_after(response)
    if "QUOTA_EXCEEDED" in response.text:
        return TooManyCalls(
            "Spotify said 429: the app's quota of calls is used up", seconds, is_quota=True
        )
    return TooManyCalls("Spotify said 429: too many calls", seconds, is_quota=False)


def _retry_after(response: "requests.Response") -> int | None:
    """The seconds that Spotify asks to wait, or None where it names none."""
    header = response.headers.get("Retry-After", "")
    return int(min(float(header), _LONGEST_WAIT)) if header.isdecimal() else None


def _unauthorized(response: "requests.Response") -> PipelineError:
    if "user authentication" in _message(response).lower():
        return UserNeeded(
            "Spotify said 401: this playlist needs a user who has signed in. "
            "Sign in: spotify-pipeline login"
        )
    return TokenRefused(
        f"Spotify said 401 and does not take the access tokens that it gives "
        f"({_message(response)!r}). If it stays so: spotify-pipeline login"
    )


def _forbidden(response: "requests.Response") -> PipelineError:
    message = _message(response).lower()
    if "premium" in message:
        return AppRefused(
            "Spotify said 403: the app's owner needs an active Premium subscription. Once it is "
            "paid again, Spotify may take hours to open up."
        )
    if "registered" in message or "allowlist" in message:
        return AppRefused(
            "Spotify said 403: the signed-in user is not on the app's list of users. Add them at "
            "https://developer.spotify.com/dashboard under User Management, or sign in as another: "
            "spotify-pipeline login"
        )
    if (response.request.path_url or "").split("?")[0].endswith("/tracks"):
        return PlaylistRefused(
            "Spotify said 403: it closed the endpoint /tracks to apps like this one, and the "
            "playlist can't be read by another."
        )
    return PlaylistRefused(
        "Spotify said 403: the signed-in user may not read its entries. Apps read only playlists "
        "that their user owns or collaborates on: sign in as the owner (spotify-pipeline login), "
        "or copy its songs to a playlist of yours."
    )


def _not_found(response: "requests.Response") -> PipelineError:
    if f"/playlists/{EDITORIAL}" in (response.request.path_url or ""):
        return PlaylistRefused(
            "Spotify said 404: it is one of Spotify's own playlists, which apps can't read since "
            "November 2024. Copy its songs to a playlist of yours, or take it out of "
            "SPOTIFY_PLAYLISTS."
        )
    return PlaylistRefused(
        "Spotify said 404: deleted, or private to somebody else. If it is yours, sign in: "
        "spotify-pipeline login. Otherwise take it out of SPOTIFY_PLAYLISTS."
    )


def _other(response: "requests.Response") -> PipelineError:
    return SkipThis(f"Spotify said {response.status_code}: {response.text[:200]}")


def _message(response: "requests.Response") -> str:
    """What Spotify says about it, in JSON or as bare text."""
    error = json_object(response).get("error")
    message = error.get("message") if isinstance(error, Mapping) else error
    return str(message or response.text)[:200]
