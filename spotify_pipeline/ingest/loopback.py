"""The listener on this machine to which Spotify leads a browser back, and what it waits for.

It is reached from this machine only, takes nothing but an answer to our own link, and is closed as
soon as there is one. What the answer is good for is `login`'s business.
"""

import contextlib
import hmac
import http.server
import os
import queue
import secrets
import socketserver
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest.sign_in import DASHBOARD, LOOPBACK, PATH

_CONNECTION_SECONDS = 10

Form = Mapping[str, str]
"""What a redirect carries: state, and code or error."""


class Letterbox:
    """Takes the redirects that answer our link, from wherever they come."""

    def __init__(self) -> None:
        self.state = secrets.token_urlsafe(32)
        """What the link sends along and only its answer can know."""
        self._forms: queue.SimpleQueue[Form] = queue.SimpleQueue()

    def open(self, query: str) -> Form | None:
        """What the query of a redirect carries, or None where it does not answer our link."""
        form = dict(parse_qsl(query))
        is_ours = hmac.compare_digest(form.get("state", "").encode(), self.state.encode())
        return form if is_ours and (form.get("code") or form.get("error")) else None

    def put(self, form: Form) -> None:
        self._forms.put(form)

    def wait(self, seconds: float) -> Form | None:
        """The first one that was put in, or None where none came in time."""
        try:
            return self._forms.get(timeout=seconds)
        except queue.Empty:
            return None


class _Listener(socketserver.ThreadingTCPServer):
    """Waits for the redirect; a thread for each connection, as browsers open some in advance."""

    # http.server's own class asks the name service for this machine's name, which may take long.
    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere it would share a port that is taken

    def __init__(self, port: int, letterbox: Letterbox) -> None:
        self.letterbox = letterbox
        super().__init__((LOOPBACK, port), _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off; the browser shows that itself."""


class _Connection(http.server.BaseHTTPRequestHandler):
    timeout = _CONNECTION_SECONDS
    server: _Listener

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        form = self.server.letterbox.open(query)
        if path != PATH:
            self._say(404, "There is nothing here.")
        elif form is None:
            self._say(400, "This does not answer the link in the terminal. Please use that link.")
        else:
            # Before the form is put in: after it the process may end at any moment.
            try:
                self._say(200, _farewell(form))
            finally:
                self.server.letterbox.put(form)

    def _say(self, status: int, text: str) -> None:
        body = f"<!doctype html><title>spotify-pipeline</title><p>{text}</p>\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: it would write the code."""


def _farewell(form: Form) -> str:
    # Whether the app gets its token for the code is not known yet.
    said = "You did not sign in" if "error" in form else "You have signed in"
    return f"{said}; this window can be closed. The terminal says how it went on."


@contextlib.contextmanager
def listening(port: int, letterbox: Letterbox) -> Iterator[str]:
    """Listens for as long as the block lasts, at the redirect URI that it gives."""
    try:
        listener = _Listener(port, letterbox)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FixConfiguration(
            f"Can't wait for Spotify's answer on {LOOPBACK}:{port} ({reason}). Stop what uses that "
            f"port, or choose another one with --port and add its address, "
            f"http://{LOOPBACK}:<port>{PATH}, to the app's redirect URIs at {DASHBOARD}."
        ) from error
    with listener:
        threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{listener.server_address[1]}{PATH}"
        finally:
            listener.shutdown()
