"""Where the data of an asset lies, as the UI tells it: table names and URIs.

Told from the deployment alone: nothing is opened, and what is not configured yet is left out.
"""

from spotify_pipeline.deployment import Deployment
from spotify_pipeline.lake.store import FolderStore, ObjectStore, S3Store


def of_lake(deployment: Deployment, prefix: str) -> dict[str, str]:
    """Where the lake's keys that begin with `prefix` are."""
    store = _store(deployment)
    return {"dagster/uri": store.uri(prefix)} if store else {}


def of_table(deployment: Deployment, name: str) -> dict[str, str]:
    """Where the table called `SCHEMA.NAME` is, and its name with the database before it."""
    if deployment.database == "duckdb":
        file = deployment.duckdb_file.absolute()
        # DuckDB calls a database by its file.
        return {"dagster/table_name": f"{file.stem}.{name}", "dagster/uri": file.as_uri()}
    account = deployment.environment["SNOWFLAKE_ACCOUNT"]
    database = deployment.environment["SNOWFLAKE_DATABASE"]
    full_name = f"{database}.{name}" if database else name
    if not account or not database:
        return {"dagster/table_name": full_name}
    return {
        "dagster/table_name": full_name,
        "dagster/uri": f"snowflake://{account}/{full_name.replace('.', '/')}",
    }


def _store(deployment: Deployment) -> ObjectStore | None:
    """The lake, without a client: enough to be asked for addresses."""
    if deployment.lake == "folder":
        return FolderStore(deployment.lake_folder)
    bucket = deployment.environment["S3_BUCKET"]
    return S3Store(None, bucket, deployment.environment["S3_PREFIX"]) if bucket else None
