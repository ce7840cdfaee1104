"""A house that is filled once, and a copy of it for each test."""

from pathlib import Path

import pytest

from spotify_pipeline_tests.forgetting.kept import House, copied, fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> House:
    return fill(tmp_path_factory.mktemp("filled") / "home")


@pytest.fixture
def house(filled: House, tmp_path: Path) -> House:
    return copied(filled, tmp_path / "home")
