"""What the UI shows of a day's answers and of its page. With it come pandas and the plots."""

import base64
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import dagster as dg
import pandas as pd

from spotify_pipeline.insights import facts, overview, plots, report
from spotify_pipeline.insights.answers import ask, published_batch
from spotify_pipeline.insights.lettering import shortened
from spotify_pipeline.insights.question import Question
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading.database import Session
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.days import Metadata, Told

_SHOWN, _WIDTH = 20, 100
"""Rows of a preview, and columns of a text in it."""


def answers(session: Session, asked: Sequence[Question], day: date) -> Told:
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


def page(session: Session, store: ObjectStore, day: date) -> Metadata:
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
