"""Errors for people, sorted by what to do about them.

An error belongs here when a user can act on it; its text says what happened, where, what was
expected and found, and the next step. Bugs stay ordinary exceptions with their traceback.
"""

MALFORMED = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading a JSON document raises that has not the form it should have. To be told as an error
that names the document."""


class PipelineError(Exception):
    """Something a user can act on; the text stands on its own, without a traceback."""


class FixConfiguration(PipelineError):
    """Trying again changes nothing until a setting, a right or a file is mended."""


class RetryLater(PipelineError):
    """Nothing is wrong here; the same call may succeed later."""


class SkipThis(PipelineError):
    """This one thing (a playlist, a day) can't be had; the others go on."""
