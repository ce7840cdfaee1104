"""Reading one scalar: text in, a value of the contract or null out.

Casts are guarded by a pattern because a bad cast raises on some engines and gives null on others.
Dates and times stay text in the form CSV carries, checked against the calendar: no engine's
parser or time zone then has a say in them. Patterns end in `\\z`, because Java's `$` also matches
before a last newline.
"""

from typing import Any

_YEAR = r"[1-9]\d{3}"
_LEAP_YEAR = r"(?:[1-9]\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"
_DAY = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    rf"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"

TIMESTAMP = rf"{_DAY}T{_TIME}Z"
"""What a moment looks like in Spotify's answers and in our envelope, as a pattern."""


def text(F: Any, column: Any) -> Any:
    """The text itself; an empty one is null. For ids and codes, where empty means none."""
    return F.when(column != F.lit(""), column)


def lower(F: Any, column: Any) -> Any:
    """In small letters where all are English ones: of others engines have ideas of their own."""
    return F.when(column.rlike(r"^[ -~]*\z"), F.lower(column)).otherwise(column)


def integer(F: Any, column: Any) -> Any:
    """A whole number that fits 64 bits."""
    return F.when(column.rlike(r"^-?\d{1,18}\z"), column).cast("bigint")


def boolean(F: Any, column: Any) -> Any:
    """`true` or `false`, as JSON writes them."""
    return F.when(column == F.lit("true"), F.lit(True)).when(column == F.lit("false"), F.lit(False))


def timestamp(F: Any, column: Any) -> Any:
    """`2026-01-02T03:04:05Z` as `2026-01-02 03:04:05`, fractions kept."""
    good = F.when(column.rlike(rf"^{TIMESTAMP}\z"), column)
    return F.regexp_replace(F.regexp_replace(good, "T", " "), "Z", "")


def release_date(F: Any, column: Any, precision: Any) -> Any:
    """A year or month stands for its first day; `0000` and what is no date become null."""
    return (
        F.when((precision == F.lit("day")) & column.rlike(rf"^{_DAY}\z"), column)
        .when(
            (precision == F.lit("month")) & column.rlike(rf"^{_YEAR}-(?:0[1-9]|1[0-2])\z"),
            F.concat(column, F.lit("-01")),
        )
        .when(
            (precision == F.lit("year")) & column.rlike(rf"^{_YEAR}\z"),
            F.concat(column, F.lit("-01-01")),
        )
    )
