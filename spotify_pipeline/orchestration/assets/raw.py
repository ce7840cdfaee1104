"""`raw_playlist_json`: what Spotify says about each playlist today, kept as it came."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import dagster as dg

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.errors import SkipThis
from spotify_pipeline.ingest.day import PlaylistReport, already_there, complete_day
from spotify_pipeline.lake import attempts, keys, preview, raw
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.orchestration import addresses, asset_keys, checks, judging
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline.orchestration.days import Event, Metadata, each_day, tell
from spotify_pipeline.orchestration.metadata import Stage, explained, raw_fields
from spotify_pipeline.orchestration.resources import LakeResource, SpotifyResource


class CaptureOptions(dg.Config):
    """How Spotify is asked; also what `spotify-pipeline run` passes on."""

    ignore_wait: bool = False


def build(stage: Stage) -> dg.AssetsDefinition:
    """The asset for one deployment."""
    spec = stage.spec(
        asset_keys.RAW,
        "One raw document per playlist and day: every answer of the API as received, with when "
        "and how it was asked. Written once; only what is missing is fetched. Its columns are the "
        "fields of Spotify's answers that the tables are made of; all others are kept, too.",
        {"spotify", "json"},
        metadata=raw_fields() | addresses.of_lake(stage.deployment, keys.RAW),
    )

    @dg.multi_asset(
        name="raw_playlist_json", specs=[spec], backfill_policy=dg.BackfillPolicy.single_run()
    )
    def raw_playlist_json(
        context: dg.AssetExecutionContext,
        config: CaptureOptions,
        spotify: SpotifyResource,
        lake: LakeResource,
        database: DatabaseResource,
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[Event]:
        def capture(day: date) -> Metadata:
            if day != today(clock):
                return _past_day(lake.store(), day, clock)
            store = lake.claim()
            reports = complete_day(
                lambda: spotify.reader(clock),
                store,
                spotify.playlist_ids(),
                day,
                clock,
                context.log.info,
                stage.deployment.capture,
                ignore_wait=config.ignore_wait,
            )
            reports = _named(store, reports)
            there = raw.captured(store, day)
            if not there:
                # The step fails, and Dagster then leaves its checks out: they must not stay green.
                with judging.facts_of(lake, database, spotify, clock) as facts:
                    judging.report(context.instance, checks.RAW, facts)
                raise SkipThis(_none_captured(reports))
            return _told(store, day, len(there), reports)

        began = time.monotonic()
        with explained():
            told = each_day(context, lambda day: {spec.key: capture(day)})
        yield from tell(context, told, began)

    return raw_playlist_json


def _none_captured(reports: Sequence[PlaylistReport]) -> str:
    failures = [Failure(report.playlist_id, report.reason) for report in reports]
    names = {report.playlist_id: report.name for report in reports if report.name}
    reasons = "".join(f"\n  {reason}" for reason in attempts.by_reason(failures, names))
    return f"None of {len(reports)} playlists could be captured:{reasons}"


def _past_day(store: ObjectStore, day: date, clock: Clock) -> Metadata:
    there = sorted(raw.captured(store, day))
    if not there:
        raise SkipThis(
            f"{day} was never captured and can't be any more: Spotify only tells the present, "
            f"and it is {today(clock)}. Days that have raw documents can always be rebuilt."
        )
    return _told(store, day, len(there), _named(store, already_there(there)))


def _named(store: ObjectStore, reports: Sequence[PlaylistReport]) -> list[PlaylistReport]:
    """The reports with the names of playlists that were not read now, as far as they are known."""
    names = preview.playlist_names(store, [r.playlist_id for r in reports if not r.name])
    return [replace(report, name=names.get(report.playlist_id, report.name)) for report in reports]


def _told(
    store: ObjectStore, day: date, documents: int, reports: Sequence[PlaylistReport]
) -> Metadata:
    outcomes = [report.outcome for report in reports]
    return {
        "dagster/partition_row_count": documents,
        "dagster/uri": store.uri(keys.raw_prefix(day)),
        "captured": outcomes.count("captured"),
        "unchanged": outcomes.count("unchanged"),
        "already_there": outcomes.count("already there"),
        "failed": outcomes.count("failed"),
        "entries_captured": sum(report.entries for report in reports),
        "playlists": dg.MetadataValue.table([_row(report) for report in reports]),
    }


def _row(report: PlaylistReport) -> dg.TableRecord:
    since = report.unchanged_since
    return dg.TableRecord(
        {
            "name": report.name,
            "outcome": report.outcome,
            "entries": report.entries,
            "note": f"pages as fetched on {since:%Y-%m-%d}" if since else report.reason,
            "playlist": report.playlist_id,
        }
    )
