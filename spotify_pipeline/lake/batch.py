"""Batches: one complete set of files of all six tables for one day, and the manifest that makes
it real.

Files without a manifest are the remains of a run that was cut off; nothing reads them.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import FixConfiguration, RetryLater, SkipThis
from spotify_pipeline.lake import attempts, keys, raw
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.transform import tables


class UnreadableDocuments(Exception):
    """An engine met a line that is no JSON, or a file that is cut off."""


@dataclass(frozen=True)
class Transformed:
    """What an engine made: rows by table, and how many odd values became null by column."""

    rows: Mapping[str, int]
    odd_values: Mapping[str, int]


class Engine(Protocol):
    """Runs the transform on local files; raises `UnreadableDocuments`."""

    @property
    def name(self) -> str: ...

    def transform(self, documents: Sequence[Path], out: Path) -> Transformed:
        """Reads raw documents and writes `out/<table>.csv.gz` for each table."""


@dataclass(frozen=True)
class BatchFile:
    """One file of a batch."""

    key: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a batch is made of and from. `digest` is the same for the same rows on any engine."""

    snapshot_date: date
    batch: int
    digest: str
    contract_version: int
    transform_version: int
    engine: str
    created_at: datetime
    files: Mapping[str, BatchFile]
    documents: tuple[raw.RawDocument, ...]
    failed: tuple[attempts.Failure, ...] = ()
    quarantined: tuple[raw.Unreadable, ...] = ()
    odd_values: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1, default=str).encode()

    @classmethod
    def from_json(cls, body: bytes) -> "Manifest":
        fields: dict[str, Any] = json.loads(body)
        fields |= {
            "snapshot_date": date.fromisoformat(fields["snapshot_date"]),
            "created_at": datetime.fromisoformat(fields["created_at"]),
            "files": {name: BatchFile(**file) for name, file in fields["files"].items()},
            "documents": tuple(raw.RawDocument(**document) for document in fields["documents"]),
            "failed": tuple(attempts.Failure(**failure) for failure in fields["failed"]),
            "quarantined": tuple(raw.Unreadable(**line) for line in fields["quarantined"]),
        }
        return cls(**fields)


@dataclass(frozen=True)
class Outcome:
    """The day's current batch, and whether it was made just now."""

    manifest: Manifest
    is_new: bool


def current(store: ObjectStore, day: date) -> Manifest | None:
    """The manifest of the day's highest batch, or None if the day has none."""
    numbers = _manifest_numbers(store, day)
    return read(store, day, max(numbers)) if numbers else None


def read(store: ObjectStore, day: date, batch: int) -> Manifest:
    """The manifest of one batch; KeyError where there is none."""
    return Manifest.from_json(store.get(keys.manifest(day, batch)))


def current_batches(store: ObjectStore) -> dict[date, int]:
    """The number of the current batch of every day that has one, by one listing."""
    latest: dict[date, int] = {}
    for day, number in filter(None, map(keys.parse_manifest, store.list_keys(keys.MANIFESTS))):
        latest[day] = max(number, latest.get(day, 0))
    return dict(sorted(latest.items()))


def issue(
    store: ObjectStore,
    engine: Engine,
    day: date,
    clock: Clock,
    *,
    reload: bool = False,
    accept_partial: bool = False,
) -> Outcome:
    """Makes the day's next batch from its raw documents, unless the current one is the same.

    `reload` makes one even then (for a pipe that remembers the names of failed files);
    `accept_partial` leaves unreadable lines out instead of refusing the day.
    """
    documents = raw.documents(store, day)
    if not documents:
        raise SkipThis(
            f"{day} has no raw documents in {store.uri(keys.raw_prefix(day))}: "
            f"materialize raw_playlist_json for {day} first."
        )
    digest = _digest(documents)
    known = current(store, day)
    if known and known.digest == digest and not reload:
        return Outcome(known, is_new=False)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        transformed, quarantined = _transform(store, engine, documents, out, accept_partial)
        number = _next_number(store, day)
        files = {
            table.name: _store_file(
                store,
                keys.batch_file(table.name, day, number, digest),
                out / f"{table.name}.csv.gz",
                transformed.rows[table.name],
            )
            for table in contract.TABLES
        }
    manifest = Manifest(
        snapshot_date=day,
        batch=number,
        digest=digest,
        contract_version=contract.VERSION,
        transform_version=tables.VERSION,
        engine=engine.name,
        created_at=clock(),
        files=files,
        documents=tuple(documents),
        failed=tuple(attempts.missing(store, day)),
        quarantined=tuple(quarantined),
        odd_values=transformed.odd_values,
    )
    if store.put_new(keys.manifest(day, number), manifest.to_json()):
        return Outcome(manifest, is_new=True)
    other = read(store, day, number)
    if other.digest == digest:
        return Outcome(other, is_new=False)
    raise RetryLater(
        f"Another run has just made batch {number} of {day}. Nothing is lost: run it again."
    )


def _digest(documents: Sequence[raw.RawDocument]) -> str:
    parts = [str(contract.VERSION), str(tables.VERSION)]
    parts += [f"{document.playlist_id} {document.sha256}" for document in documents]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _transform(
    store: ObjectStore,
    engine: Engine,
    documents: Sequence[raw.RawDocument],
    out: Path,
    accept_partial: bool,
) -> tuple[Transformed, list[raw.Unreadable]]:
    document_keys = [document.key for document in documents]
    try:
        with store.files(document_keys) as paths:
            return engine.transform(paths, out), []
    except UnreadableDocuments as error:
        salvaged = [raw.salvage(store, key) for key in document_keys]
        quarantined = [line for _, lines in salvaged for line in lines]
        if not quarantined:  # the engine is stricter than JSON: that is ours to mend
            raise
        if not accept_partial:
            raise FixConfiguration(_quarantine_text(store, documents, quarantined)) from error
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, (body, _) in enumerate(salvaged):
            paths.append(Path(folder) / f"{number}.ndjson.gz")
            paths[-1].write_bytes(body)
        return engine.transform(paths, out), quarantined


def _quarantine_text(
    store: ObjectStore,
    documents: Sequence[raw.RawDocument],
    quarantined: Sequence[raw.Unreadable],
) -> str:
    day = keys.day_of(documents[0].key)
    found = "".join(
        f"\n  {store.uri(line.key)}, line {line.line}: {line.reason}" for line in quarantined
    )
    return (
        f"{len(quarantined)} lines of the raw documents of {day} can't be read, so the day is not "
        f"published:{found}\nPut the files back from a backup; or, while it is still {day}, delete "
        f"them and run the day again to fetch it anew; or leave these lines out: "
        f"spotify-pipeline run --date {day} --accept-partial"
    )


def _next_number(store: ObjectStore, day: date) -> int:
    """One more than any number in use; remains of a run that was cut off count too."""
    used = _manifest_numbers(store, day)
    for table in contract.TABLES:
        used += map(keys.batch_of, store.list_keys(f"{keys.table_prefix(table.name)}dt={day}/"))
    return max(used, default=0) + 1


def _manifest_numbers(store: ObjectStore, day: date) -> list[int]:
    found = map(keys.parse_manifest, store.list_keys(keys.manifests_prefix(day)))
    return [number for _, number in filter(None, found)]


def _store_file(store: ObjectStore, key: str, path: Path, rows: int) -> BatchFile:
    body = path.read_bytes()
    if not store.put_new(key, body) and store.get(key) != body:
        raise RetryLater(
            f"Another run is just writing {store.uri(key)}. Nothing is lost: run it again."
        )
    return BatchFile(key, rows, hashlib.sha256(body).hexdigest())
