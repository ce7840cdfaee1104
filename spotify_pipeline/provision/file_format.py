"""The file format that the pipes read by: what of it is not as `070_pipes.sql` says."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spotify_pipeline.provision.ddl import Statement

NAME = "PIPES.CSV_FILEFORMAT"

_OPTION = re.compile(r"(\w+) = ('(?:[^']|'')*'|\([^)]*\)|\w+)")


def options(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Its options, of the rows of SHOW FILE FORMATS; None if it is not among them."""
    for row in rows:
        if f"{row['schema_name']}.{row['name']}".upper() == NAME:
            found: Mapping[str, Any] = json.loads(row["format_options"])
            return found
    return None


def differing(statements: Sequence[Statement], found: Mapping[str, Any]) -> list[str]:
    """The options as the file writes them, of those that are otherwise. Only what the file names,
    and Snowflake tells, is compared."""
    [made] = [each.sql for each in statements if "FILE FORMAT IF NOT EXISTS" in each.sql]
    return [
        f"{option} = {value}"
        for option, value in _OPTION.findall(made)
        if option in found and _value(value) != _plain(found[option])
    ]


def _value(written: str) -> Any:
    """As SHOW FILE FORMATS tells it."""
    if written.startswith("("):
        return re.findall(r"'([^']*)'", written)
    return _plain(written.strip("'"))


def _plain(value: Any) -> Any:
    return value if isinstance(value, list) else str(value).upper()
