"""Takes CSV apart by the options of a Snowflake file format.

What the options mean is documented under CREATE FILE FORMAT. Values that are not carried out are
refused when a pipe is made with them: escape characters, record delimiters other than line ends,
formats of dates and times other than AUTO and ISO's, compressions other than gzip.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from spotify_pipeline_tests.emulators.snowflake_errors import invalid_value, unsupported
from spotify_pipeline_tests.emulators.snowflake_syntax import Options, boolean, only, string

Fields = list[str | None]

_SWITCHES = {
    "PARSE_HEADER": False,
    "TRIM_SPACE": False,
    "SKIP_BLANK_LINES": False,
    "EMPTY_FIELD_AS_NULL": True,
    "REPLACE_INVALID_CHARACTERS": False,
    "ERROR_ON_COLUMN_COUNT_MISMATCH": True,
    "SKIP_BYTE_ORDER_MARK": True,
    "MULTI_LINE": True,
}
_FIXED = {
    "TYPE": ("CSV",),
    "COMPRESSION": ("AUTO", "GZIP", "NONE"),
    "ESCAPE": ("NONE",),
    "ESCAPE_UNENCLOSED_FIELD": ("NONE",),
    "RECORD_DELIMITER": ("\n", "\r\n"),
    "BINARY_FORMAT": ("HEX",),
    "DATE_FORMAT": ("AUTO", "YYYY-MM-DD"),
    "TIME_FORMAT": ("AUTO",),
    "TIMESTAMP_FORMAT": ("AUTO",),
}
_DEFAULTS = {"ESCAPE_UNENCLOSED_FIELD": "\\"}
_ENCODINGS = {"UTF8": "utf-8", "ISO88591": "latin-1", "WINDOWS1252": "cp1252"}
_OPTIONS = {
    *_SWITCHES,
    *_FIXED,
    "SKIP_HEADER",
    "FIELD_DELIMITER",
    "FIELD_OPTIONALLY_ENCLOSED_BY",
    "NULL_IF",
    "ENCODING",
}


class BadFile(Exception):
    """What is wrong with a file, and where."""

    def __init__(self, message: str, line: int | None = None, character: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.character = character


@dataclass(frozen=True)
class CsvFormat:
    """A file format of TYPE=CSV."""

    parse_header: bool = False
    skip_header: int = 0
    delimiter: str = ","
    quote: str = ""
    null_if: tuple[str, ...] = ("\\N",)
    encoding: str = "utf-8"
    compression: str = "AUTO"
    date_format: str = "AUTO"
    switches: dict[str, bool] = field(default_factory=lambda: dict(_SWITCHES))


def check_options(options: Options) -> None:
    """Refuses what is no CSV option at all."""
    if string(options, "TYPE", "CSV").upper() != "CSV":
        raise unsupported(f"FILE_FORMAT TYPE = {options['TYPE']}")
    only(options, _OPTIONS, "FILE_FORMAT")
    for key in _SWITCHES:
        boolean(options, key)


def csv_format(options: Options) -> CsvFormat:
    """The format that the options describe; refuses what would not be done."""
    check_options(options)
    for key, possible in _FIXED.items():
        value = string(options, key, _DEFAULTS.get(key, possible[0]))
        if value.upper() not in possible:
            raise unsupported(f"FILE_FORMAT {key} = {value!r}")
    encoding = string(options, "ENCODING", "UTF8").upper()
    if encoding not in _ENCODINGS:
        raise unsupported(f"FILE_FORMAT ENCODING = {encoding}")
    switches = {key: boolean(options, key, default) for key, default in _SWITCHES.items()}
    skip_header = int(string(options, "SKIP_HEADER", "0"))
    if skip_header and switches["PARSE_HEADER"]:
        raise invalid_value(skip_header, "SKIP_HEADER")
    null_if = options.get("NULL_IF", ("\\N",))
    delimiter = string(options, "FIELD_DELIMITER", ",")
    if len(delimiter) != 1:
        raise unsupported(f"FILE_FORMAT FIELD_DELIMITER = {delimiter!r}")
    quote = string(options, "FIELD_OPTIONALLY_ENCLOSED_BY", "NONE")
    return CsvFormat(
        switches["PARSE_HEADER"],
        skip_header,
        delimiter,
        "" if quote.upper() == "NONE" else quote,
        null_if if isinstance(null_if, tuple) else (str(null_if),),
        _ENCODINGS[encoding],
        string(options, "COMPRESSION", "AUTO").upper(),
        string(options, "DATE_FORMAT", "AUTO").upper(),
        switches,
    )


@dataclass(frozen=True)
class Records:
    """A file's records as text or null; `lines` says on which line of the file each begins."""

    header: list[str]
    rows: list[Fields]
    lines: list[int]


def read(body: bytes, file: str, form: CsvFormat) -> Records:
    """All records of a file. Raises `BadFile` at the first that can't be read."""
    text = _text(_plain(body, file, form), form)
    found = _records(text, form, _nulls(form))
    for _ in range(form.skip_header):
        next(found, None)
    header: list[str] = []
    if form.parse_header:
        _, first = next(found, (1, []))
        header = [name or "" for name in first]
    lines, rows = [], []
    for line, fields in found:
        lines.append(line)
        rows.append(fields)
    return Records(header, rows, lines)


def _plain(body: bytes, file: str, form: CsvFormat) -> bytes:
    is_gzip = form.compression == "GZIP" or (
        form.compression == "AUTO" and body.startswith(b"\x1f\x8b")
    )
    try:
        return gzip.decompress(body) if is_gzip else body
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadFile(
            f"Invalid data encountered during decompression for file: '{file}',"
            f"compression type used: 'GZIP', cause: '{error}'"
        ) from error


def _text(body: bytes, form: CsvFormat) -> str:
    if form.switches["SKIP_BYTE_ORDER_MARK"]:
        body = body.removeprefix(codecs.BOM_UTF8)
    invalid = "replace" if form.switches["REPLACE_INVALID_CHARACTERS"] else "strict"
    try:
        return body.decode(form.encoding, invalid)
    except UnicodeDecodeError as error:
        before = body[: error.start]
        bad = body[error.start : error.end].hex().upper()
        raise BadFile(
            f"Invalid UTF8 detected in string '0x{bad}'",
            before.count(b"\n") + 1,
            error.start - before.rfind(b"\n"),
        ) from error


def _nulls(form: CsvFormat) -> Callable[[list[str]], Fields]:
    """Makes null what stands for it in fields without quotes."""
    nulls = set(form.null_if)
    if form.switches["EMPTY_FIELD_AS_NULL"]:
        nulls.add("")
    if form.switches["TRIM_SPACE"]:
        return lambda fields: [
            None if (trimmed := value.strip(" ")) in nulls else trimmed for value in fields
        ]
    return lambda fields: [None if value in nulls else value for value in fields]


def _records(
    text: str, form: CsvFormat, nulls: Callable[[list[str]], Fields]
) -> Iterator[tuple[int, Fields]]:
    place, line = 0, 1
    enclosed = _Enclosed(form) if form.quote else None
    while place < len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        raw = text[place:end]
        if enclosed and form.quote in raw:
            fields, after = enclosed.record(text, place, line)
            yield line, fields
            line += text.count("\n", place, after)
            place = after
            continue
        raw = raw.removesuffix("\r")
        if raw:
            yield line, nulls(raw.split(form.delimiter))
        elif not form.switches["SKIP_BLANK_LINES"]:
            raise BadFile("End of record reached while expected to parse column", line, 1)
        place, line = end + 1, line + 1


class _Enclosed:
    """Reads records in which fields may stand in quotes."""

    def __init__(self, form: CsvFormat) -> None:
        quote, delimiter = re.escape(form.quote), re.escape(form.delimiter)
        space = " *" if form.switches["TRIM_SPACE"] else ""
        self._quoted = re.compile(
            rf"{space}{quote}((?:[^{quote}]|{quote}{quote})*){quote}{space}", re.DOTALL
        )
        self._opened = re.compile(rf"{space}{quote}")
        self._bare = re.compile(rf"[^{delimiter}\n]*")
        self._nulls = _nulls(form)
        self._null_if = set(form.null_if)
        self._form = form

    def record(self, text: str, place: int, line: int) -> tuple[Fields, int]:
        """The record that begins at `place`, and where the next one begins."""
        fields: Fields = []
        start = place
        while True:
            value, place = self._field(text, place, start, line)
            fields.append(value)
            if text.startswith(self._form.delimiter, place):
                place += len(self._form.delimiter)
            elif place >= len(text) or text[place] == "\n":
                return fields, place + 1
            elif text.startswith("\r\n", place):
                return fields, place + 2
            else:
                raise BadFile(
                    f"Found character '{text[place]}' instead of field delimiter "
                    f"'{self._form.delimiter}'",
                    line + text.count("\n", start, place),
                    place - text.rfind("\n", 0, place),
                )

    def _field(self, text: str, place: int, start: int, line: int) -> tuple[str | None, int]:
        if quoted := self._quoted.match(text, place):
            value = quoted[1].replace(self._form.quote * 2, self._form.quote)
            return (None if value in self._null_if else value), quoted.end()
        if self._opened.match(text, place):
            raise BadFile(
                "End of file reached while expected to find the closing quote of a field",
                line + text.count("\n", start, place),
                place - text.rfind("\n", 0, place),
            )
        bare = self._bare.match(text, place)
        assert bare
        value = bare[0]
        end = bare.end()
        if value.endswith("\r") and (end == len(text) or text[end] == "\n"):
            value = value[:-1]
        return self._nulls([value])[0], end
