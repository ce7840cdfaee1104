"""What can be forgotten: old days, a playlist, a user; and how it is known in a lake's objects."""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any
from urllib.parse import quote

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake import keys, raw


@dataclass(frozen=True)
class OldDays:
    """Every day before a day."""

    before: date

    def __str__(self) -> str:
        return f"every day before {self.before}"


@dataclass(frozen=True)
class Playlist:
    """A playlist: its raw documents go as a whole; attempts, and manifests that say that it failed,
    are told without it."""

    playlist_id: str
    searched: Sequence[str] = (keys.ATTEMPTS, keys.MANIFESTS)
    """Where in the lake it may be named, besides the files of batches."""

    def __str__(self) -> str:
        return f"the playlist {self.playlist_id}"

    @property
    def value(self) -> str:
        return self.playlist_id

    def columns(self, table: contract.Table) -> list[str]:
        """Those in which it is named."""
        return [name for name in table.column_names if name == "playlist_id"]

    def takes(self, key: str) -> bool:
        """Whether an object goes as a whole."""
        return bool(keys.parse_raw(key)) and keys.playlist_of(key) == self.playlist_id

    def without(self, key: str, body: bytes) -> bytes:
        """What stays of an object."""
        if not key.startswith((keys.ATTEMPTS, keys.MANIFESTS)):
            return body
        told = json.loads(body)
        lists = ("playlist_ids", "failures") if key.startswith(keys.ATTEMPTS) else ("failed",)
        without = {name: [each for each in told[name] if not self._is(each)] for name in lists}
        if all(without[name] == told[name] for name in lists):
            return body
        return json.dumps(told | without, indent=1).encode()

    def _is(self, said: Any) -> bool:
        """Whether an id, or a failure, is of it."""
        return bool((said["playlist_id"] if isinstance(said, dict) else said) == self.playlist_id)

    def is_in(self, key: str, body: bytes) -> bool:
        """Whether an object that can't be redacted names it."""
        if keys.is_stray(key):
            return self.playlist_id in key or self.playlist_id.encode() in _stray(key, body)
        if not key.startswith(keys.MANIFESTS):
            return _is_in_csv(self, key, body)
        return json.dumps(f"/{self.playlist_id}.ndjson.gz")[1:] in body.decode()


@dataclass(frozen=True)
class User:
    """A user: raw documents stay without who it is.

    An object of the API that is the user keeps its keys and loses its values; in links to the user
    the id becomes `redacted`. Text that people wrote, as the name of a playlist, is left alone.
    """

    user_id: str
    searched: Sequence[str] = (keys.RAW,)

    def __str__(self) -> str:
        return f"the user {self.user_id}"

    @property
    def value(self) -> str:
        return self.user_id

    def columns(self, table: contract.Table) -> list[str]:
        return [c.name for c in table.columns if c.personal and c.source.endswith(".id")]

    def takes(self, key: str) -> bool:  # noqa: ARG002
        return False

    def without(self, key: str, body: bytes) -> bytes:
        if not keys.parse_raw(key):
            return body
        lines = _decompressed(key, body).split(b"\n")
        redacted = [self._line(line) for line in lines]
        return body if redacted == lines else gzip.compress(b"\n".join(redacted), 6, mtime=0)

    def is_in(self, key: str, body: bytes) -> bool:
        if keys.is_stray(key):
            return any(self._line(line) != line for line in _stray(key, body).split(b"\n"))
        return _is_in_csv(self, key, body)

    def _line(self, line: bytes) -> bytes:
        text = line.decode(errors="replace")
        # JSON may spell any letter, and a slash, by a backslash.
        if "\\" not in text and not re.search(self._spellings, text):
            return line
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            # Nobody can say what in it is the user; it was left out anyhow.
            return json.dumps({raw.REDACTED: True}).encode() if self.user_id in text else line
        redacted = self._value(fields)
        if redacted == fields:
            return line
        said = redacted | {raw.REDACTED: True} if isinstance(redacted, dict) else redacted
        return json.dumps(said, separators=(",", ":")).encode()

    def _value(self, value: Any, place: str = "") -> Any:
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, str):
            return self._link.sub(r"\1redacted", value)
        if not isinstance(value, dict):
            return value
        # In these places the tables take whatever is there for a user.
        is_user = place in ("owner", "added_by") or value.get("type") in (None, "user")
        if is_user and str(value.get("id")) == self.user_id:
            return {name: each if name == "type" else None for name, each in value.items()}
        return {name: self._value(each, name) for name, each in value.items()}

    @cached_property
    def _link(self) -> re.Pattern[str]:
        # A full stop may end a sentence, or go on with the name.
        return re.compile(rf"(\buser(?:s/|/|:))(?:{self._spellings})(?![\w%-]|\.[\w%-])")

    @cached_property
    def _spellings(self) -> str:
        quoted = re.escape(quote(self.user_id, safe=""))
        in_links = re.sub(r"%[0-9A-F]{2}", lambda escape: f"(?i:{escape[0]})", quoted)
        return f"{re.escape(self.user_id)}|{in_links}"


Subject = OldDays | Playlist | User
Named = Playlist | User
"""What is taken out of days that stay."""


def _decompressed(key: str, body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise unsearchable(key, error) from error


def _stray(key: str, body: bytes) -> bytes:
    """What stands in a file that somebody put among raw documents: a copy of one, or anything."""
    return _decompressed(key, body) if body.startswith(b"\x1f\x8b") else body


def unsearchable(key: str, error: Exception) -> FixConfiguration:
    """Of an object that can't be read."""
    return FixConfiguration(
        f"{key} is damaged ({error}), so nobody can say what it names. Nothing was done. Put it "
        f"back from a backup, or delete it, and run this again."
    )


def _is_in_csv(subject: Named, key: str, body: bytes) -> bool:
    tables = [table for table in contract.TABLES if key.startswith(keys.table_prefix(table.name))]
    columns = [name for table in tables for name in subject.columns(table)]
    if not columns:
        return False
    rows = csv.DictReader(io.StringIO(_decompressed(key, body).decode(), newline=""))
    return any(row.get(name) == subject.value for row in rows for name in columns)
