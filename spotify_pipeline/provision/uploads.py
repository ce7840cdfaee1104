"""Files of ours in the lake's bucket: what of them is not as this release has it, and putting it
there. Each carries its checksum, so that nothing has to be fetched to know."""

import hashlib
from collections.abc import Mapping
from typing import Any

from spotify_pipeline.provision.aws import explained

_CHECKSUM = "sha256"


def outdated(s3: Any, bucket: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of the files, by key in the bucket, that are missing or different there."""
    with explained(f"looking at s3://{bucket}"):
        return {
            key: body
            for key, body in files.items()
            if _checksum_at(s3, bucket, key) != _checksum(body)
        }


def upload(s3: Any, bucket: str, files: Mapping[str, bytes]) -> None:
    with explained(f"uploading to s3://{bucket}"):
        for key, body in files.items():
            s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={_CHECKSUM: _checksum(body)})


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _checksum_at(s3: Any, bucket: str, key: str) -> str | None:
    # Looked for, not just asked for: who may list only a part of a bucket is told that it may not
    # read what isn't there. Of all that begins so, the key itself is listed first.
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", ())
    if not any(each["Key"] == key for each in listed):
        return None
    found: str | None = s3.head_object(Bucket=bucket, Key=key)["Metadata"].get(_CHECKSUM)
    return found
