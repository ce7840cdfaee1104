"""A Snowflake account as its administrator sees and changes it.

Here is the session; what is asked in it is in `facts` and `objects`. Whatever needs more rights
than the pipeline has belongs to these; what the pipeline itself asks Snowflake is in `loading`.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import snowflake.connector
from snowflake.connector.config_manager import CONFIG_MANAGER

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.loading.snowflake import SnowflakeSession
from spotify_pipeline.provision.account_refusals import explained
from spotify_pipeline.provision.ddl import ADMINISTRATOR, Statement

_SESSION = {"QUERY_TAG": "spotify_pipeline provision", "TIMEZONE": "UTC"}
_LOGIN_SECONDS, _NETWORK_SECONDS = 120, 300  # an administrator may have to use a browser


class Account:
    """One administrator's session."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._role = self._warehouse = ""

    @property
    def identifier(self) -> str:
        """`<organization>-<account>`, as SNOWFLAKE_ACCOUNT wants it."""
        [row] = self.ask("SELECT CURRENT_ORGANIZATION_NAME() AS org, CURRENT_ACCOUNT_NAME() AS acc")
        return f"{row['org']}-{row['acc']}"

    @property
    def stand_in(self) -> Mapping[str, str]:
        """Where it is, unless it is Snowflake's own: the variables that say so."""
        host = self._connection.host
        if re.search(r"\.snowflakecomputing\.(com|cn)$", host) and ".privatelink." not in host:
            return {}
        return {
            "SNOWFLAKE_HOST": host,
            "SNOWFLAKE_PORT": str(self._connection.port),
            "SNOWFLAKE_PROTOCOL": urlsplit(self._connection.rest.server_url).scheme,
        }

    def session(self, database: str, warehouse: str, lake_prefix: str) -> SnowflakeSession:
        """A session as the pipeline has one, for what `loading` asks of the tables."""
        self.use(ADMINISTRATOR)
        self.compute_on(warehouse)
        self.ask(f"USE DATABASE {database}")
        return SnowflakeSession(self._connection, lake_prefix)

    def require(self, configured: str) -> None:
        """Raises `FixConfiguration` unless this is the account that SNOWFLAKE_ACCOUNT names, by
        `<organization>-<account>` or by its locator."""
        [row] = self.ask("SELECT CURRENT_ACCOUNT() AS locator")
        known = {_plain(self.identifier), _plain(str(row["locator"]))}
        if configured and not {_plain(configured), _plain(configured.split(".")[0])} & known:
            raise FixConfiguration(
                f"The connection is to the Snowflake account {self.identifier}, and "
                f"SNOWFLAKE_ACCOUNT says {configured}. Nothing was done. Give the connection to "
                f"that account, --connection NAME, or set SNOWFLAKE_ACCOUNT."
            )

    def list_stage(self, parameters: Mapping[str, str]) -> None:
        """Raises `RoleNotAssumed` or `StageLostIntegration` where Snowflake can't get at it."""
        self.use(ADMINISTRATOR)
        self.ask(f"LIST @{parameters['database']}.PIPES.spotify_stage/transformed_data/none/")

    def run(self, statement: Statement) -> None:
        """Runs it as whom its file says."""
        self.use(statement.role)
        if statement.warehouse:
            self.compute_on(statement.warehouse)
        with explained(f"{statement.file}, as {statement.role}: {statement.headline}"):
            self._connection.cursor().execute(statement.sql)

    def use(self, role: str) -> None:
        if role != self._role:
            self.ask(f"USE ROLE {role}")
            self._role = role

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Rows by the columns' names in lower case."""
        with explained(sql), self._connection.cursor() as cursor:
            cursor.execute(sql)
            names = [column.name.lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def compute_on(self, warehouse: str) -> None:
        if warehouse != self._warehouse:
            self.ask(f"USE WAREHOUSE {warehouse}")
            self._warehouse = warehouse

    def named(self, show: str, name: str) -> list[dict[str, Any]]:
        """The one of this name: LIKE takes `_` for any sign."""
        return [row for row in self.ask(show) if row["name"].upper() == name.upper()]


@contextlib.contextmanager
def administrator(connection_name: str = "") -> Iterator[Account]:
    """Signs in by a connection of Snowflake's own `connections.toml`; by its default one, if no
    name is given."""
    with explained(f"signing in by the connection {connection_name or 'that is the default'}"):
        name = connection_name or CONFIG_MANAGER["default_connection_name"]
        connection = snowflake.connector.connect(
            connection_name=name,
            paramstyle="qmark",  # as the pipeline's own sessions have it
            session_parameters=_SESSION,
            login_timeout=_LOGIN_SECONDS,
            network_timeout=_NETWORK_SECONDS,
        )
    with contextlib.closing(connection):
        yield Account(connection)


def _plain(account: str) -> str:
    return account.upper().replace("_", "-")
