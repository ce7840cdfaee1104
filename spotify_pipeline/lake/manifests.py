"""Manifests: what a batch is made of and from. A batch is real once its manifest is there."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake import attempts, keys, raw
from spotify_pipeline.lake.store import ObjectStore


@dataclass(frozen=True)
class BatchFile:
    """One file of a batch."""

    key: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """One batch. `digest` is the same for the same rows on any engine."""

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


def current(store: ObjectStore, day: date) -> Manifest | None:
    """The manifest of the day's highest batch, or None if the day has none."""
    batches = numbers(store, day)
    return read(store, day, max(batches)) if batches else None


def read(store: ObjectStore, day: date, batch: int) -> Manifest:
    """The manifest of one batch; KeyError where there is none, `FixConfiguration` if it is
    damaged."""
    key = keys.manifest(day, batch)
    body = store.get(key)
    try:
        return Manifest.from_json(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FixConfiguration(
            f"{store.uri(key)} is no manifest: {error!r}. Put it back from a backup, or move it "
            f"away and run {day} again for another batch."
        ) from error


def numbers(store: ObjectStore, day: date) -> list[int]:
    """The numbers of the day's batches."""
    found = map(keys.parse_manifest, store.list_keys(keys.manifests_prefix(day)))
    return [number for _, number in filter(None, found)]


def current_batches(store: ObjectStore) -> dict[date, int]:
    """The number of the current batch of every day that has one, by one listing."""
    latest: dict[date, int] = {}
    for day, number in filter(None, map(keys.parse_manifest, store.list_keys(keys.MANIFESTS))):
        latest[day] = max(number, latest.get(day, 0))
    return dict(sorted(latest.items()))
