"""`spotify-pipeline`: the command line. It parses, calls and prints; the work is done elsewhere."""

import argparse
import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
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
from spotify_pipeline.errors import FixConfiguration, PipelineError
from spotify_pipeline.ingest.sign_in import PORT, Credentials, SignInFile, consent

DEMO_DAYS = 7


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0 only if all is well."""
    parsed = _parser().parse_args(arguments)
    _enter_project()
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        return command(parsed)
    except PipelineError as error:
        print(f"spotify-pipeline: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def script() -> None:
    """The command as installed. Taking a process of this size apart would take Python most of a
    second in which nothing is left to be done."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spotify-pipeline",
        description="Daily snapshots of Spotify playlists, from the API to tables.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")

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

    login = commands.add_parser("login", help="sign a Spotify user in, by browser")
    login.add_argument(
        "--port", type=int, default=PORT, help=f"of the redirect address (default: {PORT})"
    )
    login.add_argument("--no-browser", action="store_true", help="only print the link")
    login.set_defaults(command=_login)

    doctor = commands.add_parser("doctor", help="what is configured, and whether each thing works")
    doctor.set_defaults(command=_doctor)

    dev = commands.add_parser("dev", help="the Dagster UI, with the history of this home")
    dev.add_argument("--port", default="3000")
    dev.set_defaults(command=_dev)

    sandbox = commands.add_parser(
        "sandbox",
        help="a stand-in for the Spotify Web API on loopback",
        epilog=_faults_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sandbox.add_argument("--port", type=int, default=8765)
    sandbox.add_argument("--seed", type=int, default=1, help="another seed, another catalogue")
    sandbox.add_argument(
        "--shape",
        choices=("items", "tracks", "both"),
        default="items",
        help="payload: items (apps since 2026), tracks (Extended Quota) or both at once",
    )
    sandbox.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[,KEY=VALUE...]",
        help="misbehave (repeatable; the first fault that hits a request answers it)",
    )
    sandbox.add_argument(
        "--latency", type=int, default=0, metavar="MS", help="answer so many milliseconds later"
    )
    sandbox.add_argument(
        "--user",
        metavar="ID",
        help="who signs in, and reads entries only where owner or guest (default: all read all)",
    )
    sandbox.set_defaults(command=_sandbox)
    return parser


def _enter_project() -> None:
    """Makes commands work from anywhere, as cron calls them: where there is neither .env nor
    workspace.yaml, they run in the project's own folder."""
    project = Path(__file__).parents[1]
    is_place = any(Path(name).exists() for name in (".env", "workspace.yaml"))
    if not is_place and (project / "workspace.yaml").exists():
        os.chdir(project)


def _run(arguments: argparse.Namespace) -> int:
    _collect_garbage_seldom()
    from spotify_pipeline.definitions import build_defs
    from spotify_pipeline.orchestration.assets.lake import BatchOptions
    from spotify_pipeline.orchestration.assets.raw import CaptureOptions
    from spotify_pipeline.orchestration.local_run import dagster_instance, run_day

    deployment = read_deployment()
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
    else:
        _print_day(deployment, day)
    if outcome.red_checks and not outcome.failed_steps:
        print(f"\n{day} is not whole: what is red stands above, with what to do", file=sys.stderr)
    return 0 if outcome.is_well else 1


def _collect_garbage_seldom() -> None:
    """A run lives for seconds: looking for garbage as often as a server does costs it a fifth."""
    gc.set_threshold(50_000, 20, 50)


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
    return 0


def _login(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.ingest.login import login

    deployment = read_deployment()
    if deployment.name == "demo":
        raise FixConfiguration(
            "The demo reads a stand-in and needs no sign-in. For your own playlists set "
            "SPOTIFY_PIPELINE_DEPLOYMENT=local in .env (README, Your own playlists)."
        )
    environment = deployment.environment
    user = login(
        Credentials(environment["SPOTIFY_CLIENT_ID"], environment["SPOTIFY_CLIENT_SECRET"]),
        environment["SPOTIFY_ACCOUNTS_URL"],
        port=arguments.port,
        open_browser=not arguments.no_browser,
        read_line=input if sys.stdin.isatty() else None,
    )
    SignInFile(deployment.sign_in_file).write(user)
    print(f"Signed in; stored in {deployment.sign_in_file}: {consent(user, today(machine_clock))}.")
    if environment["SPOTIFY_REFRESH_TOKEN"]:
        print(
            f"SPOTIFY_REFRESH_TOKEN is set ({environment.origins['SPOTIFY_REFRESH_TOKEN']}) and "
            f"wins over what was stored: take it out."
        )
    return 0


def _doctor(_: argparse.Namespace) -> int:
    from spotify_pipeline.orchestration.resources import build_resources
    from spotify_pipeline.provision import doctor

    environment = read_environment()
    for name, value, origin in doctor.settings(environment):
        print(f"  {name:<29}  {origin:<11}  {value}")
    deployment = read_deployment(environment)
    print(f"\nThe deployment {deployment.name}:")
    spotify = build_resources(deployment, machine_clock)["spotify"]
    states = []
    for verdict in doctor.examine(deployment, spotify, machine_clock):
        print(f"  {verdict.state:<4}  {verdict.subject:<22}  {verdict.text}", flush=True)
        states.append(verdict.state)
    if "FAIL" in states:
        print("\nNot all is well; each line says what to do.")
        return 1
    print(
        "\nIt works; what is marked warn is worth a look." if "warn" in states else "\nAll is well."
    )
    return 0


def _dev(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.orchestration.local_run import prepare_dagster_home

    home = prepare_dagster_home(read_deployment())
    command = ["dagster", "dev", "-w", "workspace.yaml", "-p", arguments.port]
    os.execve(sys.executable, [sys.executable, "-m", *command], with_dagster_home(home))  # noqa: S606


def _sandbox(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.sandbox.app import create_app
    from spotify_pipeline.sandbox.catalogue import Catalogue
    from spotify_pipeline.sandbox.faults import parse_faults, with_faults
    from spotify_pipeline.sandbox.latency import with_latency
    from spotify_pipeline.sandbox.server import SandboxServer

    catalogue = Catalogue(arguments.seed)
    playlist_ids = [plan.playlist_id for plan in catalogue.playlists]
    faults = parse_faults(arguments.fault, playlist_ids)
    good_app = create_app(catalogue, machine_clock, arguments.shape, user=arguments.user)
    app = with_latency(with_faults(good_app, faults, arguments.seed), arguments.latency)
    refresh_token = "  SPOTIFY_REFRESH_TOKEN=sandbox\n" if arguments.user else ""
    with SandboxServer(app, arguments.port) as server:
        print(
            f"A stand-in for the Spotify Web API on {server.accounts_url}; its catalogue is "
            f"synthetic, every name is invented.\n"
            f"To use it, put into .env (any client id and secret will do):\n"
            f"  SPOTIFY_PIPELINE_DEPLOYMENT=local\n"
            f"  SPOTIFY_PIPELINE_HOME=.sandbox\n"
            f"  SPOTIFY_API_URL={server.api_url}\n"
            f"  SPOTIFY_ACCOUNTS_URL={server.accounts_url}\n"
            f"  SPOTIFY_CLIENT_ID=sandbox\n"
            f"  SPOTIFY_CLIENT_SECRET=sandbox\n"
            f"{refresh_token}"
            f"  SPOTIFY_PLAYLISTS={','.join(playlist_ids)}\n"
            f"Ctrl-C ends it.",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


def _faults_text() -> str:
    from spotify_pipeline.sandbox.fault_kinds import KINDS

    kinds = "\n".join(f"  {name:<18} {kind.summary}" for name, kind in KINDS.items())
    return (
        f"faults, as in --fault rate_limit,times=3 --fault drop,share=0.1:\n{kinds}\n"
        f"keys of a fault:\n"
        f"  playlist=ID        only requests for this playlist\n"
        f"  times=N            over after so many requests\n"
        f"  share=0.1          hits this part of the requests, drawn by --seed\n"
        f"  seconds=S          what Retry-After says, or how late the answer is"
    )


def _changes_text(deployment: Deployment, day: date) -> str:
    from spotify_pipeline.loading import insights
    from spotify_pipeline.loading.duckdb import DuckDBDatabase

    with DuckDBDatabase(deployment.duckdb_file).session() as session:
        playlists = insights.playlists_of(session, day)
    entries = f"{playlists['entries'].sum():4,} entries of {len(playlists)} playlists"
    if not playlists["has_previous"].any():
        return f"{entries}, the first day"
    counts = ", ".join(f"{playlists[change].sum():3} {change}" for change in insights.CHANGES)
    return f"{entries}: {counts}"


def _print_day(deployment: Deployment, day: date) -> None:
    """What lies in the database now, and what changed on `day`."""
    from spotify_pipeline.loading import insights
    from spotify_pipeline.loading.duckdb import DuckDBDatabase

    with DuckDBDatabase(deployment.duckdb_file).session() as session:
        counts = insights.row_counts(session)
        playlists = insights.playlists_of(session, day)
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


if __name__ == "__main__":
    sys.exit(main())
