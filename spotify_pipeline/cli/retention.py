"""How long to keep what is captured: asked once, where somebody is there to answer."""

import sys

from spotify_pipeline.deployment import LEAST_RETENTION, parse_retention
from spotify_pipeline.errors import FixConfiguration

NAME = "SPOTIFY_PIPELINE_RETENTION_DAYS"

_QUESTION = (
    f"\nFor how many days is what Spotify says to be kept, {LEAST_RETENTION} at least? Its terms "
    f"are in the README.\n0 keeps all, nothing leaves it undecided: "
)


def ask_retention() -> int | None:
    """The answer; None where nobody is there, or none is given."""
    while sys.stdin.isatty():
        try:
            text = input(_QUESTION).strip()
            return parse_retention(text, "Your answer") if text else None
        except EOFError:
            return None
        except FixConfiguration as error:
            print(error)
    return None
