"""What a question to the published tables is, and how it is asked.

It is about one day, over what was published up to that day, and is answered as a data frame. Its
SQL is a file in `sql/`. Which questions there are stands in `questions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.resources import files
from typing import Any, Literal

import pandas as pd

from spotify_pipeline import contract
from spotify_pipeline.errors import SkipThis
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session, literal

Type = Literal["string", "integer", "number", "boolean", "date"]

_LATEST = "SELECT max(snapshot_date) AS day FROM OPS.LEDGER"
"""How a file names its day while nobody asks for another."""

_DTYPES: dict[Type, Any] = {
    "string": object,
    "date": object,
    "integer": "Int64",
    "number": float,
    "boolean": object,
}


@dataclass(frozen=True)
class Column:
    """One column of an answer; a `number` may have a fraction."""

    name: str
    type: Type
    description: str


@dataclass(frozen=True)
class Question:
    """One question. `tables` are those of the contract that it reads; `silence` is said where
    the answer has nothing in it that could be drawn."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    tables: tuple[contract.Table, ...]
    silence: str

    @cached_property
    def sql(self) -> str:
        """The file as it is: about the latest published day."""
        return files(__package__).joinpath("sql", f"{self.name}.sql").read_text("utf-8")

    def sql_of(self, day: date) -> str:
        """The same about `day`."""
        return self.sql.replace(_LATEST, f"SELECT CAST({literal(day)} AS DATE) AS day")


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
