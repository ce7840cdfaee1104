"""What Snowflake gets at in S3, by a stage's integration, if AWS lets it take the role of that."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from spotify_pipeline_tests.emulators.snowflake_catalogue import IAM_USER, Catalogue, Stage
from spotify_pipeline_tests.emulators.snowflake_errors import SnowflakeError

_GONE = {"NoSuchKey", "404"}
_REFUSED = {"AccessDenied", "403", "NoSuchBucket"}
_DENIED = "Access Denied (Status Code: 403; Error Code: AccessDenied)"

MayAssume = Callable[[str, str, str], bool]
"""Whether AWS lets Snowflake assume a role: the role's ARN, who comes, and the external id."""


class NoAccess(Exception):
    """The stage's files can't be read; with what Snowflake's error says."""

    def __init__(self, message: str, code: int, state: str) -> None:
        super().__init__(message)
        self.error = SnowflakeError(code, state, message)


@dataclass(frozen=True)
class Object:
    """A file in a bucket."""

    key: str
    size: int
    etag: str
    modified: datetime


class Storage:
    """S3 as the account sees it."""

    def __init__(self, catalogue: Catalogue, s3: Any, may_assume: MayAssume) -> None:
        self.denied: set[str] = set()
        """Buckets that can't be read at present."""
        self._catalogue = catalogue
        self._s3 = s3
        self._may_assume = may_assume

    def check(self, stage: Stage) -> None:
        """Raises `NoAccess` where the stage's files can't be listed."""
        integration = stage.integration
        if integration and not self._catalogue.is_linked(stage):
            raise NoAccess(
                f"SQL compilation error:\nIntegration '{integration.name}' associated with the "
                f"stage '{stage.name[-1]}' cannot be found.",
                3139,
                "02000",
            )
        if integration and not (integration.enabled and integration.admits(stage.url)):
            raise _unusable(f"Integration '{integration.name}' does not allow '{stage.url}'.")
        if integration and not self._may_assume(
            integration.role_arn, IAM_USER, integration.external_id
        ):
            raise NoAccess(
                f"Error assuming AWS_ROLE:\nUser: {IAM_USER} is not authorized to perform: "
                f"sts:AssumeRole on resource: {integration.role_arn}",
                3167,
                "42601",
            )
        if stage.bucket in self.denied:
            raise _unusable(_DENIED)
        try:
            self._s3.list_objects_v2(Bucket=stage.bucket, Prefix=stage.prefix, MaxKeys=1)
        except ClientError as error:
            if _code(error) not in _REFUSED:
                raise
            told = error.response
            status = told["ResponseMetadata"]["HTTPStatusCode"]
            raise _unusable(
                f"{told['Error']['Message']} (Status Code: {status}; Error Code: {_code(error)})"
            ) from error

    def objects(self, bucket: str, prefix: str) -> Iterator[Object]:
        """The files whose keys begin so."""
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for each in page.get("Contents", ()):
                yield Object(
                    each["Key"], each["Size"], each["ETag"].strip('"'), each["LastModified"]
                )

    def is_under_way(self, bucket: str, key: str) -> bool:
        """Whether parts of a file have come and others not."""
        uploads = self._s3.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", ())
        return any(each["Key"] == key for each in uploads)

    def read(self, bucket: str, key: str) -> tuple[bytes, datetime] | None:
        """A file, and when it was changed; None where there is none any more."""
        try:
            answer = self._s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _code(error) not in _GONE:
                raise
            return None
        return answer["Body"].read(), answer["LastModified"]


def _unusable(cause: str) -> NoAccess:
    """What Snowflake says where it has taken the role, if there is one, and gets no further."""
    return NoAccess(f"Failure using stage area. Cause: [{cause}]", 91003, "22000")


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
