"""`lake/<table>`: the day's raw documents as one batch of typed CSV files."""

from collections.abc import Iterator

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock
from spotify_pipeline.lake import batch, keys
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.metadata import Stage, explained, table_schema
from spotify_pipeline.orchestration.partitions import day_of
from spotify_pipeline.orchestration.resources import EngineResource, LakeResource


class BatchOptions(dg.Config):
    """How a batch is made; also what `spotify-pipeline run` passes on."""

    reload: bool = False
    accept_partial: bool = False


def build(stage: Stage) -> dg.AssetsDefinition:
    """The six assets for one deployment: one step, because a batch is whole or not at all."""
    specs = [
        stage.spec(
            asset_keys.lake(table),
            f"{table.grain.capitalize()}, as a CSV file of the day's batch.",
            {"csv", stage.deployment.engine},
            deps=[asset_keys.RAW],
            metadata=table_schema(table.columns),
        )
        for table in contract.TABLES
    ]

    @dg.multi_asset(name="lake", specs=specs, can_subset=True)
    def lake_tables(
        context: dg.AssetExecutionContext,
        config: BatchOptions,
        lake: LakeResource,
        engine: EngineResource,
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.MaterializeResult[None]]:
        day = day_of(context)
        with explained():
            store = lake.store()
            with engine.open() as running:
                outcome = batch.issue(
                    store,
                    running,
                    day,
                    clock,
                    reload=config.reload,
                    accept_partial=config.accept_partial,
                )
        manifest = outcome.manifest
        said = "issued" if outcome.is_new else "unchanged"
        context.log.info(f"batch {manifest.batch} of {day}: {said}")
        for table in contract.TABLES:
            if asset_keys.lake(table) in context.selected_asset_keys:
                file = manifest.files[table.name]
                yield dg.MaterializeResult(
                    asset_key=asset_keys.lake(table),
                    metadata={
                        "dagster/partition_row_count": file.rows,
                        "dagster/uri": store.uri(file.key),
                        "batch": manifest.batch,
                        "outcome": said,
                        "engine": manifest.engine,
                        "manifest": store.uri(keys.manifest(day, manifest.batch)),
                        "playlists": len(manifest.documents),
                        "playlists_failed": len(manifest.failed),
                        "lines_quarantined": len(manifest.quarantined),
                    },
                )

    return lake_tables
