"""What S3 says when somebody may not delete."""

from collections.abc import Iterator
from typing import Any

import pytest

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.forgetting.erasing import S3Eraser
from spotify_pipeline.lake.store import S3Store


class ClosedBucket:
    """Shows its objects, and lets nobody delete them."""

    def get_paginator(self, _: str) -> "ClosedBucket":
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        yield {"Versions": [{"Key": "lake/raw_data/a", "VersionId": "1", "IsLatest": True}]}

    def delete_objects(self, **_: Any) -> dict[str, Any]:
        refused = {"Key": "lake/raw_data/a", "Code": "AccessDenied", "Message": "Access Denied"}
        return {"Errors": [refused]}


def test_who_may_not_delete_is_told_what_it_takes() -> None:
    eraser = S3Eraser(S3Store(ClosedBucket(), "bucket", "lake"))
    assert eraser.found("raw_data/") == {"raw_data/a": 1}
    with pytest.raises(FixConfiguration) as caught:
        eraser.delete(["raw_data/a"])
    assert "AccessDenied" in str(caught.value)
    assert "s3:DeleteObjectVersion" in str(caught.value)
    assert "AWS_PROFILE" in str(caught.value)
