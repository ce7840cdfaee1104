"""Every slot of a playlist is a row of playlist_entry, whatever is in it."""

import gzip
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_args

import pytest

from spotify_pipeline.lake import raw
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.playlists import PlaylistPlan
from spotify_pipeline_tests.rows import Tables, tables_of
from spotify_pipeline_tests.synthetic import (
    DAY,
    NOON,
    Json,
    Shape,
    album,
    answer,
    artist,
    document,
    entry,
    episode,
    local_file,
    page,
    playlist,
    track,
)

SHAPES = get_args(Shape)
CATALOGUE = Catalogue()


@cache
def catalogue_tables(shape: Shape) -> Tables:
    """The tables of all of the sandbox's playlists on one day."""
    return tables_of(*(catalogue_document(plan, shape) for plan in CATALOGUE.playlists))


def catalogue_document(plan: PlaylistPlan, shape: Shape) -> bytes:
    now = CATALOGUE.playlist(plan.playlist_id, DAY)
    assert now is not None
    first = page(now.entry_payloads(shape, 0, 100), total=plan.size)
    answers = [answer(now.payload(shape, first))]
    for offset in range(100, plan.size, 50):
        more = page(now.entry_payloads(shape, offset, 50), offset, plan.size)
        answers.append(answer(more, "page"))
    return raw.encode(plan.playlist_id, DAY, answers)


# Nothing vanishes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("plan", CATALOGUE.playlists, ids=lambda plan: plan.name)
def test_entries_of_raw_are_rows_in_places_one_to_n(plan: PlaylistPlan, shape: Shape) -> None:
    places = [
        row["position"]
        for row in catalogue_tables(shape)["playlist_entry"]
        if row["playlist_id"] == plan.playlist_id
    ]
    assert places == [str(place) for place in range(1, plan.size + 1)]


def test_each_kind_of_entry_is_told() -> None:
    tables = tables_of(
        document([entry(track()), entry(episode()), entry(local_file()), entry(None)])
    )
    rows = [
        (row["entry_type"], row["song_id"], row["entry_uri"], row["entry_name"])
        for row in tables["playlist_entry"]
    ]
    assert rows == [
        ("track", "song1", "spotify:track:song1", "Song"),
        ("episode", None, "spotify:episode:episode1", "Episode"),
        ("local", None, "spotify:local:Artist:Album:Title:273", "Title"),
        ("unavailable", None, None, None),
    ]
    assert tables.column("song", "song_id") == ["song1"]
    assert tables.odd_values == {}


def test_a_song_that_stands_in_three_places_is_three_rows_and_one_song() -> None:
    tables = tables_of(document([entry(track()), entry(track()), entry(track())]))
    assert tables.column("playlist_entry", "song_id") == ["song1"] * 3
    assert tables.column("song", "song_id") == ["song1"]


def test_who_and_when_are_taken_over() -> None:
    slot = entry(track(), added_at="2026-01-02T03:04:05Z", added_by={"id": "someone"})
    row = tables_of(document([slot])).only("playlist_entry")
    assert (row["added_at"], row["added_by"]) == ("2026-01-02 03:04:05", "someone")


def test_very_old_entries_know_neither_who_nor_when() -> None:
    slot = entry(track(), added_at=None, added_by=None)
    tables = tables_of(document([slot]))
    row = tables.only("playlist_entry")
    assert (row["added_at"], row["added_by"]) == (None, None)
    assert tables.odd_values == {}


def test_an_empty_playlist_is_a_row_without_entries() -> None:
    tables = tables_of(document([]))
    assert tables.only("playlist")["total_entries"] == "0"
    assert tables["playlist_entry"] == []


# Pages


def test_places_go_on_from_page_to_page() -> None:
    first = playlist(page([entry(track("a")), entry(track("b"))], total=3))
    second = page([entry(track("c"))], offset=2, total=3)
    tables = tables_of(raw.encode("p", DAY, [answer(first), answer(second, "page")]))
    rows = tables["playlist_entry"]
    assert [(row["position"], row["song_id"]) for row in rows] == [
        ("1", "a"),
        ("2", "b"),
        ("3", "c"),
    ]


# Odd things


ODD_CONTENTS: dict[str, Any] = {
    "text": "track",
    "number": 5,
    "true": True,
    "list": [1],
    "empty": {},
    "of a kind of tomorrow": track(type="audiobook"),
    "of a numeric kind": track(type=7),
    "without id": track(id=None),
    "with an empty id": track(id=""),
}


def test_a_content_that_is_nothing_we_know_is_an_unavailable_entry() -> None:
    tables = tables_of(document([entry(content) for content in ODD_CONTENTS.values()]))
    found = dict(zip(ODD_CONTENTS, tables.column("playlist_entry", "entry_type"), strict=True))
    assert found == dict.fromkeys(ODD_CONTENTS, "unavailable")


def test_a_slot_that_is_no_object_is_an_unavailable_entry() -> None:
    tables = tables_of(document([None, "text", 5, True, [], {}, entry(track())]))
    assert tables.column("playlist_entry", "entry_type") == [*["unavailable"] * 6, "track"]


ODD_FIELDS: dict[str, Json] = {
    "artists are a number": {"artists": 5},
    "artists are an object": {"artists": {"id": "artist1"}},
    "artists are texts": {"artists": ["Artist"]},
    "artists are nulls": {"artists": [None]},
    "no artists": {"artists": []},
    "album is a text": {"album": "Album"},
    "album is a list": {"album": [album()]},
    "no album": {"album": None},
    "links are a text": {"external_urls": "https://open.spotify.com"},
    "codes are a list": {"external_ids": []},
    "images are a text": {"album": album(images="wide")},
    "images are texts": {"album": album(images=["wide"])},
    "images are null": {"album": album(images=None)},
    "album's artists are a text": {"album": album(artists="Artist")},
    "name is a list": {"name": ["Song"]},
    "name is null": {"name": None},
}


def test_a_field_of_odd_type_costs_nothing_but_itself() -> None:
    slots = [entry(track(name, **fields)) for name, fields in ODD_FIELDS.items()]
    tables = tables_of(document(slots))
    assert tables.column("playlist_entry", "song_id") == list(ODD_FIELDS)
    assert tables.column("song", "song_id") == sorted(ODD_FIELDS)


def odd_values(**fields: Any) -> Any:
    """What is counted for a song with such fields."""
    return tables_of(document([entry(track(**fields))])).odd_values


@pytest.mark.parametrize("album_", ["text", 7, [album()], {}, album(None), album("")], ids=repr)
def test_an_odd_album_is_counted(album_: Any) -> None:
    assert odd_values(album=album_) == {"album_id": 1}


@pytest.mark.parametrize("artists", ["text", 7, artist(), ["text"], [{}], [artist(""), artist()]])
def test_odd_artists_are_counted(artists: Any) -> None:
    assert odd_values(artists=artists) == {"artist_id": 1}


def test_a_song_without_an_album_or_artists_is_not_odd() -> None:
    assert odd_values(album=None, artists=[]) == {}


def test_what_is_no_song_has_no_odd_album_or_artists() -> None:
    slots = [entry(episode(album="text", artists=7)), entry(local_file(artists=7), is_local=True)]
    assert tables_of(document(slots)).odd_values == {}


def test_a_kind_of_tomorrow_is_counted() -> None:
    tables = tables_of(document([entry(track(type="audiobook"))]))
    assert tables.odd_values == {"entry_type": 1}


def test_kinds_are_told_whatever_their_case() -> None:
    tables = tables_of(document([entry(track(type="TRACK")), entry(episode(type="Episode"))]))
    assert tables.column("playlist_entry", "entry_type") == ["track", "episode"]


@pytest.mark.parametrize("said", ["Single", "ΑΣ", "İ"])
def test_only_english_words_are_written_small(said: str) -> None:
    expected = said.lower() if said.isascii() else said
    tables = tables_of(document([entry(track(album=album(album_type=said)))]))
    assert tables.only("album")["album_type"] == expected


def test_a_content_without_kind_counts_as_track() -> None:
    plain = {key: value for key, value in track().items() if key not in ("type", "track")}
    assert tables_of(document([entry(plain)])).only("playlist_entry")["entry_type"] == "track"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_flags_track_and_episode_inside_an_item_are_no_items(shape: Shape) -> None:
    flagged = track(track=True, episode=False)
    tables = tables_of(document([entry(flagged, shape)], shape=shape))
    assert tables.only("playlist_entry")["song_id"] == "song1"


def test_a_flag_in_the_place_of_the_old_name_does_not_hide_the_item() -> None:
    tables = tables_of(document([entry(track(), "items", track=True)]))
    assert tables.only("playlist_entry")["song_id"] == "song1"


def test_an_episode_whose_album_is_really_a_show_makes_no_album() -> None:
    show = {"id": "show1", "name": "Show", "type": "show", "album_type": "show", "artists": []}
    tables = tables_of(document([entry(episode(album=show, artists=[artist("show1")]))]))
    assert tables.only("playlist_entry")["entry_type"] == "episode"
    assert (tables["album"], tables["artist"], tables["song"]) == ([], [], [])


def test_a_local_file_is_told_by_its_address_where_the_flag_is_missing() -> None:
    bare = {"uri": "spotify:local:Artist:Album:Title:273", "name": "Title"}
    slot = {key: value for key, value in entry(bare).items() if key != "is_local"}
    tables = tables_of(document([slot]))
    assert tables.only("playlist_entry")["entry_type"] == "local"
    assert tables.odd_values == {}


def test_a_local_file_is_told_by_the_flag_of_its_slot() -> None:
    tables = tables_of(document([entry({"name": "Title"}, is_local=True)]))
    assert tables.only("playlist_entry")["entry_type"] == "local"


def test_artists_and_albums_of_local_files_make_no_rows() -> None:
    tables = tables_of(document([entry(local_file(), is_local=True)]))
    assert (tables["album"], tables["artist"], tables["song"]) == ([], [], [])


# The playlist itself


def test_a_playlist_with_odd_parts_is_a_row_all_the_same() -> None:
    odd = playlist(page([]), owner="someone", followers=5, public="yes", external_urls=None)
    row = tables_of(raw.encode("p", DAY, [answer(odd)])).only("playlist")
    assert (row["owner_id"], row["followers"], row["is_public"]) == (None, None, None)
    assert row["playlist_name"] == "Playlist"


def test_odd_values_of_a_playlist_are_counted() -> None:
    odd = playlist(
        page([None], total="many"), public="maybe", collaborative=0, followers={"total": "x"}
    )
    assert tables_of(raw.encode("p", DAY, [answer(odd)])).odd_values == {
        "is_public": 1,
        "is_collaborative": 1,
        "followers": 1,
        "total_entries": 1,
    }


def test_an_answer_is_read_by_its_kind_whatever_stands_beside_it() -> None:
    """A page in whose line there is a playlist as well, and the other way round."""
    first = raw.encode("p", DAY, [answer(playlist(page([entry(track("a"))])))])
    second = raw.encode("p", DAY, [answer(page([entry(track("b"))], offset=1), "page")])
    other = {"offset": "x", "items": [None, None]}
    lines = [
        json.dumps(json.loads(gzip.decompress(first)) | {"page": other}),
        json.dumps(json.loads(gzip.decompress(second)) | {"playlist": playlist(other)}),
    ]
    tables = tables_of(gzip.compress("\n".join(lines).encode()))
    assert tables.column("playlist_entry", "song_id") == ["a", "b"]
    assert tables.column("playlist_entry", "position") == ["1", "2"]


def test_a_playlist_tells_what_spotify_tells() -> None:
    moment = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
    full = playlist(page([None], total=1), followers={"href": None, "total": 7}, public=None)
    [row] = tables_of(raw.encode("p", DAY, [answer(full, fetched_at=moment)]))["playlist"]
    assert row == {
        "snapshot_date": "2026-11-22",
        "playlist_id": "p",
        "playlist_name": "Playlist",
        "playlist_description": "",
        "owner_id": "owner1",
        "owner_name": "Owner",
        "is_public": None,
        "is_collaborative": "false",
        "snapshot_id": "version1",
        "followers": "7",
        "total_entries": "1",
        "playlist_url": "https://open.spotify.com/playlist/playlist1",
        "fetched_at": "2026-11-22 12:00:00.250000",
    }


# Shapes


def without(tables: Tables, table: str, column: str) -> list[Json]:
    return [{key: row[key] for key in row if key != column} for row in tables[table]]


@pytest.mark.parametrize("shape", ["tracks", "both"])
def test_every_shape_gives_the_same_rows(shape: Shape) -> None:
    expected, found = catalogue_tables("items"), catalogue_tables(shape)
    for table in ("playlist_entry", "album", "artist", "song_artist"):
        assert found[table] == expected[table]
    for table, column in (("song", "song_popularity"), ("playlist", "followers")):
        assert without(found, table, column) == without(expected, table, column)


def test_what_the_new_shape_withholds_is_null_and_not_odd() -> None:
    tables = catalogue_tables("items")
    assert set(tables.column("song", "song_popularity")) == {None}
    assert set(tables.column("playlist", "followers")) == {None}
    assert tables.odd_values == {}


def test_what_the_old_shape_tells_is_taken_over() -> None:
    tables = catalogue_tables("tracks")
    assert None not in tables.column("song", "song_popularity")
    assert None not in tables.column("playlist", "followers")


def test_a_page_of_one_shape_may_follow_a_playlist_of_the_other() -> None:
    first = playlist(page([entry(track("a"), "tracks")], total=2), "tracks")
    second = page([entry(track("b"), "items")], offset=1, total=2)
    body = raw.encode("p", DAY, [answer(first, fetched_at=NOON), answer(second, "page")])
    assert tables_of(body).column("playlist_entry", "song_id") == ["a", "b"]
