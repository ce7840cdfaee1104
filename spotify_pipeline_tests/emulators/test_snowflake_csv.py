"""CSV as a Snowflake file format reads it."""

import codecs
import gzip

import pytest

from spotify_pipeline_tests.emulators.snowflake_csv import BadFile, csv_format, read
from spotify_pipeline_tests.emulators.snowflake_errors import SnowflakeError
from spotify_pipeline_tests.emulators.snowflake_syntax import Options

OURS: Options = {
    "PARSE_HEADER": "TRUE",
    "FIELD_OPTIONALLY_ENCLOSED_BY": '"',
    "ESCAPE_UNENCLOSED_FIELD": "NONE",
    "NULL_IF": (),
}

Rows = list[list[str | None]]


def rows(text: str | bytes, **options: str | tuple[str, ...]) -> Rows:
    """The rows below a header of two names, where no option says otherwise."""
    body = text if isinstance(text, bytes) else text.encode()
    return read(b"a,b\n" + body, "t.csv", csv_format({**OURS, **options})).rows


def error(text: str | bytes, **options: str) -> tuple[str, int | None, int | None]:
    with pytest.raises(BadFile) as caught:
        rows(text, **options)
    return str(caught.value), caught.value.line, caught.value.character


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n", ["1", "2"]),
        ("1,2", ["1", "2"]),
        ("1,2\r\n", ["1", "2"]),
        (",\n", [None, None]),
        ('"",\n', ["", None]),
        ('"x,y","""z"""\n', ["x,y", '"z"']),
        ('"x\ny","z"\r\n', ["x\ny", "z"]),
        ('"x"', ["x"]),
        ('5" wide,"x"\n', ['5" wide', "x"]),
        ('"x",\r\n', ["x", None]),
        ("NULL,\\N\n", ["NULL", "\\N"]),
        ("back\\slash\\,x\n", ["back\\slash\\", "x"]),
        (" 1 , 2 \n", [" 1 ", " 2 "]),
        ("é,\u2028\n", ["é", "\u2028"]),
        ("1\n", ["1"]),
        ("1,2,3\n", ["1", "2", "3"]),
    ],
)
def test_a_record(text: str, expected: list[str | None]) -> None:
    assert rows(text) == [expected]


def test_records_know_their_lines() -> None:
    found = read(b'a,b\n1,"x\ny"\n2,z\n3,"\n\n"\n4,\n', "t.csv", csv_format(OURS))
    assert found.header == ["a", "b"]
    assert found.lines == [2, 4, 5, 8]


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"NULL_IF": ("\\N", "")}, '"",\\N\n', [None, None]),
        ({"EMPTY_FIELD_AS_NULL": "FALSE"}, ',""\n', ["", ""]),
        ({"TRIM_SPACE": "TRUE"}, ' 1 , "x" \n', ["1", "x"]),
        ({"SKIP_BLANK_LINES": "TRUE"}, "\n1,2\n\n", ["1", "2"]),
        ({"FIELD_DELIMITER": ";"}, "1,2;3\n", ["1,2", "3"]),
        ({"FIELD_OPTIONALLY_ENCLOSED_BY": "NONE"}, '"1",2\n', ['"1"', "2"]),
        ({"FIELD_OPTIONALLY_ENCLOSED_BY": "'"}, "'1,''',2\n", ["1,'", "2"]),
    ],
)
def test_what_options_do(options: dict[str, str], text: str, expected: list[str]) -> None:
    assert rows(text, **options) == [expected]


def test_the_defaults_keep_quotes_and_make_backslash_n_null() -> None:
    form = csv_format({"ESCAPE_UNENCLOSED_FIELD": "NONE"})
    assert read(b'"a",\\N\n', "t.csv", form).rows == [['"a"', None]]


def test_headers_can_be_skipped() -> None:
    form = csv_format({"ESCAPE_UNENCLOSED_FIELD": "NONE", "SKIP_HEADER": "1"})
    assert read(b"a,b\n1,2\n", "t.csv", form).rows == [["1", "2"]]


def test_gzip_and_byte_order_mark_are_noticed() -> None:
    body = gzip.compress(codecs.BOM_UTF8 + b"a,b\n1,2\n")
    found = read(body, "t.csv.gz", csv_format(OURS))
    assert (found.header, found.rows) == (["a", "b"], [["1", "2"]])


def test_other_encodings() -> None:
    assert rows("é,\n".encode("latin-1"), ENCODING="ISO88591") == [["é", None]]
    assert rows(b"\xff,\n", REPLACE_INVALID_CHARACTERS="TRUE") == [["\ufffd", None]]


def test_what_can_not_be_read() -> None:
    assert error("1,2\n3,\xff\n".encode("latin-1")) == (
        "Invalid UTF8 detected in string '0xFF'",
        3,
        3,
    )
    assert error('1,"x"y\n') == ("Found character 'y' instead of field delimiter ','", 2, 6)
    assert error('1,"x\ny\n')[1:] == (2, 3)
    assert error("1,2\n\n3,4\n")[1:] == (3, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"ESCAPE_UNENCLOSED_FIELD": "\\"},
        {"ESCAPE": "\\"},
        {"TYPE": "JSON"},
        {"COMPRESSION": "BROTLI"},
        {"ENCODING": "UTF16"},
        {"FIELD_DELIMITER": "||"},
        {"RECORD_DELIMITER": "|"},
        {"TIMESTAMP_FORMAT": "DD.MM.YYYY"},
        {"PARSE_HEADER": "MAYBE"},
        {"SKIP_HEADR": "1"},
        {"PARSE_HEADER": "TRUE", "SKIP_HEADER": "1"},
    ],
)
def test_what_is_not_done_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(SnowflakeError):
        csv_format({**OURS, **options})


def test_the_default_escape_is_refused_when_a_pipe_is_made_with_it() -> None:
    with pytest.raises(SnowflakeError, match="ESCAPE_UNENCLOSED_FIELD"):
        csv_format({"PARSE_HEADER": "TRUE"})
