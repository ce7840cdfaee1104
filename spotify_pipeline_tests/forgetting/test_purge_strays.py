"""What others have put among raw documents: copies of one, notes, whatever programs leave."""

import gzip
from datetime import timedelta

import pytest

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.forgetting.plan import plan
from spotify_pipeline.forgetting.subjects import Named, Playlist, User
from spotify_pipeline.lake import keys
from spotify_pipeline_tests.forgetting.cases import CASES, forget
from spotify_pipeline_tests.forgetting.kept import (
    CAPTURES,
    DAYS,
    House,
    body_of,
    expected,
    held,
    places_of,
)

COPY = "PLchart (conflicted copy).ndjson.gz"
COPIES: dict[str, tuple[str, bytes]] = {
    "a copy": (COPY, body_of("PLchart", DAYS[1], CAPTURES[DAYS[1], "PLchart"])),
    "an unpacked copy": (
        "old.ndjson",
        gzip.decompress(body_of("PLchart", DAYS[1], CAPTURES[DAYS[1], "PLchart"])),
    ),
    "a note": ("notes.txt", b"PLchart is of spotify:user:USanna\nand of nobody else"),
}


STAYS = {"PLchart": CASES["playlist"][1], "USanna": CASES["user"][1]}


@pytest.mark.parametrize(("name", "body"), COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("subject", [Playlist("PLchart"), User("USanna")], ids=["p", "u"])
def test_what_others_put_among_raw_documents_goes_if_it_names_it(
    house: House, subject: Named, name: str, body: bytes
) -> None:
    """Also where there is nothing else of the day; and nothing is rebuilt for its sake."""
    day = DAYS[0] - timedelta(days=1)
    for each in (day, DAYS[1]):
        assert house.store.put_new(f"{keys.raw_prefix(each)}{name}", body)
    with house.place() as place:
        found = plan(place, subject)
        assert day not in (*found.gone, *found.rebuilt)
    forget(house, subject)
    assert places_of(house, subject.value) == []
    with house.place() as place:
        assert plan(place, subject).is_empty
        assert held(place.session) == expected(STAYS[subject.value])


def test_a_copy_of_which_only_the_name_tells_goes_too(house: House) -> None:
    assert house.store.put_new(f"{keys.raw_prefix(DAYS[1])}{COPY}.part", b"cut off")
    forget(house, Playlist("PLchart"))
    assert places_of(house, "PLchart") == []


@pytest.mark.parametrize("subject", [Playlist("PLchart"), User("USanna")], ids=["p", "u"])
def test_what_others_put_among_raw_documents_stays_if_it_does_not(
    house: House, subject: Named
) -> None:
    """It keeps nothing from going, and stands for no document of a day that holds no other."""
    strays = [f"{keys.raw_prefix(day)}desktop.ini" for day in DAYS]
    for key in strays:
        assert house.store.put_new(key, b"[.ShellClassInfo]\r\nIconIndex=\xff")
    forget(house, subject)
    assert places_of(house, subject.value) == []
    assert set(strays) <= set(house.store.list_keys(keys.RAW))


def test_a_copy_that_can_not_be_searched_is_not_passed_over(house: House) -> None:
    body = body_of("PLradio", DAYS[1], CAPTURES[DAYS[0], "PLradio"])
    key = f"{keys.raw_prefix(DAYS[1])}PLradio (1).ndjson.gz"
    assert house.store.put_new(key, body[:-20])
    for subject in (Playlist("PLchart"), User("USanna")):
        with house.place() as place, pytest.raises(FixConfiguration, match="damaged") as caught:
            plan(place, subject)
        assert key in str(caught.value)
