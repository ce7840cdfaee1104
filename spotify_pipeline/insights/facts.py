"""What is known of a day, gathered for its report: from the database and from the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from spotify_pipeline.errors import SkipThis
from spotify_pipeline.insights.answers import ask, published_batch
from spotify_pipeline.insights.question import Question
from spotify_pipeline.insights.questions import QUESTIONS
from spotify_pipeline.lake import attempts, manifests, stamp
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading.database import Session, literal


@dataclass(frozen=True)
class Missed:
    """A playlist's day that nobody can capture any more."""

    day: date
    playlist_id: str
    reason: str


@dataclass(frozen=True)
class Facts:
    """What is known of a day: the answers by question, and what its batch and attempts say."""

    day: date
    source: str | None
    manifest: Manifest
    answers: Mapping[str, pd.DataFrame]
    missing: Sequence[Failure] = ()
    missed: Sequence[Missed] = ()

    def answer(self, question: Question) -> pd.DataFrame:
        return self.answers[question.name]


def gather(session: Session, store: ObjectStore, day: date) -> Facts:
    """The facts of a published day; raises `SkipThis` if it isn't published."""
    return Facts(
        day=day,
        source=stamp.read(store),
        manifest=_manifest(session, store, day),
        answers={question.name: ask(session, question, day) for question in QUESTIONS},
        missing=attempts.missing(store, day),
        missed=[
            Missed(*row)
            for row in session.execute(
                f"SELECT snapshot_date, playlist_id, reason FROM OPS.MISSED "
                f"WHERE snapshot_date < {literal(day)} ORDER BY snapshot_date DESC, playlist_id"
            )
        ],
    )


def _manifest(session: Session, store: ObjectStore, day: date) -> Manifest:
    """That of the published batch."""
    batch = published_batch(session, day)
    try:
        return manifests.read(store, day, batch)
    except KeyError as error:
        raise SkipThis(
            f"{day} has no report: the manifest of its batch, {error.args[0]}, is not in the lake "
            f"any more. A lake that keeps files for a limited time deletes it with the rest."
        ) from None
