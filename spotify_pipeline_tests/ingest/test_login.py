"""Signing in against a stand-in for Spotify's accounts service, with a thread as the browser."""

import http.client
import logging
import queue
import socket
import threading
import time
import webbrowser
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from spotify_pipeline.clock import frozen_clock
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater
from spotify_pipeline.ingest.login import login
from spotify_pipeline.ingest.loopback import _Connection
from spotify_pipeline.ingest.sign_in import Credentials, SignIn
from spotify_pipeline.sandbox.server import SandboxServer

NEARLY_MIDNIGHT = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
TOKENS = {"access_token": "hush-access", "refresh_token": "hush-refresh", "expires_in": 3600}


class Accounts:
    """Consents to every link, or answers what a test tells it to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.server = SandboxServer(
            Starlette(
                routes=[
                    Route("/authorize", self._authorize),
                    Route("/api/token", self._token, methods=["POST"]),
                ]
            )
        )
        self.forget()

    def forget(self) -> None:
        self.answer = {"code": "hush-code"}
        self.tokens: Response = JSONResponse(TOKENS)
        self.authorized: list[dict[str, str]] = []
        self.exchanged: list[tuple[dict[str, list[str]], str]] = []

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.authorized.append(asked)
        return RedirectResponse(
            f"{asked['redirect_uri']}?{urlencode({**self.answer, 'state': asked['state']})}", 302
        )

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.exchanged.append((form, request.headers["authorization"]))
        return self.tokens


class User:
    """Reads what is told and does what a test says, as soon as a link was told."""

    def __init__(self, act: Callable[[str], object] = lambda link: None) -> None:
        self.told: list[str] = []
        self.pages: list[requests.Response] = []
        self._act = act
        self._at_work: list[threading.Thread] = []
        self._errors: list[Exception] = []

    def tell(self, text: str) -> None:
        self.told.append(text)
        if len(self.told) == 1:
            thread = threading.Thread(target=self._work, args=(self.link,), daemon=True)
            self._at_work.append(thread)
            thread.start()

    @property
    def link(self) -> str:
        [link] = [word for word in self.told[0].split() if "/authorize?" in word]
        return link

    def _work(self, link: str) -> None:
        try:
            self._act(link)
        except Exception as error:  # told to the test by `rest`
            self._errors.append(error)

    def rest(self) -> None:
        """Waits until the user has done everything, and fails if they could not."""
        for thread in self._at_work:
            thread.join(5)
            assert not thread.is_alive()
        assert self._errors == []


@pytest.fixture(scope="module")
def running_accounts() -> Iterator[Accounts]:
    accounts = Accounts()
    with accounts.server:
        yield accounts


@pytest.fixture
def accounts(running_accounts: Accounts) -> Accounts:
    running_accounts.forget()
    return running_accounts


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The links for which a browser was asked; none is ever opened."""
    links: list[str] = []

    def note(link: str) -> bool:
        links.append(link)
        return False

    monkeypatch.setattr("webbrowser.open", note)
    return links


@pytest.fixture(autouse=True)
def _no_thread_breaks_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Errors in threads would be printed between what the user is told."""
    errors: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: errors.append(args.exc_value))
    yield
    assert errors == []


def sign_in(accounts: Accounts, user: User, **options: Any) -> SignIn:
    given: dict[str, Any] = {"port": 0, "open_browser": False, "timeout_seconds": 5}
    return login(
        Credentials("app-id", "hush-secret"),
        accounts.server.accounts_url,
        tell=user.tell,
        clock=frozen_clock(NEARLY_MIDNIGHT),
        **{**given, **options},
    )


def refused(accounts: Accounts, user: User, **options: Any) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        sign_in(accounts, user, **options)
    return caught.value


def follow(link: str) -> requests.Response:
    """As a browser does: all the way to the listener."""
    return requests.get(link, timeout=30)


def last_page(link: str) -> str:
    """The address that a browser ends on, read off without going there."""
    return requests.get(link, allow_redirects=False, timeout=30).headers["location"]


def redirect_uri(link: str) -> str:
    return parse_qs(urlsplit(link).query)["redirect_uri"][0]


def state(link: str) -> str:
    return parse_qs(urlsplit(link).query)["state"][0]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# With a browser


def test_a_user_who_follows_the_link_is_signed_in(accounts: Accounts) -> None:
    user = User(follow)
    signed_in = sign_in(accounts, user)
    assert signed_in == SignIn("hush-refresh", date(2026, 2, 28), "app-id")


def test_the_link_asks_for_the_playlists_and_for_nothing_else(accounts: Accounts) -> None:
    port = free_port()
    sign_in(accounts, User(follow), port=port)
    [asked] = accounts.authorized
    assert len(asked.pop("state")) >= 40
    assert set(asked.pop("scope").split()) == {
        "playlist-read-private",
        "playlist-read-collaborative",
    }
    assert asked == {
        "client_id": "app-id",
        "response_type": "code",
        "redirect_uri": f"http://127.0.0.1:{port}/callback",
    }


def test_the_code_is_exchanged_once_with_the_app_s_credentials(accounts: Accounts) -> None:
    user = User(follow)
    sign_in(accounts, user)
    [(form, authorization)] = accounts.exchanged
    assert form["grant_type"] == ["authorization_code"]
    assert form["code"] == ["hush-code"]
    assert form["redirect_uri"] == [redirect_uri(user.link)]
    assert authorization == f"Basic {b64encode(b'app-id:hush-secret').decode()}"


def test_every_link_has_a_state_of_its_own(accounts: Accounts) -> None:
    users = [User(follow), User(follow)]
    for user in users:
        sign_in(accounts, user)
    assert len({state(user.link) for user in users}) == 2


def test_the_accounts_address_may_end_in_a_slash(accounts: Accounts) -> None:
    url = f"{accounts.server.accounts_url}/"
    user = User(follow)
    login(
        Credentials("app-id", "hush-secret"),
        url,
        port=0,
        open_browser=False,
        tell=user.tell,
        timeout_seconds=5,
    )
    assert urlsplit(user.link).path == "/authorize"


def test_a_browser_is_opened_if_asked_for(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda link: follow(link).ok)
    assert sign_in(accounts, User(), open_browser=True).refresh_token == "hush-refresh"


def test_no_browser_is_opened_unless_asked_for(accounts: Accounts, opened: list[str]) -> None:
    sign_in(accounts, User(follow))
    assert opened == []


@pytest.mark.parametrize("error", [webbrowser.Error("none here"), OSError("none here"), None])
def test_where_no_browser_can_be_had_the_link_is_enough(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    asked = threading.Event()

    def fail(_: str) -> bool:
        asked.set()
        if error:
            raise error
        return False

    def wait_and_follow(link: str) -> None:
        assert asked.wait(5)
        follow(link)

    monkeypatch.setattr("webbrowser.open", fail)
    user = User(wait_and_follow)
    assert sign_in(accounts, user, open_browser=True).refresh_token == "hush-refresh"


def test_a_browser_that_runs_in_the_terminal_holds_nothing_up(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = threading.Event()
    monkeypatch.setattr("webbrowser.open", lambda _: is_over.wait(5))
    began = time.monotonic()
    sign_in(accounts, User(follow), open_browser=True)
    assert time.monotonic() - began < 4
    is_over.set()


@pytest.mark.parametrize(
    ("answer", "said"),
    [({"code": "hush-code"}, "You have signed in"), ({"error": "access_denied"}, "did not sign")],
    ids=["agreed", "not agreed"],
)
def test_the_browser_ends_on_a_page_that_says_so(
    accounts: Accounts, answer: dict[str, str], said: str
) -> None:
    accounts.answer = answer
    user = User(lambda link: user.pages.append(follow(link)))
    if "code" in answer:
        sign_in(accounts, user)
    else:
        refused(accounts, user)
    user.rest()
    [page] = user.pages
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert said in page.text
    assert "window can be closed" in page.text
    assert "hush" not in page.text


# What reaches the listener and is no answer


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("/callback?code=hush-forged&state=wrong", 400),
        ("/callback?code=hush-forged&state=", 400),
        ("/callback?code=hush-forged&state=%C3%A9", 400),
        ("/callback?code=hush-forged", 400),
        ("/callback?error=access_denied&state=wrong", 400),
        ("/callback?error=access_denied", 400),
        ("/callback?state={state}", 400),
        ("/callback?code=&state={state}", 400),
        ("/callback", 400),
        ("/favicon.ico", 404),
        ("/callback/more?code=hush-forged&state={state}", 404),
        ("/?code=hush-forged&state={state}", 404),
    ],
)
def test_what_does_not_answer_the_link_is_refused_and_waiting_goes_on(
    accounts: Accounts, place: str, status: int
) -> None:
    def stray_and_follow(link: str) -> None:
        address = redirect_uri(link).removesuffix("/callback")
        user.pages.append(requests.get(address + place.format(state=state(link)), timeout=30))
        follow(link)

    user = User(stray_and_follow)
    assert sign_in(accounts, user).refresh_token == "hush-refresh"
    assert user.pages[0].status_code == status
    [(form, _)] = accounts.exchanged
    assert form["code"] == ["hush-code"]


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_only_a_visit_counts(accounts: Accounts, method: str) -> None:
    def look_and_follow(link: str) -> None:
        user.pages.append(requests.request(method, last_page(link), timeout=30))
        accounts.answer = {"code": "hush-second"}
        follow(link)

    user = User(look_and_follow)
    sign_in(accounts, user)
    assert user.pages[0].status_code == 501
    assert accounts.exchanged[0][0]["code"] == ["hush-second"]


def test_silent_slow_and_broken_connections_hold_nobody_up(
    accounts: Accounts, capfd: pytest.CaptureFixture[str]
) -> None:
    connections: list[socket.socket] = []

    def connect_and_follow(link: str) -> None:
        port = urlsplit(redirect_uri(link)).port
        for sent in (b"", b"GET /callb", b"\x16\x03\x01 no HTTP\r\n\r\n"):
            connections.append(socket.create_connection(("127.0.0.1", port)))
            connections[-1].sendall(sent)
        connections[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connections[1].close()  # not in peace but at once
        follow(link)

    began = time.monotonic()
    sign_in(accounts, User(connect_and_follow))
    assert time.monotonic() - began < 4
    for connection in connections:
        connection.close()
    assert capfd.readouterr() == ("", "")


def test_a_connection_that_stays_silent_is_given_up(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < (_Connection.timeout or 0) <= 30
    monkeypatch.setattr(_Connection, "timeout", 0.1)
    ends: list[bytes] = []

    def wait_and_follow(link: str) -> None:
        address = ("127.0.0.1", urlsplit(redirect_uri(link)).port)
        with socket.create_connection(address, timeout=4) as connection:
            ends.append(connection.recv(1))
        follow(link)

    sign_in(accounts, User(wait_and_follow))
    assert ends == [b""]


# With the browser on another machine


@pytest.mark.parametrize(
    "form",
    ["{0}", "  {0}\n", "'{0}'", " '{0}' ", "{0}#_=_", "?{1}", "{1}", "{1}\r\n"],
    ids=[
        "whole",
        "with blanks",
        "quoted",
        "quoted with blanks",
        "with fragment",
        "query",
        "bare",
        "bare with end",
    ],
)
def test_the_address_that_the_browser_ends_on_may_be_pasted(accounts: Accounts, form: str) -> None:
    def read_line() -> str:
        address = last_page(user.link)
        return form.format(address, urlsplit(address).query)

    user = User()
    assert sign_in(accounts, user, read_line=read_line).refresh_token == "hush-refresh"
    [(exchange, _)] = accounts.exchanged
    assert exchange["code"] == ["hush-code"]
    assert len(user.told) == 1


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "yes",
        "http://[?",
        "\x00",
        "{link}",
        "{redirect_uri}",
        "{redirect_uri}?code=hush-old&state=of-an-older-link",
        "code=hush-old",
        "state={state}",
    ],
)
def test_what_else_is_pasted_is_told_and_asked_for_again(accounts: Accounts, rubbish: str) -> None:
    def read_line() -> str:
        if len(user.told) > 1:
            return last_page(user.link)
        link = user.link
        return rubbish.format(link=link, redirect_uri=redirect_uri(link), state=state(link))

    user = User()
    assert sign_in(accounts, user, read_line=read_line).refresh_token == "hush-refresh"
    [_, answer] = user.told
    assert (
        f"Expected was the address of the last page, the whole of it: {redirect_uri(user.link)}?"
        in answer
    )


def test_where_nobody_types_the_browser_is_waited_for(accounts: Accounts) -> None:
    has_ended = threading.Event()

    def read_line() -> str:
        has_ended.set()
        raise EOFError

    def wait_and_follow(link: str) -> None:
        assert has_ended.wait(5)
        follow(link)

    user = User(wait_and_follow)
    assert sign_in(accounts, user, read_line=read_line).refresh_token == "hush-refresh"
    assert len(user.told) == 1


def test_somebody_who_never_types_holds_neither_the_browser_nor_the_process_up(
    accounts: Accounts,
) -> None:
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    before = set(threading.enumerate())
    user = User(follow)
    assert sign_in(accounts, user, read_line=lines.get).refresh_token == "hush-refresh"
    user.rest()
    left = set(threading.enumerate()) - before
    assert "_read_pasted" in {thread.name for thread in left}
    assert all(thread.daemon for thread in left)
    lines.put(f"code=x&state={state(user.link)}")  # ends it


def test_pasting_is_offered_only_to_who_can_type(accounts: Accounts) -> None:
    without, at_terminal = User(follow), User(follow)
    sign_in(accounts, without)
    sign_in(accounts, at_terminal, read_line=lambda: last_page(at_terminal.link))
    assert "paste" not in without.told[0]
    assert "paste" in at_terminal.told[0]


# What ends it otherwise


@pytest.mark.parametrize("is_pasted", [False, True], ids=["browser", "pasted"])
def test_a_user_who_does_not_agree_is_told_the_way_back(
    accounts: Accounts, is_pasted: bool
) -> None:
    accounts.answer = {"error": "access_denied"}
    user = User() if is_pasted else User(follow)
    read_line = (lambda: last_page(user.link)) if is_pasted else None
    error = refused(accounts, user, read_line=read_line)
    assert isinstance(error, FixConfiguration)
    assert "Try again: spotify-pipeline login, and agree" in str(error)
    assert accounts.exchanged == []


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("server_error", RetryLater, "just now"),
        ("temporarily_unavailable", RetryLater, "just now"),
        ("invalid_scope", FixConfiguration, "(invalid_scope)"),
        ("\x1b[31mhush", FixConfiguration, "refused the sign-in. "),
    ],
)
def test_other_errors_of_the_sign_in_are_told_by_name(
    accounts: Accounts, name: str, kind: type[PipelineError], said: str
) -> None:
    accounts.answer = {"error": name}
    error = refused(accounts, User(follow))
    assert type(error) is kind
    assert said in str(error)
    assert "hush" not in str(error)


def test_waiting_ends_and_says_what_may_have_been_the_matter(accounts: Accounts) -> None:
    user = User()
    began = time.monotonic()
    error = refused(accounts, user, timeout_seconds=0.2)
    assert 0.2 <= time.monotonic() - began < 2
    assert isinstance(error, RetryLater)
    assert "Nobody signed in within 0.2 s" in str(error)
    assert f"add {redirect_uri(user.link)} to the app's redirect URIs" in str(error)
    assert "Waiting for 0.2 s" in user.told[0]


def test_waiting_ends_though_strays_keep_coming(accounts: Accounts) -> None:
    def stray(link: str) -> None:
        for _ in range(20):
            requests.get(redirect_uri(link), timeout=30)

    def read_line() -> str:
        time.sleep(0.05)
        return "rubbish"

    began = time.monotonic()
    user = User(stray)
    with pytest.raises(RetryLater):
        sign_in(
            accounts, user, timeout_seconds=0.3, read_line=iter_lines(read_line, until=began + 1)
        )
    assert time.monotonic() - began < 2


def iter_lines(read_line: Callable[[], str], until: float) -> Callable[[], str]:
    def read() -> str:
        if time.monotonic() > until:
            raise EOFError
        return read_line()

    return read


@pytest.mark.parametrize("port", ["taken", 65536, -1])
def test_a_port_that_can_t_be_had_is_named_with_the_way_to_another(
    accounts: Accounts, opened: list[str], port: int | str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1] if port == "taken" else port
        user = User()
        error = refused(accounts, user, port=number, open_browser=True)
    assert isinstance(error, FixConfiguration)
    assert f"127.0.0.1:{number}" in str(error)
    assert "--port" in str(error)
    assert (user.told, opened) == ([], [])


@pytest.mark.parametrize(
    ("client_id", "secret", "said"),
    [
        ("", "hush", "SPOTIFY_CLIENT_ID is not set"),
        ("app-id", "", "SPOTIFY_CLIENT_SECRET is not set"),
        ("app-id", "hush…", "SPOTIFY_CLIENT_SECRET: letters that can't be in it"),
    ],
)
def test_an_app_s_id_and_secret_are_needed_first(
    monkeypatch: pytest.MonkeyPatch, client_id: str, secret: str, said: str
) -> None:
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "another")  # spotipy would take these
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "another")
    with pytest.raises(FixConfiguration, match=said) as caught:
        login(Credentials(client_id, secret), "http://127.0.0.1:9", tell=pytest.fail)
    assert "https://developer.spotify.com/dashboard" in str(caught.value)
    assert "hush" not in str(caught.value)


# The code is not taken


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ({"error": "invalid_client"}, FixConfiguration, "SPOTIFY_CLIENT_SECRET with the app's"),
        (
            {"error": "invalid_grant", "error_description": "Invalid redirect URI"},
            FixConfiguration,
            "/callback to the app's redirect URIs at https://developer.spotify.com/dashboard",
        ),
        (
            {"error": "invalid_grant", "error_description": "Authorization code expired"},
            RetryLater,
            "used before, or is too old",
        ),
        ({"error": "invalid_grant"}, RetryLater, "used before, or is too old"),
        ({"error": "unsupported_grant_type"}, RetryLater, "(unsupported_grant_type)"),
        ({"error": "hush hush"}, RetryLater, "Spotify said 400 and gave no token"),
        ({"error": {"status": 503}}, RetryLater, "Spotify said 400"),
        ({"error": "invalid_request", "error_description": 7}, RetryLater, "(invalid_request)"),
    ],
)
def test_a_refused_code_is_told_with_the_way_on(
    accounts: Accounts, answer: object, kind: type[PipelineError], said: str
) -> None:
    accounts.tokens = JSONResponse(answer, 400)
    user = User(follow)
    with pytest.raises(PipelineError) as caught:
        login(
            Credentials("app-id", "hush-secret"),
            accounts.server.accounts_url,
            port=0,
            open_browser=False,
            tell=user.tell,
            timeout_seconds=5,
        )
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert "spotify-pipeline login" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 429, 503])
@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "",
        "[]",
        '"text"',
        "{}",
        '{"access_token": "a", "expires_in": 3600}',
        '{"access_token": "a", "refresh_token": "", "expires_in": 3600}',
        '{"access_token": "a", "refresh_token": 1, "expires_in": 3600}',
        '{"access_token": "a", "refresh_token": "r", "expires_in": "3600"}',
    ],
)
def test_an_answer_without_tokens_is_asked_for_again_later(
    accounts: Accounts, status: int, body: str
) -> None:
    accounts.tokens = HTMLResponse(body, status, {"Retry-After": "86400"})
    error = refused(accounts, User(follow))
    assert isinstance(error, RetryLater)
    assert f"Spotify said {status} and gave no token" in str(error)


def test_tokens_in_a_refusal_are_none(accounts: Accounts) -> None:
    accounts.tokens = JSONResponse(TOKENS, 500)
    error = refused(accounts, User(follow))
    assert isinstance(error, RetryLater)
    assert "Spotify said 500" in str(error)


def test_a_network_that_goes_away_is_told_as_such(accounts: Accounts) -> None:
    """The user agreed, but the exchange finds nobody."""

    def paste() -> str:
        return f"code=hush-code&state={state(user.link)}"

    user = User()
    with pytest.raises(RetryLater, match="could not be reached for the token") as caught:
        login(
            Credentials("app-id", "hush-secret"),
            f"http://127.0.0.1:{free_port()}",
            port=0,
            open_browser=False,
            read_line=paste,
            tell=user.tell,
            timeout_seconds=5,
        )
    assert "hush" not in str(caught.value)


# What is left behind, and what is not


@pytest.mark.parametrize("ending", ["signed in", "not agreed", "nobody came"])
def test_the_port_is_free_again_afterwards(accounts: Accounts, ending: str) -> None:
    port = free_port()
    if ending == "signed in":
        sign_in(accounts, User(follow), port=port)
    elif ending == "not agreed":
        accounts.answer = {"error": "access_denied"}
        refused(accounts, User(follow), port=port)
    else:
        refused(accounts, User(), port=port, timeout_seconds=0.1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    socket.create_server(("127.0.0.1", port)).close()


def test_the_listener_is_closed_before_the_code_is_exchanged(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User(follow)
    is_open: list[bool] = []
    post = requests.Session.post

    def look_and_post(session: requests.Session, url: str, **options: Any) -> requests.Response:
        with socket.socket() as probe:
            port = urlsplit(redirect_uri(user.link)).port
            is_open.append(probe.connect_ex(("127.0.0.1", port)) == 0)
        return post(session, url, **options)

    monkeypatch.setattr(requests.Session, "post", look_and_post)
    sign_in(accounts, user)
    assert is_open == [False]


def test_other_machines_do_not_reach_the_listener(accounts: Accounts) -> None:
    reached: list[int] = []

    def knock_and_follow(link: str) -> None:
        # Another of this machine's addresses: who listens to all would hear it.
        connection = http.client.HTTPConnection("127.0.0.2", urlsplit(redirect_uri(link)).port)
        try:
            connection.request("GET", "/callback")
            reached.append(connection.getresponse().status)
        except OSError:
            follow(link)

    user = User(knock_and_follow)
    sign_in(accounts, user)
    user.rest()
    assert reached == []


def test_the_user_is_told_the_link_and_what_must_be_registered(accounts: Accounts) -> None:
    user = User(follow)
    sign_in(accounts, user)
    [told] = user.told
    assert f"{redirect_uri(user.link)} must stand among the app's redirect URIs" in told
    assert "https://developer.spotify.com/dashboard" in told
    assert "Ctrl-C" in told


def test_nothing_told_printed_or_logged_holds_a_secret(
    accounts: Accounts, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    lines = iter(["code=hush-other&state=wrong", "hush"])

    def read_line() -> str:
        return next(lines, None) or last_page(user.link)

    user = User()
    signed_in = sign_in(accounts, user, read_line=read_line)
    browser = User(follow)
    sign_in(accounts, browser)
    accounts.tokens = JSONResponse({"error": "invalid_client"}, 400)
    error = refused(accounts, User(follow))
    printed = capfd.readouterr()
    everything = "\n".join(
        [*user.told, *browser.told, printed.out, printed.err, repr(signed_in), repr(error)]
    )
    basic = b64encode(b"app-id:hush-secret").decode()
    assert "hush" not in everything
    assert basic not in everything
    assert (printed.out, printed.err) == ("", "")
    # The browser of this test is in this process too, and urllib3 logs where it goes.
    logged = [record.getMessage() for record in caplog.records]
    assert any("POST /api/token" in line for line in logged)  # it was listening
    ours = [line for line in logged if "GET " not in line]
    assert "hush" not in "\n".join(ours)
    assert basic not in "\n".join(logged)
