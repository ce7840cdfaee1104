"""What the docs show works: commands and queries as they stand there, and links."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from docs import checks, configuration, data_dictionary
from spotify_pipeline import cli
from spotify_pipeline_tests import docs

WITH_EXAMPLES = {"<day>": "2026-11-22", "NAME": "name", "ARN": "arn:aws:iam::1:role/r"}

OTHERS: dict[str, str] = {
    # beginning of a command: why it is not run here
    "sudo": "needs a machine of its own",
    "cd /opt/spotify-pipeline": "the folder on that machine",
    "curl --fail http://127.0.0.1:3000/server_info": "needs services that run",
    "systemctl status": "needs services that run",
    "openssl": "makes a key pair by hand; provision makes its own, under test",
    "parameters=(": "of Snowflake CLI",
    "-D ": "of Snowflake CLI",
    ")": "of Snowflake CLI",
    "for file in snowflake_ddl/": "needs Snowflake CLI and an account; the files are under test",
    "cp .env.example .env": "a copy",
}
"""What stands in shell blocks besides our own commands."""

pages = pytest.mark.parametrize("page", docs.PAGES)


def filled(command: str) -> str:
    for placeholder, example in WITH_EXAMPLES.items():
        command = command.replace(placeholder, example)
    return command.removeprefix("SNOWFLAKE_HOME=. ")


def targets() -> set[str]:
    """The targets of the Makefile that people are told of."""
    return set(re.findall(r"^([a-z0-9-]+):.*##", docs.text_of("Makefile"), re.MULTILINE))


def require_command(command: str) -> None:
    """Fails unless it is a command that there is, with options that it has."""
    words = shlex.split(filled(command))
    program = words[0].rsplit("/", 1)[-1] if words else ""
    if program == "make":
        assert next(word for word in words[1:] if "=" not in word) in targets(), command
    elif program == "spotify-pipeline":
        cli.parser().parse_args(words[1:])
    elif program == "pip":
        assert words[1:5] == ["install", "-c", "constraints.txt", "-e"], command
        extras = set(re.findall(r"\w+", words[5]))
        assert extras <= set(project()["optional-dependencies"]), command
    elif program == "python":
        assert words[1] == "-m" or words[1] == "-c", command
    else:
        assert any(command.startswith(start) for start in OTHERS), f"what is {command!r}?"


def project() -> Any:
    return tomllib.loads(docs.text_of("pyproject.toml"))["project"]


@pages
def test_every_command_is_there_with_the_options_that_are_shown(
    page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in docs.commands(page):
        try:
            require_command(command)
        except SystemExit:
            pytest.fail(f"{command}\n{capsys.readouterr().err}")


def test_a_command_that_is_not_there_is_found_out() -> None:
    with pytest.raises(SystemExit):
        require_command("spotify-pipeline run --faster")
    with pytest.raises(AssertionError):
        require_command("make coffee")
    with pytest.raises(AssertionError):
        require_command("rm -rf lake")


def test_every_target_of_the_makefile_is_shown_somewhere() -> None:
    shown = {word for page in docs.PAGES for word in " ".join(docs.commands(page)).split()}
    assert targets() - shown == set()


@pages
def test_links_lead_somewhere(page: str) -> None:
    for link in docs.links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        there = (docs.PROJECT / page).parent / path if path else docs.PROJECT / page
        assert there.exists(), link
        if anchor:
            assert anchor in docs.anchors(there), link


@pytest.mark.parametrize(
    "page",
    [checks, configuration, data_dictionary],
    ids=["operating.md", "configuration.md", "data_dictionary.md"],
)
def test_what_is_written_by_make_docs_is_what_the_code_says(page: Any) -> None:
    assert page.FILE.read_text("utf-8") == page.text(), "make docs"


# A home in which today has run


@pytest.fixture(scope="module")
def captured_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captured")
    (folder / ".env").touch()
    command = [sys.executable, "-m", "spotify_pipeline.cli", "run"]
    environment = {"SPOTIFY_PIPELINE_HOME": ".demo"}
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return folder / ".demo"


@pytest.fixture
def demo(captured_home: Path, tmp_path: Path) -> Path:
    """Where a fresh clone's demo would lie, in the working directory of the test."""
    shutil.copytree(captured_home, tmp_path / ".demo")
    return tmp_path / ".demo"


@pytest.mark.slow
def test_every_query_runs_on_the_demo_s_database(demo: Path) -> None:
    pages = [page for page in docs.PAGES if not page.startswith("snowflake_ddl/")]
    asked = [sql for page in pages for sql in docs.blocks(page, "sql")]
    assert len(asked) >= 5
    with duckdb.connect(demo / "spotify.duckdb", read_only=True) as connection:
        for sql in asked:
            connection.execute(sql).fetchall()
        for name, (_, columns) in data_dictionary.VIEWS.items():
            said = connection.execute(f"SELECT * FROM PUBLIC.{name} LIMIT 0").description or []
            assert [column for column, _ in columns] == [column[0] for column in said]


@pytest.mark.slow
def test_the_readme_s_python_query_prints_today_s_playlists(demo: Path) -> None:
    [command] = [line for line in docs.commands("README.md") if " -c " in line]
    words = shlex.split(command)
    assert words[0] == ".venv/bin/python"
    said = subprocess.run(
        [sys.executable, *words[1:]], cwd=demo.parent, check=True, capture_output=True, text=True
    )
    assert "Kitchen Radio" in said.stdout or "playlist_name" in said.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("spotify-pipeline run", "PUBLIC.TB_SONG"),
        ("spotify-pipeline run --reload", "batch 2"),
        ("spotify-pipeline run --accept-partial", "PUBLIC.TB_SONG"),
        ("spotify-pipeline run --ignore-wait", "PUBLIC.TB_SONG"),
        ("spotify-pipeline doctor", "All is well"),
        ("spotify-pipeline doctor --repair", "All is well"),
        ("spotify-pipeline glue-package build/glue", "glue_job.py"),
    ],
)
def test_commands_that_need_no_account_run(
    demo: Path,
    command: str,
    says: str,
    run: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("S3_BUCKET", "lake")  # glue-package says where its files belong
    assert any(command in shown for page in docs.PAGES for shown in docs.commands(page))
    assert says in run(command)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    def run(command: str) -> str:
        code = cli.main(shlex.split(command)[1:])
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out + said.err

    return run
