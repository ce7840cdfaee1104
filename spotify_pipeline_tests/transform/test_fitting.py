"""A fitted line says to DuckDB what the line itself says: so nothing in it is left to Spark."""

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_pipeline.transform.fitting import fitted
from spotify_pipeline.transform.schema import RAW_LINE, TEXT, duckdb_type
from spotify_pipeline_tests.synthetic import album, artist, entry, page, playlist, track

COLUMNS = ", ".join(f"'{name}': '{duckdb_type(field)}'" for name, field in RAW_LINE.items())
OF_MANY = track(
    artists=[artist("a"), artist("b")],
    album=album(artists=[artist("c"), artist("d")], images=[{"url": "1"}, {"url": "2"}]),
)
GOOD = {"kind": "playlist", "playlist": playlist(page([entry(OF_MANY), entry(track())]))}


def read(folder: Path, lines: Sequence[str]) -> list[Any]:
    """The lines as the embedded engine reads them."""
    file = folder / "lines.json"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows = duckdb.sql(
        f"FROM read_json($1, format = 'newline_delimited', ignore_errors = true, "
        f"columns = {{{COLUMNS}}})",
        params=[str(file)],
    ).fetchall()
    assert len(rows) == len(lines)
    return rows


def assert_kept(folder: Path, lines: Sequence[str]) -> None:
    ours = read(folder, [fitted(json.loads(line)) for line in lines])
    for line, mine, theirs in zip(lines, ours, read(folder, lines), strict=True):
        assert mine == theirs, line


def places(value: Any, field: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in `value` that the schema names."""
    yield here
    if isinstance(field, list):
        for number, each in enumerate(value):
            yield from places(each, field[0], (*here, number))
    elif field != TEXT:
        for name in field.keys() & value.keys():
            yield from places(value[name], field[name], (*here, name))


PLACES = sorted(places(GOOD, RAW_LINE), key=str)


def with_value(place: tuple[Any, ...], text: str) -> str:
    """The good line with this JSON at a place."""
    line: Any = copy.deepcopy(GOOD)
    inner = line
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = "the place"
    return json.dumps(line).replace('"the place"', text)


ODD = [
    *("null", "true", '"text"', '"\\n"', "7", "[]", "{}", "[null]", '["x"]', "[{}, 7]", '{"a": 1}'),
    *('"{\\"id\\": \\"in a text\\"}"', '"[]"', '{"ID": "x", "Id": "y"}', "1" * 1200),
    "0." + "1" * 1200,
]


def test_odd_values_everywhere(tmp_path: Path) -> None:
    lines = [with_value(place, odd) for place in PLACES if place for odd in ODD]
    assert len(lines) > 1000
    assert_kept(tmp_path, lines)


NUMBERS = [
    *("12345678.5", "0.0001", "0.000001", "0.0000001", "1e15", "1e16", "1E16", "1e20", "1e21"),
    *("-0", "-0.0", "1E+2", "5e-324", "-1.7976931348623157e308", "9007199254740993.0"),
    *("18446744073709551616", "-9223372036854775809", "1.23456789012345678e-7", "1" * 1200),
]
TEXTS = ['"\\u001f\\u007f\\/\\u2028\\b\\f"', '"\\\\u001f 1e+16 \\""', '"é 😀"', '"\\ud83d\\ude00"']


@pytest.mark.parametrize("around", ["{}", '{{"a": {}, "b\\u001f": []}}', "[1, {}, {{}}]"])
def test_numbers_and_texts_are_written_alike(tmp_path: Path, around: str) -> None:
    place = ("playlist", "name")
    assert_kept(tmp_path, [with_value(place, around.format(each)) for each in NUMBERS + TEXTS])


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts | st.sampled_from(["id", "name", "items"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from([p for p in PLACES if p]), values), min_size=20))
def test_any_value_anywhere(tmp_path: Path, changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    assert_kept(tmp_path, [with_value(place, json.dumps(value)) for place, value in changes])


def test_what_nobody_reads_is_left_out() -> None:
    assert json.loads(fitted({"kind": "page", "request": {}, "page": {"zzz": 1}})) == {
        "kind": "page",
        "page": {},
    }
