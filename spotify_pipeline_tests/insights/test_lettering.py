"""Names of any kind become short lines that can be shown and drawn."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spotify_pipeline.insights import lettering
from spotify_pipeline.insights.lettering import drawable, fitted, shortened

HEIGHT = 13.0

hostile = st.text(max_size=300)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Kitchen Radio", "Kitchen Radio"),
        ("Songs for a Slow Sunday", "Songs for a…"),
        ("one\r\ntwo\tthree", "one two three"),
        ("  blanks  within  ", "blanks within"),
        ("音楽の時間です", "音楽の時間で…"),
        ("音楽の時間", "音楽の時間"),
        ("\x00bell\x07", "bell"),
        (None, "(no name)"),
        (float("nan"), "(no name)"),
        ("", "(no name)"),
        (" \n ", "(no name)"),
    ],
)
def test_a_name_becomes_a_short_line(name: object, shown: str) -> None:
    assert shortened(name, 13) == shown


def test_what_stands_for_a_missing_name_is_shortened_too() -> None:
    assert shortened(None, 5, "37i9dQZF1DX") == "37i9…"
    assert shortened("there", 5, "37i9dQZF1DX") == "there"


def test_a_name_of_ten_kilobytes_is_cut() -> None:
    assert shortened("x" * 10_000, 8) == "xxxxxxx…"


def test_no_letter_carries_a_tower_of_accents() -> None:
    assert shortened("e" + "\u0301" * 200 + "x", 60) == "é\u0301\u0301x"


@given(hostile, st.integers(2, 40))
@example("\ud800", 5)
@settings(deadline=None)
def test_a_line_is_never_wider_than_its_room(name: str, columns: int) -> None:
    line = shortened(name, columns)
    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line if c != "…")
    marks = sum(map(bool, map(unicodedata.combining, line)))
    assert wide - marks <= max(columns, len("(no name)"))
    assert "\n" not in line
    line.encode()


@given(hostile)
@example("$x^2$ and $y$")
@example("\u202eevil")
@settings(deadline=None)  # the first time, fonts are read
def test_in_a_plot_a_name_is_never_wider_than_its_room(name: str) -> None:
    assert lettering.width(fitted(name, 120, HEIGHT), HEIGHT) <= 120


def test_wide_letters_leave_room_for_fewer_of_them() -> None:
    wide, narrow = (fitted(letter * 100, 120, HEIGHT) for letter in "Wi")
    assert 2 * len(wide) < len(narrow)


def test_letters_that_no_font_has_become_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    only_ours = lettering._fonts()[:1]  # other machines may have fonts for them
    monkeypatch.setattr(lettering, "_fonts", lambda: only_ours)
    assert drawable("Party 🎉🎉 音楽!") == "Party □ □!"
    assert fitted("音楽", 120, HEIGHT, "37i9dQZF") == "37i9dQZF"
    assert fitted("音楽 a", 120, HEIGHT, "37i9dQZF") == "□ a"


def test_what_turns_text_around_is_left_out() -> None:
    assert drawable("\u202eevil\u2066") == "evil"


def test_the_first_font_is_one_that_comes_with_matplotlib() -> None:
    assert lettering.families()[0] == "DejaVu Sans"
    assert lettering._fonts()[0].family_name == "DejaVu Sans"
