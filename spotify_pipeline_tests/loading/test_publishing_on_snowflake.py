"""Whatever order events come in, Snowflake ends as a DuckDB file that knew the last batches only.

The histories and the oracle of `test_publishing_in_any_order`: one history with every kind of
event, and a few generated ones, as every statement goes over HTTP here.
"""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from spotify_pipeline import contract
from spotify_pipeline.contract import Type
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Database, Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.orchestration.database import build_database
from spotify_pipeline_tests import docs
from spotify_pipeline_tests.emulators.cloud import Cloud
from spotify_pipeline_tests.loading.rows import NOON, ODD, Row, row
from spotify_pipeline_tests.loading.test_publishing_in_any_order import DAYS, Publishing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        for grant in docs.retention_grants():  # LANDING is emptied in the pipeline's name here
            cloud.execute(grant)
        yield cloud


@pytest.fixture
def database(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Database:
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    deployment = read_deployment(read_environment(cloud.environment, Path("/nowhere")))
    return build_database(deployment).database()


@pytest.fixture
def sessions(
    database: Database, tmp_path: Path, new_file: Path
) -> Iterator[tuple[Session, Session]]:
    """Snowflake, and a new DuckDB file to compare it with."""
    fresh = DuckDBDatabase(tmp_path / "fresh.duckdb")
    shutil.copy(new_file, fresh.path)
    with database.session() as session, fresh.session() as other:
        yield session, other


def content(on: date, *ids: str) -> tuple[date, dict[str, list[Row]]]:
    """A day with one row per id in each table."""
    rows: dict[str, list[Row]] = {}
    for table in contract.TABLES:
        needed = [column for column in table.columns if not column.nullable]
        texts = [column.name for column in needed if column.type is Type.STRING]
        numbers = [column.name for column in needed if column.type is Type.INTEGER]
        rows[table.name] = [
            row(table, on=on, **dict.fromkeys(texts, id_), **dict.fromkeys(numbers, 1))
            for id_ in ids
        ]
    return on, rows


def test_every_kind_of_event(sessions: tuple[Session, Session]) -> None:
    history = Publishing(*sessions)
    first = history.issue(content=content(DAYS[1], "a", "b"))
    history.arrive_in_part(of=first, tables={contract.SONG, contract.PLAYLIST})
    history.publish(of=first)  # has to wait
    history.history_is_the_published_batches()
    history.arrive(of=first, times=2)
    for done in (1, 5, 24):
        history.publish_and_crash(of=first, done=done)
        history.history_is_the_published_batches()
    history.publish(of=first)
    earlier = history.issue(content=content(DAYS[0], "b", "c"))
    history.arrive(of=earlier, times=1)
    history.publish(of=earlier)
    history.history_is_the_published_batches()
    corrected = history.issue(content=content(DAYS[1], "c"))
    history.arrive(of=corrected, times=1)
    history.publish_and_crash(of=corrected, done=10)
    history.history_is_the_published_batches()
    history.publish(of=corrected)
    history.publish(of=first)  # too late
    history.history_is_the_published_batches()
    history.teardown()


def test_missed_playlists_are_noted_once_with_any_reason(
    sessions: tuple[Session, Session],
) -> None:
    for session in sessions:
        for _ in range(2):
            publishing.note_missed(session, {DAYS[0]: [Failure("p1", ODD)]}, NOON)
        found = session.execute(
            "SELECT snapshot_date, playlist_id, reason, noted_at FROM OPS.MISSED"
        )
        assert found == [(DAYS[0], "p1", ODD, NOON.replace(tzinfo=None))]


# At the same time


@dataclass
class Together:
    """A session that has read and written nothing else until all of them have begun to write."""

    inner: Session
    gate: threading.Barrier
    begun: bool = False

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if not self.begun and not sql.startswith("SELECT"):
            self.begun = True
            self.gate.wait(60)
        return self.inner.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def at_once(database: Database, *works: Callable[[Session], object]) -> None:
    """Each in a thread and a session of its own; none ends before all have begun."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[Session], object]) -> None:
        with database.session() as session:
            work(Together(session, gate))

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, works))


def test_first_publications_come_one_after_the_other(
    database: Database, sessions: tuple[Session, Session]
) -> None:
    """Into an empty ledger: nothing is there yet that they could wait for but their turn."""
    history = Publishing(*sessions)
    days = [history.issue(content=content(on, "same")) for on in DAYS]
    for of in days:
        history.arrive(of=of, times=1)
    at_once(database, *(partial(publishing.publish, manifest=of, at=NOON) for of in days))
    history.published = {of.snapshot_date: of for of in days}
    history.history_is_the_published_batches()
    for table in contract.CURRENT:
        assert sessions[0].execute(f"SELECT COUNT(*) AS n FROM PUBLIC.TB_{table.name}") == [(1,)]


def test_a_missed_playlist_is_noted_by_one_of_those_that_find_out(
    database: Database, sessions: tuple[Session, Session]
) -> None:
    gaps = {DAYS[1]: [Failure("p1", "why")]}
    at_once(database, *[partial(publishing.note_missed, missed=gaps, at=NOON)] * 2)
    query = f"SELECT playlist_id FROM OPS.MISSED WHERE snapshot_date = '{DAYS[1]}'"
    assert sessions[0].execute(query) == [("p1",)]


def test_any_order_of_events_ends_in_the_same_state(sessions: tuple[Session, Session]) -> None:
    run_state_machine_as_test(
        lambda: Publishing(*sessions),
        settings=settings(
            max_examples=4,
            stateful_step_count=8,
            deadline=None,
            # A shorter history is sooner found on DuckDB.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
