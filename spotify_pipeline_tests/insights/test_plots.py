"""Plots: what is on them, that nothing is cut off, and that no name keeps one from being drawn."""

import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from PIL import Image

from spotify_pipeline.insights import drawing, plots
from spotify_pipeline.insights.question import Question
from spotify_pipeline.insights.questions import (
    ARTIST_PRESENCE,
    CATALOGUE_AGE,
    PLAYLIST_CHANGES,
    PLAYLIST_OVERLAP,
    PLAYLIST_TURNOVER,
    POPULARITY,
    QUESTIONS,
)
from spotify_pipeline_tests.docs import PROJECT
from spotify_pipeline_tests.insights import answers
from spotify_pipeline_tests.insights.answers import HOSTILE, Names
from spotify_pipeline_tests.loading.rows import DAY

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WHITE, DARK = "#ffffff", "#0f1117"
MANY = [f"Playlist {number}" for number in range(50)]

ANSWERS: dict[str, Callable[[Names], pd.DataFrame]] = {
    PLAYLIST_CHANGES.name: answers.changes,
    ARTIST_PRESENCE.name: answers.artists,
    CATALOGUE_AGE.name: answers.ages,
    PLAYLIST_TURNOVER.name: answers.turnover,
    PLAYLIST_OVERLAP.name: answers.overlaps,
    POPULARITY.name: answers.popularities,
}

every_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.name)


def figure(question: Question, answer: pd.DataFrame) -> "Figure":
    drawn = plots.figure_of(question, answer)
    assert drawn
    return drawn


def words(drawn: "Figure") -> list[str]:
    """All that is written, from top to bottom of the list of artists."""
    return [text.get_text() for text in texts(drawn)]


def texts(drawn: "Figure") -> "list[Text]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    FigureCanvasAgg(drawn).draw()  # type: ignore[no-untyped-call]
    found = [text for text in drawn.findobj(Text) if isinstance(text, Text) and text.get_text()]
    return [text for text in found if text.get_visible() and text not in _beyond_scales(drawn)]


def _beyond_scales(drawn: "Figure") -> "set[Text]":
    """The labels of ticks that matplotlib keeps and doesn't draw."""
    found = set()
    for axis in (axis for axes in drawn.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:
                found |= {tick.label1, tick.label2}
    return found


def extent(text: "Text") -> Any:
    return text.get_window_extent()


# What they are


@every_question
def test_a_plot_is_a_small_picture_on_nothing(question: Question) -> None:
    png = plots.plot(question, ANSWERS[question.name](MANY))
    assert png
    assert len(png) < 40_000
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.width == drawing.WIDTH
        assert image.height <= drawing.HEIGHT + 40
        corner = image.convert("RGBA").getpixel((1, 1))
    assert isinstance(corner, tuple)
    assert corner[3] == 0


@pytest.mark.slow
@every_question
def test_the_same_answer_gives_the_same_bytes(question: Question) -> None:
    answer = ANSWERS[question.name](HOSTILE)
    assert plots.plot(question, answer) == plots.plot(question, answer)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", [WHITE, DARK])
def test_everything_is_told_from_white_and_from_dark(ground: str) -> None:
    assert contrast(drawing.GREY, ground) > 4.3  # no grey has more on both
    for colour in drawing.COLOURS:
        assert contrast(colour, ground) > 3


@every_question
def test_only_colours_of_ours_are_used(question: Question) -> None:
    from matplotlib.colors import to_hex

    used = {to_hex(text.get_color()) for text in texts(figure(question, _few(question)))}
    assert used <= {drawing.GREY, *drawing.COLOURS}


def _few(question: Question) -> pd.DataFrame:
    return ANSWERS[question.name](["Harbour Chart", "Kitchen Radio", "Slow Sunday"])


@pytest.mark.slow
def test_plotting_leaves_no_trace_in_matplotlib() -> None:
    code = (
        "import sys, spotify_pipeline.insights.plots as plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from spotify_pipeline_tests.insights import answers\n"
        "from spotify_pipeline.insights.questions import PLAYLIST_CHANGES\n"
        "import matplotlib; before = matplotlib.rcParams.copy()\n"
        "assert plots.plot(PLAYLIST_CHANGES, answers.changes(['a', 'b']))\n"
        "assert matplotlib.rcParams.copy() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=PROJECT)


# What is on them


def test_changes_are_counted_by_playlist() -> None:
    said = words(figure(PLAYLIST_CHANGES, answers.changes(["Kitchen Radio"], 1_200, 7, 3)))
    assert {"Kitchen Radio", " 1,200", "7 ", "3 moved"} <= set(said)
    assert "What entered and left on 22 Nov 2026" in said
    assert {"entries that left", "entered"} <= set(said)


def test_artists_stand_with_entries_playlists_and_since_when() -> None:
    said = words(figure(ARTIST_PRESENCE, answers.artists(["Ilka", *"bcdefghij"])))
    assert {"Ilka", " 12,345", "in 1 playlist, since 22 Nov", "entries"} <= set(said)
    assert "in 9 playlists, since Jan 2026" in said  # 320 days


def test_the_oldest_playlist_stands_on_top_with_its_median() -> None:
    old, young = answers.ages(["Oldies"], [1950, 1960, 1970]), answers.ages(["New"], [2020])
    both = pd.concat([young, old.assign(playlist_id="id999")])
    said = words(figure(CATALOGUE_AGE, both))
    assert said.index("Oldies") < said.index("New")
    assert {"1960", "2020", "median"} <= set(said)


def test_a_line_is_named_at_its_end_and_days_are_dates() -> None:
    drawn = figure(PLAYLIST_TURNOVER, answers.turnover(["Harbour Chart", "Kitchen Radio"], 5, 0.3))
    said = words(drawn)
    assert {"Harbour Chart", "Kitchen Radio", "22", "Nov 2026"} <= set(said)
    assert "% of the entries that entered or left, by captured day" in said
    [line, other] = drawn.axes[0].lines
    assert list(line.get_ydata()) == pytest.approx([30] * 4)
    assert list(other.get_ydata()) == pytest.approx([15] * 4)


def test_a_pair_is_named_with_its_share() -> None:
    said = words(figure(PLAYLIST_OVERLAP, answers.overlaps(["One", "Two"])))
    assert {"One + Two", " 50.0%", "7 songs"} <= set(said)


def test_popularity_is_drawn_on_spotifys_scale() -> None:
    drawn = figure(POPULARITY, answers.popularities(["One", "Two"]))
    low, high = drawn.axes[0].get_ylim()
    assert 0 <= low < 40 < 41 < high <= 100
    assert "mean of Spotify's popularity, 0 to 100" in words(drawn)


@pytest.mark.parametrize(
    ("question", "note"),
    [
        (PLAYLIST_CHANGES, "and 40 more playlists"),
        (ARTIST_PRESENCE, "and 40 more artists"),
        (CATALOGUE_AGE, "and 40 more smaller playlists"),
        (PLAYLIST_TURNOVER, "and 44 more playlists, with smaller means"),
        (PLAYLIST_OVERLAP, "and 39 more pairs"),
        (POPULARITY, "and 44 more playlists, with smaller means"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_of_many_the_first_are_shown_and_the_others_counted(question: Question, note: str) -> None:
    assert note in words(figure(question, ANSWERS[question.name](MANY)))
    assert not any(said.startswith("and ") for said in words(figure(question, _few(question))))


def test_the_greatest_are_the_ones_that_are_shown() -> None:
    busy = pd.concat([answers.changes(MANY, 1, 0, 0), answers.changes(["Playlist 0"], 5, 5, 0)])
    assert words(figure(PLAYLIST_CHANGES, busy))[2:].count("Playlist 0") == 1
    said = words(figure(POPULARITY, answers.popularities(MANY)))
    assert "Playlist 49" in said
    assert "Playlist 1" not in said


# Where there is little


@every_question
def test_of_nothing_there_is_no_plot(question: Question) -> None:
    assert plots.plot(question, answers.of(question, [])) is None


def test_without_a_day_to_compare_with_there_is_no_turnover() -> None:
    assert plots.plot(PLAYLIST_TURNOVER, answers.turnover(["One"], days=1)) is None


def test_without_a_year_there_is_no_age() -> None:
    assert plots.plot(CATALOGUE_AGE, answers.ages(["One"], [None])) is None


def test_one_day_is_a_point_with_its_date() -> None:
    drawn = figure(PLAYLIST_TURNOVER, answers.turnover(["One"], days=2))
    [line] = drawn.axes[0].lines
    assert (len(line.get_xdata()), line.get_marker()) == (1, "o")  # type: ignore[arg-type]
    assert "22 Nov 2026" in words(drawn)


def test_a_day_of_moves_alone_says_so() -> None:
    said = words(figure(PLAYLIST_CHANGES, answers.changes(["One"], 0, 0, 2)))
    assert {"0 ", " 0", "2 moved"} <= set(said)


def test_a_playlist_that_never_changes_lies_on_the_ground() -> None:
    drawn = figure(PLAYLIST_TURNOVER, answers.turnover(["One"], 5, 0.0))
    assert drawn.axes[0].get_ylim()[0] == 0


def test_a_day_that_was_not_captured_leaves_its_place() -> None:
    answer = answers.turnover(["One"], 6)
    gap = answer[answer["snapshot_date"] != DAY - timedelta(days=2)]
    [line] = figure(PLAYLIST_TURNOVER, gap).axes[0].lines
    assert [DAY - day for day in line.get_xdata()] == [  # type: ignore[union-attr]
        timedelta(days=n) for n in (4, 3, 1, 0)
    ]


# Names


SETS = [
    pytest.param(["One"], id="one", marks=pytest.mark.slow),
    pytest.param(MANY, id="many", marks=pytest.mark.slow),
    pytest.param(HOSTILE, id="hostile"),
    *(
        pytest.param([name, name], id=f"hostile {number}", marks=pytest.mark.slow)
        for number, name in enumerate(HOSTILE)
    ),
]


@every_question
@pytest.mark.parametrize("names", SETS)
def test_nothing_is_cut_off_whatever_the_names(question: Question, names: Names) -> None:
    answer = ANSWERS[question.name](names)
    if answer.empty:
        return
    drawn = figure(question, answer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as a letter that no font has
        width, height = (float(side) for side in drawn.get_size_inches() * drawn.dpi)
        for text in texts(drawn):
            box = extent(text)
            assert box.x0 >= 0, text
            assert box.y0 >= 0, text
            assert box.x1 <= width, text
            assert box.y1 <= height, text


@pytest.mark.slow
@every_question
def test_no_words_stand_on_each_other(question: Question) -> None:
    drawn = figure(question, ANSWERS[question.name](MANY))
    boxes = [(text.get_text(), extent(text)) for text in texts(drawn)]
    for place, (one, box) in enumerate(boxes):
        for other, another in boxes[place + 1 :]:
            assert not box.padded(-1).overlaps(another.padded(-1)), (one, other)


def test_lines_that_end_at_the_same_place_are_named_apart() -> None:
    answer = answers.turnover(MANY[:6], 5).assign(turnover=0.0)
    drawn = figure(PLAYLIST_TURNOVER, answer[answer["snapshot_date"] > DAY - timedelta(days=3)])
    heights = sorted(extent(text).y0 for text in texts(drawn) if text.get_text() in MANY)
    assert len(heights) == 6
    assert min(b - a for a, b in pairwise(heights)) > 10
    assert heights[0] > drawn.axes[0].bbox.y0 - 10  # above the days


def test_a_dollar_sign_begins_no_formula() -> None:
    said = texts(figure(ARTIST_PRESENCE, answers.artists(["$x^2$"])))
    [name] = [text for text in said if text.get_text() == "$x^2$"]
    assert not name.get_parse_math()


def test_a_playlist_without_a_name_is_called_by_its_id() -> None:
    assert "id000" in words(figure(PLAYLIST_CHANGES, answers.changes([None])))
