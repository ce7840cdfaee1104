"""The commands that run the graph: demo, run, dev."""

import argparse
import gc
import os
import sys
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from spotify_pipeline.clock import frozen_clock, machine_clock, today
from spotify_pipeline.deployment import (
    Deployment,
    parse_date,
    read_deployment,
    read_environment,
    with_dagster_home,
)

DEMO_DAYS = 7


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser("demo", help="a week of synthetic playlists, without any account")
    demo.set_defaults(command=_demo)

    run = commands.add_parser("run", help="one day's graph in this process, for cron")
    run.add_argument("--date", help="the day, YYYY-MM-DD (default: today, UTC)")
    run.add_argument("--reload", action="store_true", help="issue the day's rows as a new batch")
    run.add_argument(
        "--accept-partial", action="store_true", help="leave out lines that can't be read"
    )
    run.add_argument(
        "--ignore-wait",
        action="store_true",
        help="ask Spotify even though it asked an earlier run to wait",
    )
    run.set_defaults(command=_run)

    dev = commands.add_parser("dev", help="the Dagster UI, with the history of this home")
    dev.add_argument("--port", default="3000")
    dev.set_defaults(command=_dev)


def _demo(_: argparse.Namespace) -> int:
    _collect_garbage_seldom()
    from spotify_pipeline.definitions import build_defs
    from spotify_pipeline.orchestration.local_run import dagster_instance, run_day

    deployment = read_deployment(name="demo")
    start = machine_clock()
    last = today(frozen_clock(start))
    days = [last - timedelta(days=n) for n in reversed(range(DEMO_DAYS))]
    deployment = replace(deployment, start_date=days[0])
    print(f"Seven days of synthetic playlists into {deployment.home}: every name is invented.\n")
    with dagster_instance(deployment) as instance:
        for day in days:
            began = time.monotonic()
            print(f"  {day} ", end="", flush=True)
            clock = frozen_clock(start - (last - day))
            outcome = run_day(build_defs(deployment, clock), instance, day)
            if not outcome.is_well:
                print("failed")
                print("\n".join([*outcome.failed_steps, *outcome.red_checks]), file=sys.stderr)
                return 1
            print(f"{_changes_text(deployment, day)}  ({time.monotonic() - began:.1f} s)")
    print()
    _print_day(deployment, last)
    print(_next_steps(deployment))
    print(f"\nThe report of {last}, for the browser:\n  {outcome.report}")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    _collect_garbage_seldom()
    from spotify_pipeline.definitions import build_defs
    from spotify_pipeline.orchestration.assets.lake import BatchOptions
    from spotify_pipeline.orchestration.assets.raw import CaptureOptions
    from spotify_pipeline.orchestration.local_run import dagster_instance, run_day

    deployment = read_deployment(is_for_captures=True)
    day = parse_date(arguments.date, "--date") if arguments.date else today(machine_clock)
    options = BatchOptions(reload=arguments.reload, accept_partial=arguments.accept_partial)
    capture = CaptureOptions(ignore_wait=arguments.ignore_wait)
    print(f"{day} into {deployment.home} ({deployment.source})", flush=True)
    with dagster_instance(deployment) as instance:
        outcome = run_day(
            build_defs(deployment), instance, day, options, capture, is_talkative=True
        )
    for text in outcome.failed_steps:
        print(f"failed: {text}", file=sys.stderr)
    for text in outcome.red_checks:
        print(f"red: {text}", file=sys.stderr)
    for text in outcome.warnings:
        print(f"warning: {text}")
    if outcome.failed_steps:
        print(f"{day} is not whole; the log is in the UI (make dev), run {outcome.run_id}")
    elif deployment.database == "duckdb":
        _print_day(deployment, day)
        print(f"\nThe report of {day}, for the browser:\n  {outcome.report}")
    else:
        print(f"{day} is in the lake. Snowpipe loads it; snowpipe_load_sensor has it published.")
    if outcome.red_checks and not outcome.failed_steps:
        print(f"\n{day} is not whole: what is red stands above, with what to do", file=sys.stderr)
    return 0 if outcome.is_well else 1


def _dev(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.orchestration.local_run import dagster_instance

    # Opened once before it serves, which ends what would keep its queue from moving.
    with dagster_instance(read_deployment(is_for_captures=True)) as instance:
        home = Path(instance.root_directory)
    command = ["dagster", "dev", "-w", "workspace.yaml", "-p", arguments.port]
    os.execve(sys.executable, [sys.executable, "-m", *command], with_dagster_home(home))  # noqa: S606


def _collect_garbage_seldom() -> None:
    """A run lives for seconds: looking for garbage as often as a server does costs it a fifth."""
    gc.set_threshold(50_000, 20, 50)


def _changes_text(deployment: Deployment, day: date) -> str:
    from spotify_pipeline.insights import overview
    from spotify_pipeline.orchestration.database import build_database

    with build_database(deployment).database().session() as session:
        playlists = overview.playlists_of(session, day)
    entries = f"{playlists['entries'].sum():4,} entries of {len(playlists)} playlists"
    if not playlists["has_previous"].any():
        return f"{entries}, the first day"
    counts = ", ".join(f"{playlists[change].sum():3} {change}" for change in overview.CHANGES)
    return f"{entries}: {counts}"


def _print_day(deployment: Deployment, day: date) -> None:
    """What lies in the database now, and what changed on `day`."""
    from spotify_pipeline.insights import overview
    from spotify_pipeline.orchestration.database import build_database

    with build_database(deployment).database().session() as session:
        counts = overview.row_counts(session)
        playlists = overview.playlists_of(session, day)
    print("Rows")
    for name, count in counts.items():
        print(f"  {name:<24} {count:>8,}")
    print(f"\nOn {day}")
    width = max(map(len, playlists["name"]), default=0)
    for row in playlists.itertuples():
        changes = (
            f"{row.entered:>4} entered {row.left:>4} left {row.moved:>4} moved"
            if row.has_previous
            else "  captured for the first time"
        )
        print(f"  {row.name:<{width}} {row.entries:>5,} entries {changes}")


def _next_steps(deployment: Deployment) -> str:
    # What .env picks is what the UI opens.
    is_picked = read_environment()["SPOTIFY_PIPELINE_DEPLOYMENT"] == deployment.name
    ui = "  make dev                     the graph and these runs in the browser\n" * is_picked
    query = (
        f"import duckdb; print(duckdb.connect('{deployment.duckdb_file}', read_only=True)"
        ".sql('FROM PUBLIC.PLAYLIST_CHANGES ORDER BY snapshot_date DESC'))"
    )
    return (
        f"\nWhat next\n"
        f"{ui}"
        f"  ls {deployment.lake_folder}                raw documents, CSV files and manifests\n"
        f'  .venv/bin/python -c "{query}"\n'
        f"  README.md                    your own playlists: the deployment local"
    )
