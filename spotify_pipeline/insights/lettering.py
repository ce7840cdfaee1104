"""Names of others, made fit to be shown: one line, short, and in letters that a plot can draw.

Names are hostile: of any length, in any script, with whatever characters in them.
"""

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pandas as pd

_NOTHING = "(no name)"
_UNDRAWABLE = "□"
_ACCENTS = re.compile("([\u0300-\u036f]{2})[\u0300-\u036f]+")

_WIDER_FAMILIES = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
)
"""Fonts for what DejaVu, which comes with matplotlib, has no letters for; where they are there."""


def shortened(name: Any, columns: int, otherwise: Any = None) -> str:
    """`name` in one line, at most `columns` wide, of which a CJK letter takes two.

    `otherwise` stands for a name that is missing or empty.
    """
    given = "" if pd.isna(name) else str(name)
    # No more than is needed: a letter may carry any number of accents.
    beginning = unicodedata.normalize("NFC", given[: 8 * columns])
    text = " ".join(_ACCENTS.sub(r"\1", "".join(map(_plain, beginning))).split())
    if not text:
        return _NOTHING if otherwise is None else shortened(otherwise, columns)
    return _cut(text, columns, _columns_of, is_cut=len(given) > 8 * columns)


def fitted(name: Any, pixels: float, height: float, otherwise: Any = None) -> str:
    """`name` in one line for a plot, at most `pixels` wide with letters of `height` pixels.

    `otherwise` also stands for a name of which no font at hand has a letter.
    """
    text = drawable(shortened(name, round(pixels / height * 4), otherwise))
    if otherwise is not None and not text.strip(f"{_UNDRAWABLE}… "):
        return fitted(otherwise, pixels, height)
    return _cut(text, pixels, lambda letter: width(letter, height))


def width(text: str, height: float) -> float:
    """How many pixels wide `text` is with letters of `height` pixels."""
    pixels = 0.0
    for letter in text:
        font = _font_of(letter) or _fonts()[0]
        font.set_size(height, 72)
        pixels += font.load_char(ord(letter)).linearHoriAdvance / 65536
    return pixels


def _cut(text: str, room: float, size: Callable[[str], float], *, is_cut: bool = False) -> str:
    """As much of `text` as there is room for, with an ellipsis where that isn't all."""
    if not is_cut and sum(map(size, text)) <= room:
        return text
    kept, left = "", room - size("…")
    for letter in text:
        left -= size(letter)
        if left < 0:
            break
        kept += letter
    return kept.rstrip("… ") + "…"


def _plain(letter: str) -> str:
    """Line ends and other control characters become blanks."""
    return " " if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter


def _columns_of(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def drawable(text: str) -> str:
    """`text` with one box for each run of letters that no font at hand has."""
    drawn = ""
    for letter in text:
        if unicodedata.category(letter) == "Cf":  # it would turn around what follows
            continue
        if _font_of(letter):
            drawn += letter
        elif unicodedata.category(letter) != "Mn" and not drawn.endswith(_UNDRAWABLE):
            drawn += _UNDRAWABLE
    return drawn


@functools.cache
def families() -> tuple[str, ...]:
    """The fonts of a plot, in the order in which they are asked for a letter."""
    from matplotlib import font_manager

    there = set(font_manager.fontManager.get_font_names())
    return ("DejaVu Sans", *(family for family in _WIDER_FAMILIES if family in there))


def _fonts() -> list[Any]:
    from matplotlib.font_manager import get_font

    return [get_font(file) for file in _files()]  # which keeps one for each thread


@functools.cache
def _files() -> tuple[str, ...]:
    from matplotlib.font_manager import FontProperties, findfont

    return tuple(str(findfont(FontProperties(family=family))) for family in families())


def _font_of(letter: str) -> Any:
    return next((font for font in _fonts() if font.get_char_index(ord(letter))), None)
