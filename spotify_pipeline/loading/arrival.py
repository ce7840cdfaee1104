"""Waiting until a pipe that works by itself has loaded a batch, within limits."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.pipe import Pipes

_POLL_SECONDS = 5


@dataclass
class Patience:
    """For how long a run waits in all, for however many batches; `say` hears what it waits for."""

    limit: timedelta
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = self.monotonic() + self.limit.total_seconds()

    def wait(self, pipes: Pipes, session: Session, manifest: Manifest) -> None:
        """Until the batch is in LANDING.

        Raises `RetryLater` when time is up, and `FixConfiguration` as soon as waiting won't help: a
        file has failed, or a pipe that has files to load does not run.
        """
        day, told = manifest.snapshot_date, ""
        while True:
            found = publishing.landed(session, [manifest])[day]
            if publishing.is_landed(manifest, found):
                return
            hopeless = _hopeless(pipes, session, manifest, found)
            if hopeless:
                raise FixConfiguration("\n".join(hopeless))
            lacking = publishing.not_landed_text(manifest, found)
            if self.monotonic() >= self._deadline:
                minutes = self.limit.total_seconds() / 60
                raise RetryLater(f"Snowpipe was waited for, {minutes:.0f} minutes. {lacking}")
            if lacking != told:
                self.say(f"waiting for Snowpipe: {lacking}")
                told = lacking
            self.sleep(_POLL_SECONDS)


def _hopeless(
    pipes: Pipes, session: Session, manifest: Manifest, found: dict[str, int]
) -> list[str]:
    """Why the batch won't come by itself."""
    statuses = pipes.statuses(session)
    lacking = {name: file.key for name, file in manifest.files.items() if found[name] != file.rows}
    stopped = [statuses[name].explain() for name in lacking if not statuses[name].is_healthy]
    files = list(lacking.values())
    loads = pipes.loads(session, files, contract.TABLES).values()
    return stopped + [load.explain() for load in loads if load.status.is_bad]
