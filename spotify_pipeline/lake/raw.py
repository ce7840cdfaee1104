"""Raw documents: what the API said about one playlist on one day, as gzip NDJSON.

A line is one answer in an envelope that says when it came and how it was asked. Nothing is
dropped, renamed or typed here.
"""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.transform.schema import ENVELOPE


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
        )
        for answer in answers
    )
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), 6, mtime=0)


def decode(document: bytes) -> list[Answer]:
    """The answers of a raw document, as `encode` was given them; ValueError if it is damaged."""
    try:
        return [_answer(json.loads(line)) for line in gzip.decompress(document).splitlines()]
    except (EOFError, gzip.BadGzipFile, zlib.error, KeyError, TypeError) as error:
        raise ValueError(f"no raw document: {error}") from error


def _answer(line: Any) -> Answer:
    fetched_at, body = datetime.fromisoformat(line["fetched_at"]), line[line["kind"]]
    if fetched_at.tzinfo is None or not isinstance(body, dict):
        raise ValueError("no raw document: a line is no answer")
    return Answer(line["kind"], fetched_at, line["request"], body)


def documents(store: ObjectStore, day: date) -> list[RawDocument]:
    """The raw documents of `day`, in the order of their playlists' ids."""
    return [
        RawDocument(key, hashlib.sha256(store.get(key)).hexdigest())
        for key in store.list_keys(keys.raw_prefix(day))
    ]


def captured(store: ObjectStore, day: date) -> set[str]:
    """The ids of the playlists that have a raw document for `day`."""
    return {keys.playlist_of(key) for key in store.list_keys(keys.raw_prefix(day))}


def salvage(store: ObjectStore, key: str) -> tuple[bytes, list[Unreadable]]:
    """The readable lines of a damaged document as a new one, and what had to be left out."""
    good: list[bytes] = []
    bad: list[Unreadable] = []
    for number, (line, problem) in enumerate(_lines(store.get(key)), start=1):
        reason = problem or _problem_of(line)
        if reason:
            bad.append(Unreadable(key, number, reason))
        else:
            good.append(line)
    return gzip.compress(b"".join(line + b"\n" for line in good), mtime=0), bad


def _lines(body: bytes) -> Iterator[tuple[bytes, str | None]]:
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


def _problem_of(line: bytes) -> str | None:
    if not line.strip():
        return None
    try:
        fields = json.loads(line)
        json.dumps(fields, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(fields, dict) or not all(isinstance(fields.get(n), str) for n in ENVELOPE):
        return f"no answer of the API: its envelope ({', '.join(ENVELOPE)}) is not whole"
    kind = fields["kind"]
    if kind not in ("playlist", "page") or not isinstance(fields.get(kind), dict):
        return f"no answer of the API: of kind {kind!r}, with nothing readable under that name"
    return None
