"""The ground that plots are drawn on, and how words stand on it.

It is transparent, words and axes are of one grey that is told from white and from a dark page
alike, and the colours are told apart by the colour-blind. What is drawn on it stands in `charts`.
"""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spotify_pipeline.insights import lettering
from spotify_pipeline.insights.lettering import drawable, families

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 640, 360
"""Pixels; a plot of few rows is less high."""

GREY = "#797979"
BLUE, ORANGE, GREEN = "#2b7bba", "#cf5c0b", "#0a8f6a"
COLOURS = (BLUE, ORANGE, GREEN, "#b0589a", "#9c7a14", "#7d6fd0")
"""Each in a contrast of at least 3 to white and to #0f1117."""

GAP = 8
"""Pixels between a name and what it names."""

SMALL, PLAIN, LARGE = 8.5, 9.5, 11
"""Points."""

_DPI = 100
_ROW, _TOP, _NOTE, _MARGIN = 26, 66, 26, 12

LETTER = PLAIN * _DPI / 72
"""How high the letters of names are, in pixels."""


def png(figure: "Figure") -> bytes:
    """The figure as a PNG file: the same figure, the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    drawn, file = FigureCanvasAgg(figure), io.BytesIO()
    drawn.draw()  # type: ignore[no-untyped-call]
    pixels = drawn.buffer_rgba()  # type: ignore[no-untyped-call]
    image = Image.frombuffer("RGBA", drawn.get_width_height(), pixels)
    # Few colours are in it, so a palette of them halves the file; it goes into an event log.
    image.quantize(128, Image.Quantize.FASTOCTREE).save(file, "png", optimize=True)
    return file.getvalue()


def row_canvas(
    title: str,
    labels: Sequence[str],
    note: str,
    right: int,
    bottom: int = 0,
) -> "tuple[Figure, Axes]":
    """A canvas with a row for each label, from the top down."""
    height = _TOP + _ROW * len(labels) + bottom + (_NOTE if note else _MARGIN)
    left = widest(labels) + GAP
    figure, axes = canvas(title, height, left=left, right=right, bottom=bottom, note=note)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    edge = -GAP / (WIDTH - left - right)
    for row, label in enumerate(labels):
        write(axes, edge, row, label, ha="right", transform=axes.get_yaxis_transform())
    return figure, axes


def canvas(
    title: str, height: int, left: int, right: int, bottom: int, note: str
) -> "tuple[Figure, Axes]":
    """A figure with bare axes in it, so many pixels from its sides, and the note below."""
    from matplotlib.figure import Figure

    bottom += _NOTE if note else _MARGIN
    figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor="none")
    axes = figure.add_axes(
        (
            left / WIDTH,
            bottom / height,
            (WIDTH - left - right) / WIDTH,
            (height - _TOP - bottom) / height,
        ),
        facecolor="none",
    )
    axes.spines[:].set_visible(False)
    axes.tick_params(
        colors=GREY, length=0, labelsize=SMALL, bottom=False, labelbottom=False, labelleft=False
    )
    in_inches: dict[str, Any] = {"transform": figure.dpi_scale_trans}
    write(
        axes,
        _MARGIN / _DPI,
        (height - 18) / _DPI,
        title,
        size=LARGE,
        weight="bold",
        **in_inches,
    )
    write(axes, (WIDTH - _MARGIN) / _DPI, 12 / _DPI, note, size=SMALL, ha="right", **in_inches)
    return figure, axes


def write(
    axes: "Axes",
    x: float,
    y: float,
    text: str,
    colour: str = GREY,
    size: float = PLAIN,
    **more: Any,
) -> Any:
    """Words as they are: a dollar sign begins no formula."""
    return axes.text(
        x,
        y,
        drawable(text),
        parse_math=False,
        **{"va": "center", **style(colour, size), **more},
    )


def style(colour: str, size: float) -> dict[str, Any]:
    return {"color": colour, "fontsize": size, "family": list(families())}


def widest(texts: Sequence[str]) -> int:
    """How many pixels a column of these takes, with the margin at the figure's side."""
    return _MARGIN + math.ceil(max(lettering.width(text, LETTER) for text in texts))
