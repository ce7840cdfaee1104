"""The package of the Glue job: what is uploaded, and the job's settings.

The script, a zip of the modules that it needs, and the settings as `aws glue create-job` reads
them. The same modules give the same bytes.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import dagster_pipes

from spotify_pipeline.deployment import Environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.provision.aws import explained

_PROJECT = Path(__file__).parents[1]
_SCRIPT = _PROJECT / "engines" / "glue_job.py"
_MODULES = (
    "__init__.py",
    "clock.py",
    "contract.py",
    "errors.py",
    "engines/__init__.py",
    "engines/files.py",
    "engines/glue_request.py",
    "engines/spark.py",
    "lake/*.py",
    "transform/*.py",
)
SCRIPT, MODULES = "glue_job.py", "spotify_pipeline.zip"
SETTINGS = "job.json"

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip knows


def modules() -> str:
    """What the job installs from the package index when it starts."""
    # Putting an object only where there is none came with this release.
    return f"boto3=={version_of('boto3')}"


def files() -> dict[str, bytes]:
    """The job's script and modules by name."""
    return {SCRIPT: _SCRIPT.read_bytes(), MODULES: _zip()}


def keys(prefix: str) -> dict[str, bytes]:
    """The same by key in the bucket, where the lake is below `prefix`."""
    return {f"{prefix}glue/{name}": body for name, body in files().items()}


def place(environment: Environment) -> str:
    """Where the package belongs: beside the lake, in its bucket."""
    if not environment["S3_BUCKET"]:
        raise FixConfiguration("The Glue job's files lie in the lake's bucket: set S3_BUCKET.")
    return S3Store(None, environment["S3_BUCKET"], environment["S3_PREFIX"]).uri("glue")


def build(name: str, version: str, place: str) -> dict[str, bytes]:
    """The files by name, for a job `name` on Glue's `version` whose files lie at `place` (s3://…)."""
    settings = job_settings(name, version, place)
    return {
        **files(),
        SETTINGS: json.dumps(settings, indent=2).encode(),
    }


def job_settings(name: str, version: str, place: str) -> dict[str, Any]:
    """What Glue is told of the job, but for its role.

    One run at a time: a second one for the same days would do the same again.
    """
    return {
        "Name": name,
        "Description": "Spotify pipeline: the batches of some days, from their raw documents",
        "Command": {
            "Name": "glueetl",
            "PythonVersion": "3",
            "ScriptLocation": f"{place}/{SCRIPT}",
        },
        "DefaultArguments": {
            "--extra-py-files": f"{place}/{MODULES}",
            "--additional-python-modules": modules(),
            "--custom-logGroup-prefix": f"/aws-glue/jobs/{name}",
        },
        "GlueVersion": version,
        "WorkerType": "G.1X",
        "NumberOfWorkers": 2,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "MaxRetries": 0,
        "Timeout": 60,
    }


def differences(glue: Any, settings: Mapping[str, Any]) -> list[str]:
    """What of the job is not as `settings` say, a few words each; `glue` is boto3's client."""
    name = settings["Name"]
    with explained(f"glue:GetJob of {name}"):
        try:
            found = glue.get_job(JobName=name)["Job"]
        except glue.exceptions.EntityNotFoundException:
            return ["it is not there"]
    return list(_differences("", found, settings))


def _differences(
    place: str, found: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[str]:
    for name, expected in settings.items():
        there = found.get(name)
        if isinstance(expected, dict) and isinstance(there, dict):
            yield from _differences(f"{place}{name} ", there, expected)
        elif there != expected:
            yield f"{place}{name} is {there}, expected {expected}"


def _zip() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, source in _sources():
            archive.writestr(
                zipfile.ZipInfo(name, _EPOCH), source.read_bytes(), zipfile.ZIP_DEFLATED
            )
    return body.getvalue()


def _sources() -> Iterator[tuple[str, Path]]:
    """The modules by their names in the zip."""
    for pattern in _MODULES:
        for path in sorted(_PROJECT.glob(pattern)):
            yield f"{_PROJECT.name}/{path.relative_to(_PROJECT).as_posix()}", path
    for path in sorted(Path(dagster_pipes.__file__).parent.glob("*.py")):
        yield f"dagster_pipes/{path.name}", path
