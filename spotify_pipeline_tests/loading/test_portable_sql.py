"""The SQL of publishing and its questions is read by both databases, word for word."""

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from spotify_pipeline import contract
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.loading import insights, publishing, quality
from spotify_pipeline.loading.database import Session
from spotify_pipeline_tests.loading.rows import DAY, NOON, land, manifest, row
from spotify_pipeline_tests.loading.sessions import BEGIN, COMMIT, Recording

ROWS = {"artist": [row(contract.ARTIST, artist_id="r1", artist_name="it's me")]}


@pytest.fixture
def statements(session: Session) -> list[str]:
    """Everything that publishing, its checks and its insights say to a database."""
    watched = Recording(session)
    for batch in (1, 2):
        of = manifest(DAY, batch, ROWS)
        land(session, of, ROWS)
        publishing.publish(watched, of, NOON)
    publishing.publish(watched, manifest(DAY, 1, ROWS), NOON)
    publishing.landed(watched, [manifest(DAY, batch, ROWS) for batch in (1, 2)])
    publishing.landed(watched, [])
    publishing.ledger(watched)
    publishing.note_missed(watched, {DAY: [Failure("p1", "it's private")]}, NOON)
    for table in contract.TABLES:
        quality.keys(watched, table, DAY)
        quality.references(watched, table, DAY)
        quality.rows_agree(watched, [manifest(DAY, 2, ROWS)], table)
    quality.complete(watched, DAY)
    quality.volume(watched, DAY)
    quality.fresh(watched, ["p1"], DAY)
    insights.playlist_changes(watched, DAY)
    insights.playlists_of(watched, DAY)
    insights.row_counts(watched)
    said = [*watched.statements, *map(publishing.definition, contract.CURRENT)]
    return sorted({statement for statement in said if statement not in (BEGIN, COMMIT)})


@pytest.mark.parametrize("dialect", ["duckdb", "snowflake"])
def test_every_statement_is_understood(statements: list[str], dialect: str) -> None:
    assert len(statements) > 60
    for statement in statements:
        [parsed] = sqlglot.parse(statement, dialect=dialect, error_level=ErrorLevel.RAISE)
        assert isinstance(parsed, exp.Query | exp.Merge | exp.Insert | exp.Delete), statement


def test_no_statement_takes_parameters(statements: list[str]) -> None:
    """How they are marked differs: `?` in one, `%s` in the other."""
    assert not [s for s in statements if sqlglot.parse_one(s).find(exp.Placeholder, exp.Parameter)]
