"""A line of a raw document as its schema has it, for an engine that reads JSON in its own way.

DuckDB reads by the schema: what doesn't fit becomes null, each by itself, and what stands where a
text belongs becomes text. Spark drops a whole list for one odd element, takes a text that holds
JSON for an object, writes numbers in Java's way, and loses its place at one of a thousand digits.
So it is given what fits and nothing else. Numbers and odd objects are written as DuckDB does.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from spotify_pipeline.transform.schema import RAW_LINE, TEXT


def fitted(line: Mapping[str, Any]) -> str:
    """The parsed line as JSON in which every scalar is a text.

    What should be a list and isn't is null, what should be an object and isn't an empty one.
    """
    return json.dumps(_fit(line, RAW_LINE))


def _fit(value: Any, field: Any) -> Any:
    if value is None:
        return None
    if field == TEXT:
        return value if isinstance(value, str) else _text(value)
    if isinstance(field, list):
        return [_fit(each, field[0]) for each in value] if isinstance(value, list) else None
    found = value if isinstance(value, dict) else {}
    return {name: _fit(found[name], inner) for name, inner in field.items() if name in found}


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return _TOKEN.sub(_as_in_duckdb, text)
    return str(value).lower()  # a number, or True or False


# What DuckDB writes otherwise than Python: escapes of control characters, and exponents.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[\d.]+e[+-]\d+')
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|.)")


def _as_in_duckdb(token: re.Match[str]) -> str:
    if token[0].startswith('"'):
        return _ESCAPE.sub(lambda e: rf"\u{e[1].upper()}" if e[1] else e[0], token[0])
    number = Decimal(token[0])
    if -6 <= number.adjusted() <= 20:
        plain = f"{number:f}"
        return plain if "." in plain else f"{plain}.0"
    return re.sub(r"e\+?(-?)0*", r"e\1", token[0])
