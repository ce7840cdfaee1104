"""What steps work with, built from a deployment.

Secrets are no part of a resource: they are read from the environment when a client is made, so
neither the UI nor a stored run can show them.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from spotify_pipeline.clock import Clock
from spotify_pipeline.deployment import (
    Deployment,
    parse_date,
    prepare_for_spark,
    read_environment,
)
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest import sign_in
from spotify_pipeline.ingest.playlist_ids import parse_playlists
from spotify_pipeline.ingest.reader import PlaylistReader
from spotify_pipeline.ingest.sign_in import Credentials, SignIn, SignInFile
from spotify_pipeline.lake import stamp
from spotify_pipeline.lake.batch import Engine
from spotify_pipeline.lake.store import FolderStore, ObjectStore, S3Store
from spotify_pipeline.loading.database import Database
from spotify_pipeline.loading.duckdb import DuckDBDatabase

if TYPE_CHECKING:
    from dagster_aws.s3 import S3Resource


class SpotifyResource(dg.ConfigurableResource[Any]):
    """Where playlists are read from."""

    @contextmanager
    def reader(self, clock: Clock) -> Iterator[PlaylistReader]:
        """A client for the length of the block."""
        raise NotImplementedError

    def playlist_ids(self) -> list[str]:
        """The configured playlists; raises `FixConfiguration` where there are none."""
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
    def reader(self, clock: Clock) -> Iterator[PlaylistReader]:  # noqa: ARG002
        from spotify_pipeline.ingest.client import SpotifyClient

        env = read_environment()
        user = self.sign_in()
        credentials = Credentials(
            env["SPOTIFY_CLIENT_ID"],
            env["SPOTIFY_CLIENT_SECRET"],
            user.refresh_token if user else "",
        )
        yield SpotifyClient(credentials, self.api_url, self.accounts_url, self._keep)

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
        playlist_ids = parse_playlists(read_environment()["SPOTIFY_PLAYLISTS"])
        if not playlist_ids:
            raise FixConfiguration(
                "No playlists are configured. Set SPOTIFY_PLAYLISTS in .env to ids, URIs or "
                "links, separated by commas; or see the whole thing without an account: "
                "spotify-pipeline demo"
            )
        return list(playlist_ids)


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

    def _store(self) -> ObjectStore:
        if not self.bucket:
            raise FixConfiguration("The aws deployment needs a bucket: set S3_BUCKET in .env.")
        s3: S3Resource = self.s3
        return S3Store(s3.get_client(), self.bucket, self.prefix)


SPARK_CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "2g",
    # The session lives on this machine and talks to nobody else.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
"""What is set of a local Spark; everything else is Spark's own business."""


class EngineResource(dg.ConfigurableResource[Any]):
    """What runs the transform."""

    def open(self) -> AbstractContextManager[Engine]:
        """The engine for the length of the block; raises `FixConfiguration` if it can't run."""
        raise NotImplementedError


class Embedded(EngineResource):
    """DuckDB, in the run's own process."""

    @contextmanager
    def open(self) -> Iterator[Engine]:
        from spotify_pipeline.engines.embedded import EmbeddedEngine

        yield EmbeddedEngine()


class Spark(EngineResource):
    """Spark on this machine, for the length of a step."""

    spark_config: dict[str, str]

    @contextmanager
    def open(self) -> Iterator[Engine]:
        from dagster_pyspark import LazyPySparkResource
        from pyspark.sql import SparkSession

        from spotify_pipeline.engines.spark import SparkEngine

        lazy = LazyPySparkResource(spark_config=self.spark_config)
        try:
            yield SparkEngine(lambda: lazy.spark_session)
        finally:
            if session := SparkSession.getActiveSession():
                session.stop()


class Glue(EngineResource):
    """A Glue job."""

    def open(self) -> AbstractContextManager[Engine]:
        raise FixConfiguration(
            "The engine glue is not part of this release. Set SPOTIFY_PIPELINE_ENGINE to embedded "
            "or spark in .env."
        )


class DatabaseResource(dg.ConfigurableResource[Any]):
    """Where users query."""

    def database(self) -> Database:
        raise NotImplementedError


class DuckDBFile(DatabaseResource):
    """A DuckDB file; one process writes at a time."""

    path: str

    def database(self) -> Database:
        return DuckDBDatabase(Path(self.path))


class SnowflakeAccount(DatabaseResource):
    """A Snowflake database."""

    def database(self) -> Database:
        raise FixConfiguration(
            "Snowflake is not part of this release. Set SPOTIFY_PIPELINE_DEPLOYMENT to demo or "
            "local in .env; both publish to a DuckDB file."
        )


def build_resources(deployment: Deployment, clock: Clock) -> dict[str, Any]:
    """The resources by the names under which steps ask for them."""
    return {
        "spotify": _spotify(deployment),
        "engine": _engine(deployment),
        "database": (
            DuckDBFile(path=str(deployment.duckdb_file))
            if deployment.database == "duckdb"
            else SnowflakeAccount()
        ),
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
    if deployment.engine == "embedded":
        return Embedded()
    if deployment.engine == "glue":
        return Glue()
    prepare_for_spark()  # who chooses it where it can't run learns so now
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
    s3 = S3Resource(endpoint_url=deployment.environment["AWS_ENDPOINT_URL"] or None)
    lake = BucketLake(
        source=deployment.source,
        s3=s3,
        bucket=deployment.environment["S3_BUCKET"],
        prefix=deployment.environment["S3_PREFIX"],
    )
    return {"s3": s3, "lake": lake}
