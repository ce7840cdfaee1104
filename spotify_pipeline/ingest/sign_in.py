"""Who reads: the app's credentials, and a user's sign-in: where it is stored, when it ends.

How a user signs in is the business of `login`, and what the token is good for that of the client.
"""

import calendar
import contextlib
import json
import os
import shlex
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from spotify_pipeline.errors import FixConfiguration

SCOPE = "playlist-read-private playlist-read-collaborative"
"""What the user consents to."""

DASHBOARD = "https://developer.spotify.com/dashboard"
"""Where the owner of an app sets it up."""

LOOPBACK = "127.0.0.1"
PORT = 8888
PATH = "/callback"
"""With these, where Spotify leads the browser of a user who has answered; `login` may choose
another port."""

CONSENT_MONTHS = 6
WARN_DAYS = 30
"""So long before its end a consent is worth renewing."""


@dataclass(frozen=True)
class Credentials:
    """An app's id and secret, and a user's refresh token where one has signed in."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)

    def require(self) -> None:
        """Raises `FixConfiguration` naming what is not set or can't be right."""
        values = {
            "SPOTIFY_CLIENT_ID": self.client_id,
            "SPOTIFY_CLIENT_SECRET": self.client_secret,
        }
        if missing := [name for name, value in values.items() if not value]:
            raise FixConfiguration(
                f"Spotify asks for an app's credentials and {' and '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} not set. Make an app at {DASHBOARD} and "
                f"put them into .env; or see the whole thing without an account: "
                f"spotify-pipeline demo"
            )
        values["SPOTIFY_REFRESH_TOKEN"] = self.refresh_token
        if odd := [name for name, value in values.items() if not value.isascii()]:
            raise FixConfiguration(
                f"{' and '.join(odd)}: letters that can't be in it. Copy it once more, from "
                f"{DASHBOARD}."
            )


@dataclass(frozen=True)
class SignIn:
    """A user's refresh token, the day of the consent behind it, and the app it was given to.

    `consented_on` is None where nobody knows the day, `client_id` is empty where nobody knows the
    app: a token that was set by hand.
    """

    refresh_token: str = field(repr=False)
    consented_on: date | None
    client_id: str = ""


def consent_ends(consented_on: date) -> date:
    """The day on which the refresh tokens of a consent end, however often they were refreshed."""
    years, month = divmod(consented_on.month - 1 + CONSENT_MONTHS, 12)
    year, month = consented_on.year + years, month + 1
    return date(year, month, min(consented_on.day, calendar.monthrange(year, month)[1]))


@dataclass(frozen=True)
class Consent:
    """How a user's consent stands; `days_left` is None where no end is known or none comes."""

    text: str
    days_left: int | None = None
    is_known: bool = True

    def __str__(self) -> str:
        return self.text

    @property
    def is_over(self) -> bool:
        return self.days_left is not None and self.days_left <= 0

    @property
    def ends_soon(self) -> bool:
        return self.days_left is not None and 0 < self.days_left <= WARN_DAYS


def consent(sign_in: SignIn | None, day: date) -> Consent:
    """How the consent behind a sign-in stands on `day`, going by its date alone."""
    if sign_in is None:
        return Consent(
            "no user is signed in; apps made in 2026 or later need one: spotify-pipeline login"
        )
    if sign_in.consented_on is None:
        return Consent(
            "nobody knows when it ends: set SPOTIFY_CONSENT_DATE to the day of the sign-in that "
            "SPOTIFY_REFRESH_TOKEN came from, or sign in by spotify-pipeline login",
            is_known=False,
        )
    end = consent_ends(sign_in.consented_on)
    left = (end - day).days
    if left <= 0:
        return Consent(f"it ended on {end}. Sign in again: spotify-pipeline login", left)
    if left <= WARN_DAYS:
        text = f"it ends on {end}, in {left} days. Sign in again before: spotify-pipeline login"
        return Consent(text, left)
    return Consent(f"it holds until {end}", left)


class SignInFile:
    """One sign-in in a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> SignIn | None:
        """The sign-in, or None where there is no file."""
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                body = file.read()
            folder = self.path.parent.stat().st_mode
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FixConfiguration(
                f"Can't read the sign-in in {self.path}: {error.strerror}. Make it readable, or "
                f"sign in again: spotify-pipeline login"
            ) from error
        if mode & 0o077:
            raise FixConfiguration(
                f"Other users of this machine may read the sign-in in {self.path}. Take that "
                f"right away: chmod 600 {shlex.quote(str(self.path))}. If they are not trusted, "
                f"remove the app at https://www.spotify.com/account/apps, then sign in again: "
                f"spotify-pipeline login"
            )
        if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
            raise FixConfiguration(
                f"Any user of this machine may put another sign-in in the place of {self.path}. "
                f"Take that right away: chmod o-w {shlex.quote(str(self.path.parent))}"
            )
        try:
            return _parsed(body)
        # Without the cause: it would carry the text, and the token is in it.
        except (ValueError, RecursionError):
            raise FixConfiguration(
                f"{self.path} holds no sign-in: expected was a JSON object with refresh_token, "
                f"consented_on (YYYY-MM-DD or null) and client_id. Write it anew: "
                f"spotify-pipeline login"
            ) from None

    def write(self, sign_in: SignIn) -> None:
        """Puts `sign_in` in the place of what was there; readers see the one or the other."""
        body = json.dumps(
            {
                "refresh_token": sign_in.refresh_token,
                "consented_on": sign_in.consented_on and sign_in.consented_on.isoformat(),
                "client_id": sign_in.client_id,
            },
            indent=2,
        )
        try:
            self.path.parent.mkdir(0o755, parents=True, exist_ok=True)  # whatever the umask
            with _aside(self.path) as descriptor, os.fdopen(descriptor, "w") as file:
                file.write(f"{body}\n")
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise FixConfiguration(
                f"Can't write the sign-in to {self.path}: {error.strerror} ({error.filename}). "
                f"Make that place writable, or set SPOTIFY_PIPELINE_HOME."
            ) from error

    def keep(self, refresh_token: str, instead_of: str) -> bool:
        """Stores the token that came with a refresh, and says so; the consent stays as it was.

        Stores nothing where the file holds another one than `instead_of`: somebody has signed in
        anew since, and the older consent's token must not take that place.
        """
        found = self.read()
        is_ours = found is not None and found.refresh_token == instead_of
        if found and is_ours:
            self.write(replace(found, refresh_token=refresh_token))
        return is_ours


def find(
    refresh_token: str, consent_date: date | None, file: SignInFile, client_id: str
) -> SignIn | None:
    """The sign-in in force: the given token with its consent date, or else the file's.

    Raises `FixConfiguration` where the file's sign-in was made with another app than `client_id`.
    """
    if refresh_token:
        return SignIn(refresh_token, consent_date, client_id)
    found = file.read()
    # Where no app is set, that is what has to be mended first, and the client says so.
    if found and found.client_id and client_id and found.client_id != client_id:
        raise FixConfiguration(
            f"The sign-in in {file.path} was made with another app ({found.client_id}) than "
            f"SPOTIFY_CLIENT_ID ({client_id}). Set that one, or sign in with this app: "
            f"spotify-pipeline login"
        )
    return found


def _parsed(body: bytes) -> SignIn:
    """Raises `ValueError` where the body holds no sign-in."""
    content: Any = json.loads(body)
    if not isinstance(content, dict):
        raise ValueError
    token, day = content.get("refresh_token"), content.get("consented_on")
    client_id = content.get("client_id", "")
    is_well_typed = (
        isinstance(token, str) and isinstance(day, str | None) and isinstance(client_id, str)
    )
    if not is_well_typed or not token:
        raise ValueError
    return SignIn(token, None if day is None else date.fromisoformat(day), client_id)


@contextlib.contextmanager
def _aside(target: Path) -> Iterator[int]:
    """A file beside `target` that takes its place at the end, and is gone if anything fails."""
    # mkstemp gives mode 600, whatever the umask.
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".writing-")
    aside = Path(name)
    try:
        yield descriptor
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
