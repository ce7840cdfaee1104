"""Raw documents: what the API said about one playlist on one day, as gzip NDJSON.

A line is one answer in an envelope that says when it came and how it was asked. Nothing is
dropped, renamed or typed here.
"""

import gzip
import hashlib
import io
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import AT_ONCE, ObjectStore, gone
from spotify_pipeline.transform import values
from spotify_pipeline.transform.schema import ENVELOPE


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is Python's, not JSON's")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text} is beyond all numbers")
    return number


BY_THE_BOOK: Mapping[str, Any] = {"parse_constant": _no_constant, "parse_float": _finite}
"""What `json.loads` needs to be told to refuse NaN and infinity, which are no JSON."""


def require_text(text: bytes, read: Any) -> None:
    """Raises ValueError if what was read from a JSON text holds half a pair of surrogates: JSON can
    spell it, and no text can hold it."""
    if _SURROGATE.search(text):
        json.dumps(read, ensure_ascii=False).encode()


REDACTED = "redacted"
"""What the envelope of an answer says that has lost a user: it is not all that the API said."""


@dataclass(frozen=True)
class Answer:
    """One answer of the API: `body` as parsed, `request` without any secret."""

    kind: Literal["playlist", "page"]
    fetched_at: datetime
    request: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class RawDocument:
    """A stored raw document: where it is and the sha256 of its bytes."""

    key: str
    sha256: str

    @property
    def playlist_id(self) -> str:
        return keys.playlist_of(self.key)


@dataclass(frozen=True)
class Unreadable:
    """A line that can't be read: its document, number (from 1) and why."""

    key: str
    line: int
    reason: str


class Line(NamedTuple):
    """A line of a raw document: its number (from 1) and text, and what it says or why it can't be
    read."""

    number: int
    text: bytes
    fields: Mapping[str, Any]
    problem: str | None = None


def encode(playlist_id: str, day: date, answers: Sequence[Answer]) -> bytes:
    """The raw document of these answers; the same answers give the same bytes."""
    lines = (
        json.dumps(
            {
                "kind": answer.kind,
                "playlist_id": playlist_id,
                "snapshot_date": day.isoformat(),
                "fetched_at": f"{answer.fetched_at:%Y-%m-%dT%H:%M:%S.%f}Z",
                "request": answer.request,
                answer.kind: answer.body,
            },
            separators=(",", ":"),
            allow_nan=False,
        )
        for answer in answers
    )
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), 6, mtime=0)


def decode(document: bytes) -> list[Answer]:
    """The answers of a raw document, as `encode` was given them; ValueError if it is damaged or
    redacted."""
    try:
        return [_answer(json.loads(line)) for line in gzip.decompress(document).splitlines()]
    except (EOFError, gzip.BadGzipFile, zlib.error, KeyError, TypeError) as error:
        raise ValueError(f"no raw document: {error}") from error


def _answer(line: Any) -> Answer:
    if isinstance(line, dict) and line.get(REDACTED):
        raise ValueError("not all that the API said: it is redacted")
    fetched_at, body = datetime.fromisoformat(line["fetched_at"]), line[line["kind"]]
    if fetched_at.tzinfo is None or not isinstance(body, dict):
        raise ValueError("no raw document: a line is no answer")
    return Answer(line["kind"], fetched_at, line["request"], body)


def documents(store: ObjectStore, day: date) -> list[RawDocument]:
    """The raw documents of `day`, in the order of their playlists' ids.

    Raises `RetryLater` if one is taken away meanwhile.
    """
    found = [key for key in store.list_keys(keys.raw_prefix(day)) if keys.parse_raw(key)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sums = pool.map(lambda key: hashlib.sha256(_get(store, key)).hexdigest(), found)
        return [RawDocument(*document) for document in zip(found, sums, strict=True)]


def _get(store: ObjectStore, key: str) -> bytes:
    try:
        return store.get(key)
    except KeyError as error:
        raise gone(error) from error


def captured(store: ObjectStore, day: date) -> set[str]:
    """The ids of the playlists that have a raw document for `day`."""
    found = map(keys.parse_raw, store.list_keys(keys.raw_prefix(day)))
    return {playlist_id for _, playlist_id in filter(None, found)}


def salvage(store: ObjectStore, key: str) -> bytes:
    """The readable lines of a damaged document as a new one."""
    good = (line.text for line in read_lines(store, key) if not line.problem)
    return gzip.compress(b"".join(text + b"\n" for text in good), 1, mtime=0)


def read_lines(store: ObjectStore, key: str) -> Iterator[Line]:
    """The lines of a document, without the empty ones; raises `RetryLater` if it is gone."""
    day = keys.day_of(key).isoformat()
    for number, (text, problem) in enumerate(_split(_get(store, key)), start=1):
        if problem:
            yield Line(number, text, {}, problem)
        elif text.strip():
            yield _read(number, text, day)


def _split(body: bytes) -> Iterator[tuple[bytes, str | None]]:
    """The lines of a document; the one at which the stream breaks comes with the reason."""
    decompressed = bytearray()
    problem = None if body else "the file is empty"
    try:
        with gzip.open(io.BytesIO(body)) as stream:
            while chunk := stream.read1(1 << 20):
                decompressed += chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        problem = f"the compressed file is damaged or cut off here ({error})"
    *whole, rest = bytes(decompressed).split(b"\n")
    yield from ((line, None) for line in whole)
    if rest or problem:
        yield rest, problem


def _read(number: int, text: bytes, day: str) -> Line:
    try:
        fields = json.loads(text.decode(), **BY_THE_BOOK)
        require_text(text, fields)
    except (ValueError, RecursionError) as error:
        return Line(number, text, {}, f"no JSON: {error}")
    return Line(number, text, fields, _problem_of(fields, day))


def _problem_of(fields: Any, day: str) -> str | None:
    if not isinstance(fields, dict) or any(fields.get(name) is None for name in ENVELOPE):
        return f"no answer of the API: its envelope ({', '.join(ENVELOPE)}) is not whole"
    kind = fields["kind"]
    if kind not in ("playlist", "page") or not isinstance(fields.get(kind), dict):
        return f"no answer of the API: of kind {kind!r}, with nothing readable under that name"
    if fields["snapshot_date"] != day:
        return f"it is an answer of {fields['snapshot_date']}, in a document of {day}"
    if not _TIMESTAMP.fullmatch(str(fields["fetched_at"])):
        return f"nobody knows when it came: fetched_at {fields['fetched_at']!r}"
    offset = _offset(kind, fields[kind])
    if not _NUMBER.fullmatch(str(offset)):
        return f"nobody knows where its entries stand: offset {offset!r}"
    return None


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NUMBER = re.compile(r"[0-9]{1,18}")
_TIMESTAMP = re.compile(values.TIMESTAMP, re.ASCII)


def _offset(kind: str, body: Mapping[str, Any]) -> Any:
    """Of the listing that an answer is or holds; 0 where it doesn't say."""
    listings = [body] if kind == "page" else [body.get("items"), body.get("tracks")]
    offsets = (listing.get("offset") for listing in listings if isinstance(listing, dict))
    return next((offset for offset in offsets if offset is not None), 0)
