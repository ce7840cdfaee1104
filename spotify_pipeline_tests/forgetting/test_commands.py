"""`spotify-pipeline purge`, and the question for how long to keep things."""

import sys
from pathlib import Path

import dagster as dg
import pytest

from spotify_pipeline import cli
from spotify_pipeline.cli import retention
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.orchestration.local_run import dagster_instance
from spotify_pipeline_tests.forgetting.kept import DAYS, House, copied, places_of

pytestmark = pytest.mark.slow

PLAYLIST = "P" * 22


@pytest.fixture
def house(filled: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("SPOTIFY_PIPELINE_DEPLOYMENT", "local")
    monkeypatch.setenv("SPOTIFY_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPOTIFY_PLAYLISTS", PLAYLIST)
    return copied(filled, tmp_path / "home")


def test_it_shows_what_would_go_and_does_nothing_while_nobody_agrees(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["purge", "--before", str(DAYS[1])]) == 1
    told = capsys.readouterr().out
    for line in (
        f"1  days as a whole: {DAYS[0]}",
        "2  raw documents",
        "2  manifests",
        "12  files of tables",
        "4  rows of HISTORY.PLAYLIST_ENTRY",
        "Dagster's history in",
        "Nobody is there to be asked: --yes does it.",
        "Nothing was done.",
    ):
        assert line in told
    assert places_of(house, "SOold")


def test_with_yes_it_does_it(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["purge", "--before", str(DAYS[1]), "--yes"]) == 0
    assert "Forgotten: every day before 2026-11-21, but for" in capsys.readouterr().out
    assert places_of(house, "SOold") == []
    assert cli.main(["purge", "--before", str(DAYS[1])]) == 0
    assert "There is nothing of every day before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--before", "2999-01-01"), "today"),
        (("--before", "yesterday"), "is no day"),
        (("--playlist", PLAYLIST), "is in SPOTIFY_PLAYLISTS"),
        (("--playlist", ""), "expected one id"),
        (("--user", " "), "expected the id"),
    ],
)
def test_what_would_come_again_or_makes_no_sense_is_refused(
    house: House, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert cli.main(["purge", *words, "--yes"]) == 1
    assert said in capsys.readouterr().err


def test_while_a_run_is_going_on_nothing_is_done(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    with dagster_instance(read_deployment()) as instance:
        instance.add_run(
            dg.DagsterRun(job_name="daily_snapshot", status=dg.DagsterRunStatus.STARTED)
        )
    assert cli.main(["purge", "--before", str(DAYS[1]), "--yes"]) == 1
    assert "A run is in progress" in capsys.readouterr().err
    assert places_of(house, "SOold")


# For how long


@pytest.mark.parametrize("text", ["29", "-1", "x", "1000000", "3.5"])
def test_a_retention_that_is_none_is_refused(text: str) -> None:
    env = read_environment({"SPOTIFY_PIPELINE_RETENTION_DAYS": text})
    with pytest.raises(FixConfiguration, match="30 at least"):
        read_deployment(env)


@pytest.mark.parametrize(("text", "days"), [("", 0), ("0", 0), ("30", 30), ("365", 365)])
def test_a_retention_is_a_number_of_days(text: str, days: int) -> None:
    env = read_environment({"SPOTIFY_PIPELINE_RETENTION_DAYS": text})
    assert read_deployment(env).retention_days == days


def test_who_is_there_is_asked_until_the_answer_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["soon", "7", "90"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    assert retention.ask_retention() == 90
    assert list(answers) == []


def test_nobody_is_asked_where_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert retention.ask_retention() is None
