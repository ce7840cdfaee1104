"""Nobody there, or nobody who speaks to the end: told soon, as trouble that may pass."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from spotify_pipeline.ingest import client as client_module
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.ingest.refusals import Unavailable, judge_answer
from spotify_pipeline.ingest.sessions import session
from spotify_pipeline_tests.ingest.answering import APP, ID, USER, no_naps

__all__ = ["no_naps"]  # a fixture


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
