"""A small house in which days were captured and published, and what it must hold, in plain Python.

`Captures` say what Spotify said: who owned what on which day, which songs it held, who added them.
Each song has an album and an artist of its own, so that every id tells where it came from.
"""

import gzip
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from spotify_pipeline import contract
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.forgetting.erasing import eraser_of
from spotify_pipeline.forgetting.loaders import HereLoader
from spotify_pipeline.forgetting.plan import Place
from spotify_pipeline.lake import attempts, batch, keys, raw
from spotify_pipeline.lake.attempts import Attempt, Failure
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.lake.store import FolderStore, ObjectStore, S3Store
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline_tests.loading.rows import bag
from spotify_pipeline_tests.synthetic import (
    album,
    answer,
    artist,
    entry,
    link,
    page,
    playlist,
    track,
)

DAYS = [date(2026, 11, 20) + timedelta(days=n) for n in range(3)]


@dataclass(frozen=True)
class Capture:
    """One playlist on one day: its owner, and of each entry the song and who added it."""

    owner: str | None
    entries: tuple[tuple[str, str | None], ...]


Captures = Mapping[tuple[date, str], Capture]

CAPTURES: Captures = {
    (DAYS[0], "PLchart"): Capture("USanna", (("SOone", "USanna"), ("SOtwo", "USbert"))),
    (DAYS[0], "PLradio"): Capture("USbert", (("SOtwo", "USbert"), ("SOold", "USbert"))),
    (DAYS[1], "PLchart"): Capture("USanna", (("SOtwo", "USbert"), ("SOchart", "USanna"))),
    (DAYS[2], "PLchart"): Capture("USbert", (("SOtwo", "USbert"),)),
    (DAYS[2], "PLradio"): Capture("USbert", (("SOtwo", "USbert"), ("SOnew", "USanna"))),
}


def body_of(playlist_id: str, day: date, capture: Capture) -> bytes:
    """The raw document, with the user in every way in which Spotify names one."""
    entries = []
    for song, user in capture.entries:
        own = artist(f"AR{song}")
        content = track(song, artists=[own], album=album(f"AL{song}", artists=[own]))
        entries.append(entry(content, added_by=_user(user)))
    owner = _user(capture.owner) | {"display_name": f"NAME{capture.owner}"}
    said = f'by <a href="spotify:user:{capture.owner}">someone</a>'
    at = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    told = answer(playlist(page(entries), owner=owner, description=said), fetched_at=at)
    return raw.encode(playlist_id, day, [told])


def _user(user: str | None) -> dict[str, Any]:
    return {
        "type": "user",
        "id": user,
        "uri": f"spotify:user:{user}",
        "href": f"https://api.spotify.com/v1/users/{user}",
        "external_urls": link("user", str(user)),
    }


class House:
    """A lake, a database and its pipes in a folder; or a lake that is somewhere else."""

    def __init__(self, home: Path, store: ObjectStore | None = None) -> None:
        self.home = home
        self.store = store or FolderStore(home / "lake")
        self.today = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self.database = DuckDBDatabase(home / "spotify.duckdb", lock_seconds=0.2)

    def clock(self) -> datetime:
        return self.today

    @contextmanager
    def place(self) -> Iterator[Place]:
        with self.database.session() as session:
            session.execute("SET threads = 1")
            loader = HereLoader(EmbeddedPipe(self.store, self.clock))
            yield Place(self.store, eraser_of(self.store), session, loader, self.clock)

    def capture(self, captures: Captures) -> None:
        """Captures and attempts, and a playlist that failed on the second day."""
        for (day, playlist_id), capture in captures.items():
            body = body_of(playlist_id, day, capture)
            assert self.store.put_new(keys.raw(day, playlist_id), body)
        for day in sorted({day for day, _ in captures}):
            lacking = {"PLchart", "PLradio"} - raw.captured(self.store, day)
            failures = tuple(Failure(each, "it was away") for each in sorted(lacking))
            at = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
            attempts.record(self.store, day, at, Attempt(("PLchart", "PLradio"), failures))

    def publish(self, *days: date, reload: bool = False) -> None:
        """Makes, loads and publishes batches, and writes what stands for a report."""
        results = batch.issue(self.store, EmbeddedEngine(), days, self.clock, reload=reload)
        with self.place() as place:
            for table in contract.TABLES:
                EmbeddedPipe(self.store, self.clock).load(place.session, table)
            for day, outcome in results.items():
                assert isinstance(outcome, Outcome)
                publishing.publish(place.session, outcome.manifest, self.clock())
                names = " ".join(sorted(raw.captured(self.store, day)))
                key = keys.report(day, outcome.manifest.batch, outcome.manifest.digest)
                self.store.put_new(key, names.encode())
            missed = attempts.gaps(self.store, DAYS[:2])
            publishing.note_missed(place.session, missed, self.clock())


def fill(home: Path) -> House:
    """All days, each published, the first one twice."""
    house = House(home)
    house.capture(CAPTURES)
    house.publish(*DAYS)
    house.publish(DAYS[0], reload=True)
    return house


def copied(house: House, to: Path) -> House:
    shutil.copytree(house.home, to)
    return House(to)


def expected(captures: Captures) -> dict[str, Counter[tuple[Any, ...]]]:
    """What the tables must hold, some columns of each."""
    songs: dict[date, set[str]] = {}
    for (day, _), capture in captures.items():
        songs.setdefault(day, set()).update(song for song, _ in capture.entries)
    days = [(day, song) for day, each in songs.items() for song in each]
    return {
        "history.playlist": Counter(
            (day, playlist_id, capture.owner, capture.owner and f"NAME{capture.owner}")
            for (day, playlist_id), capture in captures.items()
        ),
        "history.playlist_entry": Counter(
            (day, playlist_id, position, song, user)
            for (day, playlist_id), capture in captures.items()
            for position, (song, user) in enumerate(capture.entries, start=1)
        ),
        "history.song": Counter(days),
        "history.album": Counter((day, f"AL{song}") for day, song in days),
        "history.artist": Counter((day, f"AR{song}") for day, song in days),
        "history.song_artist": Counter((day, song, 1, f"AR{song}") for day, song in days),
        "public.tb_song": _seen(days, ""),
        "public.tb_album": _seen(days, "AL"),
        "public.tb_artist": _seen(days, "AR"),
        "ops.ledger": Counter((day,) for day in songs),
    }


def _seen(days: Sequence[tuple[date, str]], prefix: str) -> Counter[tuple[Any, ...]]:
    seen: dict[str, list[date]] = {}
    for day, song in days:
        seen.setdefault(prefix + song, []).append(day)
    return Counter((identity, min(each), max(each)) for identity, each in seen.items())


_COLUMNS = {
    "history.playlist": "snapshot_date, playlist_id, owner_id, owner_name",
    "history.playlist_entry": "snapshot_date, playlist_id, position, song_id, added_by",
    "history.song": "snapshot_date, song_id",
    "history.album": "snapshot_date, album_id",
    "history.artist": "snapshot_date, artist_id",
    "history.song_artist": "snapshot_date, song_id, artist_position, artist_id",
    "public.tb_song": "song_id, first_seen, last_seen",
    "public.tb_album": "album_id, first_seen, last_seen",
    "public.tb_artist": "artist_id, first_seen, last_seen",
    "ops.ledger": "snapshot_date",
}


def held(session: Session) -> dict[str, Counter[tuple[Any, ...]]]:
    """What they hold; PUBLIC must be what it is defined as."""
    for table in contract.CURRENT:
        defined = bag(session.execute(publishing.definition(table)))
        assert bag(session.execute(f"SELECT * FROM public.tb_{table.name}")) == defined
    return {
        name: bag(session.execute(f"SELECT {columns} FROM {name}"))
        for name, columns in _COLUMNS.items()
    }


def places_of(house: House, *words: str) -> list[str]:
    """Every file, by name or content, and every table in which one of the words stands."""
    found = []
    for path in sorted(each for each in house.home.rglob("*") if each.is_file()):
        text = (
            path.relative_to(house.home).as_posix().encode() + b"\n" + _unpacked(path.read_bytes())
        )
        found += [
            f"{path.relative_to(house.home)}: {word}" for word in words if word.encode() in text
        ]
    with house.database.session() as session:
        for schema, table in session.execute("SELECT schema_name, table_name FROM duckdb_tables()"):
            rows = str(session.execute(f"SELECT * FROM {schema}.{table}"))
            found += [f"{schema}.{table}: {word}" for word in words if word in rows]
    return found


def versions_of(store: S3Store) -> list[str]:
    """All versions of all objects: key and content, and the keys of those that are deleted."""
    client, texts = store.client, []
    pages = client.get_paginator("list_object_versions")
    for listed in pages.paginate(Bucket=store.bucket, Prefix=store.prefix):
        for each in listed.get("Versions", ()):
            body = client.get_object(
                Bucket=store.bucket, Key=each["Key"], VersionId=each["VersionId"]
            )
            content = _unpacked(body["Body"].read()).decode(errors="replace")
            texts.append(f"{each['Key']} {content}")
        texts += [each["Key"] for each in listed.get("DeleteMarkers", ())]
    return texts


def _unpacked(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return body
