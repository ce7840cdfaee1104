"""`landing/<table>`: what the pipes put into LANDING.

Snowpipe works by itself, so on Snowflake these are external assets; the embedded pipe is a step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, SkipThis
from spotify_pipeline.lake import batch
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Database
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.loading.pipe import troubles
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.metadata import Stage, explained, table_schema
from spotify_pipeline.orchestration.partitions import day_of
from spotify_pipeline.orchestration.resources import DatabaseResource, LakeResource


def build(stage: Stage) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """The six assets for one deployment."""
    specs = [
        stage.spec(
            asset_keys.landing(table),
            f"Rows of the lake's {table.name} files, as the pipe loaded them.",
            {stage.deployment.database},
            deps=[asset_keys.lake(table)],
            metadata=table_schema(table.columns)
            | {"dagster/table_name": f"LANDING.{table.name.upper()}"},
        )
        for table in contract.TABLES
    ]
    if stage.deployment.database == "snowflake":
        return list(specs)

    @dg.multi_asset(name="landing", specs=specs, can_subset=True)
    def landing_tables(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        database: DatabaseResource,
    ) -> Iterator[dg.MaterializeResult[None]]:
        selected = [
            table
            for table in contract.TABLES
            if asset_keys.landing(table) in context.selected_asset_keys
        ]
        with explained():
            landing = _load(lake.store(), database.database(), day_of(context), selected)
        context.log.info(f"files taken by the pipes: {sum(landing.files_taken.values())}")
        for table in selected:
            yield dg.MaterializeResult(
                asset_key=asset_keys.landing(table),
                metadata={
                    "dagster/partition_row_count": landing.rows[table.name],
                    "files_loaded": landing.files_taken[table.name],
                    "batch": landing.batch,
                },
            )

    return [landing_tables]


@dataclass(frozen=True)
class _Landing:
    batch: int
    rows: Mapping[str, int]
    files_taken: Mapping[str, int]


def _load(
    store: ObjectStore, database: Database, day: date, tables: Sequence[contract.Table]
) -> _Landing:
    """Has the pipe load what is new; raises unless the day's batch then is whole."""
    manifest = batch.current(store, day)
    if not manifest:
        raise SkipThis(f"{day} has no batch: materialize lake/* of {day} first.")
    pipe = EmbeddedPipe(store)
    with database.session() as session:
        taken = {table.name: len(pipe.load(session, table)) for table in tables}
        rows = publishing.landed(session, [manifest])[day]
        if any(rows[table.name] != manifest.files[table.name].rows for table in tables):
            reasons = [
                reason for table in tables for reason in troubles(pipe, session, [manifest], table)
            ]
            raise FixConfiguration(
                "\n".join([publishing.not_landed_text(manifest, rows), *reasons])
            )
    return _Landing(manifest.batch, rows, taken)
