"""The client against a server that misbehaves: one call, one answer or one error, and soon."""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from spotify_pipeline.errors import FixConfiguration, PipelineError, SkipThis
from spotify_pipeline.ingest import client as client_module
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.ingest.refusals import (
    AppRefused,
    PlaylistRefused,
    TokenRefused,
    TooManyCalls,
    Unavailable,
    UserNeeded,
    judge_answer,
)
from spotify_pipeline.ingest.sessions import session
from spotify_pipeline.sandbox.server import SandboxServer

ID = "3cEYpjA9oz9GiPac4AsH4n"
EDITORIAL = "37i9dQZF1DXcBWIGoYBM5M"
APP = Credentials("app-id", "hush-secret")
USER = Credentials("app-id", "hush-secret", "hush-refresh")
PLAYLIST = {"id": ID, "name": "Playlist", "snapshot_id": "version1"}
TOKEN = {"access_token": "hush-access", "expires_in": 3600}


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
        self.tokens: list[Response] = [JSONResponse(TOKEN)]
        self.token_delay = 0.0
        self.answers: list[Response] = [JSONResponse(PLAYLIST)]
        self.asked: list[str] = []
        self.authorized: list[str] = []
        self.signed_in: list[str] = []

    def client(self, credentials: Credentials = APP, *on_new: Callable[..., Any]) -> SpotifyClient:
        return SpotifyClient(credentials, self.server.api_url, self.server.accounts_url, *on_new)

    async def _sign_in(self, request: Request) -> Response:
        self.signed_in.append((await request.body()).decode())
        await asyncio.sleep(self.token_delay)
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

    async def _answer(self, request: Request) -> Response:
        self.asked.append(f"{request.url.path}?{request.url.query}")
        self.authorized.append(request.headers["Authorization"])
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
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing below the client may sleep; waiting is somebody else's business."""
    real, ours = time.sleep, threading.get_ident()

    def sleep(seconds: float) -> None:
        assert threading.get_ident() != ours, f"slept for {seconds} s"
        real(seconds)

    monkeypatch.setattr(time, "sleep", sleep)


def refused(spotify: Spotify, answer: Response, playlist_id: str = ID) -> PipelineError:
    """The error that a call ends in, if Spotify answers so."""
    spotify.answers = [answer]
    with pytest.raises(PipelineError) as caught:
        spotify.client().playlist(playlist_id)
    return caught.value


def said_by_spotify(status: int, message: str = "…") -> Response:
    return JSONResponse({"error": {"status": status, "message": message}}, status)


def token(**fields: Any) -> Response:
    return JSONResponse(TOKEN | fields)


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


@pytest.mark.parametrize("listing", ["items", "tracks"])
def test_a_page_is_given_back_as_received_with_how_it_was_asked_for(
    spotify: Spotify, listing: Any
) -> None:
    body = {"items": [None], "offset": 100, "total": 101, "next": None, "of tomorrow": 1}
    spotify.answers = [JSONResponse(body)]
    reply = spotify.client().page(ID, listing, 100)
    assert reply.body == body
    assert reply.request == {
        "method": "GET",
        "path": f"/v1/playlists/{ID}/{listing}",
        "params": {"limit": "50", "offset": "100", "additional_types": "track,episode"},
    }
    assert spotify.asked == [
        f"/v1/playlists/{ID}/{listing}?limit=50&offset=100&additional_types=track%2Cepisode"
    ]


def test_links_in_answers_are_not_followed_to_wherever_they_lead(spotify: Spotify) -> None:
    elsewhere = "https://api.spotify.com.example/v1/"
    page = {"items": [], "offset": 0, "total": 9, "next": elsewhere, "href": elsewhere}
    spotify.answers = [JSONResponse(PLAYLIST | {"items": page}), JSONResponse(page)]
    client = spotify.client()
    client.playlist(ID)
    client.page(ID, "items", 1)
    client.page(ID, "items", 2)
    assert [asked.split("?")[0] for asked in spotify.asked] == [
        f"/v1/playlists/{ID}",
        f"/v1/playlists/{ID}/items",
        f"/v1/playlists/{ID}/items",
    ]


def test_the_token_does_not_follow_a_redirect_to_another_host(spotify: Spotify) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hear() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65_536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=hear, daemon=True)
        thread.start()
        elsewhere = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        spotify.answers = [Response(status_code=302, headers={"Location": elsewhere})]
        with pytest.raises(Unavailable, match="not about this playlist"):
            spotify.client().playlist(ID)
        thread.join(timeout=30)
    assert b"GET /" in heard[0]
    assert b"hush" not in heard[0]


def test_the_version_mark_is_asked_for_alone(spotify: Spotify) -> None:
    assert spotify.client().snapshot_id(ID) == "version1"
    assert "fields=snapshot_id" in spotify.asked[0]


@pytest.mark.parametrize("body", [{}, {"snapshot_id": None}])
def test_a_playlist_may_have_no_version_mark(spotify: Spotify, body: Any) -> None:
    spotify.answers = [JSONResponse(body)]
    assert spotify.client().snapshot_id(ID) is None


def test_the_api_s_address_may_end_without_slash(spotify: Spotify) -> None:
    url = spotify.server.api_url.rstrip("/")
    client = SpotifyClient(APP, url, spotify.server.accounts_url + "/")
    client.playlist(ID)
    client.page(ID, "items", 0)
    assert all(asked.startswith(f"/v1/playlists/{ID}") for asked in spotify.asked)


def test_an_id_that_is_none_is_refused_without_asking(spotify: Spotify) -> None:
    with pytest.raises(SkipThis):
        spotify.client().playlist("no id")
    assert spotify.asked == []


# Trouble comes out at once, each call is made once

TROUBLE: dict[str, tuple[Response, type[PipelineError]]] = {
    "429 with header": (PlainTextResponse("…", 429, {"Retry-After": "86400"}), TooManyCalls),
    "429 without": (PlainTextResponse("Too many requests", 429), TooManyCalls),
    "500": (HTMLResponse("<h1>oops</h1>", 500), Unavailable),
    "502": (said_by_spotify(502), Unavailable),
    "503 with header": (HTMLResponse("…", 503, {"Retry-After": "3600"}), Unavailable),
    "504": (Response(status_code=504), Unavailable),
    "413 with header": (HTMLResponse("…", 413, {"Retry-After": "3600"}), SkipThis),
    "401 of a user": (said_by_spotify(401, "Valid user authentication required"), UserNeeded),
    "401 of the token": (said_by_spotify(401, "The access token expired"), TokenRefused),
    "403 Premium": (said_by_spotify(403, "Active premium subscription required"), AppRefused),
    "403": (said_by_spotify(403, "Forbidden"), PlaylistRefused),
    "404": (said_by_spotify(404, "Resource not found"), PlaylistRefused),
    "400": (said_by_spotify(400, "Invalid base62 id"), SkipThis),
}


@pytest.mark.parametrize(("answer", "kind"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_comes_out_of_each_call_at_once_and_is_told_truly(
    spotify: Spotify, answer: Response, kind: type[PipelineError]
) -> None:
    spotify.answers = [answer]
    client = spotify.client()
    calls = [
        lambda: client.playlist(ID),
        lambda: client.page(ID, "tracks", 0),
        lambda: client.snapshot_id(ID),
    ]
    for number, call in enumerate(calls, start=1):
        with pytest.raises(kind, match=f"Spotify said {answer.status_code}"):
            call()
        assert len(spotify.asked) == number


def test_a_429_says_how_long_to_wait_and_whether_the_quota_is_used_up(spotify: Spotify) -> None:
    quota = {"error": {"status": 429, "message": "…", "reason": "QUOTA_EXCEEDED"}}
    error = refused(spotify, JSONResponse(quota, 429, {"Retry-After": "86400"}))
    assert isinstance(error, TooManyCalls)
    assert (error.seconds, error.is_quota) == (86_400, True)


def test_whose_playlist_is_not_found_is_told(spotify: Spotify) -> None:
    gone = said_by_spotify(404, "Resource not found")
    assert "one of Spotify's own" in str(refused(spotify, gone, EDITORIAL))
    assert "private to somebody else" in str(refused(spotify, gone))


def test_a_403_of_tracks_is_told_as_a_closed_endpoint(spotify: Spotify) -> None:
    spotify.answers = [said_by_spotify(403, "Forbidden")]
    with pytest.raises(PlaylistRefused, match="closed the endpoint /tracks"):
        spotify.client().page(ID, "tracks", 0)
    with pytest.raises(PlaylistRefused, match="owns or collaborates on"):
        spotify.client().page(ID, "items", 0)


@pytest.mark.parametrize("body", ['{"error": "text"}', '{"error": null}', "[]", "", "<html>"])
def test_a_refusal_in_any_form_is_told_by_its_status(spotify: Spotify, body: str) -> None:
    for status in (401, 403, 404, 418, 429, 500):
        error = refused(spotify, Response(body, status, media_type="application/json"))
        assert f"Spotify said {status}" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        HTMLResponse("<html>maintenance</html>"),
        PlainTextResponse(""),
        JSONResponse([1]),
        JSONResponse("text"),
        JSONResponse(None),
        PlainTextResponse('{"name": "cut o'),
        PlainTextResponse("[" * 100_000),
        PlainTextResponse('{"a":' * 100_000),
        Response(b"\xff\xfe{"),
        Response(status_code=204),
        PlainTextResponse('{"name": NaN}'),
        PlainTextResponse('{"name": 1e999}'),
    ],
    ids=lambda answer: ascii(answer.body[:20]),
)
def test_an_answer_that_is_no_object_may_be_one_later(spotify: Spotify, answer: Response) -> None:
    error = refused(spotify, answer)
    assert isinstance(error, Unavailable)
    assert "no JSON object" in str(error)
    client = spotify.client()
    with pytest.raises(Unavailable, match="no JSON object"):
        client.page(ID, "items", 0)
    with pytest.raises(Unavailable, match="no JSON object"):
        client.snapshot_id(ID)


# Nobody there, or nobody who speaks to the end


@contextmanager
def spoken(*answers: bytes | None) -> Iterator[str]:
    """A server that says these bytes, one after the other, and hangs up; or never says a thing."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as asked:
                    length = 0
                    while (line := asked.readline().lower()) not in (b"\r\n", b""):
                        length = (
                            int(line.partition(b":")[2]) if b"content-length" in line else length
                        )
                    asked.read(length)
                    if answer is None:
                        over.wait(timeout=30)
                    else:
                        connection.sendall(answer)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        thread.join(timeout=30)


def in_http(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Connection: close", *headers]
    return b"\r\n".join([*lines, b"", body])


SIGNED_IN = in_http(b'{"access_token": "hush-access", "expires_in": 3600}')

BROKEN = {
    "hangs up": b"",
    "no HTTP": b"what?\r\n\r\n",
    "cut off": in_http(b'{"name":', b"Content-Length: 100"),
    "cut off within a chunk": in_http(b"20\r\n{", b"Transfer-Encoding: chunked"),
    "no gzip": in_http(b"{}", b"Content-Encoding: gzip"),
    "silence": None,
    "redirects to nowhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_breaks_off_is_trouble_that_may_pass(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "TIMEOUT_SECONDS", 0.2)
    with spoken(SIGNED_IN, answer) as url:
        client = SpotifyClient(APP, f"{url}/v1/", url)
        client.sign_in()
        with pytest.raises(Unavailable, match=r"could not be reached \(\w+\)\. Check the network"):
            client.playlist(ID)


@pytest.mark.parametrize("answer", [b"", None], ids=["hangs up", "silence"])
@pytest.mark.parametrize("credentials", [APP, USER], ids=["app", "user"])
def test_a_sign_in_that_breaks_off_is_trouble_that_may_pass(
    credentials: Credentials, answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "TIMEOUT_SECONDS", 0.2)
    began = time.monotonic()
    with spoken(answer) as url, pytest.raises(Unavailable, match="could not be reached"):
        SpotifyClient(credentials, f"{url}/v1/", url).sign_in()
    assert time.monotonic() - began < 2


def test_nobody_there_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(Unavailable, match=r"could not be reached .* Check the network"):
        SpotifyClient(APP, f"{url}/v1/", url).playlist(ID)


# Signing in


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


@pytest.mark.parametrize("is_chunked", [False, True], ids=["counted", "chunked"])
def test_an_answer_that_trickles_in_is_given_up(
    monkeypatch: pytest.MonkeyPatch, is_chunked: bool
) -> None:
    """Each byte comes in time, and they would come for ever."""
    monkeypatch.setattr("spotify_pipeline.ingest.sessions.CALL_SECONDS", 0.3)
    head = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: 1000000"
    stopped = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
            while not stopped.wait(0.05):
                connection.sendall(b"1\r\n \r\n" if is_chunked else b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=trickle, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(requests.ReadTimeout):
            session(judge_answer).get(url, timeout=5)
        stopped.set()
