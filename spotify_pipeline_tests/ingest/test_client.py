"""The client against a server that misbehaves: one call, one answer or one error, at once."""

import socket
import threading
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from spotify_pipeline.errors import FixConfiguration, PipelineError, SkipThis
from spotify_pipeline.ingest.client import SpotifyClient
from spotify_pipeline.ingest.refusals import (
    AppRefused,
    PlaylistRefused,
    TokenRefused,
    TooManyCalls,
    Unavailable,
    UserNeeded,
)
from spotify_pipeline_tests.ingest.answering import (
    APP,
    ID,
    PLAYLIST,
    Spotify,
    no_naps,
    refused,
    running_spotify,
    said_by_spotify,
    spotify,
)

__all__ = ["no_naps", "running_spotify", "spotify"]  # fixtures
EDITORIAL = "37i9dQZF1DXcBWIGoYBM5M"


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
    with pytest.raises(FixConfiguration, match=r"no playlist in 'no id'\. Known forms"):
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
