"""`raw_playlist_json`: what Spotify says about each playlist today, kept as it came."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.errors import PipelineError, SkipThis
from spotify_pipeline.ingest.day import PlaylistReport, capture_day
from spotify_pipeline.lake import attempts, keys, raw
from spotify_pipeline.lake.attempts import Attempt, Failure
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.orchestration import asset_keys, checks, judging
from spotify_pipeline.orchestration.metadata import Stage, explained
from spotify_pipeline.orchestration.partitions import day_of
from spotify_pipeline.orchestration.resources import (
    DatabaseResource,
    LakeResource,
    SpotifyResource,
)


class CaptureOptions(dg.Config):
    """How Spotify is asked; also what `spotify-pipeline run` passes on."""

    ignore_wait: bool = False


def build(stage: Stage) -> dg.AssetsDefinition:
    """The asset for one deployment."""
    spec = stage.spec(
        asset_keys.RAW,
        "One raw document per playlist and day: every answer of the API as received, with when "
        "and how it was asked. Written once; only what is missing is fetched.",
        {"spotify", "json"},
    )

    @dg.multi_asset(name="raw_playlist_json", specs=[spec])
    def raw_playlist_json(
        context: dg.AssetExecutionContext,
        config: CaptureOptions,
        spotify: SpotifyResource,
        lake: LakeResource,
        database: DatabaseResource,
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult[None]:
        with explained():
            day = day_of(context)
            if day != today(clock):
                return _past_day(lake.store(), day, clock)
            store = lake.claim()
            playlist_ids = spotify.playlist_ids()
            if set(playlist_ids) <= raw.captured(store, day):
                # Also tells who is wanted no more, when one was taken out of the configuration.
                _record(store, day, clock, playlist_ids, ())
                return _result(store, day, _already_there(playlist_ids))
            try:
                with spotify.reader(clock) as reader:
                    reports = capture_day(
                        reader,
                        store,
                        playlist_ids,
                        day,
                        clock,
                        context.log.info,
                        stage.deployment.capture,
                        ignore_wait=config.ignore_wait,
                    )
            except PipelineError as error:
                reports = _not_asked(store, day, clock, playlist_ids, error)
            if not raw.captured(store, day):
                # The step fails, and Dagster then leaves its checks out: they must not stay green.
                with judging.facts_of(lake, database, spotify, clock) as facts:
                    judging.report(context.instance, checks.RAW, facts)
                raise SkipThis(_none_captured(reports))
            return _result(store, day, reports)

    return raw_playlist_json


def _not_asked(
    store: ObjectStore,
    day: date,
    clock: Clock,
    playlist_ids: Sequence[str],
    error: PipelineError,
) -> list[PlaylistReport]:
    """The account of a run that could not even ask: its reason is true of every playlist."""
    failures = [Failure(playlist_id, str(error)) for playlist_id in playlist_ids]
    _record(store, day, clock, playlist_ids, failures)
    return [PlaylistReport(f.playlist_id, "failed", reason=f.reason) for f in failures]


def _record(
    store: ObjectStore,
    day: date,
    clock: Clock,
    playlist_ids: Sequence[str],
    failures: Sequence[Failure],
) -> None:
    """An attempt that asked for nothing; what Spotify asked for before it stays in force."""
    wait_until = attempts.wait_until(store, clock())
    attempt = Attempt(tuple(playlist_ids), tuple(failures), wait_until)
    attempts.record(store, day, clock(), attempt)


def _none_captured(reports: Sequence[PlaylistReport]) -> str:
    failures = [Failure(report.playlist_id, report.reason) for report in reports]
    reasons = "".join(f"\n  {reason}" for reason in attempts.by_reason(failures))
    return f"None of {len(reports)} playlists could be captured:{reasons}"


def _past_day(store: ObjectStore, day: date, clock: Clock) -> dg.MaterializeResult[None]:
    there = sorted(raw.captured(store, day))
    if not there:
        raise SkipThis(
            f"{day} was never captured and can't be any more: Spotify only tells the present, "
            f"and it is {today(clock)}. Days that have raw documents can always be rebuilt."
        )
    return _result(store, day, _already_there(there))


def _already_there(playlist_ids: Sequence[str]) -> list[PlaylistReport]:
    return [PlaylistReport(playlist_id, "already there") for playlist_id in playlist_ids]


def _result(
    store: ObjectStore, day: date, reports: Sequence[PlaylistReport]
) -> dg.MaterializeResult[None]:
    outcomes = [report.outcome for report in reports]
    metadata: dict[str, dg.MetadataValue[Any] | str | int] = {
        "dagster/uri": store.uri(keys.raw_prefix(day)),
        "captured": outcomes.count("captured"),
        "unchanged": outcomes.count("unchanged"),
        "already_there": outcomes.count("already there"),
        "failed": outcomes.count("failed"),
        "entries_captured": sum(report.entries for report in reports),
        "playlists": dg.MetadataValue.table([_row(report) for report in reports]),
    }
    return dg.MaterializeResult(metadata=metadata)


def _row(report: PlaylistReport) -> dg.TableRecord:
    since = report.unchanged_since
    return dg.TableRecord(
        {
            "playlist": report.playlist_id,
            "name": report.name,
            "outcome": report.outcome,
            "entries": report.entries,
            "note": f"pages as fetched on {since:%Y-%m-%d}" if since else report.reason,
        }
    )
