"""The package of the Lambda function: our modules that it needs, and the libraries they need.

Nothing in it is compiled, so it suits every processor. The same modules and pins give the same
bytes, which give it its name: a new package is a new key, by which CloudFormation notices it.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spotify_pipeline.deployment import Environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest.playlist_ids import parse_playlists, require_some

PYTHON = "3.13"
"""Of the function; `stack.yaml` says the same."""

_PROJECT = Path(__file__).parents[1]
_CONSTRAINTS = _PROJECT.parent / "constraints.txt"
_MODULES = (
    "__init__.py",
    "clock.py",
    "contract.py",
    "deployment.py",
    "errors.py",
    "engines/__init__.py",
    "engines/glue.py",
    "engines/glue_request.py",
    "ingest/*.py",
    "lake/*.py",
    "provision/__init__.py",
    "provision/lambda_handler.py",
    "provision/lambda_secret.py",
    "transform/*.py",
)
# Signing in by hand, what is looked at by people, and what only an engine needs.
_LEFT_OUT = (
    "ingest/login.py",
    "ingest/loopback.py",
    "lake/preview.py",
    "transform/fitting.py",
)
# Lambda's own boto3 may be older than the conditional writes that the lake rests on.
_LIBRARIES = ("boto3", "python-dotenv", "requests", "spotipy", "urllib3")
# botocore describes every service of AWS, in ten times the room of all the rest.
_SERVICES = ("glue", "s3", "secretsmanager")

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip knows
_READABLE = 0o644 << 16  # by Lambda's own user as well


@dataclass(frozen=True)
class Package:
    """The zip, and its key in a lake."""

    body: bytes
    key: str


def build() -> Package:
    """The package; fetches the libraries from the package index."""
    with tempfile.TemporaryDirectory() as folder:
        _install(Path(folder))
        files = sorted([*_modules(), *_libraries(Path(folder))])
        digest, body = hashlib.sha256(), io.BytesIO()
        with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in files:
                content = path.read_bytes()
                # Of what is in it and not of the zip: another zlib packs it otherwise.
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.external_attr = _READABLE
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return Package(body.getvalue(), f"lambda/spotify_pipeline-{digest.hexdigest()[:16]}.zip")


def parameters(environment: Environment, key: str) -> dict[str, str]:
    """The template's, for a function with the package at `key` of the bucket."""
    if not environment["SPOTIFY_SECRET_NAME"]:
        raise FixConfiguration(
            "The Lambda function reads Spotify's credentials from a secret: make one, as told in "
            "docs/without_dagster.md, and set SPOTIFY_SECRET_NAME."
        )
    return {
        "LambdaKey": key,
        "LambdaPlaylists": ",".join(
            require_some(parse_playlists(environment["SPOTIFY_PLAYLISTS"]))
        ),
        "LambdaSecret": environment["SPOTIFY_SECRET_NAME"],
        "LambdaHour": environment["SPOTIFY_PIPELINE_HOUR"],
    }


def _install(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--target", str(folder), "--no-compile", "--constraint", str(_CONSTRAINTS)]
    # What runs on any machine: Lambda's is none that this one could build for.
    command += ["--platform", "any", "--implementation", "py", "--abi", "none"]
    command += ["--python-version", PYTHON, "--only-binary", ":all:", *_LIBRARIES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise FixConfiguration(
            f"pip can't fetch the libraries of the Lambda function ({', '.join(_LIBRARIES)}):\n"
            f"{done.stderr.strip()}\nNothing was uploaded. Mend that and run it again."
        )


def _modules() -> Iterator[tuple[str, Path]]:
    """Ours, by their names in the zip."""
    for pattern in _MODULES:
        for path in _PROJECT.glob(pattern):
            name = path.relative_to(_PROJECT).as_posix()
            if name not in _LEFT_OUT:
                yield f"{_PROJECT.name}/{name}", path


def _libraries(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if path.is_file() and not _is_left_out(place.parts):
            yield place.as_posix(), path


def _is_left_out(parts: tuple[str, ...]) -> bool:
    """Commands, and the list of files that names them, hold paths of this machine."""
    if parts[:2] == ("botocore", "data") and len(parts) > 3:
        return parts[2] not in _SERVICES
    return parts[0] == "bin" or parts[-1] == "RECORD"
