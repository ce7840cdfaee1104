"""What roles, users and warehouses share: a name in the account, and properties."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from spotify_pipeline.clock import Clock
from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Options, Reader, only


@dataclass(eq=False)
class Principal:
    """One of them with its properties, as they were written."""

    name: str
    created_on: datetime
    options: Options = field(default_factory=dict)


class Principals:
    """CREATE, ALTER and DROP of one kind."""

    depth = 1

    def __init__(
        self, word: str, properties: Collection[str], clock: Clock, names: tuple[str, ...] = ()
    ) -> None:
        self.words = (word,)
        self.plural = (f"{word}S",)
        self._properties = set(properties)
        self._clock = clock
        self.held = {name: Principal(name, clock()) for name in names}

    def exists(self, name: Name) -> bool:
        return ".".join(name) in self.held

    def create(self, session: Session, name: Name, reader: Reader) -> None:
        reader.accept("WITH")
        made = Principal(".".join(name), self._clock())
        self._set(made, reader)
        self.held[made.name] = made

    def alter(self, session: Session, name: Name, reader: Reader) -> None:
        principal = self.held[".".join(name)]
        if reader.accept("SET"):
            self._set(principal, reader)
        elif reader.accept("UNSET"):
            for key in reader.words():
                if key not in self._properties:
                    raise errors.syntax(f"'{key}': invalid property for {self.words[0]}")
                principal.options.pop(key, None)
        else:
            self.act(principal, reader)

    def drop(self, session: Session, name: Name) -> None:
        del self.held[".".join(name)]

    def act(self, principal: Principal, reader: Reader) -> None:
        """What ALTER does besides SET and UNSET."""
        reader.fail()

    def check(self, principal: Principal, options: Options) -> None:
        """Refuses values that such a thing can't have."""

    def _set(self, principal: Principal, reader: Reader) -> None:
        options = reader.options()
        reader.end()
        only(options, self._properties, self.words[0])
        self.check(principal, options)
        principal.options = principal.options | options
