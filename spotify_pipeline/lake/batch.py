"""Batches: one complete set of files of all six tables for one day.

A batch is a draft until its manifest is written. Files without a manifest are the remains of a
run that was cut off; nothing reads them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater, SkipThis
from spotify_pipeline.lake import attempts, keys, manifests, raw
from spotify_pipeline.lake.manifests import BatchFile, Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.transform import tables

RELEASE = f"{contract.VERSION}.{tables.VERSION}"
"""What decides which rows come of which documents; it is part of a digest."""

SHOWN = 20
"""How many lines a refusal names; the manifest of a batch without them names all."""

LOOK_BACK = 7
"""How many of the last days are looked at for what a run that was cut off left behind."""


class UnreadableDocuments(FixConfiguration):
    """An engine can't read what is sound JSON: a fault of ours, of which the day's owner can only
    tell us."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}, although it is sound: a fault of this pipeline. Please report it."
        )


@dataclass(frozen=True)
class Draft:
    """A batch that is yet to be made: which one, and from what."""

    day: date
    number: int
    digest: str
    documents: tuple[raw.RawDocument, ...]

    def key(self, table: contract.Table) -> str:
        """Where the file of `table` belongs."""
        return keys.batch_file(table.name, self.day, self.number, self.digest)


@dataclass(frozen=True)
class Transformed:
    """What an engine made of a draft: its files by table, how many odd values became null by
    column, and the lines that were left out."""

    files: Mapping[str, BatchFile]
    odd_values: Mapping[str, int]
    quarantined: tuple[raw.Unreadable, ...] = ()


class Engine(Protocol):
    """Runs the transform."""

    @property
    def name(self) -> str: ...

    def transform(
        self, store: ObjectStore, drafts: Sequence[Draft], *, accept_partial: bool
    ) -> Iterator[tuple[Draft, Transformed | PipelineError]]:
        """Writes the files of each draft into the lake, or says why a draft has none.

        A draft with lines that can't be read is refused, unless `accept_partial` leaves them out.
        """


@dataclass(frozen=True)
class Outcome:
    """The day's current batch, and whether it was made just now."""

    manifest: Manifest
    is_new: bool


Result = Outcome | PipelineError
"""What became of a day; one that fails stops no other."""


@dataclass(frozen=True)
class Plan:
    """The days of a run: those of which all is known, and those that need an engine."""

    settled: Mapping[date, Result]
    drafts: Sequence[Draft]


def plan(store: ObjectStore, days: Sequence[date], *, reload: bool = False) -> Plan:
    """What is to be made of `days`: nothing where the current batch is the same.

    `reload` makes one even then (for a pipe that remembers the names of failed files).
    """
    settled: dict[date, Result] = {}
    drafts = []
    for day in days:
        try:
            found = _draft(store, day, reload=reload)
        except FixConfiguration as error:  # of this day; an outage is one of all, and ends the run
            found = error
        if isinstance(found, Draft):
            drafts.append(found)
        else:
            settled[day] = found
    return Plan(settled, drafts)


def _draft(store: ObjectStore, day: date, *, reload: bool) -> Draft | Result:
    documents = raw.documents(store, day)
    if not documents:
        return SkipThis(
            f"{day} has no raw documents in {store.uri(keys.raw_prefix(day))}: "
            f"materialize raw_playlist_json for {day} first."
        )
    digest = _digest(documents)
    known = manifests.current(store, day)
    if known and known.digest == digest and not reload:
        return Outcome(known, is_new=False)
    return Draft(day, _next_number(store, day), digest, tuple(documents))


def issue(
    store: ObjectStore,
    engine: Engine,
    days: Sequence[date],
    clock: Clock,
    *,
    reload: bool = False,
    accept_partial: bool = False,
) -> dict[date, Result]:
    """Makes each day's next batch from its raw documents, unless the current one is the same."""
    planned = plan(store, days, reload=reload)
    results = dict(planned.settled)
    for draft, made in engine.transform(store, planned.drafts, accept_partial=accept_partial):
        try:
            results[draft.day] = _sign(store, engine.name, draft, made, clock)
        except PipelineError as error:
            results[draft.day] = error
    return dict(sorted(results.items()))


def left_over(store: ObjectStore, before: date) -> list[date]:
    """The days before `before`, of the last that any run tried, whose raw documents are not all in
    their current batch: those of a run that was cut off, which nobody came back to in time."""
    tried = [day for day in attempts.days(store) if day < before]
    return [day for day in tried[-LOOK_BACK:] if not is_whole(store, day)]


def is_whole(store: ObjectStore, day: date) -> bool:
    """Whether the day's current batch holds all that is captured."""
    manifest = manifests.current(store, day)
    in_batch = {document.playlist_id for document in manifest.documents} if manifest else set()
    return raw.captured(store, day) <= in_batch


def store_file(store: ObjectStore, key: str, body: bytes, rows: int) -> BatchFile:
    """Puts a file of a batch into the lake; raises `RetryLater` if another one lies there."""
    if not store.put_new(key, body) and store.get(key) != body:
        raise RetryLater(
            f"Another run is just writing {store.uri(key)}. Nothing is lost: run it again."
        )
    return BatchFile(key, rows, hashlib.sha256(body).hexdigest())


def refusal(
    store: ObjectStore, draft: Draft, unreadable: Sequence[raw.Unreadable]
) -> FixConfiguration:
    """Why a draft with lines that can't be read gets no batch, and what to do."""
    found = "".join(
        f"\n  {store.uri(line.key)}, line {line.line}: {line.reason}" for line in unreadable[:SHOWN]
    )
    found += f"\n  and {len(unreadable) - SHOWN} more" if len(unreadable) > SHOWN else ""
    return FixConfiguration(
        f"{draft.day} is not published: {len(unreadable)} of the lines of its raw documents can't "
        f"be read:{found}\nPut the files back from a backup; or, while it is still "
        f"{draft.day}, delete them and run the day again to fetch it anew; or leave these lines "
        f"out: spotify-pipeline run --date {draft.day} --accept-partial"
    )


def _sign(
    store: ObjectStore,
    engine: str,
    draft: Draft,
    made: Transformed | PipelineError,
    clock: Clock,
) -> Outcome:
    """Writes the manifest, which makes the batch real."""
    if isinstance(made, PipelineError):
        raise made
    written = Manifest(
        snapshot_date=draft.day,
        batch=draft.number,
        digest=draft.digest,
        contract_version=contract.VERSION,
        transform_version=tables.VERSION,
        engine=engine,
        created_at=clock(),
        files=made.files,
        documents=draft.documents,
        failed=tuple(attempts.missing(store, draft.day)),
        quarantined=made.quarantined,
        odd_values=made.odd_values,
    )
    if store.put_new(keys.manifest(draft.day, draft.number), written.to_json()):
        return Outcome(written, is_new=True)
    other = manifests.read(store, draft.day, draft.number)
    if other.digest == draft.digest:
        return Outcome(other, is_new=False)
    raise RetryLater(
        f"Another run has just made batch {draft.number} of {draft.day}. Nothing is lost: run it "
        f"again."
    )


def _digest(documents: Sequence[raw.RawDocument]) -> str:
    parts = [str(contract.VERSION), str(tables.VERSION)]
    parts += [f"{document.playlist_id} {document.sha256}" for document in documents]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _next_number(store: ObjectStore, day: date) -> int:
    """One more than any number in use; remains of a run that was cut off count too."""
    used = manifests.numbers(store, day)
    for table in contract.TABLES:
        found = store.list_keys(f"{keys.table_prefix(table.name)}dt={day}/")
        used += [number for _, number in filter(None, map(keys.parse_batch_file, found))]
    return max(used, default=0) + 1
