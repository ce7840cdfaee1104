"""What time it is, as a value that is passed in.

Every part that needs the time takes a `Clock` as an argument, so the demo can replay a week and
tests can stand at midnight. Only `machine_clock` looks at the machine.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime

Clock = Callable[[], datetime]
"""Answers the current time as an aware datetime in UTC."""


def machine_clock() -> datetime:
    """The machine's time in UTC."""
    return datetime.now(UTC)


def frozen_clock(moment: datetime) -> Clock:
    """A clock that always shows `moment`."""
    return lambda: moment


def today(clock: Clock) -> date:
    """The snapshot date that a capture beginning now belongs to."""
    return clock().astimezone(UTC).date()
