"""What stands in the way of `provision`: what is somebody else's, or holds data or trust.

It is told, and nothing is done; what can be set right is in `mending`.
"""

from collections.abc import Iterator

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.provision.bucket import TAG
from spotify_pipeline.provision.found import Found
from spotify_pipeline.provision.key_pair import KeyPair
from spotify_pipeline.provision.wanted import Wanted


def require_no_obstacle(wanted: Wanted, found: Found, key: KeyPair) -> None:
    """What is somebody else's, or holds data or trust, is never changed: `FixConfiguration` tells
    all of it."""
    if obstacles := [
        *_other_bucket(wanted, found),
        *_other_stack(wanted, found),
        *_other_region(wanted, found),
        *_moved_lake(wanted, found),
        *_other_integration(wanted, found),
        *_other_keys(wanted, found, key),
    ]:
        raise FixConfiguration("\n".join([*obstacles, "Nothing was done."]))


def _other_bucket(wanted: Wanted, found: Found) -> Iterator[str]:
    if found.bucket.is_refused:
        yield (
            f"The name {wanted.bucket} is taken by a bucket that you may not look at "
            f"(s3:ListBucket). If it is somebody else's, set another S3_BUCKET."
        )
    elif found.bucket.stack and found.bucket.stack != wanted.stack:
        yield (
            f"The bucket {wanted.bucket} is the lake of the stack {found.bucket.stack}. Give "
            f"--stack {found.bucket.stack}, or set another S3_BUCKET."
        )
    elif found.bucket.is_there and not (found.bucket.stack or found.has_bucket):
        yield (
            f"The bucket {wanted.bucket} is there already, and none that this command made: its "
            f"notifications and its lifecycle would be replaced. Set another S3_BUCKET; or, if it "
            f"is to be the lake all the same, put the tag {TAG} with the value {wanted.stack} on "
            f"it."
        )


def _other_stack(wanted: Wanted, found: Found) -> Iterator[str]:
    if found.is_foreign_stack:
        yield (
            f"The stack {wanted.stack} is none that this command made: all that it holds would be "
            f"replaced. Give another --stack."
        )


def _other_region(wanted: Wanted, found: Found) -> Iterator[str]:
    if found.has_role and not found.stack_parameters:
        yield (
            f"The role {wanted.role_arn} is there, and no stack {wanted.stack} in this region. Is "
            f"it in another one? Look at AWS_DEFAULT_REGION and AWS_PROFILE; or give another "
            f"--stack."
        )


def _moved_lake(wanted: Wanted, found: Found) -> Iterator[str]:
    before, names = found.stack_parameters, wanted.names
    bucket, prefix = before.get("BucketName"), before.get("LakePrefix", "")
    if bucket and (bucket, prefix) != (wanted.bucket, wanted.prefix):
        yield (
            f"The stack {wanted.stack} has its lake at s3://{bucket}/{prefix}, expected "
            f"{wanted.bucket_url}: a lake doesn't move. Set S3_BUCKET={bucket} and "
            f"S3_PREFIX={prefix.rstrip('/')}, or give another --stack and -D names."
        )
    if found.stage and found.stage.url != wanted.bucket_url:
        yield (
            f"The stage {names['database']}.PIPES.SPOTIFY_STAGE reads {found.stage.url}, not "
            f"{wanted.bucket_url}: another address would stop its pipes. Look at S3_BUCKET and "
            f"S3_PREFIX, or give -D database=NAME."
        )


def _other_integration(wanted: Wanted, found: Found) -> Iterator[str]:
    name, there = wanted.names["integration"], found.integration
    if there and there.role_arn != wanted.role_arn:
        yield (
            f"The integration {name} is for {there.role_arn or 'no storage on S3'}, expected for "
            f"the role {wanted.role_arn}: it is another set-up's. Give another --stack, or "
            f"-D integration=NAME."
        )


def _other_keys(wanted: Wanted, found: Found, key: KeyPair) -> Iterator[str]:
    user = wanted.names["service_user"]
    keys = found.user.keys if found.user else (None, None)
    if all(keys) and key.public.fingerprint not in keys:
        yield (
            f"The user {user} has two other keys than {key.path}. Set SNOWFLAKE_PRIVATE_KEY_PATH "
            f"to the file of one of them, or take away the one that nobody uses: "
            f"ALTER USER {user} UNSET RSA_PUBLIC_KEY_2."
        )
