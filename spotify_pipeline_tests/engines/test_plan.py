"""The plan is made once for a state of the code, and made anew when the code changes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotify_pipeline.engines import plan


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The module at a place of its own, with no plan kept beside it."""
    place = shutil.copy(str(plan.__file__), tmp_path)
    monkeypatch.setattr(plan, "__file__", place)
    plan.embedded_plan.cache_clear()
    yield Path(place)
    plan.embedded_plan.cache_clear()


def kept(module: Path) -> list[Path]:
    return sorted((module.parent / "__pycache__").glob("plan-*.json"))


@pytest.mark.slow
def test_a_plan_is_kept_and_read_again(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan.embedded_plan()
    plan.embedded_plan.cache_clear()
    monkeypatch.setattr(plan, "make_plan", lambda: pytest.fail("it was kept"))
    assert plan.embedded_plan() == made
    assert len(kept(copied)) == 1


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff"])
def test_a_damaged_plan_is_made_anew(
    copied: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    made = plan.Plan({}, {"song": "SELECT 1"})
    monkeypatch.setattr(plan, "make_plan", lambda: made)
    plan.embedded_plan()
    kept(copied)[0].write_bytes(damage)
    plan.embedded_plan.cache_clear()
    assert plan.embedded_plan() == made


def test_a_plan_can_be_read_by_whoever_runs_the_code(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "make_plan", lambda: plan.Plan({}, {}))
    plan.embedded_plan()
    assert kept(copied)[0].stat().st_mode & 0o777 == 0o644


@pytest.mark.slow
def test_a_change_of_the_code_makes_another_plan(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.embedded_plan()
    plan.embedded_plan.cache_clear()
    copied.write_text(copied.read_text() + "\n# changed\n")
    monkeypatch.setattr(plan, "make_plan", lambda: plan.Plan({}, {"other": "SELECT 1"}))
    assert plan.embedded_plan().results == {"other": "SELECT 1"}
    assert len(kept(copied)) == 2


@pytest.mark.slow
def test_where_it_can_not_be_kept_it_is_made_each_time(copied: Path) -> None:
    (copied.parent / "__pycache__").write_text("in the way")
    assert plan.embedded_plan().results
