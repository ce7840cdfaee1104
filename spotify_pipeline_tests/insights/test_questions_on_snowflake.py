"""The same files on Snowflake give the same answers as on DuckDB."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.insights.answers import ask
from spotify_pipeline.insights.questions import QUESTIONS
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.orchestration.database import build_database
from spotify_pipeline_tests import docs
from spotify_pipeline_tests.emulators.cloud import Cloud
from spotify_pipeline_tests.insights.histories import write
from spotify_pipeline_tests.insights.test_questions import WEEK
from spotify_pipeline_tests.loading.rows import day

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        for grant in docs.retention_grants():  # LANDING is emptied in the pipeline's name here
            cloud.execute(grant)
        yield cloud


@pytest.fixture
def sessions(
    cloud: Cloud, tmp_path: Path, new_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Session, Session]]:
    """Snowflake and a DuckDB file, in which WEEK is published."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    deployment = read_deployment(read_environment(cloud.environment, Path("/nowhere")))
    local = DuckDBDatabase(tmp_path / "spotify.duckdb")
    shutil.copy(new_file, local.path)
    with build_database(deployment).database().session() as session, local.session() as other:
        for each in (session, other):
            write(each, WEEK)
        yield session, other


def test_the_answers_are_the_same_to_the_order_of_rows(sessions: tuple[Session, Session]) -> None:
    snowflake, duckdb = sessions
    for question in QUESTIONS:
        for on in (-6, -5, 0, 1):
            answers = [ask(session, question, day(on)) for session in sessions]
            pd.testing.assert_frame_equal(*answers, obj=f"{question.name} of {day(on)}")
        assert len(snowflake.execute(question.sql)) == len(duckdb.execute(question.sql))


def test_the_values_have_the_same_types(sessions: tuple[Session, Session]) -> None:
    for question in QUESTIONS:
        kinds = [
            {tuple(map(type, row)) for row in session.execute(question.sql_of(day(0)))}
            for session in sessions
        ]
        assert kinds[0] == kinds[1], question.name


def test_the_data_dictionary_s_queries_are_answered_alike(
    sessions: tuple[Session, Session],
) -> None:
    for sql in docs.blocks("docs/data_dictionary.md", "sql"):
        answers = [sorted(map(repr, session.execute(sql))) for session in sessions]
        assert answers[0] == answers[1], sql
