"""The commands about Spotify: login, and the sandbox that stands in for it."""

import argparse
import contextlib
import sys
import threading

from spotify_pipeline.cli.retention import NAME, ask_retention
from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.deployment import read_deployment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest.sign_in import PORT, Credentials, SignInFile, consent


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    login = commands.add_parser("login", help="sign a Spotify user in, by browser")
    login.add_argument(
        "--port", type=int, default=PORT, help=f"of the redirect address (default: {PORT})"
    )
    login.add_argument("--no-browser", action="store_true", help="only print the link")
    login.set_defaults(command=_login)

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
    if not environment[NAME] and (days := ask_retention()) is not None:
        print(f"Into .env:\n{NAME}={days}")
    return 0


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
