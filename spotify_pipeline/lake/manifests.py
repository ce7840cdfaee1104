"""Manifests: what a batch is made of and from. A batch is real once its manifest is there."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from spotify_pipeline.errors import MALFORMED, FixConfiguration
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
        """Raises one of `MALFORMED`, where it is none."""
        fields: dict[str, Any] = json.loads(body)
        fields |= {
            "snapshot_date": date.fromisoformat(fields["snapshot_date"]),
            "created_at": datetime.fromisoformat(fields["created_at"]),
            "files": {name: BatchFile(**file) for name, file in fields["files"].items()},
            "documents": tuple(raw.RawDocument(**document) for document in fields["documents"]),
            "failed": tuple(attempts.Failure(**failure) for failure in fields["failed"]),
            "quarantined": tuple(raw.Unreadable(**line) for line in fields["quarantined"]),
        }
        manifest = cls(**fields)
        if odd := manifest._oddities():
            raise ValueError(f"odd {', '.join(odd)}")
        return manifest

    def _oddities(self) -> list[str]:
        """What can't be, of what is used as it stands: for keys, in SQL, to reckon with."""
        day = self.snapshot_date
        sound = {
            "batch": _is_count(self.batch),
            "digest": re.fullmatch(r"[\w-]+", str(self.digest), re.ASCII),
            "versions": _is_count(self.contract_version) and _is_count(self.transform_version),
            "created_at": self.created_at.tzinfo,
            "files": all(
                file.key == keys.batch_file(name, day, self.batch, self.digest)
                and _is_count(file.rows)
                for name, file in self.files.items()
            ),
            "documents": all(
                document.key.startswith(keys.raw_prefix(day)) for document in self.documents
            ),
            "failed": all(_is_text(f.playlist_id, f.reason) for f in self.failed),
            "quarantined": all(
                _is_text(line.key, line.reason) and _is_count(line.line)
                for line in self.quarantined
            ),
            "odd_values": all(map(_is_count, self.odd_values.values())),
        }
        return [name for name, is_sound in sound.items() if not is_sound]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_text(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


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
        manifest = Manifest.from_json(body)
        if (manifest.snapshot_date, manifest.batch) != (day, batch):
            raise ValueError(f"batch {manifest.batch} of {manifest.snapshot_date}")
    except MALFORMED as error:
        raise FixConfiguration(
            f"{store.uri(key)} is no manifest: {error!r}. Put it back from a backup, or move it "
            f"away and run {day} again for another batch."
        ) from error
    return manifest


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
