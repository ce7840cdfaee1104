"""The unpleasant Spotify over real HTTP: what each fault does, whom it hits, how it is ordered."""

import contextlib
import logging
import re
import socket
import threading
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest
import requests
from starlette.types import Receive, Scope, Send

from spotify_pipeline import cli
from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.fault_answers import ANSWERS
from spotify_pipeline.sandbox.fault_kinds import KINDS, FaultKind
from spotify_pipeline.sandbox.faults import Fault, parse_faults, with_faults
from spotify_pipeline.sandbox.latency import with_latency
from spotify_pipeline.sandbox.server import SandboxServer

DAY = date(2026, 11, 22)
CATALOGUE = Catalogue()
CHART, RADIO, _, SLOW = (plan.playlist_id for plan in CATALOGUE.playlists)
GOOD = create_app(CATALOGUE, frozen_clock(datetime(2026, 11, 22, 12, tzinfo=UTC)), "both")
API_KINDS = [kind for kind in KINDS if KINDS[kind].where in {"api", "listing", "items"}]

Json = dict[str, Any]


class Spotify:
    """A running sandbox whose misbehaviour may be changed, and a bare client with a token."""

    def __init__(self) -> None:
        self.server = SandboxServer(self._serve)
        self.behave()
        self.busy = 0
        self.changed = threading.Condition()

    def behave(self) -> None:
        self.app = with_faults(GOOD, [])

    def misbehave(self, *faults: Fault, seed: int = 1) -> None:
        self.app = with_faults(GOOD, faults, seed)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count(1)
        try:
            await self.app(scope, receive, send)
        finally:
            self._count(-1)

    def _count(self, step: int) -> None:
        with self.changed:
            self.busy += step
            self.changed.notify_all()

    def wait_until_busy_with(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.busy == count, timeout=20), self.busy

    def sign_in(self) -> None:
        answer = self.token()
        self.authorization = f"Bearer {answer.json()['access_token']}"

    def token(self) -> requests.Response:
        form = {"grant_type": "client_credentials"}
        url = f"{self.server.accounts_url}/api/token"
        return requests.post(url, data=form, auth=("id", "secret"), timeout=20)

    def get(self, path: str = f"playlists/{SLOW}", timeout: float = 20) -> requests.Response:
        headers = {"Authorization": self.authorization}
        return requests.get(self.server.api_url + path, headers=headers, timeout=timeout)

    def snapshot_id(self, playlist_id: str) -> object:
        return self.get(f"playlists/{playlist_id}").json()["snapshot_id"]

    @contextlib.contextmanager
    def asked(self, path: str = f"playlists/{SLOW}") -> Iterator[socket.socket]:
        """A connection on which a request has been sent."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as connection:
            lines = (
                f"GET /v1/{path} HTTP/1.1",
                f"Host: 127.0.0.1:{self.server.port}",
                f"Authorization: {self.authorization}",
            )
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            yield connection

    def bytes_of(self, path: str = f"playlists/{SLOW}") -> bytes:
        """All that comes back until the server closes the connection."""
        with self.asked(path) as connection:
            return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.fixture(scope="module")
def running_spotify() -> Iterator[Spotify]:
    spotify = Spotify()
    with spotify.server:
        spotify.sign_in()
        yield spotify


@pytest.fixture
def spotify(running_spotify: Spotify) -> Iterator[Spotify]:
    yield running_spotify
    running_spotify.behave()


@pytest.fixture(autouse=True)
def _nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    records = caplog.get_records("call")
    assert [each.getMessage() for each in records if each.levelno >= logging.ERROR] == []


def items(playlist_id: str, offset: int = 0, limit: int = 5) -> str:
    return f"playlists/{playlist_id}/items?offset={offset}&limit={limit}"


# What each kind answers

REFUSALS: list[tuple[FaultKind, int, Any, Json]] = [
    ("rate_limit", 429, "API rate limit exceeded", {"Retry-After": "5"}),
    ("quota", 429, "Quota exceeded", {"Retry-After": "86400"}),
    ("unauthorized", 401, "Valid user authentication required", {}),
    ("expired_token", 401, "The access token expired", {}),
    ("forbidden", 403, "Forbidden", {}),
    (
        "premium",
        403,
        "Active premium subscription required for the owner of the app.",
        {},
    ),
    ("not_found", 404, "Resource not found", {}),
]


@pytest.mark.parametrize(("kind", "status", "message", "headers"), REFUSALS)
def test_refusals_are_in_spotify_s_form(
    spotify: Spotify, kind: FaultKind, status: int, message: str, headers: Json
) -> None:
    spotify.misbehave(Fault(kind))
    answer = spotify.get()
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["status"], error["message"]) == (status, message)
    assert error.get("reason") == ("QUOTA_EXCEEDED" if kind == "quota" else None)
    assert answer.headers.get("Retry-After") == headers.get("Retry-After")
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("rate_limit_silent", 429, "Too many requests"),
        (
            "not_allowlisted",
            403,
            "Check settings on developer.spotify.com/dashboard, the user may not be registered.",
        ),
    ],
)
def test_some_refusals_are_bare_text(
    spotify: Spotify, kind: FaultKind, status: int, text: str
) -> None:
    spotify.misbehave(Fault(kind))
    answer = spotify.get()
    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "Retry-After" not in answer.headers


def test_the_waiting_time_can_be_chosen_and_a_quota_may_keep_it_to_itself(
    spotify: Spotify,
) -> None:
    spotify.misbehave(Fault("rate_limit", seconds=7))
    assert spotify.get().headers["Retry-After"] == "7"
    spotify.misbehave(Fault("quota", seconds=0))
    answer = spotify.get()
    assert answer.json()["error"]["reason"] == "QUOTA_EXCEEDED"
    assert "Retry-After" not in answer.headers


def test_server_errors_come_in_turn_some_as_html_one_with_a_waiting_time(
    spotify: Spotify,
) -> None:
    spotify.misbehave(Fault("server_error", seconds=3))
    answers = [spotify.get() for _ in range(5)]
    assert [answer.status_code for answer in answers] == [500, 502, 503, 504, 500]
    assert ["html" in answer.headers["Content-Type"] for answer in answers[:4]] == [
        False,
        True,
        False,
        True,
    ]
    waits = [answer.headers.get("Retry-After") for answer in answers[:4]]
    assert waits == [None, None, "3", None]


def test_a_dropped_connection_gives_no_byte(spotify: Spotify) -> None:
    spotify.misbehave(Fault("drop"))
    assert spotify.bytes_of() == b""
    with pytest.raises(requests.ConnectionError, match=r"without response|reset"):
        spotify.get()
    spotify.wait_until_busy_with(0)


def test_a_truncated_answer_promises_more_than_it_holds(spotify: Spotify) -> None:
    whole = spotify.get().content
    spotify.misbehave(Fault("truncate"))
    head, _, body = spotify.bytes_of().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    promised = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert promised is not None
    assert int(promised[1]) == len(whole)
    assert body == whole[: len(whole) // 2]
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        spotify.get()
    spotify.wait_until_busy_with(0)


def test_cut_json_is_a_whole_answer_but_no_json(spotify: Spotify) -> None:
    whole = spotify.get().content
    spotify.misbehave(Fault("cut_json"))
    answer = spotify.get()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.content == whole[: len(whole) // 2]
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_html_may_come_with_200(spotify: Spotify) -> None:
    spotify.misbehave(Fault("html"))
    answer = spotify.get()
    assert (answer.status_code, answer.text[:6]) == (200, "<html>")
    assert answer.headers["Content-Type"].startswith("text/html")


def test_json_may_be_of_another_form(spotify: Spotify) -> None:
    spotify.misbehave(Fault("wrong_json"))
    answers = [spotify.get() for _ in range(4)]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json() for answer in answers] == [{}, [], None, {}]


@pytest.mark.parametrize(
    ("kind", "closed"), [("tracks_closed", "tracks"), ("items_closed", "items")]
)
def test_one_listing_may_be_closed(spotify: Spotify, kind: FaultKind, closed: str) -> None:
    spotify.misbehave(Fault(kind))
    for path in ("", "/items", "/tracks"):
        answer = spotify.get(f"playlists/{SLOW}{path}")
        assert answer.status_code == (403 if path == f"/{closed}" else 200)
    assert spotify.get(f"playlists/{SLOW}/{closed}").json()["error"]["message"] == "Forbidden"


# The late answer


@pytest.mark.slow
def test_a_late_answer_is_late_and_whole(spotify: Spotify) -> None:
    spotify.misbehave(Fault("timeout", seconds=1))
    began = time.monotonic()
    assert spotify.get().json()["id"] == SLOW
    assert time.monotonic() - began >= 1


def test_a_client_that_gives_up_ends_the_wait_and_others_do_not_wait(spotify: Spotify) -> None:
    spotify.misbehave(Fault("timeout", SLOW))
    with spotify.asked():
        spotify.wait_until_busy_with(1)
        assert spotify.get(f"playlists/{CHART}", timeout=10).status_code == 200
        spotify.wait_until_busy_with(1)
    spotify.wait_until_busy_with(0)


def test_a_server_that_stops_ends_the_wait() -> None:
    spotify = Spotify()
    with contextlib.ExitStack() as clients:
        with spotify.server:
            spotify.sign_in()
            spotify.misbehave(Fault("timeout"))
            connection = clients.enter_context(spotify.asked())
            spotify.wait_until_busy_with(1)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        assert connection.recv(1) == b""


# A playlist that changes between its pages


def on(day: date, playlist_id: str) -> tuple[list[Json], str]:
    playlist = CATALOGUE.playlist(playlist_id, day)
    assert playlist is not None
    return playlist.entry_payloads("both"), playlist.snapshot_id


def test_a_playlist_may_change_once_between_its_pages(spotify: Spotify) -> None:
    before, after = on(DAY, CHART), on(DAY + timedelta(days=1), CHART)
    spotify.misbehave(Fault("changing", CHART, times=1))
    assert spotify.snapshot_id(CHART) == before[1]
    first, second, third = (
        spotify.get(items(CHART, offset, 40)).json()["items"] for offset in (0, 40, 80)
    )
    assert first == before[0][:40]
    assert [*second, *third] == after[0][40:] != before[0][40:]
    assert spotify.snapshot_id(CHART) == after[1] != before[1]
    assert spotify.get(items(CHART, 0, 40)).json()["items"] == after[0][:40]
    assert spotify.snapshot_id(RADIO) == on(DAY, RADIO)[1]


def test_a_playlist_may_change_with_every_page(spotify: Spotify) -> None:
    spotify.misbehave(Fault("changing"))
    for page in range(3):
        expected, mark = on(DAY + timedelta(days=page), RADIO)
        assert spotify.snapshot_id(RADIO) == mark
        assert spotify.get(items(RADIO)).json()["items"] == expected[:5]
    assert spotify.snapshot_id(CHART) == on(DAY, CHART)[1]


# The token endpoint


def test_the_token_endpoint_may_be_down(spotify: Spotify) -> None:
    spotify.misbehave(Fault("no_token", times=1))
    answer = spotify.token()
    assert answer.status_code == 503
    assert not answer.text.startswith("{")
    assert spotify.token().status_code == 200


def test_the_token_endpoint_may_refuse(spotify: Spotify) -> None:
    spotify.misbehave(Fault("invalid_grant"))
    answer = spotify.token()
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_grant",
        "error_description": "Refresh token revoked",
    }


@pytest.mark.parametrize("kind", API_KINDS)
def test_faults_of_the_api_leave_the_token_endpoint_alone(
    spotify: Spotify, kind: FaultKind
) -> None:
    spotify.misbehave(Fault(kind))
    assert spotify.token().json()["token_type"] == "Bearer"


@pytest.mark.parametrize("kind", ["no_token", "invalid_grant", "denied"])
def test_faults_of_signing_in_leave_the_api_alone(spotify: Spotify, kind: FaultKind) -> None:
    spotify.misbehave(Fault(kind))
    assert spotify.get().json()["id"] == SLOW


# Whom a fault hits


def test_every_kind_has_an_answer_and_a_place_in_the_list() -> None:
    assert list(get_args(FaultKind)) == list(KINDS) == list(ANSWERS)


@pytest.mark.parametrize("kind", sorted(set(API_KINDS) - {"timeout", "changing"}))
def test_a_fault_is_over_after_its_times_and_keeps_to_its_playlist(
    spotify: Spotify, kind: FaultKind
) -> None:
    def looks_well(playlist_id: str) -> bool:
        try:
            return bool(spotify.get(items(playlist_id)).json()["items"])
        except (requests.RequestException, LookupError, TypeError):
            return False

    spotify.misbehave(Fault(kind, CHART, times=2))
    asked = (CHART, SLOW, CHART, CHART, CHART)
    assert [looks_well(each) for each in asked] == [False, True, False, True, True]


def test_the_first_fault_that_matches_answers(spotify: Spotify) -> None:
    spotify.misbehave(
        Fault("not_found", CHART), Fault("forbidden", times=1), Fault("server_error", times=1)
    )
    statuses = [spotify.get(items(each)).status_code for each in (CHART, SLOW, SLOW, SLOW, CHART)]
    assert statuses == [404, 403, 500, 200, 404]


def outcomes(spotify: Spotify, requested: list[str], seed: int = 1) -> dict[str, list[int]]:
    """The status of every request by its address, in the order in which it was repeated."""
    spotify.misbehave(Fault("server_error", share=0.3), Fault("not_found", share=0.5), seed=seed)
    found: dict[str, list[int]] = {}
    for path in requested:
        found.setdefault(path, []).append(spotify.get(path).status_code // 100)
    return found


def test_a_share_of_the_requests_is_hit_whatever_their_order(spotify: Spotify) -> None:
    paths = [items(SLOW, offset, 1) for offset in range(30)] * 2
    first = outcomes(spotify, paths)
    assert outcomes(spotify, paths[::-1]) == first
    assert outcomes(spotify, paths, seed=2) != first
    assert any(one != two for one, two in first.values())
    statuses = [status for repeated in first.values() for status in repeated]
    assert 10 <= statuses.count(5) <= 26  # of 60; expected 18
    assert 13 <= statuses.count(4) <= 29  # half of the others; expected 21


def test_faults_count_right_under_many_clients(spotify: Spotify) -> None:
    spotify.misbehave(Fault("not_found", times=7), Fault("forbidden", times=5))
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: spotify.get().status_code, range(24)))
    assert sorted(statuses) == [200] * 12 + [403] * 5 + [404] * 7


# Latency


def test_every_answer_is_late_but_none_waits_for_another(spotify: Spotify) -> None:
    spotify.app = with_latency(GOOD, 500)

    def seconds(ask: Callable[[], requests.Response]) -> float:
        began = time.monotonic()
        assert ask().status_code == 200
        return time.monotonic() - began

    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        each = list(pool.map(seconds, [spotify.get] * 5 + [spotify.token]))
    assert min(each) >= 0.5
    assert time.monotonic() - began < 2.5  # one after the other would take 3


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(FixConfiguration, match="at least 0 milliseconds, not -1"):
        with_latency(GOOD, -1)


# Orders


def test_faults_are_read_from_text() -> None:
    texts = ["drop", f"rate_limit,playlist={SLOW},times=3,share=0.1,seconds=2"]
    assert parse_faults(texts, [SLOW]) == (
        Fault("drop"),
        Fault("rate_limit", SLOW, times=3, share=0.1, seconds=2),
    )


def test_all_that_is_wrong_is_told_at_once() -> None:
    texts = [
        "dropp",
        "drop,seconds=3,colour=red,times=x",
        "html,playlist=mine,share=2",
        "no_token,playlist=yours,times=0",
        "quota,seconds=-1,share=nan",
        "html",
    ]
    with pytest.raises(FixConfiguration) as refusal:
        parse_faults(texts, ["yours"])
    _, *lines = str(refusal.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == texts[:-1]
    said = [
        ["unknown kind 'dropp'", *KINDS],
        ["no use for seconds", "unknown key 'colour'", "playlist, times", "times is", "'x'"],
        ["unknown playlist, there are yours", "share is above 0 and at most 1"],
        ["no_token can't be kept to one playlist", "times is at least 1"],
        ["seconds is at least 0", "share is above 0 and at most 1"],
    ]
    for line, texts_in_it in zip(lines, said, strict=True):
        assert [text for text in texts_in_it if text not in line] == []


def test_the_command_lists_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["sandbox", "--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert [kind for kind in KINDS if f"\n  {kind} " not in told] == []


def test_the_command_refuses_bad_orders(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sandbox", "--fault", "nope", "--fault", "drop,times=x"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "nope: unknown kind" in told.err
    assert "drop,times=x: times is" in told.err


def test_the_command_misbehaves_as_ordered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def instead_of_waiting() -> None:
        told = capsys.readouterr().out
        settings = dict(re.findall(r"^  (\w+)=(\S+)$", told, re.MULTILINE))
        url = settings["SPOTIFY_API_URL"] + f"playlists/{SLOW}"
        began = time.monotonic()
        token = requests.post(
            f"{settings['SPOTIFY_ACCOUNTS_URL']}/api/token",
            data={
                "grant_type": "refresh_token",
                "refresh_token": settings["SPOTIFY_REFRESH_TOKEN"],
            },
            auth=("id", "secret"),
            timeout=30,
        ).json()
        seen.append(time.monotonic() - began >= 0.02)
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        for _ in range(2):
            answer = requests.get(url, headers=headers, timeout=30)
            seen.append((answer.status_code, "items" in answer.json()))

    event = types.SimpleNamespace(wait=instead_of_waiting)
    monkeypatch.setattr(cli.spotify, "threading", types.SimpleNamespace(Event=lambda: event))
    orders = ["--fault", "not_found,times=1", "--latency", "20", "--user", "somebody"]
    assert cli.main(["sandbox", "--port", "0", *orders]) == 0
    assert seen == [True, (404, False), (200, False)]
