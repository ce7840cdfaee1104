"""`insights/*`: questions that the published tables answer every day, and the day's report.

pandas and the plots are imported by the steps, as without them the graph loads a quarter faster.
"""

from collections.abc import Iterator

import dagster as dg

from spotify_pipeline.insights.question import Question
from spotify_pipeline.insights.questions import QUESTIONS
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline.orchestration.days import Event, each_day, tell
from spotify_pipeline.orchestration.metadata import Stage, explained
from spotify_pipeline.orchestration.resources import LakeResource


def build(stage: Stage) -> list[dg.AssetsDefinition]:
    """The insights for one deployment: a step for all questions, and one for the report."""
    return [_questions(stage), _report(stage)]


def _questions(stage: Stage) -> dg.AssetsDefinition:
    specs = [
        stage.spec(
            asset_keys.insight(question),
            f"{question.grain[0].upper()}{question.grain[1:]}.",
            {stage.deployment.database, "sql"},
            deps=[asset_keys.published(table) for table in question.tables],
            metadata={
                "dagster/column_schema": _schema(question),
                "sql": dg.MetadataValue.md(f"```sql\n{question.sql}```"),
            },
        )
        for question in QUESTIONS
    ]

    @dg.multi_asset(
        name="insights",
        specs=specs,
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def insights(context: dg.AssetExecutionContext, database: DatabaseResource) -> Iterator[Event]:
        from spotify_pipeline.orchestration.answers import answers

        asked = [
            question
            for question in QUESTIONS
            if asset_keys.insight(question) in context.selected_asset_keys
        ]
        with explained(), database.database().session() as session:
            told = each_day(context, lambda day: answers(session, asked, day))
        yield from tell(context, told)

    return insights


def _report(stage: Stage) -> dg.AssetsDefinition:
    spec = stage.spec(
        asset_keys.REPORT,
        "One HTML page per day, in the lake: size and changes of every playlist, artists, age, "
        "songs in common, data quality. It loads nothing from outside; the same data give the same "
        "page.",
        {"html"},
        deps=[asset_keys.insight(question) for question in QUESTIONS],
    )

    @dg.multi_asset(
        name="insights_report", specs=[spec], backfill_policy=dg.BackfillPolicy.single_run()
    )
    def insights_report(
        context: dg.AssetExecutionContext, lake: LakeResource, database: DatabaseResource
    ) -> Iterator[Event]:
        from spotify_pipeline.orchestration.answers import page

        with explained(), database.database().session() as session:
            store = lake.store()
            told = each_day(context, lambda day: {spec.key: page(session, store, day)})
        yield from tell(context, told)

    return insights_report


def _schema(question: Question) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(column.name, column.type, description=column.description)
            for column in question.columns
        ]
    )
