"""Questions asked of the published tables, and their answers as data frames."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd

from spotify_pipeline.errors import SkipThis
from spotify_pipeline.insights.question import Column, Question, Type
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session

_DTYPES: dict[Type, Any] = {
    "string": object,
    "date": object,
    "integer": "Int64",
    "number": float,
    "boolean": object,
}


def published_batch(session: Session, day: date) -> int:
    """The batch that is in HISTORY; raises `SkipThis` if there is none, as nothing can be asked."""
    batch = publishing.ledger(session).get(day)
    if batch is None:
        raise SkipThis(f"{day} is not published: materialize published/* of {day} first.")
    return batch


def ask(session: Session, question: Question, day: date) -> pd.DataFrame:
    """The answer about `day`: a row each as `grain` says, in the order that the file gives them.

    Missing numbers and texts are missing (`pandas.isna`), and no zeros or empty ones.
    """
    return frame(session.execute(question.sql_of(day)), question.columns)


def frame(rows: Sequence[Sequence[object]], columns: Sequence[Column]) -> pd.DataFrame:
    """Rows of an answer with their columns' names and types; also where there are none."""
    found = pd.DataFrame(list(rows), columns=[column.name for column in columns])
    return found.astype({column.name: _DTYPES[column.type] for column in columns})


def rows_of(answer: pd.DataFrame) -> list[Any]:
    """The rows of an answer, in their order, with the columns as attributes."""
    return list(answer.itertuples())


def by(answer: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """The answer cut up by the values of a column, in the order in which they come."""
    return {str(value): rows for value, rows in answer.groupby(column, sort=False)}
