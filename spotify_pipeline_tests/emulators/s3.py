"""S3 on this machine: moto's server, made to keep a promise of S3 that moto breaks.

Of two that put one key if absent, at the same time, S3 lets exactly one do it. moto looks first and
writes then, so that now and then both do. Here such requests come one at a time.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class _Quiet(MotoRequestHandler):
    """Doesn't log each request."""

    def log_request(self, *told: object) -> None:
        pass


class _PutsInTurn:
    """moto's application, with conditional requests one after the other."""

    def __init__(self) -> None:
        self._application: Any = DomainDispatcherApplication(create_backend_app)
        self._turn = threading.Lock()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" not in environ:
            return self._application(environ, start_response)  # type: ignore[no-any-return]
        with self._turn:
            return self._application(environ, start_response)  # type: ignore[no-any-return]


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address. moto's memory is the process's: what others left in it is gone."""
    server = make_server("127.0.0.1", 0, _PutsInTurn(), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        requests.post(f"{url}/moto-api/reset", timeout=10).raise_for_status()
        yield url
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def s3_bucket(name: str) -> Iterator[Any]:
    """A client of such a server, on which there is this bucket."""
    import boto3

    session = boto3.Session("nobody", "nothing", region_name="eu-central-1")
    with s3_server() as url:
        client = session.client("s3", endpoint_url=url)
        client.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        yield client
