"""The lake's bucket: whose it is, and whether it takes calls over TLS alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from spotify_pipeline.provision.aws import explained

TAG = "spotify-pipeline"
"""The tag of a bucket that a stack of ours made, with the stack's name: no other stack takes it up,
or takes it away."""


@dataclass(frozen=True)
class Bucket:
    """The bucket of a name. `stack` is the one that its tag names, if there is such a tag;
    `is_refused` says that it is somebody else's, who lets us see nothing."""

    is_there: bool
    stack: str = ""
    is_refused: bool = False


def bucket_of(s3: Any, name: str) -> Bucket:
    """Whose it is, if there is one of this name."""
    with explained(f"looking at the bucket {name}"):
        try:
            s3.head_bucket(Bucket=name)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("404", "NoSuchBucket"):
                return Bucket(is_there=False)
            if code in ("403", "AccessDenied"):  # as AWS says of a bucket of another account
                return Bucket(is_there=True, is_refused=True)
            raise
        try:
            tags = s3.get_bucket_tagging(Bucket=name)["TagSet"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchTagSet":
                raise
            tags = []
    return Bucket(is_there=True, stack={tag["Key"]: tag["Value"] for tag in tags}.get(TAG, ""))


def is_only_over_tls(s3: Any, name: str) -> bool:
    """Whether the bucket's policy refuses whoever comes without TLS."""
    return _only_over_tls(s3, name) in _statements(s3, name)


def close(s3: Any, name: str) -> bool:
    """Has the bucket refuse whoever comes without TLS, beside what its policy says already; False
    if it does. CloudFormation, which gave it that policy, doesn't see when it is gone."""
    statements, own = _statements(s3, name), _only_over_tls(s3, name)
    if own in statements:
        return False
    others = [each for each in statements if each.get("Sid") != own["Sid"]]
    policy = {"Version": "2012-10-17", "Statement": [*others, own]}
    with explained(f"s3:PutBucketPolicy of {name}"):
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    return True


def _statements(s3: Any, name: str) -> list[Mapping[str, Any]]:
    with explained(f"s3:GetBucketPolicy of {name}"):
        try:
            policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchBucketPolicy":
                return []
            raise
    found = policy["Statement"]
    return found if isinstance(found, list) else [found]


def _only_over_tls(s3: Any, name: str) -> Mapping[str, Any]:
    """As `stack.yaml` says it."""
    arn = f"arn:{s3.meta.partition}:s3:::{name}"
    return {
        "Sid": "OnlyOverTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
