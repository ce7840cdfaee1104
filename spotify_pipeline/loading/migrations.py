"""Numbered schema changes, and the rule that code and database must agree on the number.

The SQL itself lies beside it (`duckdb_ddl/`), written by hand for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.loading.database import Session, literal


@dataclass(frozen=True)
class Migration:
    """One step of the schema; `version` counts from 1."""

    version: int
    name: str
    sql: str


def packaged() -> tuple[Migration, ...]:
    """The migrations of this release, in order."""
    scripts = sorted(
        (path for path in files(__package__).joinpath("duckdb_ddl").iterdir()),
        key=lambda path: path.name,
    )
    return tuple(
        Migration(int(path.name[:3]), path.name.removesuffix(".sql"), path.read_text())
        for path in scripts
        if path.name.endswith(".sql")
    )


def upgrade(session: Session, migrations: Sequence[Migration], place: str) -> None:
    """Brings the database to the last of `migrations`, all or nothing.

    Raises `FixConfiguration` if it is newer than the code, or holds somebody else's tables.
    """
    found = _version(session, place)
    newest = migrations[-1].version
    if found == newest:
        return
    if found > newest:
        raise FixConfiguration(
            f"{place} has schema version {found}, this release knows {newest}: it was made by a "
            f"newer one. Nothing was changed. Update this project (git pull), or point "
            f"SPOTIFY_PIPELINE_HOME to another home."
        )
    with session.transaction():
        for migration in migrations[found:]:
            session.execute(migration.sql)
            session.execute(
                "INSERT INTO ops.schema_version SELECT ?, ?, current_timestamp::TIMESTAMP",
                [migration.version, migration.name],
            )
        _describe(session)


def _version(session: Session, place: str) -> int:
    """The version of the schema, 0 in an empty database."""
    tables = {
        (schema, name)
        for schema, name in session.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
        )
    }
    if ("ops", "schema_version") in tables:
        return int(session.execute("SELECT max(version) FROM ops.schema_version")[0][0])
    if tables:
        raise FixConfiguration(
            f"{place} is a DuckDB file with other tables in it, not one of this pipeline. "
            f"Nothing was changed. Move it away, or set SPOTIFY_PIPELINE_HOME."
        )
    return 0


def _describe(session: Session) -> None:
    """Puts the contract's words into the catalogue, where SQL tools show them."""
    for table in contract.TABLES:
        _comment(session, "history", table)
    for table in map(contract.current, contract.CURRENT):
        _comment(session, "public", table)


def _comment(session: Session, schema: str, table: contract.Table) -> None:
    name = f"{schema}.{table.name}"
    session.execute(f"COMMENT ON TABLE {name} IS {literal(table.grain)}")
    for column in table.columns:
        session.execute(f"COMMENT ON COLUMN {name}.{column.name} IS {literal(column.description)}")
