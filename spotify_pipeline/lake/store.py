"""Where bytes are kept: a folder or an S3 bucket behind one small interface.

Objects are whole or absent: there is no overwriting, no appending and no deleting.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from spotify_pipeline.errors import FixConfiguration


class ObjectStore(Protocol):
    """Keys are `/`-separated names below one root."""

    def put_new(self, key: str, body: bytes) -> bool:
        """Stores `body` unless `key` is taken; says whether it did."""

    def get(self, key: str) -> bytes:
        """The bytes at `key`; KeyError where there are none."""

    def list_keys(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`, sorted."""

    def uri(self, key: str) -> str:
        """The address of `key` for people and other programs."""

    def files(self, keys: Sequence[str]) -> contextlib.AbstractContextManager[list[Path]]:
        """The objects as local files, in the order of `keys`."""


class FolderStore:
    """A folder; an object is a file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_new(self, key: str, body: bytes) -> bool:
        target = self.root / key
        with self._explained():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._link_new(target, body)
            except FileExistsError:
                return False
        return True

    def _link_new(self, target: Path, body: bytes) -> None:
        """Written aside and linked into place: the name appears with the whole file or never."""
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".writing-")
        aside = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            aside.chmod(0o644)
            os.link(aside, target)
        finally:
            aside.unlink()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FixConfiguration(
                f"Can't write to the lake folder {self.root}: {error.strerror} "
                f"({error.filename}). Make it writable, or set SPOTIFY_PIPELINE_HOME."
            ) from error

    def get(self, key: str) -> bytes:
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            raise KeyError(self.uri(key)) from None
        except OSError as error:
            raise _unreadable(error) from error

    def list_keys(self, prefix: str) -> list[str]:
        folder = self.root / prefix.rpartition("/")[0]
        keys = (
            (Path(parent) / name).relative_to(self.root).as_posix()
            for parent, _, names in os.walk(folder, onerror=_raise_unless_missing)
            for name in names
            if not name.startswith(".")
        )
        return sorted(key for key in keys if key.startswith(prefix))

    def uri(self, key: str) -> str:
        return (self.root / key).absolute().as_uri()

    @contextlib.contextmanager
    def files(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        yield [self.root / key for key in keys]


def _raise_unless_missing(error: OSError) -> None:
    """A folder that isn't there is empty; one that can't be read is not."""
    if not isinstance(error, FileNotFoundError):
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> FixConfiguration:
    return FixConfiguration(
        f"Can't read the lake: {error.strerror} ({error.filename}). Make it readable, or set "
        f"SPOTIFY_PIPELINE_HOME."
    )


class S3Store:
    """A bucket, or the part of it below `prefix`; `client` is boto3's S3 client."""

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put_new(self, key: str, body: bytes) -> bool:
        from botocore.exceptions import ClientError

        try:
            self.client.put_object(
                Bucket=self.bucket, Key=self.prefix + key, Body=body, IfNoneMatch="*"
            )
        except ClientError as error:
            # 412: it is there; 409: somebody else is just writing it.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                return False
            raise
        return True

    def get(self, key: str) -> bytes:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
        except self.client.exceptions.NoSuchKey:
            raise KeyError(self.uri(key)) from None
        return bytes(answer["Body"].read())

    def list_keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + prefix
        )
        return sorted(
            found["Key"].removeprefix(self.prefix)
            for page in pages
            for found in page.get("Contents", [])
        )

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"

    @contextlib.contextmanager
    def files(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / key for key in keys]
            for key, path in zip(keys, paths, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                self.client.download_file(self.bucket, self.prefix + key, str(path))
            yield paths
