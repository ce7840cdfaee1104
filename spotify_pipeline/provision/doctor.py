"""`spotify-pipeline doctor`: says what is configured and tries each thing.

Of what it meets it keeps only a wait that Spotify asks for, so that runs respect it.

The trying is done by the pieces that do the work; here they are asked one after the other, and one
that fails stops none of the others.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from spotify_pipeline import contract
from spotify_pipeline.clock import Clock, today
from spotify_pipeline.deployment import VARIABLES, Deployment, Environment
from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater
from spotify_pipeline.ingest.capture import PlaylistCapture
from spotify_pipeline.ingest.patience import Patience
from spotify_pipeline.ingest.reader import PlaylistReader
from spotify_pipeline.ingest.sign_in import Credentials, SignIn, consent
from spotify_pipeline.lake import attempts, stamp
from spotify_pipeline.lake.store import FolderStore, ObjectStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Database
from spotify_pipeline.loading.pipe import Pipes, look, pipe_name

_WAIT_SECONDS = 30
"""How long the doctor waits where Spotify asks for it, in all."""


@dataclass(frozen=True)
class Verdict:
    """How one thing is: what was found, and what to do unless it is ok."""

    subject: str
    state: Literal["ok", "warn", "FAIL"]
    text: str


class Spotify(Protocol):
    """Where playlists are read from, as the deployment has it."""

    def playlist_ids(self) -> list[str]: ...

    def sign_in(self) -> SignIn | None: ...

    def reader(self, clock: Clock) -> AbstractContextManager[PlaylistReader]: ...


class Lake(Protocol):
    """The lake, as the deployment has it."""

    def store(self) -> ObjectStore: ...


class Databases(Protocol):
    """Database and pipes, as the deployment has them."""

    def database(self) -> Database: ...

    def pipes(self, store: ObjectStore) -> Pipes: ...


def settings(environment: Environment) -> list[tuple[str, str, str]]:
    """Name, value and origin of each variable that has a value; secrets are not readable."""
    return [
        (
            variable.name,
            _masked(environment[variable.name])
            if variable.is_secret
            else environment[variable.name],
            environment.origins[variable.name],
        )
        for variable in VARIABLES
        if environment[variable.name]
    ]


def examine(deployment: Deployment, spotify: Spotify, clock: Clock) -> Iterator[Verdict]:
    """Tries each thing that a run needs."""
    yield verdict("home", lambda: _home(deployment.home))
    if deployment.lake == "folder":
        yield verdict("lake", lambda: _lake(deployment))
    if deployment.name != "demo":
        yield verdict("credentials", lambda: _credentials(deployment.environment))
    yield _consent(spotify, clock)
    playlist_ids: list[str] = []

    def playlists() -> str:
        playlist_ids.extend(spotify.playlist_ids())
        return f"{len(playlist_ids)} configured"

    yield verdict("playlists", playlists)
    if deployment.lake == "folder":
        limits = verdict("limits", lambda: _no_wait(deployment, clock))
        yield limits
        if limits.state != "ok":
            return
    patience = Patience(1, _WAIT_SECONDS, _WAIT_SECONDS, clock, lambda _: None)
    yield from _reading(spotify, patience, playlist_ids, clock)
    if deployment.lake == "folder" and (until := patience.asked_to_wait_until):
        attempts.note_wait(FolderStore(deployment.lake_folder), clock(), until)


def examine_pipes(lake: Lake, databases: Databases, clock: Clock) -> Iterator[Verdict]:
    """The database's sign-in and schema, and each pipe."""
    found: dict[str, Sequence[str]] = {}

    def database() -> str:
        with databases.database().session() as session:
            store = lake.store()
            waiting = publishing.unpublished(session, store)
            found.update(look(databases.pipes(store), session, waiting, clock()).troubles)
        return f"signed in; batches not yet published: {len(waiting)}"

    yield verdict("database", database)
    for table, said in found.items():
        name = pipe_name(contract.table(table))
        yield Verdict(name, "FAIL" if said else "ok", "\n".join(said) or "runs")


def repair(lake: Lake, databases: Databases, clock: Clock) -> Iterator[str]:
    """Sets pipes going for what is not published yet; says each thing when it is done."""
    with databases.database().session() as session:
        store = lake.store()
        waiting = publishing.unpublished(session, store)
        yield from databases.pipes(store).repair(session, waiting, clock())


def verdict(subject: str, try_it: Callable[[], str]) -> Verdict:
    """`ok` with what it says, or what it raises for people."""
    try:
        return Verdict(subject, "ok", try_it())
    except PipelineError as error:
        return Verdict(subject, "FAIL", str(error))


def _home(home: Path) -> str:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return f"{home.absolute()} is writable"
    except OSError as error:
        raise FixConfiguration(
            f"Can't write to {home.absolute()}: {error.strerror}. Make it writable, or set "
            f"SPOTIFY_PIPELINE_HOME."
        ) from error


def _lake(deployment: Deployment) -> str:
    store = FolderStore(deployment.lake_folder)
    stamp.check(store, deployment.source)
    days = attempts.days(store)
    if not days:
        return f"{deployment.lake_folder} is empty; the first run begins it"
    return f"{deployment.lake_folder} is in use since {days[0]}, for {deployment.source} alone"


def _no_wait(deployment: Deployment, clock: Clock) -> str:
    wait_until = attempts.wait_until(FolderStore(deployment.lake_folder), clock())
    if wait_until:
        raise RetryLater(
            f"Spotify asked for no calls until {wait_until:%Y-%m-%d %H:%M} UTC, so none was made "
            f"here. The first run after that tries again."
        )
    return "Spotify has not asked to wait"


def _consent(spotify: Spotify, clock: Clock) -> Verdict:
    try:
        found = consent(spotify.sign_in(), today(clock))
    except PipelineError as error:
        return Verdict("consent", "FAIL", str(error))
    if found.is_over:
        return Verdict("consent", "FAIL", found.text)
    is_worth_a_look = found.ends_soon or not found.is_known
    return Verdict("consent", "warn" if is_worth_a_look else "ok", found.text)


def _reading(
    spotify: Spotify, patience: Patience, playlist_ids: Sequence[str], clock: Clock
) -> Iterator[Verdict]:
    """Signing in as the app or its user, and each playlist as far as its second page."""
    with ExitStack() as stack:
        readers: list[PlaylistReader] = []

        def token() -> str:
            readers.append(stack.enter_context(spotify.reader(clock)))
            patience.for_playlist().call(readers[0].sign_in)
            return "Spotify gives one"

        sign_in = verdict("token", token)
        yield sign_in
        if sign_in.state == "ok":
            for playlist_id in playlist_ids:
                probe = PlaylistCapture(
                    readers[0], patience.for_playlist(), playlist_id, today(clock), clock
                ).probe
                yield verdict(playlist_id, partial(_playlist, probe))


def _playlist(probe: Callable[[], tuple[str, int]]) -> str:
    name, entries = probe()
    return f"{name!r}, {entries:,} entries"


def _credentials(environment: Environment) -> str:
    client_id = environment["SPOTIFY_CLIENT_ID"]
    Credentials(client_id, environment["SPOTIFY_CLIENT_SECRET"]).require()
    return f"of the app {client_id}"


def _masked(secret: str) -> str:
    """So much of a secret that its owner can tell it from another."""
    return f"…{secret[-4:]}" if len(secret) >= 16 else "(set)"
