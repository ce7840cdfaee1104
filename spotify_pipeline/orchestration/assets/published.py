"""`published/<table>`: the day in HISTORY and PUBLIC, all tables in one transaction."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock, today
from spotify_pipeline.errors import SkipThis
from spotify_pipeline.lake import attempts, batch
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.metadata import Stage, explained, table_schema
from spotify_pipeline.orchestration.partitions import day_of
from spotify_pipeline.orchestration.resources import DatabaseResource, LakeResource


def build(stage: Stage) -> dg.AssetsDefinition:
    """The nine assets for one deployment: one step, because a day is published whole."""
    database_kind = stage.deployment.database
    history = [
        stage.spec(
            asset_keys.published(table),
            f"{table.grain.capitalize()}: exactly the rows of the day's current batch.",
            {database_kind},
            deps=[asset_keys.landing(table)],
            metadata=table_schema(table.columns)
            | {"dagster/table_name": f"HISTORY.{table.name.upper()}"},
        )
        for table in contract.TABLES
    ]
    current = [
        stage.spec(
            asset_keys.published_current(table),
            f"One row per {table.name}: the latest that is known of it, and the days it was seen.",
            {database_kind},
            deps=[asset_keys.landing(table)],
            metadata=table_schema([c for c in table.columns if c.name != "snapshot_date"])
            | {"dagster/table_name": f"PUBLIC.TB_{table.name.upper()}"},
        )
        for table in contract.CURRENT
    ]

    @dg.multi_asset(name="published", specs=[*history, *current], can_subset=True)
    def published_tables(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        database: DatabaseResource,
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.MaterializeResult[None]]:
        day = day_of(context)
        with explained():
            store = lake.store()
            manifest = batch.current(store, day)
            if not manifest:
                raise SkipThis(f"{day} has no batch: materialize lake/* of {day} first.")
            with database.database().session() as session:
                outcome = publishing.publish(session, manifest, clock())
                caught_up = _catch_up(session, store, clock)
                _note_missed(session, store, clock)
                totals = {
                    table.name: session.execute(f"SELECT COUNT(*) FROM PUBLIC.TB_{table.name}")[0][
                        0
                    ]
                    for table in contract.CURRENT
                }
        said = "published" if outcome.is_new else "unchanged"
        context.log.info(f"batch {outcome.batch} of {day}: {said}")
        if caught_up:
            context.log.info(f"also published, as they had landed: {', '.join(caught_up)}")
        for table in contract.TABLES:
            if asset_keys.published(table) in context.selected_asset_keys:
                yield dg.MaterializeResult(
                    asset_key=asset_keys.published(table),
                    metadata={
                        "dagster/partition_row_count": outcome.rows[table.name],
                        "batch": outcome.batch,
                        "outcome": said,
                    },
                )
        for table in contract.CURRENT:
            if asset_keys.published_current(table) in context.selected_asset_keys:
                yield dg.MaterializeResult(
                    asset_key=asset_keys.published_current(table),
                    metadata={
                        "dagster/row_count": totals[table.name],
                        "batch": outcome.batch,
                        "outcome": said,
                    },
                )

    return published_tables


def _catch_up(session: Session, store: ObjectStore, clock: Clock) -> list[str]:
    """Publishes other days that wait in LANDING: all of them, after the database was made anew."""
    waiting = publishing.whole(session, publishing.unpublished(session, store))
    for manifest in waiting:
        publishing.publish(session, manifest, clock())
    return [str(manifest.snapshot_date) for manifest in waiting]


def _note_missed(session: Session, store: ObjectStore, clock: Clock) -> None:
    """Names what every day since the first one lacks for ever."""
    first, last = min(attempts.days(store), default=today(clock)), today(clock)
    days = [first + timedelta(days=n) for n in range((last - first).days)]
    publishing.note_missed(session, attempts.gaps(store, days), clock())
