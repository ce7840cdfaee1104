"""`spotify-pipeline purge`: what would go is shown, then asked, then done."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.deployment import Deployment, parse_date, read_deployment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.forgetting import remaining
from spotify_pipeline.forgetting.plan import Place, Plan, plan
from spotify_pipeline.forgetting.purge import carry_out
from spotify_pipeline.forgetting.subjects import OldDays, Playlist, Subject, User
from spotify_pipeline.ingest.playlist_ids import parse_playlists
from spotify_pipeline.lake import keys
from spotify_pipeline.orchestration import retention
from spotify_pipeline.orchestration.local_run import dagster_instance
from spotify_pipeline.orchestration.resources import build_resources

_KINDS = {
    keys.RAW: "raw documents",
    keys.ATTEMPTS: "records of attempts",
    keys.MANIFESTS: "manifests",
    keys.TRANSFORMED: "files of tables",
    keys.REPORTS: "reports",
}


def purge(arguments: argparse.Namespace) -> int:
    """Shows what would go and what remains, asks, and does it."""
    deployment = read_deployment()
    subject = _subject(arguments, deployment)
    resources = build_resources(deployment, machine_clock)
    with dagster_instance(deployment) as instance:
        retention.require_quiet(instance)
        with _place(arguments, deployment, resources) as place:
            found = plan(place, subject)
            if found.is_empty:
                print(f"There is nothing of {subject}.")
            else:
                _print(place, found, deployment)
                if not (arguments.yes or _agrees()):
                    print("Nothing was done.")
                    return 1
                carry_out(place, found, _say)
    if deployment.database == "duckdb":
        # Where nothing is found, too: a purge may have been cut off just before this.
        retention.compact(resources["database"])
    if not found.is_empty:
        print(f"\nForgotten: {subject}, but for what is said above.")
    return 0


def _subject(arguments: argparse.Namespace, deployment: Deployment) -> Subject:
    if arguments.before is not None:
        before = parse_date(arguments.before, "--before")
        if before > today(machine_clock):
            raise FixConfiguration(
                f"--before {before}: today, {today(machine_clock)}, would go too, and be captured "
                f"again by the next run. Expected today or a day before."
            )
        return OldDays(before)
    if arguments.user is not None:
        if not arguments.user.strip():
            raise FixConfiguration("--user: expected the id of a Spotify user.")
        return User(arguments.user.strip())
    found = parse_playlists(arguments.playlist)
    if len(found) != 1:
        raise FixConfiguration("--playlist: expected one id, URI or link.")
    [playlist_id] = found
    if deployment.name != "demo":
        configured = parse_playlists(deployment.environment["SPOTIFY_PLAYLISTS"])
        if playlist_id in configured:
            raise FixConfiguration(
                f"The playlist {playlist_id} is in SPOTIFY_PLAYLISTS, so the next run would "
                f"capture it again. Nothing was done. Take it out there first, and for the Lambda "
                f"function, if there is one."
            )
    return Playlist(playlist_id)


@contextmanager
def _place(
    arguments: argparse.Namespace, deployment: Deployment, resources: dict[str, object]
) -> Iterator[Place]:
    lake, database = resources["lake"], resources["database"]
    store = lake.store()  # type: ignore[attr-defined]
    if deployment.database == "duckdb":
        with retention.place(deployment, store, database, machine_clock, _say) as place:  # type: ignore[arg-type]
            yield place
        return
    from spotify_pipeline.forgetting.erasing import eraser_of
    from spotify_pipeline.provision import ddl
    from spotify_pipeline.provision.account import administrator

    names = ddl.names(deployment.environment, arguments.names)
    with administrator(arguments.connection) as account:
        account.require(deployment.environment["SNOWFLAKE_ACCOUNT"])
        session = account.session(names["database"], names["warehouse"], store.prefix)
        loader = retention.loader(deployment, None, _say)
        yield Place(store, eraser_of(store), session, loader, machine_clock)


def _print(place: Place, found: Plan, deployment: Deployment) -> None:
    print(f"Of {found.subject} this goes, for good:")
    for text, days in (("days as a whole", found.gone), ("days without it", found.rebuilt)):
        if days:
            span = f"{days[0]} to {days[-1]}" if len(days) > 1 else f"{days[0]}"
            print(f"  {len(days):>9,}  {text}: {span}")
    for prefix, kind in _KINDS.items():
        objects = [n for key, n in found.objects.items() if key.startswith(prefix)]
        if objects:
            extra = sum(objects) - len(objects)
            versions = f" and {extra:,} older versions" if extra else ""
            print(f"  {len(objects):>9,}  {kind}{versions}")
    for keys_of, what in (
        (found.redacted, "are rewritten without it"),
        (found.cleaned, "stay, and lose older versions that name it"),
    ):
        for prefix, count in Counter(key.split("/")[0] + "/" for key in keys_of).items():
            print(f"  {count:>9,}  {_KINDS[prefix]} {what}")
    for table, rows in sorted(found.rows.items()):
        print(f"  {rows:>9,}  rows of {table.upper()}")
    if found.rebuilt:
        print("Days that stay are made and published anew, as batches without it.")
    _print_rest(place, found.subject, deployment)


def _print_rest(place: Place, subject: Subject, deployment: Deployment) -> None:
    print("\nThis remains:")
    if deployment.database == "snowflake":
        print(f"  {remaining.in_snowflake(place.session, today(machine_clock))}")  # type: ignore[arg-type]
    home, is_bucket = str(deployment.dagster_home), deployment.lake == "s3"
    for text in remaining.elsewhere(subject, home, is_bucket=is_bucket):
        print(f"  {text}")
    if deployment.name == "demo" and isinstance(subject, Playlist):
        print("  the playlist in the demo's catalogue: the next run captures today's anew")


def _agrees() -> bool:
    if not sys.stdin.isatty():
        print("\nNobody is there to be asked: --yes does it.")
        return False
    return input("\nDo it? [y/N] ").strip().lower() in ("y", "yes")


def _say(text: str) -> None:
    print(f"  {text}", flush=True)
