"""What paging sees in an answer, in either shape."""

from typing import Any

import pytest

from spotify_pipeline.ingest.payloads import Page, fingerprint, first_page, listings, parse_page
from spotify_pipeline.ingest.refusals import Unavailable
from spotify_pipeline_tests.synthetic import Json, entry, local_file, page, playlist, track

PAGE = page([entry(track())], 0, 9)


def test_a_page_is_where_it_begins_what_it_holds_and_out_of_how_many() -> None:
    assert parse_page(page(["a", None], 50, 70)) == Page(50, 70, ["a", None])


@pytest.mark.parametrize(
    ("next_", "expected"),
    [
        ("https://api.spotify.com/v1/playlists/p/items?offset=50&limit=50", 50),
        ("https://elsewhere/?limit=50&offset=7", 7),
        ("?offset=0", 0),
        (None, None),
        (50, None),
        ({"offset": 50}, None),
        ("", None),
        ("https://[no address", None),
        ("?offset=", None),
        ("?offset=-1", None),
        ("?offset=5x", None),
        ("?offset=\N{FULLWIDTH DIGIT FIVE}", None),
        ("?offset=" + "9" * 5_000, None),
        ("?other_offset=5", None),
    ],
)
def test_where_the_next_page_begins_is_read_out_of_its_address(
    next_: Any, expected: int | None
) -> None:
    assert parse_page(PAGE | {"next": next_}).next_offset == expected


@pytest.mark.parametrize(
    ("entries", "total", "is_short"),
    [(49, 100, True), (50, 100, False), (100, 120, False), (49, 49, False), (0, 100, True)],
    ids=["one less", "as many", "more", "all there are", "none"],
)
def test_a_page_is_short_that_ends_before_the_next_one_begins(
    entries: int, total: int, is_short: bool
) -> None:
    """More than up to there is no fault: old answers hold 100 beside a `next` of 50."""
    next_ = "https://api.spotify.com/v1/playlists/p/items?offset=60&limit=50"
    assert parse_page(page([None] * entries, 10, 10 + total, next_)).is_short == is_short


def test_a_page_without_next_is_not_short() -> None:
    assert not parse_page(page([None], 0, 9)).is_short


@pytest.mark.parametrize("shape", ["items", "tracks", "both"])
def test_a_playlist_s_first_page_is_found_in_each_shape(shape: Any) -> None:
    assert first_page(playlist(PAGE, shape)) == Page(0, 9, PAGE["items"])


@pytest.mark.parametrize("nothing", [None, {}], ids=["null", "empty"])
@pytest.mark.parametrize(("full", "other"), [("items", "tracks"), ("tracks", "items")])
def test_of_two_names_the_one_that_holds_something_counts(
    full: str, other: str, nothing: Json | None
) -> None:
    body = playlist(None, "both") | {full: PAGE, other: nothing}
    assert first_page(body) == parse_page(PAGE)
    assert listings(body) == [full, other]


@pytest.mark.parametrize("body", [{}, {"items": None}, {"tracks": None, "items": None}])
def test_a_playlist_without_page_has_none_and_items_may_list_it(body: Json) -> None:
    assert first_page(body) is None
    assert listings(body) == ["items"]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("items", ["items", "tracks"]),
        ("tracks", ["tracks", "items"]),
        ("both", ["items", "tracks"]),
    ],
)
def test_the_likelier_endpoint_is_the_one_of_the_page_s_name(
    shape: Any, expected: list[str]
) -> None:
    assert listings(playlist(PAGE, shape)) == expected


@pytest.mark.parametrize(
    "body", [None, "text", [], 7, {}, {"items": []}, {"items": [], "total": 1}]
)
def test_what_is_no_page_is_trouble_that_may_pass(body: Any) -> None:
    with pytest.raises(Unavailable, match="no page of entries"):
        parse_page(body)


# What tells one version from another


def print_of(*entries: Any) -> Any:
    return fingerprint(parse_page(page(entries)))


def test_a_page_has_the_same_print_in_each_shape() -> None:
    assert (
        print_of(entry(track(), "items"))
        == print_of(entry(track(), "tracks"))
        == print_of(entry(track(), "both"))
    )


A, B = entry(track("a")), entry(track("b"))


@pytest.mark.parametrize(
    "other",
    [
        [A],
        [B, A],
        [A, B, B],
        [A, entry(track("c"))],
        [A, entry(track("b"), added_at="2026-01-02T03:04:06Z")],
        [A, entry(local_file())],
        [A, entry(None)],
        [A, {}],
        [A, None],
    ],
    ids=["fewer", "order", "more", "song", "added", "local", "gone", "nothing", "null"],
)
def test_another_content_or_order_has_another_print(other: list[Any]) -> None:
    assert print_of(A, B) != print_of(*other)


def test_what_does_not_make_a_version_leaves_the_print_as_it_is() -> None:
    popular = entry(track("b", popularity=77, available_markets=["DE"]))
    assert print_of(A, B) == print_of(A, popular)


@pytest.mark.parametrize("odd", [None, "text", 7, [], {}, {"item": "text"}, {"track": True}])
def test_an_odd_entry_does_no_harm(odd: Any) -> None:
    assert print_of(odd) == print_of(odd)
