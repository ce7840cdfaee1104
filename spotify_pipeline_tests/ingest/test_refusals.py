"""What each refusal of Spotify means, told in one sentence with what to do."""

import json
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests

from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis
from spotify_pipeline.ingest.refusals import (
    AppRefused,
    PlaylistRefused,
    TokenRefused,
    TooManyCalls,
    Unavailable,
    UserNeeded,
    judge_answer,
    judge_clock,
    judge_sign_in,
)
from spotify_pipeline_tests.synthetic import NOON

HERS = "playlists/3cEYpjA9oz9GiPac4AsH4n"
EDITORIAL = "playlists/37i9dQZF1DXcBWIGoYBM5M"
PREMIUM = "Active premium subscription required for the owner of the app."
NOT_LISTED = "User not registered in the Developer Dashboard"


def answer(status: int, body: Any = "", path: str = HERS, **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = (body if isinstance(body, str) else json.dumps(body)).encode()
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    made.request = requests.Request("GET", f"https://api.spotify.com/v1/{path}").prepare()
    return made


def said(status: int, message: str = "…", path: str = HERS) -> requests.Response:
    return answer(status, {"error": {"status": status, "message": message}}, path)


def meaning(response: requests.Response) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        judge_answer(response)
    return caught.value


def meaning_of_sign_in(response: requests.Response) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        judge_sign_in(response)
    return caught.value


@pytest.mark.parametrize("status", [200, 204, 302, 304])
def test_what_is_no_refusal_passes(status: int) -> None:
    judge_answer(answer(status, "whatever"))


@pytest.mark.parametrize(
    ("response", "kind", "told"),
    [
        (said(401, "Valid user authentication required"), UserNeeded, "who has signed in"),
        (said(401, "The access token expired"), TokenRefused, "'The access token expired'"),
        (said(401, "Invalid access token"), TokenRefused, "spotify-pipeline login"),
        (said(403, PREMIUM), AppRefused, "the app's owner needs an active Premium subscription"),
        (said(403, NOT_LISTED), AppRefused, "https://developer.spotify.com/dashboard under User"),
        (answer(403, NOT_LISTED), AppRefused, "not on the app's list of users"),
        (said(403, "The user may not be in the allowlist"), AppRefused, "list of users"),
        (said(403, "Forbidden", f"{HERS}/items?limit=50"), PlaylistRefused, "owns or collaborates"),
        (said(403, "Forbidden", f"{HERS}/tracks?limit=50"), PlaylistRefused, "closed the endpoint"),
        (said(403, PREMIUM, f"{HERS}/tracks"), AppRefused, "Premium"),
        (said(403, "Forbidden", f"{HERS}/items?x=/tracks"), PlaylistRefused, "owns or"),
        (said(404, "Resource not found"), PlaylistRefused, "deleted, or private to somebody else"),
        (said(404, "Resource not found", EDITORIAL), PlaylistRefused, "one of Spotify's own"),
        (said(404, "Resource not found", f"{EDITORIAL}/items"), PlaylistRefused, "Spotify's own"),
        (said(404, "Resource not found", f"{HERS}?37i9dQZ"), PlaylistRefused, "deleted, or"),
        (said(400, "Invalid base62 id"), SkipThis, "Invalid base62 id"),
        (said(418, "x" * 1000), SkipThis, "x" * 100),
    ],
)  # fmt: skip
def test_each_refusal_is_told_with_what_to_do(
    response: requests.Response, kind: type[PipelineError], told: str
) -> None:
    error = meaning(response)
    assert type(error) is kind
    assert f"Spotify said {response.status_code}" in str(error)
    assert told in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_trouble_of_the_server_may_pass_and_is_told_truly(status: int) -> None:
    error = meaning(answer(status, "<h1>oops</h1>", Retry_After="3600"))
    assert type(error) is Unavailable
    assert f"Spotify said {status}: trouble on its side, and asks to wait 3600 s" in str(error)


@pytest.mark.parametrize("sort", [RetryLater, FixConfiguration, SkipThis])
def test_every_meaning_is_sorted_by_what_to_do(sort: type[PipelineError]) -> None:
    sorts: dict[type[PipelineError], set[type[PipelineError]]] = {
        RetryLater: {Unavailable, TooManyCalls, TokenRefused},
        FixConfiguration: {AppRefused, UserNeeded},
        SkipThis: {PlaylistRefused},
    }
    assert all(issubclass(kind, sort) for kind in sorts[sort])
    assert issubclass(TokenRefused, Unavailable)
    assert not issubclass(TooManyCalls, Unavailable)


# Too many calls

WEEK = 7 * 24 * 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        ("0", 0),
        ("007", 7),
        ("86400", 86_400),
        (str(WEEK), WEEK),
        (str(WEEK + 1), WEEK),
        ("9" * 30, WEEK),
        ("9" * 5000, WEEK),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("²", None),
        ("Sun, 22 Nov 2026 13:00:00 GMT", None),
        ("5, 5", None),
    ],
)
@pytest.mark.parametrize("judge", [meaning, meaning_of_sign_in], ids=["api", "sign-in"])
def test_the_wait_is_told_where_it_is_a_number_of_seconds(
    judge: Any, header: str, seconds: int | None
) -> None:
    error = judge(answer(429, "Too many requests", Retry_After=header))
    assert isinstance(error, TooManyCalls)
    assert (error.seconds, error.is_quota) == (seconds, False)
    assert str(error) == "Spotify said 429: too many calls"


def test_a_429_without_header_does_not_say_how_long() -> None:
    error = meaning(said(429, "API rate limit exceeded"))
    assert isinstance(error, TooManyCalls)
    assert error.seconds is None


@pytest.mark.parametrize("headers", [{"Retry_After": "86400"}, {}], ids=["for a day", "silent"])
def test_a_used_up_quota_is_known_by_its_reason(headers: dict[str, str]) -> None:
    body = {"error": {"status": 429, "message": "…", "reason": "QUOTA_EXCEEDED"}}
    error = meaning(answer(429, body, **headers))
    assert isinstance(error, TooManyCalls)
    assert error.is_quota
    assert error.seconds == (86_400 if headers else None)
    assert "the app's quota of calls is used up" in str(error)


# Whatever form it has

ODD_BODIES = [
    '{"error": "text"}', '{"error": null}', '{"error": {"message": null}}', '{"error": ["x"]}',
    '{"error": {"message": {"a": 1}}}', '"text"', "[]", "null", "", "<html>", "{}", "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: body[:40] or "nothing")
def test_a_refusal_in_any_form_is_told_by_its_status(body: str) -> None:
    for status in (401, 403, 404, 418, 429, 500):
        assert f"Spotify said {status}" in str(meaning(answer(status, body)))


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: body[:40] or "nothing")
def test_a_sign_in_in_any_form_but_a_token_is_tried_later(body: str) -> None:
    for status in (200, 400, 403, 503):
        error = meaning_of_sign_in(answer(status, body, "api/token"))
        assert type(error) is Unavailable
        assert f"sign-in said {status}" in str(error)
        assert "SPOTIFY_ACCOUNTS_URL" in str(error)


# Signing in


def test_a_token_passes() -> None:
    judge_sign_in(answer(200, {"access_token": "x", "expires_in": 3600}))


@pytest.mark.parametrize("expires_in", ["3600", 3600.0, None, [3600], {}])
def test_a_token_whose_end_is_no_number_is_none(expires_in: Any) -> None:
    error = meaning_of_sign_in(answer(200, {"access_token": "x", "expires_in": expires_in}))
    assert type(error) is Unavailable


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("invalid_client", "check SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"),
        ("invalid_grant", "Sign in again: spotify-pipeline login"),
    ],
)
def test_what_is_wrong_with_the_app_or_its_user_is_told(error: str, told: str) -> None:
    found = meaning_of_sign_in(answer(400, {"error": error, "error_description": "…"}))
    assert type(found) is AppRefused
    assert told in str(found)


# The clock


@pytest.mark.parametrize("minutes", [-45, 45, 24 * 60])
def test_a_clock_that_is_not_spotifys_is_told_with_both(minutes: int) -> None:
    clock = frozen_clock(NOON + timedelta(minutes=minutes))
    with pytest.raises(AppRefused, match="Set the clock") as raised:
        judge_clock(answer(200, Date=format_datetime(NOON, usegmt=True)), clock)
    assert f"{clock():%Y-%m-%d %H:%M} UTC, Spotify's {NOON:%Y-%m-%d %H:%M}" in str(raised.value)


@pytest.mark.parametrize("minutes", [-15, 0, 15])
def test_a_clock_that_drifts_is_good_enough(minutes: int) -> None:
    clock = frozen_clock(NOON + timedelta(minutes=minutes))
    judge_clock(answer(200, Date=format_datetime(NOON, usegmt=True)), clock)


@pytest.mark.parametrize("headers", [{}, {"Date": "soon"}, {"Date": ""}])
def test_an_answer_that_tells_no_time_is_an_answer(headers: dict[str, str]) -> None:
    judge_clock(answer(200, **headers), frozen_clock(NOON))


def test_a_time_without_a_known_zone_is_of_utc() -> None:
    said = answer(200, Date=f"{NOON:%a, %d %b %Y %H:%M:%S} -0000")
    judge_clock(said, frozen_clock(NOON))
    with pytest.raises(AppRefused, match="Set the clock"):
        judge_clock(said, frozen_clock(NOON + timedelta(hours=1)))
