"""Reads the statements that have no place in DuckDB: words, names, literals and options.

Only as far as such statements need it. Queries and DML are sqlglot's business.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from spotify_pipeline_tests.emulators.snowflake_errors import invalid_value, syntax

Value = str | tuple[str, ...] | Mapping[str, "Value"]
"""An option's value: a word or literal, a list of them, or options in parentheses."""

Options = dict[str, Value]
Name = tuple[str, ...]
"""An identifier's parts; those without quotes are in upper case."""

_PART = r'(?:"(?:[^"]|"")*"|[A-Za-z_][\w$]*)'
_TOKEN = re.compile(
    rf"""(?P<space>(?:\s|--[^\n]*|//[^\n]*|/\*.*?\*/)+)
    | (?P<string>'(?:[^'\\]|''|\\.)*' | \$\$.*?\$\$)
    | (?P<location>@[^\s(),;']+)
    | (?P<word>{_PART}(?:\s*\.\s*{_PART})*)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<mark>=>|.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


class Reader:
    """Goes through one statement from left to right."""

    def __init__(self, sql: str) -> None:
        self.sql = sql.strip().rstrip(";").strip()
        self._tokens = [
            _Token(str(found.lastgroup), found[0], found.start())
            for found in _TOKEN.finditer(self.sql)
            if found.lastgroup != "space"
        ]
        self._place = 0

    def accept(self, *words: str) -> bool:
        """Steps over the words if they come next, all of them."""
        if not self.is_next(*words):
            return False
        self._place += len(words)
        return True

    def is_next(self, *words: str) -> bool:
        following = self._tokens[self._place : self._place + len(words)]
        return tuple(token.text.upper() for token in following) == words

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            self.fail()

    def one_of(self, *words: str) -> str:
        """Steps over one of the words, and says which."""
        return next((word for word in words if self.accept(word)), None) or self.fail()

    def word(self) -> str:
        """The next word, in upper case."""
        return self._take("word").upper()

    def name(self) -> Name:
        return parts(self._take("word"))

    def text(self) -> str:
        """The next string literal's content."""
        return unquoted(self._take("string"))

    def location(self) -> tuple[Name, str]:
        """A stage's name and the path behind it: `@db.schema.stage/path/`."""
        text = self.text() if self._kind == "string" else self._take("location")
        stage, _, path = text.removeprefix("@").partition("/")
        return parts(stage), path

    def number(self) -> int:
        return int(self._take("number"))

    def options(self, *until: str) -> Options:
        """`KEY = value` pairs, up to one of the words or the end."""
        found: Options = {}
        while not self.at_end and self._token.text.upper() not in until and self._kind == "word":
            key = self.word()
            self.expect("=")
            found[key] = self._value()
            self.accept(",")
        return found

    def values(self) -> tuple[str, ...]:
        """Names or literals in parentheses."""
        self.expect("(")
        found = []
        while not self.accept(")"):
            found.append(self._single())
            self.accept(",")
        return tuple(found)

    def words(self) -> list[str]:
        """Words with commas between them, to the end."""
        found = []
        while not self.at_end:
            found.append(self.word())
            self.accept(",")
        return found

    def rest(self) -> str:
        """All that is left, as it was written."""
        rest = "" if self.at_end else self.sql[self._token.start :]
        self._place = len(self._tokens)
        return rest

    @property
    def at_end(self) -> bool:
        return self._place == len(self._tokens)

    def end(self) -> None:
        if not self.at_end:
            self.fail()

    def fail(self) -> NoReturn:
        raise syntax("end of statement" if self.at_end else f"'{self._token.text}'")

    @property
    def _token(self) -> _Token:
        if self.at_end:
            self.fail()
        return self._tokens[self._place]

    @property
    def _kind(self) -> str:
        return self._token.kind

    def _take(self, kind: str) -> str:
        if self._kind != kind:
            self.fail()
        self._place += 1
        return self._tokens[self._place - 1].text

    def _value(self) -> Value:
        if self._token.text != "(":
            return self._single()
        following = self._tokens[self._place + 1 : self._place + 3]
        if len(following) == 2 and following[0].kind == "word" and following[1].text == "=":
            self.expect("(")
            inner = self.options()
            self.expect(")")
            return inner
        return self.values()

    def _single(self) -> str:
        readers: Mapping[str, Callable[[], str]] = {
            "string": self.text,
            "word": lambda: ".".join(self.name()),
            "number": lambda: self._take("number"),
        }
        return readers.get(self._kind, self.fail)()


def parts(name: str) -> Name:
    """The parts of an identifier as it is written."""
    if not re.fullmatch(rf"{_PART}(?:\s*\.\s*{_PART})*", name):
        raise syntax(f"'{name}'")
    return tuple(
        part[1:-1].replace('""', '"') if part.startswith('"') else part.upper()
        for part in re.findall(_PART, name)
    )


def unquoted(literal: str) -> str:
    """The content of a string literal."""
    if literal.startswith("$$"):
        return literal[2:-2]
    return re.sub(
        r"''|\\(.)",
        lambda found: _ESCAPES.get(found[1], found[1]) if found[1] else "'",
        literal[1:-1],
        flags=re.DOTALL,
    )


def quoted(name: Sequence[str]) -> str:
    """A name in SQL, every part in quotes."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name)


def literal(text: str) -> str:
    """Text in DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def boolean(options: Options, key: str, default: bool = False) -> bool:
    value = options.get(key, str(default))
    if not isinstance(value, str) or value.upper() not in ("TRUE", "FALSE"):
        raise invalid_value(value, key)
    return value.upper() == "TRUE"


def string(options: Options, key: str, default: str = "") -> str:
    value = options.get(key, default)
    if not isinstance(value, str):
        raise invalid_value(value, key)
    return value


def strings(options: Options, key: str) -> tuple[str, ...]:
    value = options.get(key, ())
    if not isinstance(value, tuple):
        raise invalid_value(value, key)
    return value


def only(options: Options, known: set[str], kind: str) -> None:
    """Refuses what is no property of such an object."""
    for key in options.keys() - known:
        raise syntax(f"'{key}': invalid property for {kind}")
