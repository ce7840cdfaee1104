"""The AWS account that commands act in: who is signed in, and the clients."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from spotify_pipeline.errors import FixConfiguration, RetryLater

_NOT_SIGNED_IN = (
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_BUSY = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown")


@dataclass(frozen=True)
class Aws:
    """An account in one region; `client` makes boto3's client for a service."""

    client: Callable[[str], Any]
    region: str
    account: str
    partition: str = "aws"

    @classmethod
    def signed_in(cls) -> Self:
        """By the credentials that boto3 finds; raises `FixConfiguration` where there are none."""
        with explained("sts:GetCallerIdentity"):
            session = boto3.Session()
            caller = session.client("sts").get_caller_identity()
        return cls(
            session.client, session.region_name, caller["Account"], caller["Arn"].split(":")[1]
        )

    def role_arn(self, name: str) -> str:
        """What a role of this name has for an ARN, be it there or not."""
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"

    @property
    def root_arn(self) -> str:
        return f"arn:{self.partition}:iam::{self.account}:root"


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Says in our words what boto3 raises at `what`."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or told["Code"] in _BUSY:
            raise RetryLater(
                f"AWS is busy ({told['Code']}) at {what}: {told.get('Message', '')} Run it again."
            ) from error
        raise FixConfiguration(
            f"AWS refuses ({told['Code']}) at {what}: {told.get('Message', '')} Look at "
            f"AWS_PROFILE, or at what it may do (docs/aws.md lists what `provision` needs)."
        ) from error
    except BotoCoreError as error:
        if isinstance(error, _NOT_SIGNED_IN):
            raise FixConfiguration(
                f"Nobody is signed in to AWS: {error} Set AWS_PROFILE (aws configure sso makes "
                f"one, aws sso login renews it) and AWS_DEFAULT_REGION."
            ) from error
        raise RetryLater(f"AWS doesn't answer at {what}: {error} Run it again.") from error
