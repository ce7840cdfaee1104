"""The commands as typed: what they print, their exit codes, and bad input of every kind."""

import gzip
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import requests

from spotify_pipeline import cli

TODAY = datetime.now(UTC).date()
DEMO = {"SPOTIFY_PIPELINE_HOME": "home"}


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a lake with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that people query."""
    with duckdb.connect(home / "spotify.duckdb", read_only=True) as connection:
        names = connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_schema IN ('history', 'public') ORDER BY 1"
        ).fetchall()
        return {
            name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for (name,) in names
        }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPOTIFY_PIPELINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def captured_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which today's graph has run once; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("captured")
    (folder / ".env").touch()
    subprocess.run(
        [sys.executable, "-m", "spotify_pipeline.cli", "run"],
        env=DEMO,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "home"


@pytest.fixture
def captured(captured_home: Path, home: Path) -> Path:
    shutil.copytree(captured_home, home)
    return home


@pytest.mark.slow
def test_a_second_demo_on_the_same_day_leaves_the_same_rows(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.runs, "DEMO_DAYS", 2)
    assert cli.main(["demo"]) == 0
    told = capsys.readouterr().out
    first_rows, first_lake = rows(home), snapshot(home / "lake")
    assert cli.main(["demo"]) == 0
    assert rows(home) == first_rows
    assert snapshot(home / "lake") == first_lake
    days = {row[0] for row in first_rows["history.playlist"]}
    assert len(days) == 2
    assert max(days) == TODAY
    assert "every name is invented" in told
    assert "PUBLIC.TB_SONG" in told
    assert "make dev" in told
    report = Path(told.splitlines()[-1].strip())
    assert report.parent == home / "lake" / "reports" / f"dt={TODAY}"
    assert report.read_bytes().startswith(b"<!doctype html>")


@pytest.mark.slow
def test_the_demo_leaves_everything_under_the_designed_keys(captured: Path) -> None:
    names = list(snapshot(captured / "lake"))
    day = f"dt={TODAY}"
    assert sum(name.startswith(f"raw_data/{day}/") for name in names) == 4
    assert f"manifests/{day}/1.json" in names
    manifest = json.loads((captured / "lake" / "manifests" / day / "1.json").read_bytes())
    assert {file["key"] for file in manifest["files"].values()} == {
        name for name in names if name.startswith("transformed_data/")
    }
    assert manifest["files"]["song"]["key"] == (
        f"transformed_data/song_data/{day}/1-{manifest['digest']}/song.csv.gz"
    )


@pytest.mark.slow
def test_the_report_names_no_person(captured: Path) -> None:
    [report] = (captured / "lake" / "reports" / f"dt={TODAY}").iterdir()
    page = report.read_text()
    with duckdb.connect(captured / "spotify.duckdb", read_only=True) as connection:
        people = connection.execute(
            "SELECT owner_id FROM HISTORY.PLAYLIST UNION SELECT owner_name FROM HISTORY.PLAYLIST "
            "UNION SELECT added_by FROM HISTORY.PLAYLIST_ENTRY"
        ).fetchall()
    known = [person for (person,) in people if person]
    assert known
    assert [person for person in known if person in page] == []


@pytest.mark.slow
def test_no_secret_is_anywhere_in_the_home(sandbox_env: Callable[..., Path], home: Path) -> None:
    """The local deployment against the sandbox; Dagster's event log is searched too."""
    secrets = ["s3cret-of-the-app", "s3cret-of-the-user"]
    sandbox_env(SPOTIFY_CLIENT_SECRET=secrets[0], SPOTIFY_REFRESH_TOKEN=secrets[1])
    assert cli.main(["run"]) == 0
    everything = snapshot(home)
    assert any(name.endswith(".db") for name in everything)
    assert rows(home)["history.playlist"]
    unpacked = {
        name: gzip.decompress(body) if name.endswith(".gz") else body
        for name, body in everything.items()
    }
    for secret in secrets:
        assert [name for name, body in unpacked.items() if secret.encode() in body] == []
    assert [name for name, body in unpacked.items() if b"Bearer" in body] == []


@pytest.mark.parametrize(
    ("variables", "arguments", "said"),
    [
        ({"SPOTIFY_PIPELINE_DEPLOYMENT": "prod"}, ["run"], "known are demo, local and aws"),
        ({"SPOTIFY_PIPELINE_ENGINE": "flink"}, ["run"], "known in demo are embedded, spark"),
        (
            {"SPOTIFY_PIPELINE_DEPLOYMENT": "local", "SPOTIFY_PLAYLISTS": "top-50"},
            ["doctor"],
            "no playlist in 'top-50'. Known forms",
        ),
        ({}, ["run", "--date", "22.11.2026"], "Expected YYYY-MM-DD"),
        ({}, ["run", "--date", "2019-01-01"], "SPOTIFY_PIPELINE_START_DATE"),
        ({}, ["run", "--date", "2999-01-01"], "Spotify can't be asked about the future"),
        ({"SPOTIFY_PIPELINE_HOUR": "24"}, ["run"], "expected a whole number from 0 to 23"),
        ({"SPOTIFY_PIPELINE_HOEM": "x"}, ["run"], "Unknown variable SPOTIFY_PIPELINE_HOEM"),
    ],
)
def test_bad_configuration_is_one_clear_message(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    arguments: list[str],
    said: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cli.main(arguments) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert not (home / "lake").exists()


def test_an_unwritable_home_says_which_and_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SPOTIFY_PIPELINE_HOME", str(tmp_path / "file" / "home"))
    assert cli.main(["run"]) == 1
    said = capsys.readouterr().err
    assert f"Can't write to the home {tmp_path / 'file' / 'home'}" in said
    assert "SPOTIFY_PIPELINE_HOME" in said


@pytest.mark.slow
def test_missing_credentials_say_what_to_set_or_how_to_see_the_demo(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPOTIFY_PIPELINE_DEPLOYMENT", "local")
    monkeypatch.setenv("SPOTIFY_PLAYLISTS", "37i9dQZEVXbMDoHDwVN2tF")
    assert cli.main(["run"]) == 1
    said = capsys.readouterr().err
    assert "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set" in said
    assert "spotify-pipeline demo" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda home: (home / "lake/source.json").write_text('{"source": "spotify"}'),
            "holds captures from spotify, this run would add some from sandbox",
        ),
        (
            lambda home: (home / "spotify.duckdb").write_text("no database at all"),
            "can't be opened as a DuckDB database",
        ),
        (
            lambda home: duckdb.connect(home / "spotify.duckdb").execute(
                "INSERT INTO OPS.SCHEMA_VERSION VALUES (999, 'later', now()::TIMESTAMP)"
            ),
            "has schema version 999, this release knows",
        ),
    ],
    ids=["other source", "no database", "newer database"],
)
def test_a_home_that_is_not_ours_is_refused_and_left_as_it_was(
    captured: Path, capsys: pytest.CaptureFixture[str], damage: object, said: str
) -> None:
    assert callable(damage)
    damage(captured)
    before = snapshot(captured / "lake")
    database = (captured / "spotify.duckdb").read_bytes()
    assert cli.main(["run"]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert snapshot(captured / "lake") == before
    assert (captured / "spotify.duckdb").read_bytes() == database


@pytest.mark.slow
def test_a_truncated_raw_document_stops_the_day_until_it_is_accepted(
    captured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = max((captured / "lake" / "raw_data" / f"dt={TODAY}").iterdir(), key=_size)
    document.write_bytes(document.read_bytes()[:-400])
    published, lake = rows(captured), snapshot(captured / "lake")
    assert cli.main(["run"]) == 1
    said = capsys.readouterr().err
    assert f"{document.name}, line" in said
    assert "cut off" in said
    assert f"spotify-pipeline run --date {TODAY} --accept-partial" in said
    assert "Traceback" not in said
    assert rows(captured) == published
    assert snapshot(captured / "lake") == lake

    assert cli.main(["run", "--accept-partial"]) == 0
    told = capsys.readouterr()
    assert "check readable" in told.out  # what was left out stays visible
    assert "red:" not in told.err
    assert "failed:" not in told.err
    assert (captured / "lake" / "manifests" / f"dt={TODAY}" / "2.json").exists()


def test_commands_work_from_anywhere_as_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As cron calls them: elsewhere there is no .env, and a run must not turn into a demo."""
    (tmp_path / ".env").unlink()
    monkeypatch.setenv("SPOTIFY_PIPELINE_DEPLOYMENT", "nowhere")
    cli.main(["run"])
    assert Path.cwd() == Path(cli.__file__).parents[2]


@pytest.fixture
def sandbox_env(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Writes the .env of a local deployment against a sandbox, which then runs."""
    from spotify_pipeline.clock import machine_clock
    from spotify_pipeline.sandbox.app import create_app
    from spotify_pipeline.sandbox.catalogue import Catalogue
    from spotify_pipeline.sandbox.faults import Fault, with_faults
    from spotify_pipeline.sandbox.server import SandboxServer

    catalogue = Catalogue()
    with ExitStack() as stack:

        def start(*faults: Fault, **variables: str) -> Path:
            app = create_app(catalogue, machine_clock, user="sandbox_owner")
            server = stack.enter_context(SandboxServer(with_faults(app, faults)))
            values = {
                "SPOTIFY_PIPELINE_DEPLOYMENT": "local",
                "SPOTIFY_API_URL": server.api_url,
                "SPOTIFY_ACCOUNTS_URL": server.accounts_url,
                "SPOTIFY_CLIENT_ID": "app",
                "SPOTIFY_CLIENT_SECRET": "s3cret-of-the-app",
                "SPOTIFY_PLAYLISTS": ",".join(p.playlist_id for p in catalogue.playlists[2:]),
            } | variables
            text = "".join(f"{name}={value}\n" for name, value in values.items())
            (tmp_path / ".env").write_text(text)
            return tmp_path / "home"

        yield start


@pytest.mark.slow
def test_from_signing_in_to_a_captured_day(
    sandbox_env: Callable[..., Path],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sandbox_env()
    assert cli.main(["run"]) == 1
    told = capsys.readouterr().err
    assert "Sign in: spotify-pipeline login" in told
    assert "playlist 2 of 2, failed likewise: " in told

    def follow(link: str) -> bool:
        return requests.get(link, timeout=30).ok

    monkeypatch.setattr("webbrowser.open", follow)
    assert cli.main(["login", "--port", "0"]) == 0
    told = capsys.readouterr().out
    assert "it holds until" in told
    stored = home / "sign_in.json"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert json.loads(stored.read_text())["refresh_token"] not in told

    assert cli.main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "All is well." in told
    assert "'Songs for a Slow Sunday', 15 entries" in told
    assert "s3cret" not in told

    assert cli.main(["run"]) == 0
    assert len(rows(home)["history.playlist"]) == 2


@pytest.mark.slow
def test_a_mistyped_playlist_stops_no_other_and_is_told_by_name(
    sandbox_env: Callable[..., Path], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spotify_pipeline.sandbox.catalogue import Catalogue

    good = Catalogue().playlists[2].playlist_id
    mistyped = f"{good[:21]}, ../x/'; DROP TABLE y; --"
    sandbox_env(SPOTIFY_REFRESH_TOKEN="t", SPOTIFY_PLAYLISTS=f'"{mistyped}, {good}"')
    assert cli.main(["run"]) == 1
    told = capsys.readouterr()
    assert f"{good[:21]}: SPOTIFY_PLAYLISTS: no playlist in '{good[:21]}'. Known forms" in told.err
    assert "../x/'; DROP TABLE y; --: SPOTIFY_PLAYLISTS: no playlist in" in told.err
    assert "check captured" in told.err
    assert [row[1] for row in rows(home)["history.playlist"]] == [good]
    assert len(list((home / "lake/raw_data").rglob("*.ndjson.gz"))) == 1

    assert cli.main(["doctor"]) == 1
    told = capsys.readouterr()
    assert f"no playlist in '{good[:21]}', \"../x/'; DROP TABLE y; --\"" in told.err


def test_the_doctor_s_exit_code_says_that_not_all_is_well(
    sandbox_env: Callable[..., Path], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spotify_pipeline.sandbox.faults import Fault

    sandbox_env(Fault("premium"), SPOTIFY_REFRESH_TOKEN="hush-token")
    assert cli.main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "needs an active Premium subscription" in told
    assert "Not all is well" in told
    assert "hush" not in told


@pytest.mark.slow
def test_a_wait_that_spotify_asked_for_outlives_the_run(
    sandbox_env: Callable[..., Path], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spotify_pipeline.sandbox.faults import Fault

    sandbox_env(Fault("quota", times=1, seconds=3600), SPOTIFY_REFRESH_TOKEN="t")
    assert cli.main(["run"]) == 1
    assert "quota of calls is used up" in capsys.readouterr().err
    assert cli.main(["run"]) == 1
    assert "Spotify asked an earlier run to wait until" in capsys.readouterr().err
    assert cli.main(["run", "--ignore-wait"]) == 0


def test_the_demo_has_nobody_to_sign_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["login"]) == 1
    assert "SPOTIFY_PIPELINE_DEPLOYMENT=local" in capsys.readouterr().err


def test_a_sandbox_on_a_taken_port_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert cli.main(["sandbox", "--port", str(taken.getsockname()[1])]) == 1
    told = capsys.readouterr()
    assert "Stop what uses that port, or choose another" in told.err
    assert told.out == ""


def _size(path: Path) -> int:
    return path.stat().st_size
