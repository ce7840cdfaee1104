"""`lake/<table>`: the day's raw documents as one batch of typed CSV files."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock, today
from spotify_pipeline.errors import PipelineError
from spotify_pipeline.lake import batch, keys, preview
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.preview import Row
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.orchestration import addresses, asset_keys
from spotify_pipeline.orchestration.days import Event, Told, days_of, is_shown, tell
from spotify_pipeline.orchestration.engine import EngineResource
from spotify_pipeline.orchestration.metadata import (
    Stage,
    column_lineage,
    explained,
    table_preview,
    table_schema,
)
from spotify_pipeline.orchestration.resources import LakeResource


class BatchOptions(dg.Config):
    """How a batch is made; also what `spotify-pipeline run` passes on."""

    reload: bool = False
    accept_partial: bool = False


def build(stage: Stage) -> dg.AssetsDefinition:
    """The six assets for one deployment: one step, because a batch is whole or not at all, and
    one for all days of a run, because an engine takes them together."""
    specs = [
        stage.spec(
            asset_keys.lake(table),
            f"{table.grain.capitalize()}, as a CSV file of the day's batch.",
            {"csv", stage.deployment.engine},
            deps=[asset_keys.RAW],
            metadata=table_schema(table.columns, table.key)
            | column_lineage(table.columns, asset_keys.RAW)
            | addresses.of_lake(stage.deployment, keys.table_prefix(table.name)),
        )
        for table in contract.TABLES
    ]

    @dg.multi_asset(
        name="lake", specs=specs, can_subset=True, backfill_policy=dg.BackfillPolicy.single_run()
    )
    def lake_tables(
        context: dg.AssetExecutionContext,
        config: BatchOptions,
        lake: LakeResource,
        engine: EngineResource,
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[Event]:
        began = time.monotonic()
        told: dict[date, Told | PipelineError] = {}
        with explained():
            store = lake.store()
            results = engine.issue(
                context,
                store,
                days_of(context),
                clock,
                reload=config.reload,
                accept_partial=config.accept_partial,
            )
            for day, result in results.items():
                if isinstance(result, PipelineError):
                    told[day] = result
                    continue
                context.log.info(f"batch {result.manifest.batch} of {day}: {_said(result)}")
                told[day] = _told(store, result, _first_rows(context, store, result.manifest))
            also = _catch_up(context, store, engine, clock)
        for day, outcome in also.items():
            for key, metadata in _told(store, outcome, {}).items():
                yield dg.AssetMaterialization(key, partition=day.isoformat(), metadata=metadata)
        yield from tell(context, told, began)

    return lake_tables


def _catch_up(
    context: dg.AssetExecutionContext, store: ObjectStore, engine: EngineResource, clock: Clock
) -> dict[date, Outcome]:
    """Makes the batches of other days that a run which was cut off left without one.

    One that can't be made now is no failure of this run's own days.
    """
    done: dict[date, Outcome] = {}
    try:
        own = set(days_of(context))
        days = [day for day in batch.left_over(store, today(clock)) if day not in own]
        if days:
            results = engine.issue(context, store, days, clock, reload=False, accept_partial=False)
            for day, result in results.items():
                if isinstance(result, PipelineError):
                    context.log.warning(f"{day} waits for another run: {result}")
                    continue
                context.log.info(f"also made, as its run was cut off: {day}")
                done[day] = result
    except PipelineError as error:
        context.log.warning(f"days that were cut off wait for another run: {error}")
    return done


def _first_rows(
    context: dg.AssetExecutionContext, store: ObjectStore, manifest: Manifest
) -> Mapping[str, Sequence[Row]]:
    """What there is to show of a batch; it is made, so nothing fails where that can't be had."""
    if not is_shown(context, manifest.snapshot_date):
        return {}
    try:
        return preview.first_rows(store, manifest)
    except PipelineError as error:
        which = f"batch {manifest.batch} of {manifest.snapshot_date}"
        context.log.warning(f"{which} has nothing to show: {error}")
        return {}


def _said(outcome: Outcome) -> str:
    return "issued" if outcome.is_new else "unchanged"


def _told(store: ObjectStore, outcome: Outcome, first_rows: Mapping[str, Sequence[Row]]) -> Told:
    manifest = outcome.manifest
    return {
        asset_keys.lake(table): {
            "dagster/partition_row_count": manifest.files[table.name].rows,
            "dagster/uri": store.uri(manifest.files[table.name].key),
            "batch": manifest.batch,
            "outcome": _said(outcome),
            "engine": manifest.engine,
            "manifest": store.uri(keys.manifest(manifest.snapshot_date, manifest.batch)),
            "playlists": len(manifest.documents),
            "playlists_failed": len(manifest.failed),
            "lines_quarantined": len(manifest.quarantined),
            **table_preview(table, first_rows.get(table.name, ())),
        }
        for table in contract.TABLES
    }
