"""S3 behind a line that breaks: an object is whole or absent, and a passing trouble costs nothing.

The line is a server between boto3 and a stand-in for S3; its troubles are those of a network and of
S3's own gate. What S3 itself refuses is in `lake/test_store`.
"""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from spotify_pipeline.errors import RetryLater
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline_tests.emulators.s3 import s3_server

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate."
    b"</Message></Error>"
)
BODY = bytes(range(256)) * 200


class Line(ThreadingHTTPServer):
    """Hands requests on, but for the next ones, which meet with `troubles`."""

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = upstream
        self.troubles: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """One request: handed on, refused, or broken off at one of its ends."""

    protocol_version = "HTTP/1.1"
    server: Line

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trouble = self.server.troubles.pop(0) if self.server.troubles else ""
        if trouble == "reset before":
            self.close_connection = True
            return
        if trouble == "slow down":
            self.answer(503, {"Content-Type": "application/xml"}, SLOW_DOWN, len(SLOW_DOWN))
            return
        status, headers, said = self.hand_on(body)
        if trouble == "reset after":
            self.close_connection = True
            return
        kept = said[: len(said) // 2] if trouble == "half an answer" else said
        self.answer(status, headers, kept, len(said))
        self.close_connection = self.close_connection or kept != said

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = serve  # noqa: N815

    def hand_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=20)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def answer(self, status: int, headers: dict[str, str], body: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with s3_server() as url, Line(urlsplit(url).netloc) as line:
        thread = threading.Thread(target=line.serve_forever, daemon=True)
        thread.start()
        yield line
        line.shutdown()


@pytest.fixture
def store(line: Line, request: pytest.FixtureRequest) -> S3Store:
    """A lake at the other end of the line."""
    client: Any = boto3.Session("nobody", "nothing", region_name="us-east-1").client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{line.server_port}",
        config=Config(retries={"total_max_attempts": 2, "mode": "standard"}),
    )
    line.troubles = []
    client.create_bucket(Bucket="lake")
    return S3Store(client, "lake", request.node.name.replace("[", "-").replace("]", ""))


TROUBLES = ["slow down", "reset before", "reset after"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_passing_trouble_is_overcome(store: S3Store, line: Line, trouble: str) -> None:
    line.troubles = [trouble]
    store.put_new("key", BODY)
    assert store.get("key") == BODY
    line.troubles = [trouble]
    assert store.get("key") == BODY
    line.troubles = [trouble]
    assert store.list_keys("") == ["key"]
    assert not line.troubles


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_lasting_trouble_is_told_as_one_and_loses_nothing(
    store: S3Store, line: Line, trouble: str
) -> None:
    store.put_new("old", BODY)
    for do in (
        lambda: store.put_new("new", BODY),
        lambda: store.get("old"),
        lambda: store.list_keys(""),
    ):
        line.troubles = [trouble] * 2
        with pytest.raises(RetryLater, match="Nothing is lost: run it again"):
            do()
        assert not line.troubles
    assert store.get("old") == BODY
    assert not store.put_new("new", b"another") or trouble != "reset after"
    assert store.get("new") in (BODY, b"another")


def test_half_an_answer_is_never_taken_for_the_object(store: S3Store, line: Line) -> None:
    store.put_new("key", BODY)
    line.troubles = ["half an answer"]
    with pytest.raises(RetryLater, match="Nothing is lost: run it again"):
        store.get("key")
    assert store.get("key") == BODY


def test_half_a_listing_is_never_taken_for_all(store: S3Store, line: Line) -> None:
    for number in range(20):
        store.put_new(f"key{number:02}", b"")
    line.troubles = ["half an answer"] * 2
    with pytest.raises(RetryLater, match="Nothing is lost: run it again"):
        store.list_keys("")
    assert len(store.list_keys("")) == 20
