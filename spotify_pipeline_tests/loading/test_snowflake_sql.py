"""Every statement that is said to Snowflake is Snowflake's SQL, as sqlfluff reads it.

What both databases read is in `test_portable_sql` too, as sqlglot reads it, which takes what it
doesn't know for something else.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from spotify_pipeline import contract
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.pipe import look, pipe_name
from spotify_pipeline.loading.snowpipe import Snowpipe
from spotify_pipeline_tests.loading.rows import DAY, NOON, manifest, row
from spotify_pipeline_tests.loading.test_portable_sql import statements
from spotify_pipeline_tests.test_snowflake_ddl import unparsable

__all__ = ["statements"]  # a fixture
pytestmark = pytest.mark.slow


def test_publishing_and_its_questions(statements: list[str]) -> None:
    assert {s: found for s in statements if (found := unparsable(f"{bound(s)};"))} == {}


def bound(statement: str) -> str:
    """With values where sqlfluff knows no `?`."""
    return statement.replace("?", "'text'")


@dataclass
class Account:
    """A session that answers what is asked of pipes, one of which is paused, and notes all."""

    inner: Session
    said: list[str] = field(default_factory=list)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.said.append(sql)
        if "INFORMATION_SCHEMA.PIPES" in sql:
            return [(pipe_name(table).upper(),) for table in contract.TABLES]
        if "SYSTEM$PIPE_STATUS" in sql:
            states = ["PAUSED", *["RUNNING"] * (len(contract.TABLES) - 1)]
            return [tuple(json.dumps({"executionState": state}) for state in states)]
        if sql.startswith(("ALTER PIPE", "SELECT SYSTEM$")) or "COPY_HISTORY" in sql:
            return []
        return self.inner.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_what_pipes_are_asked_and_told(session: Session) -> None:
    rows = {"song": [row(contract.SONG, song_id="s1")]}
    young, old = manifest(DAY, 1, rows), manifest(DAY - timedelta(days=1), 1, rows)
    old = replace(old, created_at=NOON - timedelta(days=6, hours=23, minutes=30))
    account = Account(session)
    look(Snowpipe(), account, [young], NOON)  # type: ignore[arg-type]
    for waiting in ([young], [old]):
        list(Snowpipe().repair(account, waiting, NOON))  # type: ignore[arg-type]
    words = {" ".join(said.split()[:2]) for said in account.said}
    assert words >= {"ALTER PIPE", "SELECT SYSTEM$PIPE_FORCE_RESUME('PIPES.playlist_pipe',"}
    assert {s: found for s in account.said if (found := unparsable(f"{s};"))} == {}


def test_a_wrong_word_would_be_found() -> None:
    for wrong in (
        "ALTER PIPE PIPES.song_pipe REFRES;",
        "ALTER PIPE PIPES.song_pipe REFRESH MODIFIED_SINCE = '2026-11-22';",
        "UPDATE OPS.TURN SETS taken_at = 1;",
    ):
        assert unparsable(wrong)
