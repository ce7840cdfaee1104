"""How a rebuilt day gets into LANDING, and what a pipe itself remembers of files."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from spotify_pipeline import contract
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.arrival import Patience
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.loading.snowpipe import Snowpipe


class Loader(Protocol):
    """The pipes, as forgetting needs them."""

    def land(self, session: Session, manifest: Manifest) -> None:
        """Has the batch loaded."""

    def forget(self, session: Session, days: Collection[date], kept: Collection[str]) -> None:
        """Strikes the files of these days, but those that are kept, out of the pipes' history."""


@dataclass(frozen=True)
class HereLoader:
    """Has the embedded pipe load."""

    pipe: EmbeddedPipe

    def land(self, session: Session, manifest: Manifest) -> None:  # noqa: ARG002
        for table in contract.TABLES:
            self.pipe.load(session, table)

    def forget(self, session: Session, days: Collection[date], kept: Collection[str]) -> None:
        files = [key for key in self.pipe.known(session) if keys.parse_day(key) in days]
        self.pipe.forget(session, [key for key in files if key not in kept])


@dataclass(frozen=True)
class SnowpipeLoader:
    """Waits for Snowpipe, whose history of files ends by itself."""

    patience: Patience

    def land(self, session: Session, manifest: Manifest) -> None:
        # What is published needs LANDING no more.
        if publishing.ledger(session).get(manifest.snapshot_date, 0) < manifest.batch:
            self.patience.wait(Snowpipe(), session, manifest)

    def forget(self, session: Session, days: Collection[date], kept: Collection[str]) -> None:
        """Names of files, without what was in them: 14 days in COPY_HISTORY, 64 in the table."""
