"""What the catalogue promises: the same everywhere, alive every day, and every oddity in it."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from spotify_pipeline.sandbox.catalogue import Catalogue, PlaylistOnDay
from spotify_pipeline.sandbox.names import AWKWARD
from spotify_pipeline.sandbox.oddities import ODDITIES
from spotify_pipeline.sandbox.playlists import PlaylistPlan
from spotify_pipeline.sandbox.shapes import Shape

DAY = date(2026, 11, 22)
SIXTY_DAYS = [DAY + timedelta(days=step) for step in range(60)]
CHART, RADIO, ODD, SLOW = range(4)

Json = dict[str, Any]


def on(day: date, which: int, seed: int = 1) -> PlaylistOnDay:
    catalogue = Catalogue(seed)
    playlist = catalogue.playlist(catalogue.playlists[which].playlist_id, day)
    assert playlist is not None
    return playlist


def contents(shape: Shape) -> list[Json]:
    key = "item" if shape == "items" else "track"
    payloads = [entry[key] for entry in on(DAY, ODD).entry_payloads(shape)]
    return [content for content in payloads if content is not None]


def odd_contents(oddity: str, shape: Shape) -> list[Json]:
    key = "item" if shape == "items" else "track"
    playlist = on(DAY, ODD)
    slots = zip(playlist.entries, playlist.entry_payloads(shape), strict=True)
    return [payload[key] for entry, payload in slots if entry.oddity == oddity]


def real_tracks(shape: Shape) -> list[Json]:
    return [it for it in contents(shape) if it["type"] == "track" and not it["is_local"]]


def albums(shape: Shape) -> list[Json]:
    return [track["album"] for track in real_tracks(shape) if track["album"] is not None]


# The same everywhere


def test_every_process_makes_the_same_payloads() -> None:
    program = """
import hashlib, json
from datetime import date
from spotify_pipeline.sandbox.catalogue import Catalogue
catalogue, digest = Catalogue(7), hashlib.sha256()
for plan in catalogue.playlists:
    playlist = catalogue.playlist(plan.playlist_id, date(2026, 11, 22))
    page = {"items": playlist.entry_payloads("both")}
    digest.update(json.dumps(playlist.payload("both", page)).encode())
print(digest.hexdigest())
"""
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "4711")
    }
    assert len(answers) == 1


def test_every_machine_invents_the_same_first_song() -> None:
    first = on(DAY, CHART).entry_payloads("items", limit=1)[0]["item"]
    assert (first["id"], first["name"]) == ("3yR9FKUPpZq1SPbliNJMSo", "Tideline, Drowsy")


def test_another_seed_is_another_world() -> None:
    ours, theirs = (
        {e["item"]["id"] for e in on(DAY, CHART, seed).entry_payloads("items")} for seed in (1, 2)
    )
    assert not ours & theirs


def test_ids_look_like_spotifys() -> None:
    ids = [plan.playlist_id for plan in Catalogue().playlists]
    ids += [album["id"] for album in albums("items")]
    for track in real_tracks("items"):
        ids += [track["id"], *(artist["id"] for artist in track["artists"])]
    assert all(re.fullmatch("[0-9A-Za-z]{22}", each) for each in ids)


def test_an_id_always_means_the_same_thing() -> None:
    """Songs occur in several playlists and on many days; only their popularity may differ."""
    seen: dict[str, Json] = {}
    for which in (CHART, RADIO, ODD, SLOW):
        for day in SIXTY_DAYS[::20]:
            for entry in on(day, which).entry_payloads("items"):
                item = entry["item"]
                if item and item["id"]:
                    assert seen.setdefault(item["id"], item) == item


# Alive every day


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("which", [CHART, RADIO, ODD])
def test_every_day_some_enter_some_leave_some_move(which: int, seed: int) -> None:
    for day in SIXTY_DAYS:
        before = [entry.number for entry in on(day, which, seed).entries]
        after = [entry.number for entry in on(day + timedelta(days=1), which, seed).entries]
        assert set(after) - set(before)
        assert set(before) - set(after)
        assert [it for it in before if it in set(after)] != [
            it for it in after if it in set(before)
        ]


@pytest.mark.parametrize("which", [CHART, RADIO, ODD])
def test_few_of_a_playlist_are_replaced_in_a_day(which: int) -> None:
    for day in SIXTY_DAYS:
        before, after = (
            Counter(e.number for e in on(d, which).entries) for d in (day, day + timedelta(days=1))
        )
        assert 0.02 <= (after - before).total() / after.total() <= 0.06


def test_the_slow_one_rests_on_most_days_but_not_for_ever() -> None:
    marks = [on(day, SLOW).snapshot_id for day in SIXTY_DAYS]
    unchanged = sum(today == tomorrow for today, tomorrow in pairwise(marks))
    assert 10 <= unchanged < 59
    assert on(SIXTY_DAYS[0], SLOW).entries != on(SIXTY_DAYS[-1], SLOW).entries


@pytest.mark.parametrize("which", [CHART, RADIO, ODD, SLOW])
def test_entries_keep_their_added_at_and_never_come_from_the_future(which: int) -> None:
    staying: dict[int, set[Any]] = {}
    for day in SIXTY_DAYS:
        today: dict[int, set[Any]] = {}
        for entry in on(day, which).entries:
            assert entry.added_at.date() < day
            today.setdefault(entry.number, set()).add((entry.added_at, entry.added_by))
        for number in staying.keys() & today.keys():
            assert staying[number] == today[number]
        staying = today


@pytest.mark.parametrize("which", [CHART, RADIO, ODD, SLOW])
def test_the_snapshot_id_differs_exactly_when_the_entries_do(which: int) -> None:
    for day in SIXTY_DAYS:
        today, tomorrow = on(day, which), on(day + timedelta(days=1), which)
        assert (today.snapshot_id == tomorrow.snapshot_id) == (today.entries == tomorrow.entries)


def test_the_snapshot_id_differs_when_the_plan_does() -> None:
    marks = set()
    for description in ("", None, "new"):
        plan = PlaylistPlan("p" * 22, "Renamed", 3, description=description)
        playlist = Catalogue(playlists=[plan]).playlist("p" * 22, DAY)
        assert playlist is not None
        marks.add(playlist.snapshot_id)
    assert len(marks) == 3


def test_popularity_drifts_by_at_most_one_a_day() -> None:
    def popularity(day: date) -> dict[str, int]:
        tracks = (entry["track"] for entry in on(day, CHART).entry_payloads("tracks"))
        return {track["id"]: track["popularity"] for track in tracks}

    today, tomorrow = popularity(DAY), popularity(DAY + timedelta(days=1))
    steps = Counter(abs(today[song] - tomorrow[song]) for song in today.keys() & tomorrow.keys())
    assert set(steps) == {1}
    assert all(0 <= value <= 100 for value in today.values())


# Every oddity in it


def has(condition: Callable[[Json], bool]) -> Callable[[Shape], bool]:
    return lambda shape: any(map(condition, real_tracks(shape)))


def album_has(condition: Callable[[Json], bool]) -> Callable[[Shape], bool]:
    return lambda shape: any(map(condition, albums(shape)))


def content_has(condition: Callable[[Json], bool]) -> Callable[[Shape], bool]:
    return lambda shape: any(map(condition, contents(shape)))


def entry_has(condition: Callable[[Json], bool]) -> Callable[[Shape], bool]:
    return lambda shape: any(map(condition, on(DAY, ODD).entry_payloads(shape)))


SEEN_IN_BOTH_SHAPES: dict[str, Callable[[Shape], bool]] = {
    "added_at null": entry_has(lambda e: e["added_at"] is None),
    "added_at 1970": entry_has(lambda e: e["added_at"] == "1970-01-01T00:00:00Z"),
    "added_by null": entry_has(lambda e: e["added_by"] is None),
    "added_by empty": entry_has(
        lambda e: (
            e["added_by"] is not None
            and (e["added_by"]["id"], e["added_by"]["uri"]) == ("", "spotify:user:")
        )
    ),
    "nothing": lambda shape: len(contents(shape)) < len(on(DAY, ODD).entries),
    "a year": album_has(lambda a: a["release_date"] == "1973"),
    "a month": album_has(lambda a: a["release_date"] == "1981-12"),
    "a day": album_has(lambda a: a["release_date_precision"] == "day"),
    "year 0": album_has(lambda a: a["release_date"] == "0000"),
    "album_type null": album_has(lambda a: a["album_type"] is None),
    "album_type upper": album_has(lambda a: a["album_type"] == "ALBUM"),
    "album without name": album_has(lambda a: a["name"] == ""),
    "album without images": album_has(lambda a: a["images"] == []),
    "without isrc": has(lambda t: t["external_ids"] == {}),
    "several artists": has(lambda t: len(t["artists"]) > 2),
    "restricted": has(lambda t: t.get("restrictions") == {"reason": "market"}),
    "explicit": has(lambda t: t["explicit"]),
    "episode in a track's form": content_has(
        lambda c: (
            (c["type"], c.get("track"), c.get("episode")) == ("episode", False, True)
            and {"album", "artists", "external_ids"} <= c.keys()
            and (c["album"]["release_date"], c["album"]["release_date_precision"]) == (None, None)
        )
    ),
    "without name": has(lambda t: t["name"] == ""),
    "without album": has(lambda t: t["album"] is None),
    "without artists": has(lambda t: t["artists"] == []),
}


@pytest.mark.parametrize("shape", ["items", "tracks"])
@pytest.mark.parametrize("oddity", SEEN_IN_BOTH_SHAPES)
def test_the_odd_playlist_holds(oddity: str, shape: Shape) -> None:
    assert SEEN_IN_BOTH_SHAPES[oddity](shape)


@pytest.mark.parametrize("shape", ["items", "tracks"])
def test_songs_stand_in_it_twice_and_three_times(shape: Shape) -> None:
    assert {1, 2, 3} == set(Counter(track["id"] for track in real_tracks(shape)).values())


@pytest.mark.parametrize("shape", ["items", "tracks"])
def test_every_awkward_name_names_a_song_an_album_and_an_artist(shape: Shape) -> None:
    tracks = real_tracks(shape)
    assert set(AWKWARD) <= {track["name"] for track in tracks}
    assert set(AWKWARD) <= {album["name"] for album in albums(shape)}
    assert set(AWKWARD) <= {artist["name"] for track in tracks for artist in track["artists"][:1]}


@pytest.mark.parametrize("shape", ["items", "tracks"])
def test_local_files_have_no_ids_and_no_total_tracks(shape: Shape) -> None:
    key = "item" if shape == "items" else "track"
    entries = [entry for entry in on(DAY, ODD).entry_payloads(shape) if entry["is_local"]]
    nulls = {"id": None, "href": None, "uri": None}
    for local in (entry[key] for entry in entries):
        assert re.fullmatch(r"spotify:local:[^: ]*:[^: ]*:[^: ]+:\d+", local["uri"])
        assert (
            local.items() >= {"id": None, "href": None, "is_local": True, "track_number": 0}.items()
        )
        assert local["album"].items() >= {**nulls, "album_type": None, "release_date": None}.items()
        assert "total_tracks" not in local["album"]
        assert "track" not in local
        assert "episode" not in local
        assert local["artists"][0].items() >= nulls.items()
    assert any(entry[key]["artists"][0]["name"] == "" for entry in entries)
    assert any(entry[key]["uri"].startswith("spotify:local::") for entry in entries)


@pytest.mark.parametrize("shape", ["items", "tracks"])
def test_an_episode_has_a_show_and_nothing_of_a_track(shape: Shape) -> None:
    [episode] = odd_contents("episode", shape)
    assert episode["type"] == "episode"
    assert episode["show"]["name"]
    assert (episode["track"], episode["episode"]) == (False, True)
    assert not {"album", "artists", "external_ids", "popularity"} & episode.keys()


def test_playlists_differ_in_description_and_cover() -> None:
    catalogue = Catalogue()
    payloads = [on(DAY, which).payload("items", {}) for which in range(len(catalogue.playlists))]
    assert {"", None} < {payload["description"] for payload in payloads}
    assert payloads[SLOW]["images"] is None
    assert [(it["height"], it["width"]) for it in payloads[CHART]["images"]] == [(None, None)]
    assert {payload["public"] for payload in payloads} == {True, False, None}


# The shapes


def test_the_2026_shape_lacks_what_spotify_removed() -> None:
    text = str([on(DAY, ODD).payload("items", {}), on(DAY, ODD).entry_payloads("items")])
    for key in (
        "available_markets",
        "popularity",
        "linked_from",
        "publisher",
        "followers",
    ):
        assert f"'{key}'" not in text


def test_the_old_shape_has_all_of_it() -> None:
    text = str([on(DAY, ODD).payload("tracks", {}), on(DAY, ODD).entry_payloads("tracks")])
    for key in (
        "available_markets",
        "popularity",
        "linked_from",
        "publisher",
        "followers",
    ):
        assert f"'{key}'" in text


@pytest.mark.parametrize(
    ("shape", "keys"),
    [("items", {"item"}), ("tracks", {"track"}), ("both", {"item", "track"})],
)
def test_an_entry_has_the_keys_of_its_shape(shape: Shape, keys: set[str]) -> None:
    for entry in on(DAY, ODD).entry_payloads(shape):
        assert entry.keys() & {"item", "track", "content"} == keys


@pytest.mark.parametrize("shape", ["items", "tracks"])
def test_tracks_carry_the_confusing_flags(shape: Shape) -> None:
    assert {(track["track"], track["episode"]) for track in real_tracks(shape)} == {(True, False)}


# Plans


def test_a_very_long_playlist_is_no_trouble() -> None:
    plan = PlaylistPlan("l" * 22, "Long", 20_000)
    playlist = Catalogue(playlists=[plan]).playlist(plan.playlist_id, DAY)
    assert playlist is not None
    assert len({entry.number for entry in playlist.entries}) == 20_000
    assert len(playlist.entry_payloads("items", offset=19_990, limit=50)) == 10


@pytest.mark.parametrize("size", range(6))
def test_any_size_is_kept_to(size: int) -> None:
    plan = PlaylistPlan("s" * 22, "Short", size, stay=1)
    playlist = Catalogue(playlists=[plan]).playlist(plan.playlist_id, DAY)
    assert playlist is not None
    assert len(playlist.entries) == size


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Unknown oddities.*mispelt.*unavailable"):
        PlaylistPlan("p" * 22, "Odd", 5, oddities=("mispelt",))
    with pytest.raises(ValueError, match="cannot hold"):
        PlaylistPlan("p" * 22, "Odd", 1, oddities=tuple(ODDITIES))
    with pytest.raises(ValueError, match="at least a day"):
        PlaylistPlan("p" * 22, "Odd", 1, stay=0)
    with pytest.raises(ValueError, match="same playlist_id"):
        Catalogue(playlists=[PlaylistPlan("p" * 22, "A", 1), PlaylistPlan("p" * 22, "B", 1)])
