"""COMMENT ON, of any kind of object, and of columns."""

from collections.abc import Sequence
from typing import Any

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators import snowflake_results as results
from spotify_pipeline_tests.emulators.snowflake_authority import Authority, granted_on, title
from spotify_pipeline_tests.emulators.snowflake_results import Result
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Reader, literal
from spotify_pipeline_tests.emulators.snowflake_tables import Tables


def comment_on(
    session: Session, reader: Reader, kinds: Sequence[Any], authority: Authority
) -> Result:
    """Only the owner may."""
    reader.expect("COMMENT")
    if_exists = reader.accept("IF", "EXISTS")
    reader.expect("ON")
    if reader.accept("COLUMN"):
        *table, column = reader.name()
        reader.expect("IS")
        name = session.qualified(tuple(table))
        for kind in kinds:
            if isinstance(kind, Tables) and kind.exists(name):
                authority.need(session, granted_on(kind.words), ".".join(name))
                kind.comment_column(name, column, reader.text())
                return results.status()
        raise errors.missing("Table", ".".join(name))
    kind = next((kind for kind in kinds if reader.accept(*kind.words)), None)
    if kind is None:
        reader.fail()
    name = session.qualified(reader.name(), kind.depth)
    reader.expect("IS")
    text = reader.text()
    on = granted_on(kind.words)
    if kind.exists(name):
        authority.need(session, on, ".".join(name))
        kind.alter(session, name, Reader(f"SET COMMENT = {literal(text)}"))
    elif not if_exists:
        raise errors.missing(title(on), ".".join(name))
    return results.status()
