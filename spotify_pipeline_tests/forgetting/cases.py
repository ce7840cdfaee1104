"""What is forgotten in the tests: each subject, what stays without it, and the words that must be
nowhere any more."""

import pytest

from spotify_pipeline.forgetting.plan import plan
from spotify_pipeline.forgetting.purge import carry_out
from spotify_pipeline.forgetting.subjects import OldDays, Playlist, Subject, User
from spotify_pipeline_tests.forgetting.kept import (
    CAPTURES,
    DAYS,
    Capture,
    Captures,
    House,
)


def forget(house: House, subject: Subject) -> None:
    with house.place() as place:
        carry_out(place, plan(place, subject), lambda _: None)
    house.database.rewrite()


def without_playlist(playlist_id: str) -> Captures:
    return {where: each for where, each in CAPTURES.items() if where[1] != playlist_id}


def without_user(user: str) -> Captures:
    def other(each: str | None) -> str | None:
        return None if each == user else each

    return {
        where: Capture(other(c.owner), tuple((song, other(by)) for song, by in c.entries))
        for where, c in CAPTURES.items()
    }


CASES: dict[str, tuple[Subject, Captures, tuple[str, ...]]] = {
    "before": (
        OldDays(DAYS[1]),
        {where: each for where, each in CAPTURES.items() if where[0] >= DAYS[1]},
        ("SOone", "SOold", str(DAYS[0])),
    ),
    "playlist": (
        Playlist("PLchart"),
        without_playlist("PLchart"),
        ("PLchart", "SOone", "SOchart"),
    ),
    "playlist that failed once": (
        Playlist("PLradio"),
        without_playlist("PLradio"),
        ("PLradio", "SOold", "SOnew"),
    ),
    "user": (User("USanna"), without_user("USanna"), ("USanna",)),
}
cases = pytest.mark.parametrize(
    ("subject", "stays", "words"), list(CASES.values()), ids=list(CASES)
)
