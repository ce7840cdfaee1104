"""Secrets are planted, and then looked for in all that a run leaves and shows: every file and every
row of every database, what it says, what a process list shows, what lay in its temporary folder.

Of the production deployment that is `test_production`'s, of the logs `ingest/test_client.py`'s.
"""

import base64
import gzip
import json
import os
import sqlite3
import stat
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest

from spotify_pipeline.clock import machine_clock
from spotify_pipeline.deployment import VARIABLES
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest.sign_in import SignIn, SignInFile
from spotify_pipeline.provision.key_pair import KeyPair
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.faults import Fault, with_faults
from spotify_pipeline.sandbox.server import SandboxServer

PLANTED = {
    "SPOTIFY_CLIENT_SECRET": "canary/of+the app",
    "SPOTIFY_REFRESH_TOKEN": "canary/of+the user",
    "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": "canary/of+the key",
    "AWS_SECRET_ACCESS_KEY": "canary/of+aws",
    "AWS_SESSION_TOKEN": "canary/of+the session",
}
APP = "app-of-the-canary"
CATALOGUE = Catalogue()


def spellings() -> list[bytes]:
    """The secrets as they are, and as addresses, headers and databases would have them."""
    found = set()
    for secret in [*PLANTED.values(), f"{APP}:{PLANTED['SPOTIFY_CLIENT_SECRET']}"]:
        found |= {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
        found |= {base64.b64encode(secret.encode()).decode()}
    return [each.encode() for each in found]


def test_all_secrets_are_planted() -> None:
    assert {variable.name for variable in VARIABLES if variable.is_secret} <= PLANTED.keys()


@contextmanager
def deployment(folder: Path, *faults: Fault) -> Iterator[dict[str, str]]:
    """The environment of a local deployment in `folder`, whose Spotify misbehaves so."""
    app = with_faults(create_app(CATALOGUE, machine_clock), faults)
    with SandboxServer(app) as server:
        values = PLANTED | {
            "SPOTIFY_PIPELINE_DEPLOYMENT": "local",
            "SPOTIFY_PIPELINE_HOME": str(folder / "home"),
            "SPOTIFY_API_URL": server.api_url,
            "SPOTIFY_ACCOUNTS_URL": server.accounts_url,
            "SPOTIFY_CLIENT_ID": APP,
            "SPOTIFY_PLAYLISTS": ",".join(p.playlist_id for p in CATALOGUE.playlists),
        }
        (folder / "run").mkdir(exist_ok=True)
        (folder / "tmp").mkdir(exist_ok=True)
        # It is where secrets belong, and not among what is searched.
        (folder / "run" / ".env").write_text(
            "".join(f"{name}='{value}'\n" for name, value in values.items())
        )
        yield {"PATH": os.environ["PATH"], "TMPDIR": str(folder / "tmp")}


def command_lines() -> str:
    """What `ps` shows to every user of the machine."""
    told = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                told.append((process / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:  # it has just ended
                continue
    return "\n".join(told)


def lived_through(environment: dict[str, str], folder: Path, *words: str) -> dict[str, bytes]:
    """What a command says, and what can be seen of it while it runs."""
    shown = set()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "spotify_pipeline.cli", *words],
            env=environment,
            cwd=folder / "run",
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        is_over = False
        while not is_over:
            shown.add(command_lines())
            shown |= {str(path) for path in (folder / "tmp").rglob("*")}
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
                is_over = True
    return {
        f"what {words[0]} says": (folder / "said").read_bytes(),
        f"the processes during {words[0]}": "\n".join(shown).encode(),
    }


def left_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file as it is and unpacked, and the rows of each database, as they may be compressed."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        body, place = path.read_bytes(), str(path.relative_to(folder))
        yield place, body
        with suppress(OSError, EOFError, zlib.error):
            yield f"{place}, unpacked", gzip.decompress(body)
        if body.startswith(b"SQLite format 3"):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                yield f"{place}, its rows", "\n".join(connection.iterdump()).encode()
        if path.suffix == ".duckdb":
            with duckdb.connect(path, read_only=True) as database:
                tables = database.execute("SELECT schema_name, table_name FROM duckdb_tables()")
                for schema, table in tables.fetchall():
                    rows = database.execute(f"FROM {schema}.{table}").fetchall()
                    yield f"{place}, {schema}.{table}", str(rows).encode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    [(), (Fault("not_found", playlist_id=CATALOGUE.playlists[0].playlist_id),), (Fault("html"),)],
    ids=["a good day", "a playlist that fails", "a day that fails"],
)
def test_no_secret_is_in_what_a_run_leaves_or_shows(
    tmp_path: Path, faults: tuple[Fault, ...]
) -> None:
    with deployment(tmp_path, *faults) as environment:
        found = lived_through(environment, tmp_path, "run")
        found |= lived_through(environment, tmp_path, "doctor")
    found |= dict(left_in(tmp_path / "home")) | dict(left_in(tmp_path / "tmp"))
    assert any(place.endswith("its rows") for place in found)
    assert b"spotify_pipeline.cli" in found["the processes during run"]
    assert APP.encode() in found["what doctor says"]  # so it was this environment
    assert [p for p, text in found.items() if any(each in text for each in spellings())] == []
    assert [p for p, text in found.items() if b"Bearer " in text or b"Basic " in text] == []


# Who may read what is stored


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_sign_in_is_its_owners_alone_whatever_became_of_it(tmp_path: Path) -> None:
    file = SignInFile(tmp_path / "home" / "sign_in.json")
    file.write(SignIn("first", None, "app"))
    assert (mode(file.path), mode(file.path.parent)) == (0o600, 0o755)
    assert file.keep("second", instead_of="first")
    file.path.chmod(0o666)
    file.write(SignIn("third", None, "app"))
    assert mode(file.path) == 0o600
    assert list(file.path.parent.iterdir()) == [file.path]


@pytest.mark.usefixtures("open_umask")
def test_a_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    key = KeyPair.of(tmp_path / "home" / "key.p8", "")
    key.store()
    assert (mode(key.path), mode(key.path.parent)) == (0o600, 0o755)
    assert list(key.path.parent.iterdir()) == [key.path]


def test_a_sign_in_that_anybody_may_replace_is_refused(tmp_path: Path) -> None:
    file = SignInFile(tmp_path / "my home" / "sign_in.json")
    file.write(SignIn("token", None, "app"))
    file.path.parent.chmod(0o777)
    with pytest.raises(FixConfiguration, match=f"chmod o-w '{file.path.parent}'"):
        file.read()
    file.path.parent.chmod(0o1777)  # as /tmp: each can only take away what is theirs
    assert file.read()
