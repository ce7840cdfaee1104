"""Without Dagster: the AWS Lambda function that captures the day and starts the Glue job.

Only what comes after what belongs here. Packed by `lambda_package`, started daily by `stack.yaml`.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from functools import partial
from typing import Any

import boto3

from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.deployment import Deployment, Environment, parse_date, read_deployment
from spotify_pipeline.engines.glue import GlueJob
from spotify_pipeline.engines.glue_request import GlueRequest
from spotify_pipeline.errors import SkipThis
from spotify_pipeline.ingest.client import SpotifyClient
from spotify_pipeline.ingest.day import PlaylistReport, complete_day
from spotify_pipeline.ingest.playlist_ids import require_some, wanted_playlists
from spotify_pipeline.ingest.reader import PlaylistReader
from spotify_pipeline.lake import attempts, batch, stamp
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.store import ObjectStore, S3Store
from spotify_pipeline.provision.lambda_secret import Secret

_say = partial(print, flush=True)  # into the function's log


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Captures the event's day, or today, and has Glue make its batch; what is there stays.

    Raises at the end where playlists failed, so that Lambda counts it and tries again.
    """
    deployment = read_deployment(is_for_captures=True)
    environment = deployment.environment
    store = S3Store(boto3.client("s3"), environment["S3_BUCKET"], environment["S3_PREFIX"])
    day = parse_date(event["time"][:10], "time") if "time" in event else today(machine_clock)
    # An event may come late; of a day that is over there is only its batch left to be made.
    reports = _capture(deployment, store, day) if day == today(machine_clock) else []
    glue_run = _make_batch(deployment, store, day)
    if failures := [Failure(r.playlist_id, r.reason) for r in reports if r.outcome == "failed"]:
        raise SkipThis(_failed(day, failures, len(reports)))
    outcomes = [report.outcome for report in reports]
    return {
        "day": str(day),
        "captured": outcomes.count("captured") + outcomes.count("unchanged"),
        "already_there": outcomes.count("already there"),
        "glue_run": glue_run,
    }


def _capture(deployment: Deployment, store: ObjectStore, day: date) -> list[PlaylistReport]:
    stamp.claim(store, deployment.source)
    return complete_day(
        lambda: nullcontext(_reader(deployment.environment)),
        store,
        require_some(wanted_playlists(deployment.environment["SPOTIFY_PLAYLISTS"])),
        day,
        machine_clock,
        _say,
        deployment.capture,
    )


def _reader(environment: Environment) -> PlaylistReader:
    secret = Secret(boto3.client("secretsmanager"), environment["SPOTIFY_SECRET_NAME"], _say)
    return SpotifyClient(
        secret.credentials(),
        environment["SPOTIFY_API_URL"],
        environment["SPOTIFY_ACCOUNTS_URL"],
        secret.keep,
    )


def _make_batch(deployment: Deployment, store: ObjectStore, day: date) -> str | None:
    """The run of the Glue job that makes the day's batch; None where there is nothing to make."""
    drafts = batch.plan(store, [day]).drafts
    if not drafts:
        return None
    job = GlueJob(
        boto3.client("glue"),
        deployment.environment["GLUE_JOB_NAME"],
        deployment.glue_wait_minutes * 60,
    )
    request = GlueRequest.of(store.uri(""), drafts)
    going_on = job.find(request)
    run_id = going_on.run_id if going_on else job.start(request, {}, job.deadline())
    _say(f"Glue job {job.name}: run {run_id} makes the batch of {day}")
    return run_id


def _failed(day: date, failures: Sequence[Failure], of: int) -> str:
    reasons = "".join(f"\n  {reason}" for reason in attempts.by_reason(failures))
    return f"{len(failures)} of {of} playlists of {day} could not be captured:{reasons}"
