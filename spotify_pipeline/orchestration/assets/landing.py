"""`landing/<table>`: what the pipes put into LANDING.

Snowpipe works by itself, so on Snowflake these are external assets; the embedded pipe is a step.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, SkipThis
from spotify_pipeline.lake import keys, manifests
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading import preview, publishing
from spotify_pipeline.loading.database import Session, literal
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline.loading.pipe import look
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline.orchestration.days import Event, Metadata, Told, each_day, is_shown, tell
from spotify_pipeline.orchestration.metadata import (
    Stage,
    column_lineage,
    explained,
    table_preview,
    table_schema,
)
from spotify_pipeline.orchestration.resources import LakeResource


def build(stage: Stage) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """The six assets for one deployment."""
    specs = [
        stage.spec(
            asset_keys.landing(table),
            f"{table.grain.capitalize()}, of every batch that the pipe has loaded.",
            {stage.deployment.database},
            deps=[asset_keys.lake(table)],
            metadata=table_schema(contract.landing_columns(table))
            | column_lineage(table.columns, asset_keys.lake(table), table.column_names)
            | {"dagster/table_name": f"LANDING.{table.name.upper()}"},
        )
        for table in contract.TABLES
    ]
    if stage.deployment.database == "snowflake":
        return list(specs)

    @dg.multi_asset(
        name="landing",
        specs=specs,
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def landing_tables(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        database: DatabaseResource,
    ) -> Iterator[Event]:
        began = time.monotonic()
        selected = [
            table
            for table in contract.TABLES
            if asset_keys.landing(table) in context.selected_asset_keys
        ]
        with explained(), database.database().session() as session:
            store = lake.store()
            pipe = EmbeddedPipe(store)
            taken = {
                table: Counter(keys.day_of(load.key) for load in pipe.load(session, table))
                for table in selected
            }

            def land(day: date) -> Told:
                manifest, rows = _landed(store, pipe, session, day, selected)
                return {
                    asset_keys.landing(table): {
                        "dagster/partition_row_count": rows[table.name],
                        "files_loaded": taken[table][day],
                        "batch": manifest.batch,
                        "manifest": store.uri(keys.manifest(day, manifest.batch)),
                        **(_preview(session, manifest, table) if is_shown(context, day) else {}),
                    }
                    for table in selected
                    if table.name in rows
                }

            told = each_day(context, land)
        files = sum(count.total() for count in taken.values())
        context.log.info(f"files taken by the pipes: {files}")
        yield from tell(context, told, began)

    return [landing_tables]


def _preview(session: Session, manifest: Manifest, table: contract.Table) -> Metadata:
    file = literal(session.file_name(manifest.files[table.name].key))
    rows = preview.first_rows(session, "LANDING", table, f"_file = {file}")
    return table_preview(table, rows)


def _landed(
    store: ObjectStore,
    pipe: EmbeddedPipe,
    session: Session,
    day: date,
    tables: Sequence[contract.Table],
) -> tuple[Manifest, Mapping[str, int]]:
    """The day's batch and its rows by table; raises unless all it has of `tables` is in."""
    manifest = manifests.current(store, day)
    if not manifest:
        raise SkipThis(f"{day} has no batch: materialize lake/* of {day} first.")
    rows = publishing.landed(session, [manifest])[day]
    lacking = {name for name, file in manifest.files.items() if rows[name] != file.rows}
    if lacking & {table.name for table in tables}:
        found = look(pipe, session, [manifest], pipe.clock()).troubles
        reasons = [reason for table in tables for reason in found[table.name]]
        raise FixConfiguration("\n".join([publishing.not_landed_text(manifest, rows), *reasons]))
    return manifest, rows
