"""Generated input: how much of it is tried, and documents with something odd in them.

`FAULT_TRIES=2000 pytest spotify_pipeline_tests/faults` tries so many examples a test, and
others each time; without it they are few and always the same.
"""

import copy
import os
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

_LONG = int(os.environ.get("FAULT_TRIES", "0"))


def examples(few: int) -> settings:
    """So many examples in the short form, which shows what it found without making it smaller."""
    return settings(
        phases=tuple(Phase) if _LONG else (Phase.explicit, Phase.generate),
        max_examples=_LONG or few,
        derandomize=not _LONG,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


HOSTILE = (
    "../../etc/passwd",
    "a/b",
    "..",
    "'; DROP TABLE HISTORY.SONG; --",
    "it's",
    '"',
    "\\",
    "\x00",
    "\n",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "=1+1",
    "%s ? $1 :x",
    "name " * 2048,
    "é😀\u202e",
    "",
)
"""Texts that mean something to a shell, a path, a SQL, a template, a page or a spreadsheet."""

texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 2**31, 2**63, 10**30])
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)

values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
"""Anything that JSON can say."""

Path = tuple[Any, ...]


def places(document: Any, path: Path = ()) -> Iterator[Path]:
    """Where something stands in a document: the document itself, each field, each element."""
    yield path
    inner = document.items() if isinstance(document, dict) else ()
    inner = enumerate(document) if isinstance(document, list) else inner
    for name, value in inner:
        yield from places(value, (*path, name))


def put(document: Any, path: Path, value: Any) -> Any:
    """A copy of a document with another value somewhere in it."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    _parent(changed, path)[path[-1]] = value
    return changed


def without(document: Any, path: Path) -> Any:
    """A copy of a document without what stands somewhere in it."""
    changed = copy.deepcopy(document)
    if path:
        del _parent(changed, path)[path[-1]]
    return changed


def _parent(document: Any, path: Path) -> Any:
    for name in path[:-1]:
        document = document[name]
    return document


@st.composite
def damaged(draw: Callable[..., Any], document: Any, most: int = 3) -> Any:
    """A document of which up to `most` places lack what should stand there, or hold anything."""
    for _ in range(draw(st.integers(1, most))):
        path = draw(st.sampled_from(list(places(document))))
        lacks = draw(st.booleans())
        document = without(document, path) if lacks else put(document, path, draw(values))
    return document
