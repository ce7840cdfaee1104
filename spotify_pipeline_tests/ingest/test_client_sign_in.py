"""The client signs in by itself, once for many calls, and tells nobody a secret."""

import logging
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from spotify_pipeline.errors import FixConfiguration, PipelineError
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.ingest.refusals import AppRefused, TokenRefused, TooManyCalls, Unavailable
from spotify_pipeline_tests.ingest.answering import (
    APP,
    ID,
    PLAYLIST,
    USER,
    Spotify,
    no_naps,
    refused,
    running_spotify,
    said_by_spotify,
    spotify,
    token,
)

__all__ = ["no_naps", "running_spotify", "spotify"]  # fixtures


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
def test_one_token_serves_many_calls(spotify: Spotify, credentials: Credentials) -> None:
    client = spotify.client(credentials)
    client.sign_in()
    client.sign_in()
    for _ in range(2):
        client.playlist(ID)
        client.page(ID, "items", 0)
        client.snapshot_id(ID)
    assert len(spotify.signed_in) == 1
    assert set(spotify.authorized) == {"Bearer hush-access"}


def test_a_password_for_the_host_in_netrc_does_not_take_the_token_s_place(
    spotify: Spotify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    spotify.client().playlist(ID)
    assert spotify.authorized == ["Bearer hush-access"]


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
def test_threads_that_begin_together_sign_in_once(
    spotify: Spotify, credentials: Credentials
) -> None:
    spotify.token_delay = 0.1
    client = spotify.client(credentials)
    together = threading.Barrier(4, timeout=30)

    def ask(_: int) -> str | None:
        together.wait()
        return client.snapshot_id(ID)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == ["version1"] * 4
    assert len(spotify.signed_in) == 1


def test_a_user_is_signed_in_by_the_refresh_token_without_a_browser(
    spotify: Spotify, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*args: object) -> str:
        raise AssertionError("nobody is there to be asked")

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr("webbrowser.open", ask)
    spotify.tokens = [token(scope="user-read-email")]  # a consent to something else
    client = spotify.client(USER)
    for _ in range(2):
        client.playlist(ID)
    [form] = spotify.signed_in
    assert "grant_type=refresh_token" in form
    assert "refresh_token=hush-refresh" in form


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
def test_a_token_that_is_refused_is_forgotten_and_the_next_call_signs_in_anew(
    spotify: Spotify, credentials: Credentials
) -> None:
    spotify.tokens = [token(access_token="hush-1"), token(access_token="hush-2")]
    spotify.answers = [said_by_spotify(401, "The access token expired"), JSONResponse(PLAYLIST)]
    client = spotify.client(credentials)
    with pytest.raises(TokenRefused):
        client.page(ID, "items", 0)
    for _ in range(2):
        client.playlist(ID)
    assert spotify.authorized == ["Bearer hush-1", "Bearer hush-2", "Bearer hush-2"]
    assert len(spotify.signed_in) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_another_refusal_leaves_the_token_alone(spotify: Spotify, status: int) -> None:
    spotify.answers = [said_by_spotify(status, "Valid user authentication required")]
    client = spotify.client(USER)
    for _ in range(2):
        with pytest.raises(PipelineError):
            client.playlist(ID)
    assert len(spotify.signed_in) == 1


def refreshed(spotify: Spotify, *tokens: Response) -> list[tuple[str, str]]:
    """What is told of new refresh tokens while these answers come, and one more."""
    told: list[tuple[str, str]] = []
    spotify.tokens = [*tokens, token()]
    client = spotify.client(USER, lambda new, old: told.append((new, old)))
    for _ in (*tokens, token()):
        spotify.answers = [said_by_spotify(401, "The access token expired")]
        with pytest.raises(TokenRefused):
            client.playlist(ID)
    return told


def test_a_new_refresh_token_is_told_with_the_one_before_and_used_from_then_on(
    spotify: Spotify,
) -> None:
    new = [token(refresh_token=f"hush-{number}") for number in (1, 2, 2)]
    assert refreshed(spotify, *new) == [("hush-1", "hush-refresh"), ("hush-2", "hush-1")]
    assert [form.rpartition("&")[0].partition("=")[2] for form in spotify.signed_in] == [
        "hush-refresh",
        "hush-1",
        "hush-2",
        "hush-2",
    ]


@pytest.mark.parametrize("odd", [None, "", 7, ["hush"], {}])
def test_a_sign_in_without_a_new_refresh_token_keeps_the_old_one(
    spotify: Spotify, odd: Any
) -> None:
    assert refreshed(spotify, token(refresh_token=odd), token()) == []
    assert all("refresh_token=hush-refresh" in form for form in spotify.signed_in)
    assert len(spotify.signed_in) == 3


@pytest.mark.parametrize(
    ("credentials", "named", "not_named"),
    [
        (Credentials("", ""), ["SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set"], []),
        (Credentials("id", ""), ["SPOTIFY_CLIENT_SECRET is not set"], ["SPOTIFY_CLIENT_ID"]),
        (Credentials("", "s"), ["SPOTIFY_CLIENT_ID is not set"], ["SPOTIFY_CLIENT_SECRET"]),
    ],
    ids=["both", "secret", "id"],
)
def test_missing_credentials_are_named_with_both_ways_on(
    credentials: Credentials, named: list[str], not_named: list[str]
) -> None:
    with pytest.raises(FixConfiguration) as caught:
        SpotifyClient(credentials, "http://127.0.0.1:9/v1/", "http://127.0.0.1:9")
    said = str(caught.value)
    for part in (*named, "https://developer.spotify.com/dashboard", "spotify-pipeline demo"):
        assert part in said
    for part in not_named:
        assert part not in said


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
def test_an_unknown_app_is_a_setting_to_mend(spotify: Spotify, credentials: Credentials) -> None:
    spotify.tokens = [JSONResponse({"error": "invalid_client", "error_description": "…"}, 400)]
    with pytest.raises(AppRefused, match="SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"):
        spotify.client(credentials).playlist(ID)
    assert spotify.asked == []


def test_an_ended_sign_in_asks_for_a_new_one(spotify: Spotify) -> None:
    spotify.tokens = [JSONResponse({"error": "invalid_grant"}, 400)]
    with pytest.raises(AppRefused, match="Sign in again: spotify-pipeline login"):
        spotify.client(USER).playlist(ID)


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("body", ["<html>", "", '{"error": {"status": 503}}'])
def test_a_sign_in_that_answers_something_else_is_tried_later(
    spotify: Spotify, credentials: Credentials, status: int, body: str
) -> None:
    spotify.tokens = [Response(body, status, {"Retry-After": "86400"})]
    with pytest.raises(Unavailable, match=f"sign-in said {status}"):
        spotify.client(credentials).playlist(ID)
    assert len(spotify.signed_in) == 1


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
@pytest.mark.parametrize("expires_in", ["3600", 3600.5, None, {}])
def test_a_token_with_an_odd_end_is_none(
    spotify: Spotify, credentials: Credentials, expires_in: Any
) -> None:
    spotify.tokens = [token(expires_in=expires_in), token()]
    client = spotify.client(credentials)
    with pytest.raises(Unavailable, match="gave no token"):
        client.playlist(ID)
    assert client.playlist(ID).body == PLAYLIST


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
def test_a_sign_in_may_ask_to_wait_too(spotify: Spotify, credentials: Credentials) -> None:
    spotify.tokens = [PlainTextResponse("…", 429, {"Retry-After": "86400"})]
    with pytest.raises(TooManyCalls) as caught:
        spotify.client(credentials).playlist(ID)
    assert caught.value.seconds == 86_400
    assert len(spotify.signed_in) == 1


# Secrets


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
def test_the_most_talkative_log_holds_no_secret(
    spotify: Spotify, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = spotify.client(credentials)
    client.playlist(ID)
    client.page(ID, "items", 0)
    refused(spotify, said_by_spotify(403))
    basic = b64encode(f"{credentials.client_id}:{credentials.client_secret}".encode()).decode()
    assert "urllib3" in caplog.text  # it was listening
    assert "hush" not in caplog.text
    assert basic not in caplog.text


def test_no_error_holds_a_secret(spotify: Spotify) -> None:
    spotify.tokens = [JSONResponse({"error": "invalid_client"}, 400)]
    with pytest.raises(FixConfiguration) as caught:
        spotify.client(USER).playlist(ID)
    assert "hush" not in repr(caught.value)
    assert "hush" not in repr(USER)
