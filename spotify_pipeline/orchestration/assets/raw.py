"""`raw_playlist_json`: what Spotify says about each playlist today, kept as it came."""

from typing import Any

import dagster as dg

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.errors import SkipThis
from spotify_pipeline.ingest.capture import DayReport, capture_day
from spotify_pipeline.lake import attempts, keys, raw
from spotify_pipeline.lake.attempts import Attempt
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.orchestration.metadata import Stage, explained
from spotify_pipeline.orchestration.partitions import day_of
from spotify_pipeline.orchestration.resources import LakeResource, SpotifyResource

KEY = dg.AssetKey("raw_playlist_json")


def build(stage: Stage) -> dg.AssetsDefinition:
    """The asset for one deployment."""
    spec = stage.spec(
        KEY,
        "One raw document per playlist and day: every answer of the API as received, with when "
        "and how it was asked. Written once; only what is missing is fetched.",
        {"spotify", "json"},
    )

    @dg.multi_asset(name="raw_playlist_json", specs=[spec])
    def raw_playlist_json(
        context: dg.AssetExecutionContext,
        spotify: SpotifyResource,
        lake: LakeResource,
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult[None]:
        with explained():
            return _materialize(context, spotify, lake, clock)

    return raw_playlist_json


def _materialize(
    context: dg.AssetExecutionContext,
    spotify: SpotifyResource,
    lake: LakeResource,
    clock: Clock,
) -> dg.MaterializeResult[None]:
    day = day_of(context)
    if day != today(clock):
        store = lake.store()
        there = sorted(raw.captured(store, day))
        if not there:
            raise SkipThis(
                f"{day} was never captured and can't be any more: Spotify only tells the present, "
                f"and it is {today(clock)}. Days that have raw documents can always be rebuilt."
            )
        context.log.info(f"{day} is over and has {len(there)} raw documents: nothing to fetch")
        return _result(store, context, DayReport({}, tuple(there), ()))
    playlist_ids = spotify.playlist_ids()
    store = lake.claim()
    if set(playlist_ids) <= raw.captured(store, day):
        # Also tells who is wanted no more, when one was taken out of the configuration.
        attempts.record(store, day, clock(), Attempt(tuple(playlist_ids), ()))
        context.log.info(f"all {len(playlist_ids)} playlists of {day} are there: nothing to fetch")
        return _result(store, context, DayReport({}, tuple(playlist_ids), ()))
    with spotify.reader(clock) as reader:
        report = capture_day(reader, store, playlist_ids, day, clock, context.log.info)
    if report.failures and not raw.captured(store, day):
        reasons = "".join(f"\n  {f.playlist_id}: {f.reason}" for f in report.failures)
        raise SkipThis(f"None of {len(playlist_ids)} playlists could be captured:{reasons}")
    return _result(store, context, report)


def _result(
    store: ObjectStore, context: dg.AssetExecutionContext, report: DayReport
) -> dg.MaterializeResult[None]:
    metadata: dict[str, dg.MetadataValue[Any] | str | int] = {
        "dagster/uri": store.uri(keys.raw_prefix(day_of(context))),
        "captured": len(report.captured),
        "already_there": len(report.already_there),
        "failed": len(report.failures),
        "entries_captured": sum(report.captured.values()),
    }
    if report.failures:
        reasons = "\n".join(f"- `{f.playlist_id}`: {f.reason}" for f in report.failures)
        metadata["failures"] = dg.MetadataValue.md(reasons)
    return dg.MaterializeResult(metadata=metadata)
