"""Where users query, as a resource: `database` in the UI, with the pipes that load it."""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from spotify_pipeline.clock import machine_clock
from spotify_pipeline.deployment import Deployment, read_environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading.database import Database
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.loading.pipe import Pipes

if TYPE_CHECKING:
    from spotify_pipeline.loading.snowflake import Waits


class DatabaseResource(dg.ConfigurableResource[Any]):
    """Where users query."""

    def database(self) -> Database:
        raise NotImplementedError

    def for_a_look(self) -> Database:
        """The same, for who may not take a minute, such as a sensor."""
        return self.database()

    def pipes(self, store: ObjectStore) -> Pipes:
        """What loads the files of `store` into LANDING."""
        raise NotImplementedError


class DuckDBFile(DatabaseResource):
    """A DuckDB file; one process writes at a time."""

    path: str

    def database(self) -> Database:
        return DuckDBDatabase(Path(self.path))

    def pipes(self, store: ObjectStore) -> EmbeddedPipe:
        return EmbeddedPipe(store, machine_clock)


class SnowflakeAccount(DatabaseResource):
    """A Snowflake database, signed in to by key pair; Snowpipe loads it."""

    account: str
    user: str
    private_key_path: str
    role: str
    warehouse: str
    database_name: str
    lake_prefix: str
    host: str = ""
    port: str = ""
    protocol: str = ""
    _tag: str = PrivateAttr(default="spotify_pipeline")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        if run := context.run:
            day = run.tags.get("dagster/partition") or _range(run.tags)
            self._tag = f"spotify_pipeline run={run.run_id} partition={day}"

    def database(self) -> Database:
        from spotify_pipeline.loading.snowflake import WORKING, SnowflakeDatabase

        self._require_settings()
        return SnowflakeDatabase(self._connect, self.lake_prefix, WORKING)

    def for_a_look(self) -> Database:
        from spotify_pipeline.loading.snowflake import LOOKING, SnowflakeDatabase

        self._require_settings()
        return SnowflakeDatabase(self._connect, self.lake_prefix, LOOKING)

    def pipes(self, store: ObjectStore) -> Pipes:  # noqa: ARG002
        from spotify_pipeline.loading.snowpipe import Snowpipe

        return Snowpipe()

    @contextmanager
    def _connect(self, waits: "Waits") -> Iterator[Any]:
        # Its import takes seconds.
        from dagster_snowflake import SnowflakeResource

        elsewhere = {"host": self.host, "port": self.port, "protocol": self.protocol}
        snowflake = SnowflakeResource(
            account=self.account,
            user=self.user,
            private_key_path=str(Path(self.private_key_path).expanduser()),
            private_key_password=read_environment()["SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"] or None,
            role=self.role or None,
            warehouse=self.warehouse or None,
            database=self.database_name,
            login_timeout=waits.login,
            network_timeout=waits.network,
            paramstyle="qmark",
            additional_snowflake_connection_args={
                "session_parameters": {"QUERY_TAG": self._tag, "TIMEZONE": "UTC", **waits.limits},
                **{name: value for name, value in elsewhere.items() if value},
            },
        )
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(snowflake.get_connection())
            except (ValueError, TypeError) as error:  # what reading the key raises
                raise FixConfiguration(
                    f"{self.private_key_path} can't be read as a private key: it has to be PEM, "
                    f"and its passphrase, if it has one, SNOWFLAKE_PRIVATE_KEY_PASSPHRASE. Look "
                    f"at both, and at SNOWFLAKE_PRIVATE_KEY_PATH."
                ) from error
            yield connection

    def _require_settings(self) -> None:
        settings = {
            "SNOWFLAKE_ACCOUNT": self.account,
            "SNOWFLAKE_USER": self.user,
            "SNOWFLAKE_PRIVATE_KEY_PATH": self.private_key_path,
            "SNOWFLAKE_DATABASE": self.database_name,
        }
        missing = [name for name, value in settings.items() if not value]
        if missing:
            raise FixConfiguration(
                f"The aws deployment needs {', '.join(missing)}: set them in .env."
            )
        if not Path(self.private_key_path).expanduser().is_file():
            raise FixConfiguration(
                f"There is no private key at {self.private_key_path} (SNOWFLAKE_PRIVATE_KEY_PATH)."
            )


def _range(tags: Mapping[str, str]) -> str:
    """`2026-11-18..2026-11-20` for a run over several days; nothing for one over none."""
    ends = (tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    return "..".join(filter(None, ends))


def build_database(deployment: Deployment) -> DatabaseResource:
    """The database of a deployment."""
    if deployment.database == "duckdb":
        return DuckDBFile(path=str(deployment.duckdb_file))
    environment = deployment.environment
    prefix = environment["S3_PREFIX"].strip("/")
    return SnowflakeAccount(
        account=environment["SNOWFLAKE_ACCOUNT"],
        user=environment["SNOWFLAKE_USER"],
        private_key_path=environment["SNOWFLAKE_PRIVATE_KEY_PATH"],
        role=environment["SNOWFLAKE_ROLE"],
        warehouse=environment["SNOWFLAKE_WAREHOUSE"],
        database_name=environment["SNOWFLAKE_DATABASE"],
        lake_prefix=f"{prefix}/" if prefix else "",
        host=environment["SNOWFLAKE_HOST"],
        port=environment["SNOWFLAKE_PORT"],
        protocol=environment["SNOWFLAKE_PROTOCOL"],
    )
