"""Somebody who sets up the deployment aws, and may do everything in two empty accounts."""

import contextlib
import functools
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spotify_pipeline import cli

if TYPE_CHECKING:  # the inner loop does without them
    from spotify_pipeline_tests.emulators.cloud import Accounts


class Administrator:
    """Types commands in a folder of their own."""

    bucket = "spotify-pipeline-000000000000-eu-west-1"

    def __init__(self, folder: Path, accounts: "Accounts") -> None:
        self.folder, self._accounts = folder, accounts
        self.aws, self.asks = accounts.aws, accounts.execute
        self.environment, self.settle = accounts.environment, accounts.snowflake.settle

    def types(self, *words: str, expect: int = 0) -> str:
        """Runs `spotify-pipeline`; what it printed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = cli.main(words)
        assert code == expect, said.getvalue()
        return said.getvalue()

    def lake(self) -> list[str]:
        """What lies in the bucket."""
        found = self.aws.client("s3").list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return sorted(each["Key"] for each in found)

    def stack_events(self) -> int:
        """How much ever happened to the stack's resources."""
        told = self.aws.client("cloudformation").describe_stack_events(StackName="spotify-pipeline")
        return len(told["StackEvents"])


@pytest.fixture(scope="session")
def quick_commands() -> Iterator[None]:
    """Commands describe AWS's services to themselves once, from files of megabytes, and not each
    anew; and look at the stack often, as MiniStack is done sooner than AWS."""
    from botocore import loaders

    from spotify_pipeline.cli import provisioning
    from spotify_pipeline.provision.stack import Stack

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders, "create_loader", functools.cache(loaders.create_loader))
        patch.setattr(provisioning, "Stack", functools.partial(Stack, poll_seconds=0.05))
        yield


@pytest.fixture
def admin(
    quick_commands: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Administrator]:
    from spotify_pipeline_tests.emulators.cloud import Accounts

    with Accounts() as accounts:
        for name, value in accounts.environment.items():
            monkeypatch.setenv(name, value)
        yield Administrator(tmp_path, accounts)
