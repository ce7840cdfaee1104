"""The API over real HTTP: paging, tokens, refusals, and a spotipy client that knows no better."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyClientCredentials, SpotifyOAuth, SpotifyOauthError

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.server import SandboxServer
from spotify_pipeline.sandbox.shapes import Shape
from spotify_pipeline.sandbox.tokens import EXPIRED_CONSENT, REVOKED_CONSENT

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CATALOGUE = Catalogue()
CHART, RADIO, ODD, SLOW = (plan.playlist_id for plan in CATALOGUE.playlists)
SHAPES: tuple[Shape, ...] = ("items", "tracks", "both")

Json = dict[str, Any]


class MovableClock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Api:
    """A running sandbox and a bare client that holds a token."""

    def __init__(
        self, server: SandboxServer, clock: MovableClock, token_clock: MovableClock
    ) -> None:
        self.server, self.clock, self.token_clock = server, clock, token_clock
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.token()['access_token']}"

    def token(self, credentials: tuple[str, str] | None = ("id", "secret"), **form: str) -> Json:
        form = form or {"grant_type": "client_credentials"}
        url = f"{self.server.accounts_url}/api/token"
        answer: Json = requests.post(url, data=form, auth=credentials, timeout=20).json()
        return answer

    def get(self, path: str, **query: str | int) -> requests.Response:
        return self.session.get(self.server.api_url + path, params=query, timeout=20)

    def pages(self, page: Json) -> Iterator[Json]:
        while True:
            yield page
            if page["next"] is None:
                return
            page = self.session.get(page["next"], timeout=20).json()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[Shape, Api]]:
    clocks = {shape: (MovableClock(), MovableClock()) for shape in SHAPES}
    apps = {
        shape: create_app(CATALOGUE, clock, shape, token_clock=tokens)
        for shape, (clock, tokens) in clocks.items()
    }
    with (
        SandboxServer(apps["items"]) as items,
        SandboxServer(apps["tracks"]) as tracks,
        SandboxServer(apps["both"]) as both,
    ):
        running: dict[Shape, SandboxServer] = {
            "items": items,
            "tracks": tracks,
            "both": both,
        }
        yield {shape: Api(server, *clocks[shape]) for shape, server in running.items()}


@pytest.fixture(params=SHAPES)
def each(request: pytest.FixtureRequest, servers: dict[Shape, Api]) -> tuple[Shape, Api]:
    return request.param, servers[request.param]


@pytest.fixture
def api(servers: dict[Shape, Api]) -> Api:
    return servers["items"]


# Paging


@pytest.mark.parametrize(
    ("playlist_id", "limit"),
    [(RADIO, 46), (ODD, 20), (SLOW, 14)],
    ids=["last page full", "last page short", "last page of one"],
)
def test_following_next_gives_every_entry_once(
    each: tuple[Shape, Api], playlist_id: str, limit: int
) -> None:
    shape, api = each
    first = api.get(f"playlists/{playlist_id}/items", limit=limit).json()
    pages = list(api.pages(first))
    expected = CATALOGUE.playlist(playlist_id, NOON.date())
    assert expected is not None
    entries = list(chain.from_iterable(page["items"] for page in pages))
    assert entries == expected.entry_payloads(shape)
    assert {page["total"] for page in pages} == {len(expected.entries)}
    assert [page["offset"] for page in pages] == list(range(0, first["total"], first["limit"]))


@pytest.mark.parametrize("playlist_id", [CHART, RADIO, ODD, SLOW])
def test_the_embedded_page_leads_to_all_the_others(
    each: tuple[Shape, Api], playlist_id: str
) -> None:
    shape, api = each
    playlist = api.get(f"playlists/{playlist_id}").json()
    key = "tracks" if shape == "tracks" else "items"
    pages = list(api.pages(playlist[key]))
    expected = CATALOGUE.playlist(playlist_id, NOON.date())
    assert expected is not None
    assert len(pages[0]["items"]) == min(100, len(expected.entries))
    entries = list(chain.from_iterable(page["items"] for page in pages))
    assert entries == expected.entry_payloads(shape)
    assert all(f"/playlists/{playlist_id}/{key}?" in page["href"] for page in pages)


def test_a_playlist_has_its_page_under_the_keys_of_its_shape(
    servers: dict[Shape, Api],
) -> None:
    keys = {
        shape: api.get(f"playlists/{RADIO}").json().keys() & {"items", "tracks"}
        for shape, api in servers.items()
    }
    assert keys == {
        "items": {"items"},
        "tracks": {"tracks"},
        "both": {"items", "tracks"},
    }


@pytest.mark.parametrize("shape", ["tracks", "both"])
def test_the_old_listing_goes_up_to_100(servers: dict[Shape, Api], shape: Shape) -> None:
    page = servers[shape].get(f"playlists/{RADIO}/tracks", limit=100).json()
    assert [len(each["items"]) for each in servers[shape].pages(page)] == [100, 100, 30]


def test_previous_leads_back_and_the_query_is_kept(api: Api) -> None:
    asked: dict[str, str | int] = {
        "limit": 20,
        "offset": 30,
        "additional_types": "track,episode",
        "market": "DE",
    }
    page = api.get(f"playlists/{RADIO}/items", **asked, unknown="x").json()
    for link, offset in (("href", 30), ("next", 50), ("previous", 10)):
        query = urlsplit(page[link]).query
        assert query == f"offset={offset}&limit=20&additional_types=track%2Cepisode&market=DE"
        assert page[link].startswith(api.server.api_url)
    assert api.get(f"playlists/{RADIO}/items").json()["previous"] is None


def test_beyond_the_end_there_is_an_empty_page(api: Api) -> None:
    page = api.get(f"playlists/{SLOW}/items", offset=400).json()
    assert (page["items"], page["next"]) == ([], None)
    assert (page["limit"], page["offset"], page["total"]) == (20, 400, 15)


@pytest.mark.parametrize("limit", ["0", "-1", "51", "many", ""])
def test_a_bad_limit_is_refused(api: Api, limit: str) -> None:
    answer = api.get(f"playlists/{RADIO}/items", limit=limit)
    assert answer.status_code == 400
    assert answer.json() == {"error": {"status": 400, "message": "Invalid limit"}}


def test_limits_and_offsets_have_bounds(servers: dict[Shape, Api]) -> None:
    assert servers["tracks"].get(f"playlists/{RADIO}/tracks", limit=101).status_code == 400
    assert servers["tracks"].get(f"playlists/{RADIO}/items", limit=51).status_code == 400
    assert servers["tracks"].get(f"playlists/{RADIO}/items", offset=-1).status_code == 400


def test_fields_pick_keys_and_nothing_deeper(api: Api) -> None:
    answer = api.get(f"playlists/{RADIO}", fields="snapshot_id, name").json()
    assert answer.keys() == {"snapshot_id", "name"}
    page = api.get(f"playlists/{RADIO}/items", fields="items,next").json()
    assert page.keys() == {"items", "next"}
    assert page["next"].endswith("&fields=items%2Cnext")
    embedded = api.get(f"playlists/{RADIO}", fields="items").json()["items"]
    assert "fields" not in embedded["next"]
    assert api.get(f"playlists/{RADIO}", fields="items(track(name))").status_code == 400


def test_episodes_come_even_if_only_tracks_are_asked_for(api: Api) -> None:
    page = api.get(f"playlists/{ODD}/items", limit=50, additional_types="track").json()
    assert "episode" in {entry["item"]["type"] for entry in page["items"] if entry["item"]}


# The day


def test_within_a_day_nothing_changes_and_at_midnight_it_does(api: Api) -> None:
    def marks() -> set[str]:
        return {api.get(f"playlists/{it}").json()["snapshot_id"] for it in (CHART, RADIO, ODD)}

    try:
        api.clock.now = NOON.replace(hour=0)
        morning = marks()
        api.clock.now = NOON.replace(hour=23, minute=59, second=59)
        assert marks() == morning
        api.clock.now += timedelta(seconds=1)
        assert not marks() & morning
    finally:
        api.clock.now = NOON


# Refusals


def test_development_mode_has_lost_the_old_listing(api: Api) -> None:
    answer = api.get(f"playlists/{RADIO}/tracks")
    assert answer.status_code == 403
    assert answer.json() == {"error": {"status": 403, "message": "Forbidden"}}


@pytest.mark.parametrize("path", ["playlists/37i9dQZF1DXcBWIGoYBM5M", "playlists/nobody/items"])
def test_unknown_playlists_are_not_found(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": {"status": 404, "message": "Resource not found"}}


def test_unknown_paths_are_refused_in_the_same_form(api: Api) -> None:
    assert api.get("browse/new-releases").json()["error"]["status"] == 404


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (None, "No token provided"),
        ("Bearer ", "No token provided"),
        ("Bearer made-up", "Invalid access token"),
        ("Basic aWQ6c2VjcmV0", "Invalid access token"),
    ],
)
def test_without_a_token_nothing_is_shown(
    each: tuple[Shape, Api], authorization: str | None, message: str
) -> None:
    _, api = each
    for path in ("", "/items", "/tracks"):
        headers = {"Authorization": authorization} if authorization else {}
        url = f"{api.server.api_url}playlists/{RADIO}{path}"
        answer = requests.get(url, headers=headers, timeout=20)
        assert answer.status_code == 401
        assert answer.json() == {"error": {"status": 401, "message": message}}


# Tokens


def test_a_token_holds_for_an_hour_of_the_token_clock(api: Api) -> None:
    try:
        api.clock.now += timedelta(days=3)
        api.token_clock.now += timedelta(seconds=3599)
        assert api.get(f"playlists/{SLOW}").status_code == 200
        api.token_clock.now += timedelta(seconds=1)
        answer = api.get(f"playlists/{SLOW}")
        assert answer.status_code == 401
        assert answer.json()["error"]["message"] == "The access token expired"
    finally:
        api.clock.now = api.token_clock.now = NOON


def test_a_refresh_token_buys_an_access_token(api: Api) -> None:
    answer = api.token(grant_type="refresh_token", refresh_token="any")
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600
    assert "playlist-read-private" in answer["scope"].split()
    assert "refresh_token" not in answer


@pytest.mark.parametrize(
    ("refresh_token", "description"),
    [
        (EXPIRED_CONSENT, "Refresh token expired"),
        (REVOKED_CONSENT, "Refresh token revoked"),
    ],
)
def test_consent_can_end(api: Api, refresh_token: str, description: str) -> None:
    answer = api.token(grant_type="refresh_token", refresh_token=refresh_token)
    assert answer == {"error": "invalid_grant", "error_description": description}


@pytest.mark.parametrize("credentials", [None, ("", "secret"), ("id", ""), ("", "")])
def test_half_a_client_is_none(api: Api, credentials: tuple[str, str] | None) -> None:
    answer = api.token(credentials)
    assert answer == {"error": "invalid_client", "error_description": "Invalid client"}


def test_bad_token_requests_are_400(api: Api) -> None:
    url = f"{api.server.accounts_url}/api/token"
    bad: list[Json] = [
        {"headers": {"Authorization": "Basic %%%"}},
        {"auth": ("id", "secret")},
    ]
    bad += [{"auth": ("id", "secret"), "data": {"grant_type": "refresh_token"}}]
    answers = [requests.post(url, **each, timeout=20) for each in bad]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert [answer.json()["error"] for answer in answers] == [
        "invalid_client",
        "unsupported_grant_type",
        "invalid_request",
    ]


# spotipy, told nothing but the two addresses


def pointed_at(server: SandboxServer, auth_manager: Any) -> spotipy.Spotify:
    auth_manager.OAUTH_TOKEN_URL = f"{server.accounts_url}/api/token"
    client = spotipy.Spotify(auth_manager=auth_manager)
    client.prefix = server.api_url
    return client


def signed_in(server: SandboxServer, refresh_token: str = "any") -> spotipy.Spotify:
    scope = "playlist-read-private"
    cached = {"refresh_token": refresh_token, "expires_at": 0, "scope": scope}
    cache = MemoryCacheHandler(cached)
    redirect = "http://127.0.0.1:9/callback"
    return pointed_at(
        server, SpotifyOAuth("id", "secret", redirect, scope=scope, cache_handler=cache)
    )


def test_spotipy_reads_a_playlist_to_its_end(each: tuple[Shape, Api]) -> None:
    shape, api = each

    def to_the_end(page: Json | None) -> list[Json]:
        entries = []
        while page:
            entries += page["items"]
            page = client.next(page)
        return entries

    no_cache = MemoryCacheHandler()
    credentials = SpotifyClientCredentials("id", "secret", cache_handler=no_cache)
    client = pointed_at(api.server, credentials)
    playlist = client.playlist(RADIO)
    assert playlist["name"] == "Kitchen Radio"
    entries = to_the_end(client.playlist_items(RADIO))
    assert len(entries) == 230
    assert to_the_end(playlist["tracks" if shape == "tracks" else "items"]) == entries


def test_spotipy_reads_with_a_refresh_token(api: Api) -> None:
    assert signed_in(api.server).playlist(SLOW)["name"] == "Songs for a Slow Sunday"


def test_spotipy_reports_refusals(api: Api) -> None:
    client = signed_in(api.server)
    with pytest.raises(spotipy.SpotifyException, match="Resource not found") as refusal:
        client.playlist("0" * 22)
    assert refusal.value.http_status == 404
    with pytest.raises(SpotifyOauthError) as ended:
        signed_in(api.server, EXPIRED_CONSENT).playlist(RADIO)
    assert ended.value.error == "invalid_grant"


# The server


def test_a_server_stops_and_leaves_its_port(api: Api) -> None:
    with SandboxServer(create_app(CATALOGUE, MovableClock())) as server:
        port = server.port
        assert requests.get(server.api_url, timeout=20).status_code == 404
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=20)
    with SandboxServer(create_app(CATALOGUE, MovableClock()), port) as again:
        assert again.port == port


def test_a_taken_port_is_named(api: Api) -> None:
    taken = SandboxServer(create_app(CATALOGUE, MovableClock()), api.server.port)
    with (
        pytest.raises(
            FixConfiguration, match=rf"127\.0\.0\.1:{api.server.port} .*another; 0 takes"
        ),
        taken,
    ):
        pass
