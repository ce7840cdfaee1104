"""What the owner wants to have: the choices that `provision` is given."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spotify_pipeline.deployment import BUCKET_NAME, LEAST_RETENTION, prefix_problem
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.provision import glue_package

_STACK = re.compile("[a-z][a-z0-9-]{0,53}")  # with -snowflake a role's name, which has 64 at most


def require_stack_name(name: str) -> None:
    """Raises `FixConfiguration` unless stack, roles and bucket may be called by it."""
    if not _STACK.fullmatch(name):
        raise FixConfiguration(
            f"--stack {name}: roles and bucket are called by the stack's name. Expected small "
            f"letters, digits and -, beginning with a letter, 54 at most."
        )


@dataclass(frozen=True)
class Function:
    """The Lambda function: its code, and the stack's parameters for it."""

    code: bytes
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Wanted:
    """A set-up. `prefix` is empty or ends with a slash, `names` are those of `ddl.DEFAULTS`,
    `role_arn` is the AWS role's that Snowflake takes; what is None stays as the stack has it."""

    stack: str
    role_arn: str
    bucket: str
    prefix: str
    names: Mapping[str, str]
    glue_version: str
    function: Function | None = None
    removes_function: bool = False
    retention_days: int | None = None
    dagster_principal: str | None = None

    def __post_init__(self) -> None:
        """Raises `FixConfiguration` listing what AWS would refuse, or what would lose files."""
        problems = []
        if not BUCKET_NAME.fullmatch(self.bucket):
            problems.append(
                f"{self.bucket} can't be a bucket's name: expected 3 to 63 small letters, digits, "
                f"- and dots, these not at its ends. Set S3_BUCKET."
            )
        if problem := prefix_problem(self.prefix):
            problems.append(problem)
        if self.retention_days is not None and 0 != self.retention_days < LEAST_RETENTION:
            problems.append(
                f"--retention-days {self.retention_days}: expected {LEAST_RETENTION} at least, as "
                f"a pipe that was paused may still want a file after 14; or 0, to keep all."
            )
        if problems:
            raise FixConfiguration("\n".join(problems))

    @property
    def bucket_url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def files(self) -> dict[str, bytes]:
        """What job and function run, by key in the bucket."""
        code = {self.function.parameters["LambdaKey"]: self.function.code} if self.function else {}
        return {**glue_package.keys(self.prefix), **code}

    @property
    def job_settings(self) -> dict[str, Any]:
        """What Glue is to say of the job."""
        return glue_package.job_settings(self.stack, self.glue_version, f"{self.bucket_url}glue")

    def stack_parameters(
        self,
        user_arn: str,
        external_id: str,
        queues: str,
        before: Mapping[str, str],
        *,
        has_bucket: bool,
    ) -> dict[str, str]:
        """The template's; `before` are those that the stack was last made with.

        The function waits for the bucket, where its code is kept.
        """
        chosen = {
            "RetentionDays": self.retention_days,
            "DagsterPrincipal": self.dagster_principal,
        }
        return {
            "BucketName": self.bucket,
            "LakePrefix": self.prefix,
            "SnowflakeUserArn": user_arn,
            "SnowflakeExternalId": external_id,
            "SnowpipeQueueArns": queues,
            "GlueVersion": self.glue_version,
            "GlueModules": glue_package.modules(),
            **self._function_parameters(before, has_bucket=has_bucket),
            **{
                name: before[name] if value is None else str(value)
                for name, value in chosen.items()
                if value is not None or name in before
            },
        }

    def _function_parameters(
        self, before: Mapping[str, str], *, has_bucket: bool
    ) -> Mapping[str, str]:
        if self.removes_function:
            return {}
        if self.function and has_bucket:
            return self.function.parameters
        return {name: value for name, value in before.items() if name.startswith("Lambda")}
