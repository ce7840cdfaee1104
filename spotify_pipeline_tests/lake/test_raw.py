"""Raw documents: nothing dropped, nothing renamed, and damage told by line."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_pipeline.lake import keys, raw
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline_tests.synthetic import DAY, NOON, Json, answer, document, page

KEY = keys.raw(DAY, "playlist1")


def lines_of(body: bytes) -> list[Json]:
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]


def salvage(tmp_path: Path, body: bytes) -> tuple[list[bytes], list[tuple[int, str]]]:
    """The lines that are left, and number and reason of those that aren't."""
    store = FolderStore(tmp_path)
    store.put_new(KEY, body)
    kept = raw.salvage(store, KEY)
    lines = raw.read_lines(store, KEY)
    bad = [(line.number, line.problem) for line in lines if line.problem]
    return gzip.decompress(kept).splitlines(), bad


GOOD = gzip.decompress(document([])).removesuffix(b"\n")


def damaged(*lines: bytes) -> bytes:
    return gzip.compress(b"".join(line + b"\n" for line in lines))


# As received


def test_a_line_is_an_answer_in_an_envelope() -> None:
    request = {"method": "GET", "path": "/v1/playlists/p/items", "params": {"offset": "100"}}
    body = {"offset": 100, "items": []}
    moment = NOON + timedelta(microseconds=1500)
    [line] = lines_of(raw.encode("p", DAY, [raw.Answer("page", moment, request, body)]))
    assert line == {
        "kind": "page",
        "playlist_id": "p",
        "snapshot_date": "2026-11-22",
        "fetched_at": "2026-11-22T12:00:00.001500Z",
        "request": request,
        "page": body,
    }


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        1.5,
        10**30,
        "",
        "null",
        "Zażółć 🎉 \u0000 \u2028 \\ \" ' \r\n\t",
        "half a pair: \ud83d",
        [],
        {},
        [[None]],
        {"": {"new key of tomorrow": [1]}},
    ],
    ids=repr,
)
def test_any_value_comes_back_as_it_was(value: object) -> None:
    [line] = lines_of(raw.encode("p", DAY, [answer({"anything": value})]))
    assert line["playlist"] == {"anything": value}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_not_stored(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        raw.encode("p", DAY, [answer({"anything": value})])


def test_keys_stay_in_the_order_in_which_they_came() -> None:
    [line] = lines_of(raw.encode("p", DAY, [answer({"b": 1, "a": 2, "c": 3})]))
    assert list(line["playlist"]) == ["b", "a", "c"]


def test_the_same_answers_give_the_same_bytes() -> None:
    assert document([None]) == document([None])


def test_there_is_a_line_per_answer_whatever_is_in_it() -> None:
    answers = [answer({"name": "a\nb\u2028c"}), answer(page([]), "page")]
    assert [line["kind"] for line in lines_of(raw.encode("p", DAY, answers))] == [
        "playlist",
        "page",
    ]


def test_documents_of_a_day_are_told_in_the_order_of_their_playlists(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for playlist_id in ("b", "a"):
        store.put_new(keys.raw(DAY, playlist_id), document([], playlist_id))
    store.put_new(keys.raw(DAY + timedelta(days=1), "c"), document([], "c"))
    assert [d.playlist_id for d in raw.documents(store, DAY)] == ["a", "b"]
    assert raw.captured(store, DAY) == {"a", "b"}


@pytest.mark.parametrize(
    "name", ["desktop.ini", "a (conflicted copy).ndjson.gz", "old/a.ndjson.gz", "a.ndjson"]
)
def test_what_others_put_there_is_no_document(tmp_path: Path, name: str) -> None:
    store = FolderStore(tmp_path)
    store.put_new(keys.raw(DAY, "a"), document([], "a"))
    store.put_new(f"{keys.raw_prefix(DAY)}{name}", document([], "a"))
    assert [d.key for d in raw.documents(store, DAY)] == [keys.raw(DAY, "a")]
    assert raw.captured(store, DAY) == {"a"}


# Read back

VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
ANSWERS = st.builds(
    raw.Answer,
    st.sampled_from(["playlist", "page"]),
    st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)),
    OBJECTS,
    OBJECTS,
)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(ANSWERS, max_size=3))
def test_what_was_put_in_comes_out(answers: list[raw.Answer]) -> None:
    document = raw.encode("p", DAY, answers)
    assert raw.decode(document) == answers
    assert raw.encode("p", DAY, raw.decode(document)) == document


GOOD_LINE = lines_of(document([]))[0]


DAMAGED = {
    "no gzip": b"garbage",
    "cut off": document([])[:-9],
    "more behind it": document([]) + b"x",
    **{
        f"a line is {line!r}": damaged(line)
        for line in (b"garbage", b"[]", b"null", b"{}", b"\xff", b"")
    },
    **{
        f"a line has {fields}": damaged(json.dumps(GOOD_LINE | fields).encode())
        for fields in (
            {"kind": "page"},
            {"kind": "album"},
            {"kind": ["playlist"]},
            {"kind": None},
            {"playlist": None},
            {"playlist": [1]},
            {"fetched_at": None},
            {"fetched_at": 7},
            {"fetched_at": "yesterday"},
            {"fetched_at": "2026-11-22T12:00:00"},
        )
    },
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_document_is_not_read_back(body: bytes) -> None:
    with pytest.raises(ValueError):
        raw.decode(body)


@pytest.mark.parametrize("name", ["kind", "fetched_at", "request", "playlist"])
def test_a_line_that_lacks_something_is_not_read_back(name: str) -> None:
    line = {key: value for key, value in GOOD_LINE.items() if key != name}
    with pytest.raises(ValueError):
        raw.decode(damaged(json.dumps(line).encode()))


# Damage


def test_an_envelope_is_whole_if_nothing_in_it_is_null(tmp_path: Path) -> None:
    line = GOOD.replace(b'"playlist_id":"playlist1"', b'"playlist_id":7')
    assert salvage(tmp_path, damaged(line)) == ([line], [])


def test_a_sound_document_loses_nothing(tmp_path: Path) -> None:
    assert salvage(tmp_path, document([])) == ([GOOD], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"garbage", "no JSON"),
        (b'{"kind": "page", ', "no JSON"),
        (GOOD + GOOD, "no JSON: Extra data"),
        (b'{"a": "\xff"}', "no JSON: 'utf-8' codec can't decode"),
        (b'"text"', "envelope"),
        (b"[]", "envelope"),
        (b"null", "envelope"),
        (b"{}", "envelope (kind, playlist_id, snapshot_date, fetched_at) is not whole"),
        (GOOD.replace(b'"playlist_id"', b'"playlist"'), "envelope"),
        (GOOD.replace(b'"2026-11-22"', b"null"), "envelope"),
        (GOOD.replace(b'"kind":"playlist"', b'"kind":"album"'), "kind 'album'"),
        (GOOD.replace(b'"kind":"playlist"', b'"kind":"page"'), "kind 'page', with nothing"),
        (GOOD.replace(b"Playlist", b"\\ud83d"), "surrogates not allowed"),
        (GOOD.replace(b'"Playlist"', b"NaN"), "no JSON: NaN is Python's"),
        (GOOD.replace(b'"Playlist"', b"-1e400"), "no JSON: -1e400 is beyond all numbers"),
        (GOOD.replace(b'"fetched_at":"2', b'"fetched_at":"'), "when it came: fetched_at '026-"),
        (GOOD.replace(b'.000000Z"', b'+00:00"'), "nobody knows when it came"),
    ],
)
def test_a_line_that_is_no_answer_is_told_and_the_others_kept(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    kept, [(number, told)] = salvage(tmp_path, damaged(GOOD, line, GOOD))
    assert kept == [GOOD, GOOD]
    assert number == 2
    assert reason in told


def test_empty_lines_count_but_are_no_damage(tmp_path: Path) -> None:
    _, [(number, _)] = salvage(tmp_path, damaged(GOOD, b"", b"garbage"))
    assert number == 3


def test_a_file_that_is_cut_off_is_told_at_the_line_where_it_breaks(tmp_path: Path) -> None:
    body = document([None] * 50)
    kept, [(number, reason)] = salvage(tmp_path, body[: len(body) // 2])
    assert (kept, number) == ([], 1)
    assert "damaged or cut off here" in reason


def test_a_file_that_is_cut_off_between_two_lines_is_told_too(tmp_path: Path) -> None:
    body = damaged(GOOD)[:-8]  # all bytes of the text, but not the sums that end a gzip file
    kept, [(number, reason)] = salvage(tmp_path, body)
    assert (kept, number) == ([GOOD], 2)
    assert "damaged or cut off here" in reason


def test_a_file_that_is_no_gzip_is_told(tmp_path: Path) -> None:
    kept, [(number, reason)] = salvage(tmp_path, GOOD)
    assert (kept, number) == ([], 1)
    assert "Not a gzipped file" in reason
