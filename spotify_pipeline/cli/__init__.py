"""`spotify-pipeline`: the command line. It parses, calls and prints; the work is done elsewhere."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from spotify_pipeline.cli import cloud, runs, spotify
from spotify_pipeline.errors import PipelineError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0 only if all is well."""
    parsed = parser().parse_args(arguments)
    _enter_project()
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        return command(parsed)
    except PipelineError as error:
        print(f"spotify-pipeline: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def script() -> None:
    """The command as installed. Taking a process of this size apart would take Python most of a
    second in which nothing is left to be done."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    made = argparse.ArgumentParser(
        prog="spotify-pipeline",
        description="Daily snapshots of Spotify playlists, from the API to tables.",
    )
    commands = made.add_subparsers(required=True, metavar="command")
    for group in (runs, spotify, cloud):
        group.add_commands(commands)
    return made


def _enter_project() -> None:
    """Makes commands work from anywhere, as cron calls them: where there is neither .env nor
    workspace.yaml, they run in the project's own folder."""
    project = Path(__file__).parents[2]
    is_place = any(Path(name).exists() for name in (".env", "workspace.yaml"))
    if not is_place and (project / "workspace.yaml").exists():
        os.chdir(project)
