"""What Snowflake's connector raises, as errors that say what to do.

Snowflake has no list of its numbers. Those here are the ones that the connector knows by name
(`network.py`), or that stand with their sentences in public reports.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping

from snowflake.connector import errors

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater

_LOCKED = 625
_CANCELLED = (604, 630)
_QUERY_CANCELED = "57014"
"""The SQL state of a statement that was stopped, for whichever reason and by whatever number."""

_SESSION_GONE = (390103, 390104, *range(390110, 390116), 390195, 252007)
"""Tokens that have expired or that nobody knows any more, and a session that can't be renewed."""

_KEY_REFUSED = (390100, 390101, 390144, *range(394300, 394307))
"""A wrong or disabled user; a signature that is not that of the user's key."""

_ROLE_REFUSED = (390186, 390189)
_NETWORK_REFUSED = 390422
_SIGN_IN = range(390_000, 395_000)
"""How Snowflake numbers its refusals to let somebody in: these, and others."""

_NO_WAREHOUSE = 606
_REFUSED = (2003, 2043, 3001, 90105, 90106)
"""What a statement needs is not there, or the role may not use it: Snowflake doesn't tell which."""

_AWAY = (
    errors.OperationalError,
    errors.InternalError,
    errors.InternalServerError,
    errors.ServiceUnavailableError,
    errors.BadGatewayError,
    errors.GatewayTimeoutError,
    errors.RequestTimeoutError,
    errors.TooManyRequests,
    errors.OtherHTTPRetryableError,
    errors.RequestExceedMaxRetryError,
)


@contextlib.contextmanager
def explained(limits: Mapping[str, int]) -> Iterator[None]:
    """Says in our words what is raised in the block; `limits` are those of the session, by which a
    wait has ended."""
    try:
        yield
    except errors.Error as error:
        said = re.sub(r"\s+", " ", str(error.msg or error))
        if explanation := _passing(error, said, limits) or _lasting(error, said):
            raise explanation from error
        raise


def _passing(error: errors.Error, said: str, limits: Mapping[str, int]) -> PipelineError | None:
    """What the same run may not meet again."""
    waits = {name: _length(seconds) for name, seconds in limits.items()}
    if error.errno == _LOCKED:
        return RetryLater(
            f"A table is in use by another session: {said} The wait for it is at most "
            f"{waits['LOCK_TIMEOUT']}; nothing is lost. Run it again when the other run "
            f"is over. If there is none, SHOW LOCKS IN ACCOUNT names the transaction, and "
            f"SYSTEM$ABORT_TRANSACTION ends it."
        )
    if error.errno in _CANCELLED or error.sqlstate == _QUERY_CANCELED:
        return RetryLater(
            f"A statement took too long, or somebody stopped it: {said} It may wait "
            f"{waits['STATEMENT_QUEUED_TIMEOUT_IN_SECONDS']} for the warehouse and run "
            f"{waits['STATEMENT_TIMEOUT_IN_SECONDS']}, or less if the warehouse says so. Nothing "
            f"is lost: run it again. If that ends the same way, SNOWFLAKE_WAREHOUSE is too busy or "
            f"too small."
        )
    if error.errno in _SESSION_GONE:
        return RetryLater(
            f"The Snowflake session has ended early: {said} Nothing is lost: run it again, which "
            f"signs in anew."
        )
    if isinstance(error, _AWAY) and error.errno not in _SIGN_IN:
        return RetryLater(
            f"Snowflake doesn't answer: {said.rstrip('.')}. Nothing is lost: run it again. If it "
            f"never answered, look at SNOWFLAKE_ACCOUNT."
        )
    return None


def _length(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{seconds} s" if rest else f"{minutes} minutes"


def _lasting(error: errors.Error, said: str) -> PipelineError | None:
    """What stays until somebody changes a setting or a right."""
    if "resource monitor" in said.lower():
        return FixConfiguration(
            f"The warehouse's budget is used up: {said} Raise the resource monitor's quota, or "
            f"wait for its next period; nothing is lost."
        )
    if error.errno in _KEY_REFUSED or isinstance(error, errors.ForbiddenError | errors.HttpError):
        return FixConfiguration(
            f"Snowflake lets nobody in: {said} Look at SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, "
            f"SNOWFLAKE_ROLE and SNOWFLAKE_PRIVATE_KEY_PATH, and at the user's public key."
        )
    if error.errno in _ROLE_REFUSED:
        return FixConfiguration(
            f"Snowflake doesn't give SNOWFLAKE_USER this role: {said} Look at SNOWFLAKE_ROLE; "
            f"snowflake_ddl/030_user.sql grants it."
        )
    if error.errno == _NETWORK_REFUSED:
        return FixConfiguration(
            f"Snowflake lets nobody in from here: {said} A network policy of the account or of "
            f"SNOWFLAKE_USER has to allow this machine's address."
        )
    if error.errno in _SIGN_IN:
        return FixConfiguration(
            f"Snowflake refuses the session: {said} Look at the SNOWFLAKE_… settings "
            f"(spotify-pipeline doctor lists them), or ask the account's administrator."
        )
    if error.errno == _NO_WAREHOUSE:
        return FixConfiguration(
            f"There is nothing to compute on: {said} Look at SNOWFLAKE_WAREHOUSE, and whether "
            f"SNOWFLAKE_ROLE may use it: snowflake_ddl/010_database.sql makes the warehouse, "
            f"020_roles.sql grants it."
        )
    if error.errno in _REFUSED:
        return FixConfiguration(
            f"Snowflake refuses a statement: {said} Either it is not there, or SNOWFLAKE_ROLE may "
            f"not use it. Look at SNOWFLAKE_ROLE and SNOWFLAKE_DATABASE, and run again what makes "
            f"and grants it: 050_tables.sql, 060_views.sql or 070_pipes.sql, then 080_grants.sql "
            f"(snowflake_ddl/README.md)."
        )
    return None
