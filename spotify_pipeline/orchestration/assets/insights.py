"""`insights/*`: questions that the published tables answer every day, and the day's report."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import dagster as dg
import pandas as pd

from spotify_pipeline.insights import facts, overview, plots, report
from spotify_pipeline.insights.lettering import shortened
from spotify_pipeline.insights.question import Question, ask, published_batch
from spotify_pipeline.insights.questions import QUESTIONS
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading.database import Session
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline.orchestration.days import Event, Metadata, Told, each_day, tell
from spotify_pipeline.orchestration.metadata import Stage, explained
from spotify_pipeline.orchestration.resources import LakeResource

_SHOWN, _WIDTH = 20, 100
"""Rows of a preview, and columns of a text in it."""


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
        asked = [
            question
            for question in QUESTIONS
            if asset_keys.insight(question) in context.selected_asset_keys
        ]
        with explained(), database.database().session() as session:
            told = each_day(context, lambda day: _answers(session, asked, day))
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
        with explained(), database.database().session() as session:
            store = lake.store()
            told = each_day(context, lambda day: {spec.key: _page(session, store, day)})
        yield from tell(context, told)

    return insights_report


def _answers(session: Session, asked: Sequence[Question], day: date) -> Told:
    published_batch(session, day)  # or there is nothing to be asked
    return {
        asset_keys.insight(question): _told(question, ask(session, question, day), day)
        for question in asked
    }


def _told(question: Question, answer: pd.DataFrame, day: date) -> Metadata:
    return {
        "dagster/partition_row_count": len(answer),
        **overview.numbers(question, answer, day),
        "plot": _image(question, plots.plot(question, answer), day),
        "rows": _table(_readable(answer[answer["snapshot_date"] == day])),
    }


def _image(
    question: Question, png: bytes | None, day: date
) -> dg.MarkdownMetadataValue | dg.TextMetadataValue:
    if png is None:
        return dg.MetadataValue.text(question.silence)
    encoded = base64.b64encode(png).decode()
    return dg.MetadataValue.md(f"![{question.name} of {day}](data:image/png;base64,{encoded})")


def _page(session: Session, store: ObjectStore, day: date) -> Metadata:
    known = facts.gather(session, store, day)
    key, is_new = report.put(store, known)
    return {
        "dagster/uri": store.uri(key),
        **_opening(store.uri(key)),
        "outcome": "written" if is_new else "unchanged",
        "batch": known.manifest.batch,
        "playlists_missing": len(known.missing),
        "days_missed": len(known.missed),
    }


def _opening(uri: str) -> Mapping[str, Any]:
    """How people get to see the page."""
    address = urlsplit(uri)
    if address.scheme == "file":
        return {"path": dg.MetadataValue.path(Path(url2pathname(address.path)))}
    return {"open_with": f"aws s3 presign {uri}"}


def _readable(answer: pd.DataFrame) -> pd.DataFrame:
    """Without what is the same in all rows, and without ids and addresses, as there are names."""
    kept = [name for name in answer.columns if not name.endswith(("_id", "_url"))]
    return answer[kept].drop(columns="snapshot_date")


def _table(frame: pd.DataFrame) -> dg.TableMetadataValue:
    """The head of a frame as the UI shows it; an empty one has its columns too."""
    records = frame.head(_SHOWN).astype(object).to_dict("records")
    return dg.MetadataValue.table(
        [dg.TableRecord({str(name): _cell(each[name]) for name in each}) for each in records],
        dg.TableSchema([dg.TableColumn(str(name)) for name in frame.columns]),
    )


def _cell(value: Any) -> str | int | float | bool | None:
    """A value as a preview has it."""
    if pd.isna(value):
        return None
    if isinstance(value, float):
        return round(value, 4)
    return shortened(value, _WIDTH) if isinstance(value, str | date) else value


def _schema(question: Question) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(column.name, column.type, description=column.description)
            for column in question.columns
        ]
    )
