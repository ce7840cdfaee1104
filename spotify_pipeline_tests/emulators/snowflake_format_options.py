"""The options of a CSV format as DESC and SHOW tell them: all of them, with the defaults of those
that nobody has set."""

import json
from typing import Any

from spotify_pipeline_tests.emulators.snowflake_syntax import Options, Value

_OPTIONS: dict[str, tuple[str, Any]] = {
    "TYPE": ("String", "CSV"),
    "RECORD_DELIMITER": ("String", "\n"),
    "FIELD_DELIMITER": ("String", ","),
    "FILE_EXTENSION": ("String", ""),
    "SKIP_HEADER": ("Integer", 0),
    "PARSE_HEADER": ("Boolean", False),
    "DATE_FORMAT": ("String", "AUTO"),
    "TIME_FORMAT": ("String", "AUTO"),
    "TIMESTAMP_FORMAT": ("String", "AUTO"),
    "BINARY_FORMAT": ("String", "HEX"),
    "ESCAPE": ("String", "NONE"),
    "ESCAPE_UNENCLOSED_FIELD": ("String", "\\"),
    "TRIM_SPACE": ("Boolean", False),
    "FIELD_OPTIONALLY_ENCLOSED_BY": ("String", "NONE"),
    "NULL_IF": ("List", ["\\N"]),
    "COMPRESSION": ("String", "AUTO"),
    "ERROR_ON_COLUMN_COUNT_MISMATCH": ("Boolean", True),
    "VALIDATE_UTF8": ("Boolean", True),
    "SKIP_BLANK_LINES": ("Boolean", False),
    "REPLACE_INVALID_CHARACTERS": ("Boolean", False),
    "EMPTY_FIELD_AS_NULL": ("Boolean", True),
    "SKIP_BYTE_ORDER_MARK": ("Boolean", True),
    "ENCODING": ("String", "UTF8"),
    "MULTI_LINE": ("Boolean", True),
}


def described(options: Options) -> list[tuple[str, str, str, str]]:
    """Each with its type, value and default."""
    return [
        (name, kind, _text(_value(kind, options.get(name, default))), _text(default))
        for name, (kind, default) in _OPTIONS.items()
    ]


def as_json(options: Options) -> str:
    return json.dumps(
        {
            name: _value(kind, options.get(name, default))
            for name, (kind, default) in _OPTIONS.items()
        }
    )


def _value(kind: str, given: Value | bool | int | list[str]) -> Any:
    if kind == "Boolean":
        return str(given).upper() == "TRUE"
    if kind == "Integer":
        return int(str(given))
    if kind == "List":
        return [given] if isinstance(given, str) else list(given)  # type: ignore[arg-type]
    return given


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
