"""What a question to the published tables is.

It is about one day, over what was published up to that day. Its SQL is a file in `sql/`. Which
questions there are stands in `questions`; how one is asked, in `answers`.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.resources import files
from typing import Literal

from spotify_pipeline import contract
from spotify_pipeline.loading.database import literal

Type = Literal["string", "integer", "number", "boolean", "date"]

_LATEST = "SELECT max(snapshot_date) AS day FROM OPS.LEDGER"
"""How a file names its day while nobody asks for another."""


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
