"""What must lie in the lake and in every table, by the catalogue alone and in plain Python.

Nothing of `transform`, `lake` or `loading` is used here: the sandbox knows every playlist on every
day, and only when an answer came is taken from the raw documents, after these were compared with
what the sandbox says. Columns and rules are written down once more, by hand.
"""

import csv
import gzip
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from spotify_pipeline.sandbox.catalogue import Catalogue

Row = tuple[Any, ...]
Day = dict[str, dict[Any, dict[str, Any]]]
"""The rows of a day by table and key."""

COLUMNS = {
    "playlist": "snapshot_date playlist_id playlist_name playlist_description owner_id owner_name "
    "is_public is_collaborative snapshot_id followers total_entries playlist_url fetched_at",
    "playlist_entry": "snapshot_date playlist_id position entry_type song_id entry_uri entry_name "
    "added_at added_by",
    "song": "snapshot_date song_id song_name song_duration song_explicit song_isrc song_url "
    "song_popularity song_added album_id artist_id disc_number track_number fetched_at",
    "album": "snapshot_date album_id album_name album_type album_release_date "
    "album_release_precision album_total_tracks album_url album_image_url artist_id fetched_at",
    "artist": "snapshot_date artist_id artist_name artist_url fetched_at",
    "song_artist": "snapshot_date song_id artist_position artist_id",
}
CURRENT = ("song", "album", "artist")


@dataclass(frozen=True)
class World:
    """What there is to judge: the lake's visible objects, and a database that answers SQL."""

    objects: Mapping[str, bytes]
    query: Callable[[str], Sequence[Row]]
    catalogue: Catalogue
    _days: dict[tuple[date, int], Day] = field(default_factory=dict)

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def manifest(self, day: date, batch: int) -> Any:
        return json.loads(self.objects[f"manifests/dt={day}/{batch}.json"])

    def batches(self) -> dict[date, int]:
        """The highest batch of each day."""
        latest: dict[date, int] = {}
        for key in self.keys("manifests/"):
            found = re.fullmatch(r"manifests/dt=([\d-]+)/(\d+)\.json", key)
            assert found, key
            day = date.fromisoformat(found[1])
            latest[day] = max(latest.get(day, 0), int(found[2]))
        return latest

    def ledger(self) -> dict[date, tuple[int, str]]:
        rows = self.query("SELECT snapshot_date, batch, digest FROM OPS.LEDGER")
        assert len({day for day, *_ in rows}) == len(rows), "a day is twice in the ledger"
        return {day: (batch, digest) for day, batch, digest in rows}

    def day(self, day: date, batch: int) -> Day:
        """What a batch has to hold: the documents that its manifest names."""
        if (day, batch) not in self._days:
            documents = self.manifest(day, batch)["documents"]
            ids = [each["key"].rsplit("/", 1)[1].removesuffix(".ndjson.gz") for each in documents]
            self._days[day, batch] = rows_of(self, day, ids)
        return self._days[day, batch]


def problems(world: World, wanted: Mapping[date, Collection[str]]) -> list[str]:
    """All that is not as it has to be once the days are done; `wanted` are their playlists."""
    return [*_lake(world, wanted), *_landing(world), *half_done(world)]


def half_done(world: World) -> list[str]:
    """All that a reader of the database could see of a day that is not whole."""
    published = {day: world.day(day, batch) for day, (batch, _) in world.ledger().items()}
    return [*_history(world, published), *_public(world, published)]


def missed(world: World) -> set[tuple[date, str]]:
    return set(world.query("SELECT snapshot_date, playlist_id FROM OPS.MISSED"))  # type: ignore[arg-type]


# The lake


def _lake(world: World, wanted: Mapping[date, Collection[str]]) -> Iterator[str]:
    captured: dict[date, set[str]] = defaultdict(set)
    for key in world.keys("raw_data/"):
        _, day, name = key.split("/")
        captured[date.fromisoformat(day[3:])].add(name.removesuffix(".ndjson.gz"))
    yield from _differences("raw documents", dict(captured), {d: set(w) for d, w in wanted.items()})
    yield from _differences("days with a batch", set(world.batches()), set(wanted))
    yield from _differences("days in the ledger", set(world.ledger()), set(wanted))
    for day, batch in world.batches().items():
        manifest = world.manifest(day, batch)
        yield from _differences(
            f"ledger of {day}", world.ledger().get(day), (batch, manifest["digest"])
        )
        named = {each["key"]: each["sha256"] for each in manifest["documents"]}
        there = {key: _sha256(world.objects[key]) for key in world.keys(f"raw_data/dt={day}/")}
        yield from _differences(f"documents of batch {batch} of {day}", named, there)
        yield from _differences(f"tables of {day}", set(manifest["files"]), set(COLUMNS))
        for table, file in manifest["files"].items():
            body = world.objects.get(file["key"], b"")
            yield from _differences(f"sum of {file['key']}", file["sha256"], _sha256(body))
            text = gzip.decompress(body).decode() if body else ""
            rows = sum(1 for _ in csv.reader(io.StringIO(text, newline=""))) - 1
            expected = len(world.day(day, batch)[table])
            yield from _differences(f"rows of {file['key']}", (file["rows"], rows), (expected,) * 2)


def _landing(world: World) -> Iterator[str]:
    for table in COLUMNS:
        twice = world.query(
            f"SELECT _file, _row FROM LANDING.{table} GROUP BY _file, _row HAVING COUNT(*) > 1"
        )
        yield from _differences(f"rows twice in LANDING.{table}", len(twice), 0)
        for day, batch in world.batches().items():
            key = world.manifest(day, batch)["files"][table]["key"]
            found = world.query(
                f"SELECT {_listed(COLUMNS[table])} FROM LANDING.{table} WHERE _file LIKE '%{key}'"
            )
            expected = _rows(table, world.day(day, batch))
            yield from _differences(f"LANDING.{table} of {day}", Counter(found), expected)


# The database


def _history(world: World, published: Mapping[date, Day]) -> Iterator[str]:
    for table in COLUMNS:
        found = Counter(world.query(f"SELECT {_listed(COLUMNS[table])} FROM HISTORY.{table}"))
        expected: Counter[Row] = Counter()
        for rows in published.values():
            expected += _rows(table, rows)
        yield from _differences(f"HISTORY.{table}", found, expected)


def _public(world: World, published: Mapping[date, Day]) -> Iterator[str]:
    for table in CURRENT:
        columns = [*COLUMNS[table].split()[1:], "first_seen", "last_seen"]
        found = world.query(f"SELECT {', '.join(columns)} FROM PUBLIC.TB_{table}")
        expected = Counter(
            tuple(row[name] for name in columns) for row in _latest(table, published)
        )
        yield from _differences(f"PUBLIC.TB_{table}", Counter(found), expected)
    today = world.query(f"SELECT {_listed(TODAY)} FROM PUBLIC.PLAYLIST_TODAY")
    yield from _differences("PLAYLIST_TODAY", Counter(today), Counter(_today(published)))
    changes = world.query(f"SELECT {_listed(CHANGES)} FROM PUBLIC.PLAYLIST_CHANGES")
    yield from _differences("PLAYLIST_CHANGES", Counter(changes), Counter(_changes(published)))


def _latest(table: str, published: Mapping[date, Day]) -> Iterator[dict[str, Any]]:
    by_id: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for day in published.values():
        for identity, row in day[table].items():
            by_id[identity].append(row)
    for rows in by_id.values():
        days = [row["snapshot_date"] for row in rows]
        last = max(rows, key=lambda row: (row["fetched_at"], row["snapshot_date"]))
        yield last | {"first_seen": min(days), "last_seen": max(days)}


TODAY = (
    "snapshot_date playlist_name position entry_type entry_name artist_names album_name "
    "album_release_date song_duration song_popularity song_explicit added_at playlist_id song_id "
    "album_id song_url"
)


def _today(published: Mapping[date, Day]) -> Iterator[Row]:
    if not published:
        return
    day = published[max(published)]
    for entry in day["playlist_entry"].values():
        song = day["song"].get(entry["song_id"], {})
        by = [
            artist
            for (of, _), artist in sorted(day["song_artist"].items())
            if of == entry["song_id"]
        ]
        names = [day["artist"][each["artist_id"]]["artist_name"] for each in by]
        row = {
            **song,
            **day["album"].get(song.get("album_id"), {}),
            **entry,
            "playlist_name": day["playlist"][entry["playlist_id"]]["playlist_name"],
            "artist_names": ", ".join(names) if names else None,
            "album_id": song.get("album_id"),
        }
        yield tuple(row.get(name) for name in TODAY.split())


CHANGES = (
    "snapshot_date playlist_id change position previous_position entry_type entry_name song_id "
    "previous_date gap_days"
)


def _changes(published: Mapping[date, Day]) -> Iterator[Row]:
    days: dict[str, list[date]] = defaultdict(list)
    for day in sorted(published):
        for playlist in published[day]["playlist"]:
            days[playlist].append(day)
    for playlist, captured in days.items():
        for before, after in pairwise(captured):
            then, now = (_slots(published[day], playlist) for day in (before, after))
            stayed = [slot for slot in now if slot in then], [slot for slot in then if slot in now]
            for slot in {**now, **then}:
                new, old = now.get(slot), then.get(slot)
                entry = new or old
                assert entry
                is_moved = new and old and stayed[0].index(slot) != stayed[1].index(slot)
                if not new or not old or is_moved:
                    yield (
                        after,
                        playlist,
                        "entered" if not old else "moved" if new else "left",
                        new and new["position"],
                        old and old["position"],
                        # of one address, which is all that makes it the same one
                        entry["entry_type"],
                        entry["entry_name"],
                        entry["song_id"],
                        before,
                        (after - before).days,
                    )


def _slots(day: Day, playlist: str) -> dict[tuple[str, int], dict[str, Any]]:
    """The entries of a playlist in their order, by address and which copy of it."""
    seen: Counter[str] = Counter()
    slots = {}
    for (of, _), entry in sorted(day["playlist_entry"].items()):
        if of == playlist:
            address = entry["entry_uri"] or ""
            seen[address] += 1
            slots[address, seen[address]] = entry
    return slots


# The rows of a day


class DayRows:
    """The rows of a day, put together entry by entry; of one id the last that was fetched stays."""

    def __init__(self, day: date) -> None:
        self.day = day
        self.found: Day = {table: {} for table in COLUMNS}
        self._newest: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._added: dict[str, list[date]] = defaultdict(list)

    def put(self, table: str, key: Any, row: dict[str, Any]) -> None:
        self.found[table][key] = {"snapshot_date": self.day, **row}

    def put_last(self, table: str, key: str, order: tuple[Any, ...], row: dict[str, Any]) -> bool:
        if order <= self._newest.get((table, key), ()):
            return False
        self._newest[table, key] = order
        self.put(table, key, row)
        return True

    def put_song(self, entry: dict[str, Any], item: Any, at: datetime) -> None:
        """A song, with its album and all artists of both."""
        song_id, order = item["id"], (at, entry["playlist_id"], entry["position"])
        if _is_known(entry["added_at"]):
            self._added[song_id].append(entry["added_at"].date())
        if self.put_last("song", song_id, order, _song(item, at)):
            self._put_artists(song_id, item["artists"])
        self.found["song"][song_id]["song_added"] = min(self._added[song_id], default=None)
        album = item["album"] or {}
        if album.get("id"):
            self.put_last("album", album["id"], order, _album(album, at))
        for artist in [*item["artists"], *album.get("artists", ())]:
            if artist["id"]:
                self.put_last("artist", artist["id"], order, _artist(artist, at))

    def _put_artists(self, song_id: str, artists: Sequence[Any]) -> None:
        links = self.found["song_artist"]
        for key in [key for key in links if key[0] == song_id]:
            del links[key]
        for place, artist in enumerate(artists, start=1):
            if artist["id"]:
                link = {"song_id": song_id, "artist_position": place, "artist_id": artist["id"]}
                self.put("song_artist", (song_id, place), link)


def rows_of(world: World, day: date, playlist_ids: Iterable[str]) -> Day:
    """What the tables have to hold of these playlists on that day."""
    rows = DayRows(day)
    for playlist_id in playlist_ids:
        of_day = world.catalogue.playlist(playlist_id, _asked_on(world, day, playlist_id))
        assert of_day
        head, entries = of_day.payload("items", None), of_day.entry_payloads("items")
        times = _times(world, day, playlist_id, head, entries)
        rows.put("playlist", playlist_id, _playlist(head, entries, times))
        for position, (entry, at) in enumerate(zip(entries, times, strict=True), start=1):
            row = _entry(entry, playlist_id, position)
            rows.put("playlist_entry", (playlist_id, position), row)
            if row["song_id"]:
                rows.put_song(row, entry["item"], at)
    return rows.found


def _asked_on(world: World, day: date, playlist_id: str) -> date:
    """The day on which Spotify answered: the next one, if midnight came in between."""
    body = world.objects[f"raw_data/dt={day}/{playlist_id}.ndjson.gz"]
    at = datetime.fromisoformat(json.loads(gzip.decompress(body).splitlines()[0])["fetched_at"])
    assert timedelta() <= at.date() - day <= timedelta(days=1)
    assert at.date() == day or at.hour == 0, f"{playlist_id} of {day} was fetched at {at}"
    return at.date()


def _times(
    world: World, day: date, playlist_id: str, head: Mapping[str, Any], entries: Sequence[Any]
) -> list[datetime]:
    """When each entry came, out of the raw document; which must say what the sandbox says."""
    body = world.objects[f"raw_data/dt={day}/{playlist_id}.ndjson.gz"]
    lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
    told: list[Any] = []
    times = []
    for line in lines:
        page = line["playlist"]["items"] if line["kind"] == "playlist" else line["page"]
        assert page["offset"] == len(told)
        told += page["items"]
        times += [datetime.fromisoformat(line["fetched_at"]).replace(tzinfo=None)] * len(
            page["items"]
        )
    assert told == entries, f"raw document of {playlist_id} on {day}: other entries"
    said = {name: value for name, value in lines[0]["playlist"].items() if name != "items"}
    assert said == head, f"raw document of {playlist_id} on {day}: another playlist"
    return times


def _playlist(head: Any, entries: Sequence[Any], times: Sequence[datetime]) -> dict[str, Any]:
    return {
        "playlist_id": head["id"],
        "playlist_name": head["name"],
        "playlist_description": head["description"],
        "owner_id": head["owner"]["id"],
        "owner_name": head["owner"]["display_name"],
        "is_public": head["public"],
        "is_collaborative": head["collaborative"],
        "snapshot_id": head["snapshot_id"],
        "followers": None,
        "total_entries": len(entries),
        "playlist_url": head["external_urls"]["spotify"],
        "fetched_at": times[0],
    }


def _entry(entry: Any, playlist_id: str, position: int) -> dict[str, Any]:
    item = entry["item"] or {}
    if entry["is_local"]:
        kind = "local"
    elif not item.get("id"):
        kind = "unavailable"
    else:
        kind = item["type"]
    return {
        "playlist_id": playlist_id,
        "position": position,
        "entry_type": kind,
        "song_id": item["id"] if kind == "track" else None,
        "entry_uri": item.get("uri"),
        "entry_name": item.get("name"),
        "added_at": _moment(entry["added_at"]),
        "added_by": entry["added_by"] and entry["added_by"]["id"],
    }


def _song(item: Any, at: datetime) -> dict[str, Any]:
    return {
        "song_id": item["id"],
        "song_name": item["name"],
        "song_duration": item["duration_ms"],
        "song_explicit": item["explicit"],
        "song_isrc": item["external_ids"].get("isrc"),
        "song_url": item["external_urls"]["spotify"],
        "song_popularity": None,
        "album_id": item["album"] and item["album"]["id"],
        "artist_id": item["artists"][0]["id"] if item["artists"] else None,
        "disc_number": item["disc_number"],
        "track_number": item["track_number"],
        "fetched_at": at,
    }


def _album(album: Any, at: datetime) -> dict[str, Any]:
    released, precision = album["release_date"], album["release_date_precision"]
    rest = {"year": "-01-01", "month": "-01", "day": ""}[precision]
    return {
        "album_id": album["id"],
        "album_name": album["name"],
        "album_type": album["album_type"] and album["album_type"].lower(),
        "album_release_date": None if released == "0000" else date.fromisoformat(released + rest),
        "album_release_precision": precision,
        "album_total_tracks": album["total_tracks"],
        "album_url": album["external_urls"]["spotify"],
        "album_image_url": album["images"][0]["url"] if album["images"] else None,
        "artist_id": album["artists"][0]["id"],
        "fetched_at": at,
    }


def _artist(artist: Any, at: datetime) -> dict[str, Any]:
    return {
        "artist_id": artist["id"],
        "artist_name": artist["name"],
        "artist_url": artist["external_urls"]["spotify"],
        "fetched_at": at,
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=None) if text else None


def _is_known(at: datetime | None) -> bool:
    return at is not None and at.year != 1970


# Comparing


def _listed(columns: str) -> str:
    return ", ".join(columns.split())


def _rows(table: str, day: Day) -> Counter[Row]:
    names = COLUMNS[table].split()
    return Counter(tuple(row[name] for name in names) for row in day[table].values())


def _differences(what: str, found: Any, expected: Any) -> Iterator[str]:
    if found == expected:
        return
    if isinstance(found, Counter):
        lacking, more = expected - found, found - expected
        yield (
            f"{what}: {lacking.total()} rows are lacking, as {list(lacking)[:1]}; "
            f"{more.total()} do not belong there, as {list(more)[:1]}"
        )
    else:
        yield f"{what}: {found}, expected {expected}"


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
