"""The Glue job's package: all that the script needs, and nothing else."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spotify_pipeline.cli import main
from spotify_pipeline.deployment import read_environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.provision import glue_package

PLACE = "s3://bucket/team/glue"
FILES = glue_package.build("job", "5.1", PLACE)
# Runs the script as Glue does, as far as its help, and tells which modules it took from where.
PROBE = """
import json, runpy, sys
modules, script = sys.argv[1:]
sys.path.insert(0, modules)
sys.argv = [script, "--help"]
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit:
    pass
print(json.dumps({name: str(module.__file__) for name, module in sys.modules.items()
                  if hasattr(module, "__file__")}))
"""


@pytest.mark.slow
def test_the_script_finds_everything_in_the_package(tmp_path: Path) -> None:
    for name, body in FILES.items():
        (tmp_path / name).write_bytes(body)
    modules, script = tmp_path / glue_package.MODULES, tmp_path / glue_package.SCRIPT
    probe = [sys.executable, "-c", PROBE, str(modules), str(script)]
    told = subprocess.run(probe, capture_output=True, text=True, check=True).stdout
    assert "YYYY-MM-DD" in told
    taken = json.loads(told.splitlines()[-1])
    ours = {name for name in taken if name.startswith(("spotify_pipeline", "dagster_pipes"))}
    assert {"spotify_pipeline.engines.spark", "spotify_pipeline.lake.batch"} <= ours
    assert all(taken[name].startswith(str(modules)) for name in ours)
    assert not {"dagster", "duckdb", "sqlframe", "dotenv", "spotipy"} & taken.keys()


def test_the_package_holds_nothing_that_the_job_does_not_import() -> None:
    names = zipfile.ZipFile(io.BytesIO(FILES[glue_package.MODULES])).namelist()
    rooms = {name.split("/")[1] for name in names if name.startswith("spotify_pipeline/")}
    assert {room for room in rooms if "." not in room} == {"engines", "lake", "transform"}
    assert "spotify_pipeline/engines/embedded.py" not in names


def test_the_same_modules_give_the_same_bytes() -> None:
    assert glue_package.build("job", "5.1", PLACE) == FILES


def test_the_settings_name_files_and_version() -> None:
    settings = json.loads(glue_package.build("job", "6.0", PLACE)[glue_package.SETTINGS])
    assert settings["Command"]["ScriptLocation"] == f"{PLACE}/{glue_package.SCRIPT}"
    assert settings["DefaultArguments"]["--extra-py-files"] == f"{PLACE}/{glue_package.MODULES}"
    assert (settings["Name"], settings["GlueVersion"]) == ("job", "6.0")


def test_its_place_is_beside_the_lake() -> None:
    environment = read_environment({"S3_BUCKET": "bucket", "S3_PREFIX": "team"})
    assert glue_package.place(environment) == PLACE
    with pytest.raises(FixConfiguration, match="set S3_BUCKET"):
        glue_package.place(read_environment({}))


def test_the_command_writes_it_and_says_what_to_do_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("S3_BUCKET=bucket\nS3_PREFIX=team\nGLUE_VERSION=6.0\n")
    assert main(["glue-package", "package"]) == 0
    written = {path.name: path.read_bytes() for path in (tmp_path / "package").iterdir()}
    assert written == glue_package.build("spotify_pipeline", "6.0", PLACE)
    said = capsys.readouterr().out
    assert f"aws s3 cp --recursive package {PLACE}" in said
    assert "GLUE_JOB_NAME=spotify_pipeline" in said
