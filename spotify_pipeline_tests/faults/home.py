"""A deployment `local` whose Spotify is a sandbox, and whose days are run in processes of their
own, to be broken off or disturbed (`child`) and then judged (`oracle`).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Self

import duckdb

from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.draw import spotify_id
from spotify_pipeline.sandbox.oddities import ODDITIES
from spotify_pipeline.sandbox.playlists import PlaylistPlan
from spotify_pipeline.sandbox.server import SandboxServer
from spotify_pipeline_tests.faults import oracle
from spotify_pipeline_tests.faults.child import Job, SharedClock

PROJECT = Path(__file__).parents[2]
CATALOGUE = Catalogue(
    7,
    (
        PlaylistPlan(spotify_id("charts"), "Charts", 120, stay=6),
        PlaylistPlan(spotify_id("odd"), "Odd Things", 40, stay=5, oddities=(*ODDITIES, "twice")),
        PlaylistPlan(
            spotify_id("slow"), "Slow Sunday", 12, stay=30, description=None, guests=("aunt",)
        ),
    ),
)
PLAYLISTS = tuple(plan.playlist_id for plan in CATALOGUE.playlists)
NOON = time(12)
KILLED = -9
OUT_OF_TIME = -27
"""What the kernel sends after so much work, see `child.Job.cpu_seconds`."""

LAST = datetime.now(UTC).date() - timedelta(days=2)
"""The latest day that tests live through: all of it is past, so that clocks may leap."""


class Runner:
    """The process that forks for every job, with `modules` imported besides; `work` is what the
    last ones took, in seconds."""

    work: Sequence[float] = ()

    def __init__(self, *modules: str) -> None:
        self._modules = modules

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spotify_pipeline_tests.faults.child", *self._modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)},
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def do(self, *jobs: Job) -> list[int]:
        """Does jobs at the same time; their exit codes, or signals as negative numbers."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([asdict(job) for job in jobs]) + "\n")
        self._process.stdin.flush()
        ends = json.loads(self._process.stdout.readline())
        self.work = [work for _, work in ends]
        return [end for end, _ in ends]


class Spotify:
    """A sandbox whose clock can be set, for as long as its block lasts."""

    def __init__(self, folder: Path) -> None:
        self.clock_file = folder / "clock"
        self.clock = SharedClock(self.clock_file)

    def __enter__(self) -> Self:
        app = create_app(CATALOGUE, self.clock, token_clock=lambda: datetime.now(UTC))
        self.server = SandboxServer(app).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__(None, None, None)


@dataclass
class Home:
    """One home of the deployment `local`; `playlists` are those that are configured, and `told`
    is where its commands' words and operations go."""

    folder: Path
    runner: Runner
    spotify: Spotify
    playlists: tuple[str, ...] = PLAYLISTS
    told: Path = Path()

    def __post_init__(self) -> None:
        if self.told == Path():
            self.told = self.folder.with_name(f"{self.folder.name}-told")
        self.told.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(exist_ok=True)
        (self.folder / ".env").touch()

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def database(self) -> Path:
        return self.home / "spotify.duckdb"

    def run(self, day: date, *words: str, at: time = NOON, **befalls: Any) -> int:
        """`spotify-pipeline run` when it is `day`; how the process ended."""
        return self.do(self.job(day, *(words or ("run",)), at=at, **befalls))[0]

    def do(self, *jobs: Job) -> list[int]:
        return self.runner.do(*jobs)

    def job(self, day: date, *words: str, at: time = NOON, **befalls: Any) -> Job:
        """The same, to be done later; Spotify's clock goes with it."""
        moment = datetime.combine(day, at, UTC)
        self.spotify.clock.set((moment - datetime.now(UTC)).total_seconds())
        number = len(list(self.told.glob("operations*")))
        return Job(
            words,
            str(self.folder),
            self.environment,
            str(self.spotify.clock_file),
            str(self.told / "log"),
            str(self.told / f"operations{number}"),
            **befalls,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "SPOTIFY_PIPELINE_DEPLOYMENT": "local",
            "SPOTIFY_PIPELINE_HOME": str(self.home),
            "SPOTIFY_API_URL": self.spotify.server.api_url,
            "SPOTIFY_ACCOUNTS_URL": self.spotify.server.accounts_url,
            "SPOTIFY_CLIENT_ID": "app",
            "SPOTIFY_CLIENT_SECRET": "secret",
            "SPOTIFY_PLAYLISTS": ",".join(self.playlists),
            "SPOTIFY_CONCURRENCY": "1",  # so that operations come in one order
        }

    def said(self) -> str:
        """What all commands have said."""
        return (self.told / "log").read_text()

    def operations(self, run: int = -1) -> list[str]:
        """What a run did, the last one unless another is named."""
        told = sorted(self.told.glob("operations*"), key=lambda path: int(path.name[10:]))
        return told[run].read_text().splitlines()

    def copy(self, folder: Path, told: Path = Path()) -> "Home":
        """The same home at another place."""
        shutil.copytree(self.folder, folder)
        return Home(folder, self.runner, self.spotify, self.playlists, told)

    @contextmanager
    def world(self) -> Iterator[oracle.World]:
        """What a reader finds."""
        with duckdb.connect(*self._opened_by_a_reader()) as connection:
            connection.execute("SET TimeZone = 'UTC'")

            def query(sql: str) -> list[tuple[Any, ...]]:
                return connection.execute(sql).fetchall() if is_made else []

            is_made = connection.execute(
                "SELECT 1 FROM information_schema.tables WHERE table_schema = 'ops'"
            ).fetchone()
            yield oracle.World(self.objects(), query, CATALOGUE)

    def objects(self) -> dict[str, bytes]:
        """All of the lake that is to be seen."""
        lake = self.home / "lake"
        return {
            path.relative_to(lake).as_posix(): path.read_bytes()
            for path in lake.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }

    def _opened_by_a_reader(self) -> tuple[str, bool]:
        """A file and whether it is only read; where there is none yet, an empty database."""
        return (str(self.database), True) if self.database.exists() else (":memory:", False)

    def problems(self, wanted: Mapping[date, Collection[str]]) -> list[str]:
        with self.world() as world:
            return oracle.problems(world, wanted)

    def half_done(self) -> list[str]:
        with self.world() as world:
            return oracle.half_done(world)

    def missed(self) -> set[tuple[date, str]]:
        with self.world() as world:
            return oracle.missed(world)
