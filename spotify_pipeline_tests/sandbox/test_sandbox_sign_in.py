"""Signing in over real HTTP, and what whoever signed in may read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyOAuth, SpotifyOauthError

from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.faults import Fault, with_faults
from spotify_pipeline.sandbox.server import SandboxServer

CATALOGUE = Catalogue()
CHART, RADIO, _, SLOW = (plan.playlist_id for plan in CATALOGUE.playlists)
CLOCK = frozen_clock(datetime(2026, 11, 22, 12, tzinfo=UTC))
OWNER, GUEST, STRANGER = "sandbox_owner", "aunt_brona", "nobody_s_friend"
REDIRECT = "http://127.0.0.1:9/callback"
SCOPE = "playlist-read-private"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, SandboxServer]]:
    """A sandbox for each user that may sign in, one of a user who never consents, and one that
    knows no users."""

    def server(user: str | None) -> SandboxServer:
        return SandboxServer(create_app(CATALOGUE, CLOCK, user=user))

    denied = with_faults(create_app(CATALOGUE, CLOCK), [Fault("denied")])
    with (
        server(OWNER) as owner,
        server(GUEST) as guest,
        server(STRANGER) as stranger,
        server(None) as anybody,
        SandboxServer(denied) as denying,
    ):
        yield {
            OWNER: owner,
            GUEST: guest,
            STRANGER: stranger,
            "anybody": anybody,
            "denied": denying,
        }


@pytest.fixture
def owner(servers: dict[str, SandboxServer]) -> SandboxServer:
    return servers[OWNER]


def authorize(server: SandboxServer, **changes: str | None) -> requests.Response:
    query = {
        "client_id": "id",
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": SCOPE,
        "state": "s t&te",
    }
    url = f"{server.accounts_url}/authorize"
    return requests.get(url, params=query | changes, allow_redirects=False, timeout=20)


def outcome(answer: requests.Response) -> dict[str, str]:
    """What the browser is sent back with."""
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer.headers["Location"]).query, strict_parsing=True)
    return {key: value for key, (value,) in query.items()}


def token(server: SandboxServer, client_id: str = "id", **form: str) -> requests.Response:
    url = f"{server.accounts_url}/api/token"
    return requests.post(url, data=form, auth=(client_id, "secret"), timeout=20)


def redeemed(server: SandboxServer, code: str, redirect_uri: str = REDIRECT) -> requests.Response:
    return token(server, grant_type="authorization_code", code=code, redirect_uri=redirect_uri)


def get(server: SandboxServer, access_token: str, path: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {access_token}"}
    return requests.get(server.api_url + path, headers=headers, timeout=20)


# In the browser


def test_consent_is_given_at_once(owner: SandboxServer) -> None:
    answer = authorize(owner)
    assert answer.headers["Location"].startswith(f"{REDIRECT}?")
    assert outcome(answer).keys() == {"code", "state"}
    assert outcome(answer)["state"] == "s t&te"


def test_without_a_state_none_comes_back(owner: SandboxServer) -> None:
    assert outcome(authorize(owner, state=None)).keys() == {"code"}


def test_a_query_of_the_redirect_uri_stays(owner: SandboxServer) -> None:
    assert outcome(authorize(owner, redirect_uri=f"{REDIRECT}?a=b"))["a"] == "b"


@pytest.mark.parametrize(
    "redirect_uri",
    [REDIRECT, "http://127.0.0.1:8888", "http://[::1]:8888/x", "https://example.org/callback"],
)
def test_safe_redirect_uris_are_taken(owner: SandboxServer, redirect_uri: str) -> None:
    answer = authorize(owner, redirect_uri=redirect_uri)
    assert answer.headers["Location"].startswith(redirect_uri)
    assert "code" in outcome(answer)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost:8888/callback",
        "https://localhost:8888/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:port/callback",
        "http://127.0.0.1.example.org:80/callback",
        "http://example.org:8888/callback",
        "spotify-pipeline://callback",
        "https://",
        "",
        None,
    ],
)
def test_insecure_redirect_uris_are_refused(owner: SandboxServer, redirect_uri: str | None) -> None:
    answer = authorize(owner, redirect_uri=redirect_uri)
    assert (answer.status_code, answer.text) == (400, "INVALID_CLIENT: Insecure redirect URI")
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"response_type": "token"}, "response_type must be code"),
        ({"response_type": None}, "response_type must be code"),
        ({"client_id": None}, "INVALID_CLIENT: Invalid client"),
    ],
)
def test_other_flows_are_refused(
    owner: SandboxServer, changes: dict[str, str | None], text: str
) -> None:
    answer = authorize(owner, **changes)
    assert (answer.status_code, answer.text) == (400, text)


def test_consent_may_be_denied(servers: dict[str, SandboxServer]) -> None:
    server = servers["denied"]
    assert outcome(authorize(server)) == {"error": "access_denied", "state": "s t&te"}
    assert authorize(server, redirect_uri="http://localhost:1/").status_code == 400
    assert token(server, grant_type="client_credentials").status_code == 200


# The code


def test_a_code_buys_both_tokens_once(owner: SandboxServer) -> None:
    code = outcome(authorize(owner))["code"]
    answer = redeemed(owner, code).json()
    assert answer["scope"] == SCOPE
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert get(owner, answer["access_token"], f"playlists/{SLOW}/items").status_code == 200
    again = token(owner, grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert get(owner, again.json()["access_token"], f"playlists/{SLOW}/items").status_code == 200
    assert_refused(redeemed(owner, code), "Invalid authorization code")


def assert_refused(answer: requests.Response, description: str) -> None:
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_grant", "error_description": description}


def test_codes_serve_only_whom_they_were_given_to(owner: SandboxServer) -> None:
    code = outcome(authorize(owner))["code"]
    assert_refused(redeemed(owner, code, f"{REDIRECT}/"), "Invalid redirect URI")
    form = {
        "grant_type": "authorization_code",
        "code": outcome(authorize(owner))["code"],
        "redirect_uri": REDIRECT,
    }
    assert_refused(token(owner, client_id="other", **form), "Invalid authorization code")


@pytest.mark.parametrize("code", ["", "made-up"])
def test_other_codes_are_refused(owner: SandboxServer, code: str) -> None:
    assert_refused(redeemed(owner, code), "Invalid authorization code")


# Who may read


@pytest.mark.parametrize(
    ("user", "playlist_id", "may_read"),
    [
        (OWNER, CHART, True),
        (OWNER, RADIO, True),
        (GUEST, RADIO, True),
        (GUEST, CHART, False),
        (STRANGER, RADIO, False),
        (STRANGER, CHART, False),
    ],
)
def test_a_user_reads_entries_where_they_are_owner_or_guest(
    servers: dict[str, SandboxServer], user: str, playlist_id: str, may_read: bool
) -> None:
    server = servers[user]
    by_code = redeemed(server, outcome(authorize(server))["code"])
    by_refresh_token = token(server, grant_type="refresh_token", refresh_token="any")
    for access_token in (answer.json()["access_token"] for answer in (by_code, by_refresh_token)):
        playlist = get(server, access_token, f"playlists/{playlist_id}")
        assert playlist.status_code == 200
        assert playlist.json()["snapshot_id"]
        assert ("items" in playlist.json()) is may_read
        page = get(server, access_token, f"playlists/{playlist_id}/items")
        if may_read:
            assert len(page.json()["items"]) == 20
        else:
            assert page.status_code == 403
            assert page.json() == {"error": {"status": 403, "message": "Forbidden"}}


@pytest.mark.parametrize("user", [OWNER, STRANGER])
def test_nobody_reads_no_entries(servers: dict[str, SandboxServer], user: str) -> None:
    server = servers[user]
    access_token = token(server, grant_type="client_credentials").json()["access_token"]
    playlist = get(server, access_token, f"playlists/{SLOW}")
    assert playlist.json()["name"] == "Songs for a Slow Sunday"
    assert not {"items", "tracks"} & playlist.json().keys()
    page = get(server, access_token, f"playlists/{SLOW}/items")
    message = "Valid user authentication required"
    assert page.status_code == 401
    assert page.json() == {"error": {"status": 401, "message": message}}
    assert get(server, access_token, "playlists/unheard-of/items").status_code == 404


def test_where_no_user_is_named_everybody_reads_all(servers: dict[str, SandboxServer]) -> None:
    server = servers["anybody"]
    for form in (
        {"grant_type": "client_credentials"},
        {"grant_type": "refresh_token", "refresh_token": "any"},
    ):
        access_token = token(server, **form).json()["access_token"]
        assert get(server, access_token, f"playlists/{SLOW}/items").status_code == 200
        assert "items" in get(server, access_token, f"playlists/{SLOW}").json()


# spotipy, told nothing but the three addresses


def spotipy_signing_in(server: SandboxServer) -> SpotifyOAuth:
    cache = MemoryCacheHandler()
    auth = SpotifyOAuth("id", "secret", REDIRECT, scope=SCOPE, cache_handler=cache)
    auth.OAUTH_AUTHORIZE_URL = f"{server.accounts_url}/authorize"
    auth.OAUTH_TOKEN_URL = f"{server.accounts_url}/api/token"
    return auth


def back_from_browser(auth: SpotifyOAuth, state: str) -> str:
    """The address at which the browser ends up."""
    answer = requests.get(auth.get_authorize_url(state), allow_redirects=False, timeout=20)
    return answer.headers["Location"]


def test_spotipy_signs_in_and_reads_a_playlist_to_its_end(
    servers: dict[str, SandboxServer],
) -> None:
    server = servers[GUEST]
    auth = spotipy_signing_in(server)
    state, code = auth.parse_auth_response_url(back_from_browser(auth, "mark"))
    assert state == "mark"
    assert auth.get_access_token(code, as_dict=False)
    client = spotipy.Spotify(auth_manager=auth)
    client.prefix = server.api_url
    page = client.playlist_items(RADIO)
    entries: list[Json] = []
    while page:
        entries += page["items"]
        page = client.next(page)
    expected = CATALOGUE.playlist(RADIO, CLOCK().date())
    assert expected is not None
    assert entries == expected.entry_payloads("items")
    with pytest.raises(spotipy.SpotifyException, match="Forbidden"):
        client.playlist_items(CHART)


def test_spotipy_hears_of_a_refused_consent(servers: dict[str, SandboxServer]) -> None:
    auth = spotipy_signing_in(servers["denied"])
    with pytest.raises(SpotifyOauthError) as refusal:
        auth.parse_auth_response_url(back_from_browser(auth, "mark"))
    assert refusal.value.error == "access_denied"


def test_spotipy_hears_of_a_used_code(owner: SandboxServer) -> None:
    auth = spotipy_signing_in(owner)
    _, code = auth.parse_auth_response_url(back_from_browser(auth, "mark"))
    assert auth.get_access_token(code, as_dict=False, check_cache=False)
    with pytest.raises(SpotifyOauthError) as refusal:
        auth.get_access_token(code, as_dict=False, check_cache=False)
    assert refusal.value.error == "invalid_grant"
