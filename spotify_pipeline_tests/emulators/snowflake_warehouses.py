"""Warehouses: recorded so that one can ask for them; nothing is computed on them."""

from collections.abc import Iterator

from spotify_pipeline.clock import Clock
from spotify_pipeline_tests.emulators.snowflake_principals import Principal, Principals
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Reader, boolean, string

_PROPERTIES = {
    "AUTO_RESUME",
    "AUTO_SUSPEND",
    "COMMENT",
    "ENABLE_QUERY_ACCELERATION",
    "GENERATION",
    "INITIALLY_SUSPENDED",
    "MAX_CLUSTER_COUNT",
    "MAX_CONCURRENCY_LEVEL",
    "MIN_CLUSTER_COUNT",
    "RESOURCE_CONSTRAINT",
    "RESOURCE_MONITOR",
    "SCALING_POLICY",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
    "STATEMENT_TIMEOUT_IN_SECONDS",
    "WAREHOUSE_SIZE",
    "WAREHOUSE_TYPE",
}
_SIZES = {"XSMALL": "X-Small", "XLARGE": "X-Large", "XXLARGE": "2X-Large", "X2LARGE": "2X-Large"}


class Warehouses(Principals):
    """WAREHOUSE."""

    columns = (
        "name",
        "state",
        "type",
        "size",
        "min_cluster_count",
        "max_cluster_count",
        "started_clusters",
        "running",
        "queued",
        "is_default",
        "is_current",
        "is_interactive",
        "auto_suspend",
        "auto_resume",
        "available",
        "provisioning",
        "quiescing",
        "other",
        "created_on",
        "resumed_on",
        "updated_on",
        "owner",
        "comment",
        "enable_query_acceleration",
        "query_acceleration_max_scale_factor",
        "resource_monitor",
        "actives",
        "pendings",
        "failed",
        "suspended",
        "uuid",
        "scaling_policy",
        "owner_role_type",
        "resource_constraint",
        "generation",
    )

    def __init__(self, clock: Clock) -> None:
        super().__init__("WAREHOUSE", _PROPERTIES, clock)

    def act(self, principal: Principal, reader: Reader) -> None:
        word = reader.one_of("RESUME", "SUSPEND")
        reader.accept("IF", "SUSPENDED")
        reader.end()
        principal.options["INITIALLY_SUSPENDED"] = str(word == "SUSPEND").upper()

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        for each in list(self.held.values()):
            yield (each.name,), _row(each, each.name == session.warehouse)

    def describe(self, name: Name) -> Result:
        found = self.held[".".join(name)]
        return Result(("created_on", "name", "kind"), [(found.created_on, found.name, "WAREHOUSE")])


def _row(warehouse: Principal, is_current: bool) -> Row:
    options = warehouse.options
    size = string(options, "WAREHOUSE_SIZE", "XSMALL").upper().replace("-", "")
    clusters = int(string(options, "MIN_CLUSTER_COUNT", "1"))
    is_suspended = boolean(options, "INITIALLY_SUSPENDED")
    return {
        "name": warehouse.name,
        "state": "SUSPENDED" if is_suspended else "STARTED",
        "type": string(options, "WAREHOUSE_TYPE", "STANDARD").upper(),
        "size": _SIZES.get(size, size.capitalize()),
        "min_cluster_count": clusters,
        "max_cluster_count": int(string(options, "MAX_CLUSTER_COUNT", "1")),
        "started_clusters": 0 if is_suspended else clusters,
        "running": 0,
        "queued": 0,
        "is_default": "N",
        "is_current": "Y" if is_current else "N",
        "is_interactive": "N",
        "auto_suspend": int(string(options, "AUTO_SUSPEND", "600")) or None,
        "auto_resume": str(boolean(options, "AUTO_RESUME", True)).lower(),
        **dict.fromkeys(("available", "provisioning", "quiescing", "other"), ""),
        **dict.fromkeys(("created_on", "resumed_on", "updated_on"), warehouse.created_on),
        "comment": string(options, "COMMENT"),
        "enable_query_acceleration": str(boolean(options, "ENABLE_QUERY_ACCELERATION")).lower(),
        "query_acceleration_max_scale_factor": 8,
        "resource_monitor": string(options, "RESOURCE_MONITOR", "null"),
        **dict.fromkeys(("actives", "pendings", "failed", "suspended"), 0),
        "scaling_policy": string(options, "SCALING_POLICY", "STANDARD").upper(),
        "resource_constraint": None,
        "generation": string(options, "GENERATION", "1"),
    }
