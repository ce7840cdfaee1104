"""What a step does day by day: a run may cover one day or a range of them.

Each day has numbers of its own, and one that fails stops no other: the good ones are recorded, and
the step then fails naming the bad ones.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import dagster as dg

from spotify_pipeline.errors import PipelineError

T = TypeVar("T")
Event = dg.MaterializeResult[None] | dg.AssetMaterialization
Metadata = Mapping[str, Any]
Told = Mapping[dg.AssetKey, Metadata]
"""What is told of one day, by asset."""


def days_of(context: dg.AssetExecutionContext) -> Sequence[date]:
    """The snapshot dates that a step runs for."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def each_day(
    context: dg.AssetExecutionContext, work: Callable[[date], T]
) -> dict[date, T | PipelineError]:
    """Does `work` for every day of the run: what came of it, or why it could not be done."""
    done: dict[date, T | PipelineError] = {}
    for day in days_of(context):
        try:
            done[day] = work(day)
        except PipelineError as error:
            done[day] = error
    return done


def tell(
    context: dg.AssetExecutionContext,
    told: Mapping[date, Told | PipelineError],
    began: float | None = None,
) -> Iterator[Event]:
    """Materializes the selected assets; raises `dagster.Failure` if a day could not be done.

    `began` is when the step set to work, by `time.monotonic`: each day is told its share.
    """
    took = {} if began is None else {"seconds": round((time.monotonic() - began) / len(told), 2)}
    good = {
        day: {key: _tables_last({**metadata, **took}) for key, metadata in each.items()}
        for day, each in told.items()
        if not isinstance(each, PipelineError)
    }
    bad = {day: each for day, each in told.items() if isinstance(each, PipelineError)}
    if bad:
        for day, by_asset in good.items():
            for key in _selected(context, by_asset):
                yield dg.AssetMaterialization(
                    key, partition=day.isoformat(), metadata=by_asset[key]
                )
        raise dg.Failure(_failure_text(len(told), bad), allow_retries=False)
    for day, by_asset in good.items():
        for key in _selected(context, by_asset):
            # A result's own metadata would be told of every day of the run.
            context.add_asset_metadata(by_asset[key], key, day.isoformat())
    for key in _selected(context, context.selected_asset_keys):
        yield dg.MaterializeResult(asset_key=key)


def _tables_last(metadata: Metadata) -> dict[str, Any]:
    """Below a table nobody looks for a number."""
    return dict(
        sorted(metadata.items(), key=lambda each: isinstance(each[1], dg.TableMetadataValue))
    )


def is_shown(context: dg.AssetExecutionContext, day: date) -> bool:
    """Whether `day` has a preview: of a run's days the last, whose page is the asset's own."""
    return day == days_of(context)[-1]


def _selected(context: dg.AssetExecutionContext, keys: Any) -> list[dg.AssetKey]:
    return [key for key in sorted(keys) if key in context.selected_asset_keys]


def _failure_text(days: int, bad: Mapping[date, PipelineError]) -> str:
    if days == 1:
        return str(next(iter(bad.values())))
    reasons = "".join(f"\n{day}: {error}" for day, error in bad.items())
    rest = "" if len(bad) == days else " What comes after this step was run for none of them."
    return f"{len(bad)} of {days} days failed, the others are done.{rest}{reasons}"
