"""The small lines of the report."""

import re
from datetime import timedelta

import pytest

from spotify_pipeline.insights.sparkline import BAR_HEIGHT, LINE_HEIGHT, WIDTH, Day, sparkline
from spotify_pipeline_tests.loading.rows import DAY, day


def points(days: list[Day]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (p.split(",") for p in sparkline(days).points.split())]


def test_more_entries_stand_higher_and_later_days_further_right() -> None:
    (x1, y1), (x2, y2), (x3, y3) = points([Day(day(-2), 10), Day(day(-1), 30), Day(DAY, 20)])
    assert 0 < x1 < x2 < x3 < WIDTH
    assert 0 < y2 < y3 < y1 < LINE_HEIGHT


def test_days_that_were_not_captured_have_their_place() -> None:
    (x1, _), (x2, _), (x3, _) = points([Day(day(-4), 1), Day(day(-3), 1), Day(DAY, 1)])
    assert x3 - x2 == pytest.approx(3 * (x2 - x1), abs=0.2)


def bars(path: str) -> list[tuple[float, float, float]]:
    """(x, from, to) of each stroke."""
    found = re.findall(r"M([\d.]+),([\d.]+)V([\d.]+)", path)
    assert "".join(f"M{x},{start}V{end}" for x, start, end in found) == path
    return [(float(x), float(start), float(end)) for x, start, end in found]


def test_what_entered_goes_up_and_what_left_goes_down() -> None:
    line = sparkline([Day(day(-1), 5), Day(DAY, 6, entered=4, left=2)])
    [(x1, middle, top)], [(x2, same, bottom)] = bars(line.entered), bars(line.left)
    assert (x1, middle) == (x2, same)
    assert middle - top == 2 * (bottom - middle) == BAR_HEIGHT / 2


def test_a_day_without_changes_has_no_bar() -> None:
    line = sparkline([Day(DAY, 5)])
    assert (line.entered, line.left) == ("", "")


@pytest.mark.parametrize("count", [1, 2, 90])
def test_everything_is_within_the_picture(count: int) -> None:
    days = [Day(DAY + timedelta(days=n), n, entered=n, left=n) for n in range(count)]
    line = sparkline(days)
    assert all(0 <= x <= WIDTH and 0 <= y <= LINE_HEIGHT for x, y in points(days))
    half = float(line.stroke) / 2
    for x, start, end in bars(line.entered) + bars(line.left):
        assert 0 <= x - half < x + half <= WIDTH
        assert LINE_HEIGHT < min(start, end) < max(start, end) <= line.height


def test_bars_of_neighbouring_days_stand_apart() -> None:
    line = sparkline([Day(DAY + timedelta(days=n), 1, entered=1) for n in range(90)])
    [first, second, *_] = bars(line.entered)
    assert second[0] - first[0] > float(line.stroke)


def test_it_says_itself_in_words() -> None:
    assert sparkline([Day(DAY, 1_000)]).text == "1,000 on 1 captured day"
    both = sparkline([Day(day(-3), 5), Day(DAY, 7)])
    assert (both.text, both.since) == ("5 to 7 on 2 captured days", day(-3))
