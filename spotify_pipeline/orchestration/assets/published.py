"""`published/<table>`: the day in HISTORY and PUBLIC, all tables in one transaction."""

import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock
from spotify_pipeline.errors import PipelineError, SkipThis
from spotify_pipeline.lake import keys, manifests
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading import preview, publishing
from spotify_pipeline.loading.arrival import Patience
from spotify_pipeline.loading.database import Session, literal
from spotify_pipeline.loading.publishing import Published
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


def build(stage: Stage) -> dg.AssetsDefinition:
    """The nine assets for one deployment: one step, because a day is published whole."""
    database_kind = stage.deployment.database
    is_external = database_kind == "snowflake"  # Snowpipe works by itself, and may be still at it
    history = [
        stage.spec(
            asset_keys.published(table),
            f"{table.grain.capitalize()}: exactly the rows of the day's current batch.",
            {database_kind},
            deps=[asset_keys.landing(table)],
            metadata=table_schema(table.columns, table.key)
            | column_lineage(table.columns, asset_keys.landing(table), table.column_names)
            | {"dagster/table_name": f"HISTORY.{table.name.upper()}"},
        )
        for table in contract.TABLES
    ]
    current = [
        stage.spec(
            asset_keys.published_current(table),
            f"{current.grain.capitalize()}: the latest that is known of it, and the days it was "
            f"seen.",
            {database_kind},
            deps=[asset_keys.landing(table)],
            metadata=table_schema(current.columns, current.key)
            | column_lineage(current.columns, asset_keys.landing(table), table.column_names)
            | {"dagster/table_name": f"PUBLIC.{current.name.upper()}"},
        )
        for table in contract.CURRENT
        for current in [contract.current(table)]
    ]

    @dg.multi_asset(
        name="published",
        specs=[*history, *current],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def published_tables(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        database: DatabaseResource,
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[Event]:
        began = time.monotonic()
        with explained(), database.database().session() as session:
            store = lake.store()

            pipes = database.pipes(store)
            patience = Patience(
                timedelta(minutes=stage.deployment.snowpipe_wait_minutes), context.log.info
            )

            def publish(day: date) -> Published:
                manifest = manifests.current(store, day)
                if not manifest:
                    raise SkipThis(f"{day} has no batch: materialize lake/* of {day} first.")
                # What is published needs LANDING no more, which may have been pruned.
                if is_external and publishing.ledger(session).get(day, 0) < manifest.batch:
                    patience.wait(pipes, session, manifest)
                outcome = publishing.publish(session, manifest, clock())
                context.log.info(f"batch {outcome.batch} of {day}: {_said(outcome)}")
                return outcome

            trouble = _note_missed(session, store, clock)
            published = each_day(context, publish)
            also: Mapping[date, Published] = {}
            totals: Mapping[str, int] = {}
            previews: Mapping[date, Told] = {}
            try:
                also = _catch_up(context, session, store, clock)
                totals = _totals(session)
                previews = {
                    day: _previews(session, day) for day in published if is_shown(context, day)
                }
            except PipelineError as error:  # what is published is told all the same
                trouble = error

        def told(day: date, outcome: Published) -> Told:
            manifest = store.uri(keys.manifest(day, outcome.batch))
            return _told(outcome, manifest, totals, previews.get(day, {}))

        for day, outcome in also.items():
            for key, metadata in told(day, outcome).items():
                yield dg.AssetMaterialization(key, partition=day.isoformat(), metadata=metadata)
        results = {
            day: result if isinstance(result, PipelineError) else told(day, result)
            for day, result in published.items()
        }
        yield from tell(context, results, began)
        if trouble:
            context.log.error(str(trouble))
            raise dg.Failure(str(trouble), allow_retries=False)

    return published_tables


def _told(
    outcome: Published, manifest: str, totals: Mapping[str, int], previews: Told
) -> dict[dg.AssetKey, Metadata]:
    rows = {
        asset_keys.published(table): {"dagster/partition_row_count": outcome.rows[table.name]}
        for table in contract.TABLES
        if table.name in outcome.rows  # a batch may be older than a table
    } | {
        asset_keys.published_current(table): {"dagster/row_count": totals[table.name]}
        for table in contract.CURRENT
        if table.name in totals
    }
    of_all = {"batch": outcome.batch, "outcome": _said(outcome), "manifest": manifest}
    return {key: {**count, **of_all, **previews.get(key, {})} for key, count in rows.items()}


def _previews(session: Session, day: date) -> Told:
    of_day = f"snapshot_date = {literal(day)}"
    return {
        asset_keys.published(table): table_preview(
            table, preview.first_rows(session, "HISTORY", table, of_day)
        )
        for table in contract.TABLES
    } | {
        asset_keys.published_current(table): table_preview(
            current, preview.first_rows(session, "PUBLIC", current)
        )
        for table in contract.CURRENT
        for current in [contract.current(table)]
    }


def _said(outcome: Published) -> str:
    return "published" if outcome.is_new else "unchanged"


def _totals(session: Session) -> dict[str, int]:
    return {
        table.name: session.execute(f"SELECT COUNT(*) FROM PUBLIC.TB_{table.name}")[0][0]
        for table in contract.CURRENT
    }


def _catch_up(
    context: dg.AssetExecutionContext, session: Session, store: ObjectStore, clock: Clock
) -> dict[date, Published]:
    """Publishes other days that wait in LANDING: all of them, after the database was made anew.

    One that can't be published now is no failure of this run's own days.
    """
    done = {}
    for manifest in publishing.whole(session, publishing.unpublished(session, store)):
        try:
            done[manifest.snapshot_date] = publishing.publish(session, manifest, clock())
        except PipelineError as error:
            context.log.warning(f"{manifest.snapshot_date} waits for another run: {error}")
        else:
            context.log.info(f"also published, as it had landed: {manifest.snapshot_date}")
    return done


def _note_missed(session: Session, store: ObjectStore, clock: Clock) -> PipelineError | None:
    """What keeps it from being noted is no reason to publish nothing, and is returned."""
    try:
        publishing.note_gaps(session, store, clock)
    except PipelineError as error:
        return error
    return None
