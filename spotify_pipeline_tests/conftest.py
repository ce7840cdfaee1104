"""Every test runs as on a machine where nothing is set up."""

import os
from pathlib import Path

import pytest

_FOREIGN = ("SPOTIFY_", "SPOTIPY_", "SNOWFLAKE_", "S3_", "AWS_", "GLUE_", "DAGSTER_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _fresh_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A working directory with an empty .env, none of our variables, no proxy before loopback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch()  # without one here the commands go to the project's folder
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.upper() in _PROXIES:
            monkeypatch.delenv(name)
