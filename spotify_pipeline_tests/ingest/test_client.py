"""The client against a server that misbehaves: what comes out says what to do, and soon."""

import logging
import socket
import time
import types
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.sandbox.server import SandboxServer

ID = "37i9dQZF1DXcBWIGoYBM5M"
APP = Credentials("app-id", "hush-secret")
USER = Credentials("app-id", "hush-secret", "hush-refresh")
PLAYLIST = {"name": "Playlist", "snapshot_id": "version1"}


class Spotify:
    """Answers what a test tells it to (the last answer holds on), and keeps what it was asked."""

    def __init__(self) -> None:
        self.server = SandboxServer(
            Starlette(
                routes=[
                    Route("/api/token", self._sign_in, methods=["POST"]),
                    Route("/{path:path}", self._answer),
                ]
            )
        )
        self.forget()

    def forget(self) -> None:
        self.token: Response = JSONResponse({"access_token": "hush-access", "expires_in": 3600})
        self.answers: list[Response] = [JSONResponse(PLAYLIST)]
        self.asked: list[str] = []
        self.signed_in: list[str] = []

    def client(self, credentials: Credentials = APP) -> SpotifyClient:
        return SpotifyClient(credentials, self.server.api_url, self.server.accounts_url)

    async def _sign_in(self, request: Request) -> Response:
        self.signed_in.append((await request.body()).decode())
        return self.token

    async def _answer(self, request: Request) -> Response:
        self.asked.append(f"{request.url.path}?{request.url.query}")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def running_spotify() -> Iterator[Spotify]:
    spotify = Spotify()
    with spotify.server:
        yield spotify


@pytest.fixture
def spotify(running_spotify: Spotify) -> Spotify:
    running_spotify.forget()
    return running_spotify


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been slept between attempts."""
    slept: list[float] = []
    clock = types.SimpleNamespace(sleep=slept.append, time=time.time)
    monkeypatch.setattr("urllib3.util.retry.time", clock)
    return slept


def refused(spotify: Spotify, *answers: Response) -> PipelineError:
    """The error that a playlist ends in, if Spotify answers so."""
    spotify.answers = list(answers)
    with pytest.raises(PipelineError) as caught:
        spotify.client().playlist(ID)
    return caught.value


def said_by_spotify(status: int, message: str = "…") -> Response:
    return JSONResponse({"error": {"status": status, "message": message}}, status)


# What it asks, and gives back


def test_a_playlist_is_given_back_as_received_with_how_it_was_asked_for(
    spotify: Spotify,
) -> None:
    odd: dict[str, Any] = PLAYLIST | {"of tomorrow": [None, {"a": 1.5}], "description": "é 🎉"}
    spotify.answers = [JSONResponse(odd)]
    reply = spotify.client().playlist(ID)
    assert reply.body == odd
    assert reply.request == {
        "method": "GET",
        "path": f"/v1/playlists/{ID}",
        "params": {"additional_types": "track,episode"},
    }
    assert spotify.asked == [f"/v1/playlists/{ID}?additional_types=track%2Cepisode"]


def test_the_next_page_is_asked_for_by_the_link_it_carries(spotify: Spotify) -> None:
    spotify.answers = [JSONResponse({"items": []})]
    link = f"{spotify.server.api_url}playlists/{ID}/tracks?offset=100&limit=100&market=DE"
    reply = spotify.client().next_page({"next": link})
    assert spotify.asked == [f"/v1/playlists/{ID}/tracks?offset=100&limit=100&market=DE"]
    assert reply.request["path"] == f"/v1/playlists/{ID}/tracks"
    assert reply.request["params"] == {"offset": "100", "limit": "100", "market": "DE"}
    assert reply.body == {"items": []}


def test_the_version_mark_is_asked_for_alone(spotify: Spotify) -> None:
    assert spotify.client().snapshot_id(ID) == "version1"
    assert "fields=snapshot_id" in spotify.asked[0]


def test_the_api_s_address_may_end_without_slash(spotify: Spotify) -> None:
    url = spotify.server.api_url.rstrip("/")
    SpotifyClient(APP, url, spotify.server.accounts_url + "/").playlist(ID)
    assert spotify.asked[0].startswith(f"/v1/playlists/{ID}")


def test_one_token_serves_many_calls(spotify: Spotify) -> None:
    client = spotify.client()
    for _ in range(3):
        client.playlist(ID)
    assert spotify.signed_in == ["grant_type=client_credentials"]


def test_a_user_is_signed_in_by_the_refresh_token_without_a_browser(
    spotify: Spotify, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*args: object) -> str:
        raise AssertionError("nobody is there to be asked")

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr("webbrowser.open", ask)
    spotify.client(USER).playlist(ID)
    [form] = spotify.signed_in
    assert "grant_type=refresh_token" in form
    assert "refresh_token=hush-refresh" in form


# Trouble that passes


def test_a_429_comes_out_at_once_and_says_how_long_to_wait(
    spotify: Spotify, naps: list[float]
) -> None:
    quota = {"error": {"status": 429, "message": "…", "reason": "QUOTA_EXCEEDED"}}
    error = refused(spotify, JSONResponse(quota, 429, {"Retry-After": "86400"}))
    assert isinstance(error, RetryLater)
    assert "asks to wait 86400 s" in str(error)
    assert (len(spotify.asked), naps) == (1, [])


def test_a_429_without_header_comes_out_at_once_too(spotify: Spotify, naps: list[float]) -> None:
    error = refused(spotify, PlainTextResponse("Too many requests", 429))
    assert isinstance(error, RetryLater)
    assert "not for how long" in str(error)
    assert (len(spotify.asked), naps) == (1, [])


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_of_the_server_is_tried_again_for_a_few_seconds_and_told_truly(
    spotify: Spotify, naps: list[float], status: int
) -> None:
    error = refused(spotify, HTMLResponse("<h1>oops</h1>", status, {"Retry-After": "3600"}))
    assert isinstance(error, RetryLater)
    assert f"Spotify said {status}" in str(error)
    assert len(spotify.asked) == 4
    assert sum(naps) < 10


def test_trouble_that_passes_is_not_told(spotify: Spotify) -> None:
    spotify.answers = [said_by_spotify(502), said_by_spotify(503), JSONResponse(PLAYLIST)]
    assert spotify.client().playlist(ID).body == PLAYLIST


def test_nobody_there_is_told_as_such(naps: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(RetryLater, match=r"could not be reached .* Check the network"):
        SpotifyClient(APP, f"{url}/v1/", url).playlist(ID)
    assert sum(naps) < 10


@pytest.mark.parametrize(
    "answer",
    [
        HTMLResponse("<html>maintenance</html>"),
        PlainTextResponse(""),
        JSONResponse([1]),
        JSONResponse("text"),
        JSONResponse(None),
        PlainTextResponse('{"name": "cut o'),
    ],
    ids=["html", "nothing", "list", "text", "null", "cut off"],
)
def test_an_answer_that_is_no_object_is_asked_for_again_later(
    spotify: Spotify, answer: Response
) -> None:
    error = refused(spotify, answer)
    assert isinstance(error, RetryLater)
    assert "no JSON object" in str(error)


# Trouble that stays


def test_401_asks_for_a_user(spotify: Spotify) -> None:
    error = refused(spotify, said_by_spotify(401, "Valid user authentication required"))
    assert isinstance(error, FixConfiguration)
    assert "set SPOTIFY_REFRESH_TOKEN" in str(error)


def test_403_says_who_may_read_what(spotify: Spotify) -> None:
    error = refused(spotify, said_by_spotify(403, "Forbidden"))
    assert isinstance(error, SkipThis)
    assert "owns or collaborates on" in str(error)


def test_404_says_what_the_playlist_may_be_and_what_to_do(spotify: Spotify) -> None:
    error = refused(spotify, said_by_spotify(404, "Resource not found"))
    assert isinstance(error, SkipThis)
    assert "one of Spotify's own" in str(error)
    assert "take it out of SPOTIFY_PLAYLISTS" in str(error)


def test_other_refusals_are_told_in_spotify_s_words(spotify: Spotify) -> None:
    error = refused(spotify, said_by_spotify(400, "Invalid base62 id"))
    assert isinstance(error, SkipThis)
    assert "Spotify said 400" in str(error)
    assert "Invalid base62 id" in str(error)


@pytest.mark.parametrize(
    "body",
    ['{"error": "text"}', '{"error": null}', '"text"', "[]", "null", "", "<html>", "{}"],
)
@pytest.mark.parametrize("status", [401, 403, 404, 418, 429, 500])
def test_a_refusal_in_any_form_is_told_by_its_status(
    spotify: Spotify, status: int, body: str
) -> None:
    error = refused(spotify, Response(body, status, media_type="application/json"))
    assert f"Spotify said {status}" in str(error)


def test_an_id_that_is_none_is_refused_without_asking(spotify: Spotify) -> None:
    with pytest.raises(SkipThis):
        spotify.client().playlist("no id")
    assert spotify.asked == []


# Signing in


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
    spotify.token = JSONResponse({"error": "invalid_client", "error_description": "…"}, 400)
    with pytest.raises(FixConfiguration, match="SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"):
        spotify.client(credentials).playlist(ID)


def test_an_ended_sign_in_asks_for_a_new_one(spotify: Spotify) -> None:
    spotify.token = JSONResponse({"error": "invalid_grant"}, 400)
    with pytest.raises(FixConfiguration, match="new SPOTIFY_REFRESH_TOKEN"):
        spotify.client(USER).playlist(ID)


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
@pytest.mark.parametrize("status", [200, 400, 403, 429, 503])
@pytest.mark.parametrize("body", ["<html>", "", "[]", '"text"', "{}", '{"error": {"status": 503}}'])
def test_a_sign_in_that_answers_something_else_is_tried_later(
    spotify: Spotify, credentials: Credentials, status: int, body: str
) -> None:
    spotify.token = Response(body, status, {"Retry-After": "86400"})
    with pytest.raises(RetryLater, match=f"sign-in said {status}"):
        spotify.client(credentials).playlist(ID)


# Secrets


@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
def test_the_most_talkative_log_holds_no_secret(
    spotify: Spotify, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = spotify.client(credentials)
    client.playlist(ID)
    refused(spotify, said_by_spotify(403))
    basic = b64encode(f"{credentials.client_id}:{credentials.client_secret}".encode()).decode()
    assert "urllib3" in caplog.text  # it was listening
    assert "hush" not in caplog.text
    assert basic not in caplog.text


def test_no_error_holds_a_secret(spotify: Spotify) -> None:
    spotify.token = JSONResponse({"error": "invalid_client"}, 400)
    with pytest.raises(FixConfiguration) as caught:
        spotify.client(USER).playlist(ID)
    assert "hush" not in repr(caught.value)
