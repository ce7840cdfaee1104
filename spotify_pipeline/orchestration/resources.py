"""What steps work with, built from a deployment.

Secrets are no part of a resource: they are read from the environment when a client is made, so
neither the UI nor a stored run can show them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from spotify_pipeline.clock import Clock
from spotify_pipeline.deployment import (
    Deployment,
    parse_date,
    prepare_for_aws,
    prepare_for_spark,
    read_environment,
)
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest import sign_in
from spotify_pipeline.ingest.playlist_ids import require_some, wanted_playlists
from spotify_pipeline.ingest.reader import PlaylistReader
from spotify_pipeline.ingest.sign_in import Credentials, SignIn, SignInFile
from spotify_pipeline.lake import stamp
from spotify_pipeline.lake.store import FolderStore, ObjectStore, S3Store
from spotify_pipeline.orchestration.database import build_database
from spotify_pipeline.orchestration.engine import SPARK_CONFIG, Embedded, EngineResource, Spark

if TYPE_CHECKING:
    from dagster_aws.s3 import S3Resource


class SpotifyResource(dg.ConfigurableResource[Any]):
    """Where playlists are read from."""

    @contextmanager
    def reader(self, clock: Clock) -> Iterator[PlaylistReader]:
        """A client for the length of the block."""
        raise NotImplementedError

    def playlist_ids(self) -> list[str]:
        """The configured playlists, a mistyped one as it was written: the reader refuses it.

        Raises `FixConfiguration` where there are none.
        """
        raise NotImplementedError

    def sign_in(self) -> SignIn | None:
        """The user's sign-in in force, or None where the app reads for itself."""
        raise NotImplementedError


class SpotifyApi(SpotifyResource):
    """The Spotify Web API, or a place that speaks it.

    Credentials are those of the environment and of the file that `login` writes, when asked for.
    """

    api_url: str
    accounts_url: str
    sign_in_file: str

    @contextmanager
    def reader(self, clock: Clock) -> Iterator[PlaylistReader]:
        from spotify_pipeline.ingest.client import SpotifyClient

        env = read_environment()
        user = self.sign_in()
        credentials = Credentials(
            env["SPOTIFY_CLIENT_ID"],
            env["SPOTIFY_CLIENT_SECRET"],
            user.refresh_token if user else "",
        )
        yield SpotifyClient(credentials, self.api_url, self.accounts_url, self._keep, clock)

    def _keep(self, refresh_token: str, instead_of: str) -> None:
        log = dg.get_dagster_logger()
        try:
            if not SignInFile(Path(self.sign_in_file)).keep(refresh_token, instead_of):
                log.warning(
                    "Spotify sent a new refresh token in place of SPOTIFY_REFRESH_TOKEN, and "
                    "there is nowhere to keep it. If later runs are refused, take the variable "
                    "out and sign in: spotify-pipeline login"
                )
        except FixConfiguration as error:
            # The token at hand is good for today; the next run may have to tell.
            log.warning(str(error))

    def sign_in(self) -> SignIn | None:
        env = read_environment()
        text = env["SPOTIFY_CONSENT_DATE"]
        return sign_in.find(
            env["SPOTIFY_REFRESH_TOKEN"],
            parse_date(text, "SPOTIFY_CONSENT_DATE") if text else None,
            SignInFile(Path(self.sign_in_file)),
            env["SPOTIFY_CLIENT_ID"],
        )

    def playlist_ids(self) -> list[str]:
        # Read when asked for: a playlist that is added while the UI runs counts at once.
        return list(require_some(wanted_playlists(read_environment()["SPOTIFY_PLAYLISTS"])))


class SandboxSpotify(SpotifyResource):
    """A stand-in with a synthetic catalogue, served on loopback while it is needed."""

    seed: int = 1

    @contextmanager
    def reader(self, clock: Clock) -> Iterator[PlaylistReader]:
        from spotify_pipeline.ingest.client import SpotifyClient
        from spotify_pipeline.sandbox.app import create_app
        from spotify_pipeline.sandbox.catalogue import Catalogue
        from spotify_pipeline.sandbox.server import SandboxServer

        with SandboxServer(create_app(Catalogue(self.seed), clock)) as server:
            yield SpotifyClient(
                Credentials("sandbox", "sandbox"), server.api_url, server.accounts_url
            )

    def playlist_ids(self) -> list[str]:
        from spotify_pipeline.sandbox.catalogue import Catalogue

        return [plan.playlist_id for plan in Catalogue(self.seed).playlists]

    def sign_in(self) -> None:
        return None


class LakeResource(dg.ConfigurableResource[Any]):
    """The object store that holds raw documents, batches and manifests."""

    source: str

    def store(self) -> ObjectStore:
        """The store; raises `FixConfiguration` if it belongs to the other source."""
        store = self._store()
        stamp.check(store, self.source)  # type: ignore[arg-type]
        return store

    def claim(self) -> ObjectStore:
        """The store for writing captures: stamped with the source."""
        store = self._store()
        stamp.claim(store, self.source)  # type: ignore[arg-type]
        return store

    def _store(self) -> ObjectStore:
        raise NotImplementedError


class FolderLake(LakeResource):
    """A folder."""

    folder: str

    def _store(self) -> ObjectStore:
        return FolderStore(Path(self.folder))


class BucketLake(LakeResource):
    """An S3 bucket, or a part of it."""

    s3: dg.ResourceDependency[Any]
    bucket: str
    prefix: str
    _client: Any = PrivateAttr(default=None)

    def _store(self) -> ObjectStore:
        if not self.bucket:
            raise FixConfiguration("The aws deployment needs a bucket: set S3_BUCKET in .env.")
        if self._client is None:  # making one takes a while; it serves all threads
            s3: S3Resource = self.s3
            self._client = s3.get_client()
        return S3Store(self._client, self.bucket, self.prefix)


def build_resources(deployment: Deployment, clock: Clock) -> dict[str, Any]:
    """The resources by the names under which steps ask for them."""
    return {
        "spotify": _spotify(deployment),
        "engine": _engine(deployment),
        "database": build_database(deployment),
        "clock": clock,
    } | _lake(deployment)


def _spotify(deployment: Deployment) -> SpotifyResource:
    if deployment.name == "demo":
        return SandboxSpotify()
    return SpotifyApi(
        api_url=deployment.environment["SPOTIFY_API_URL"],
        accounts_url=deployment.environment["SPOTIFY_ACCOUNTS_URL"],
        sign_in_file=str(deployment.sign_in_file),
    )


def _engine(deployment: Deployment) -> EngineResource:
    """The engine of a deployment; who chooses one that can't run here learns so now."""
    if deployment.engine == "embedded":
        return Embedded()
    if deployment.engine == "glue":
        # Its libraries take seconds to import.
        try:
            from spotify_pipeline.orchestration.glue import Glue
        except ImportError as error:
            raise FixConfiguration(
                "The engine glue needs more packages: pip install -c constraints.txt -e '.[aws]'"
            ) from error

        return Glue(
            job_name=deployment.environment["GLUE_JOB_NAME"],
            wait_minutes=deployment.glue_wait_minutes,
        )
    prepare_for_spark()
    return Spark(spark_config=SPARK_CONFIG)


def _lake(deployment: Deployment) -> dict[str, Any]:
    if deployment.lake == "folder":
        folder = str(deployment.lake_folder)
        return {"lake": FolderLake(source=deployment.source, folder=folder)}
    try:
        from dagster_aws.s3 import S3Resource
    except ImportError as error:
        raise FixConfiguration(
            "The aws deployment needs more packages: pip install -c constraints.txt -e '.[aws]'"
        ) from error
    prepare_for_aws()
    s3 = S3Resource(endpoint_url=deployment.environment["AWS_ENDPOINT_URL"] or None)
    lake = BucketLake(
        source=deployment.source,
        s3=s3,
        bucket=deployment.environment["S3_BUCKET"],
        prefix=deployment.environment["S3_PREFIX"],
    )
    return {"s3": s3, "lake": lake}
