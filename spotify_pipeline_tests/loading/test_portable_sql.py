"""The SQL of publishing and its questions is read by both databases, word for word."""

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from spotify_pipeline import contract
from spotify_pipeline.insights import facts, overview
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading import publishing, quality
from spotify_pipeline.loading.database import Session
from spotify_pipeline_tests.loading.rows import DAY, NOON, land, manifest, row
from spotify_pipeline_tests.loading.sessions import BEGIN, COMMIT, Recording

ROWS = {"artist": [row(contract.ARTIST, artist_id="r1", artist_name="it's me")]}


@pytest.fixture
def statements(session: Session, store: FolderStore) -> list[str]:
    """Everything that publishing, its checks and its insights say to a database."""
    watched = Recording(session)
    for batch in (1, 2):
        of = manifest(DAY, batch, ROWS)
        land(session, of, ROWS)
        publishing.publish(watched, of, NOON)
    publishing.publish(watched, manifest(DAY, 1, ROWS), NOON)
    publishing.landed(watched, [manifest(DAY, batch, ROWS) for batch in (1, 2)])
    publishing.arrivals(watched, [manifest(DAY, batch, ROWS) for batch in (1, 2)])
    publishing.ledger(watched)
    publishing.note_missed(watched, {DAY: [Failure("p1", "it's \\")]}, NOON)
    for table in contract.TABLES:
        quality.keys(watched, table, DAY)
        quality.references(watched, table, DAY)
        quality.rows_agree(watched, [manifest(DAY, 2, ROWS)], table)
    for table in contract.CURRENT:
        quality.current_keys(watched, table)
    quality.complete(watched, DAY)
    quality.volume(watched, DAY)
    quality.fresh(watched, ["p1"], DAY)
    overview.row_counts(watched)
    store.put_new(keys.manifest(DAY, 2), manifest(DAY, 2, ROWS).to_json())
    facts.gather(watched, store, DAY)
    said = [*watched.statements, *map(publishing.definition, contract.CURRENT)]
    return sorted({statement for statement in said if statement not in (BEGIN, COMMIT)})


@pytest.mark.parametrize("dialect", ["duckdb", "snowflake"])
def test_every_statement_is_understood(statements: list[str], dialect: str) -> None:
    assert len(statements) > 60
    for statement in statements:
        [parsed] = sqlglot.parse(statement, dialect=dialect, error_level=ErrorLevel.RAISE)
        assert isinstance(parsed, exp.Query | exp.Merge | exp.Insert | exp.Update | exp.Delete), (
            statement
        )


def test_only_what_others_said_is_bound(statements: list[str]) -> None:
    """Marked by `?`: DuckDB's way, and the one the connection to Snowflake is opened for."""
    bound = [s for s in statements if sqlglot.parse_one(s).find(exp.Placeholder, exp.Parameter)]
    [noted] = bound
    assert noted.startswith("INSERT INTO OPS.MISSED ")
    assert noted.count("?") == 4
