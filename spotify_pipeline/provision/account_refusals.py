"""What Snowflake refuses an administrator, in our words."""

import contextlib
import re
from collections.abc import Iterator

from snowflake.connector import errors

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater
from spotify_pipeline.provision.ddl import ADMINISTRATOR

_NOT_LET_IN = (3167, 91003)
"""Snowflake could not take the AWS role, or S3 refused it: not yet, or not at all."""

_STAGE_LOST_INTEGRATION = 3139
"""The integration was made anew after the stage, which holds on to the old one."""

_AWAY = (
    errors.OperationalError,
    errors.InternalError,
    errors.ServiceUnavailableError,
    errors.GatewayTimeoutError,
    errors.RequestTimeoutError,
    errors.TooManyRequests,
)


class RoleNotAssumed(FixConfiguration):
    """Snowflake was not let into the bucket; a minute after a change of the role it may be."""


class StageLostIntegration(FixConfiguration):
    """The stage is none of the integration's any more, though it names it."""


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    try:
        yield
    except errors.Error as error:
        raise _explanation(what, error) from error


def _explanation(what: str, error: errors.Error) -> PipelineError:
    said = re.sub(r"\s+", " ", str(error.msg or error))
    if error.errno in _NOT_LET_IN:
        return RoleNotAssumed(
            f"AWS does not let Snowflake in: {said} (at {what}) A role that was just changed takes "
            f"a minute, one that was made anew up to an hour; run it again, it goes on where it "
            f"stopped."
        )
    if error.errno == _STAGE_LOST_INTEGRATION:
        return StageLostIntegration(
            f"The stage is not the integration's any more: {said} (at {what}) `spotify-pipeline "
            f"provision` connects them."
        )
    if isinstance(error, _AWAY):
        return RetryLater(
            f"Snowflake doesn't answer: {said} (at {what}) Run it again, it goes on where it "
            f"stopped."
        )
    if not isinstance(error, errors.DatabaseError):  # the connector found nothing to connect to
        return FixConfiguration(
            f"No sign-in to Snowflake: {said} (at {what}) An administrator signs in by a "
            f"connection of connections.toml "
            f"(https://docs.snowflake.com/en/developer-guide/python-connector/"
            f"python-connector-connect#connecting-using-the-connections-toml-file): "
            f"--connection NAME."
        )
    return FixConfiguration(
        f"Snowflake refuses: {said} (at {what}) It takes a user who may take the roles "
        f"{ADMINISTRATOR}, SYSADMIN, SECURITYADMIN and USERADMIN. What was done stays; run it "
        f"again when that is mended."
    )
