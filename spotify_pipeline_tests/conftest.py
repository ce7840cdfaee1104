"""Every test runs as on a machine where nothing is set up."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_FOREIGN = ("SPOTIFY_", "SPOTIPY_", "SNOWFLAKE_", "S3_", "AWS_", "GLUE_", "DAGSTER_")
_SLOW = re.compile(r"^pytestmark = \[?pytest\.mark\.slow\b", re.MULTILINE)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """In the inner loop, modules that are slow as a whole are not even imported."""
    if config.option.markexpr == "not slow" and collection_path.suffix == ".py":
        return bool(_SLOW.search(collection_path.read_text())) or None
    return None


@pytest.fixture(autouse=True)
def _fresh_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A working directory with an empty .env, none of our variables, no proxy before loopback, and
    nobody whom boto3 remembers as signed in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch()  # without one here the commands go to the project's folder
    _forget_variables()
    if boto3 := sys.modules.get("boto3"):
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield
    _forget_variables()  # also those that the code under test has set


def _forget_variables() -> None:
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.upper() in _PROXIES:
            del os.environ[name]
