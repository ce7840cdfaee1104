"""Where bytes are kept: a folder or an S3 bucket behind one small interface.

Objects are whole or absent: there is no overwriting, no appending and no deleting.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from spotify_pipeline.errors import FixConfiguration, RetryLater

AT_ONCE = 10
"""How many objects are asked for at a time: a bucket answers late, and many at once. As many as
boto3 keeps connections for."""

ASIDE = ".writing-"
"""How the name of a file begins that is not whole yet; such are no objects."""


class ObjectStore(Protocol):
    """Keys are `/`-separated names below one root."""

    def put_new(self, key: str, body: bytes) -> bool:
        """Stores `body` unless `key` is taken; says whether it did."""

    def get(self, key: str) -> bytes:
        """The bytes at `key`; KeyError where there are none."""

    def head(self, key: str, size: int) -> bytes:
        """The first `size` bytes at `key`, or all where they are fewer; KeyError as with `get`."""

    def list_keys(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`, sorted."""

    def uri(self, key: str) -> str:
        """The address of `key` for people and other programs."""

    def files(self, keys: Sequence[str]) -> contextlib.AbstractContextManager[list[Path]]:
        """The objects as local files, in the order of `keys`.

        Raises `RetryLater` where one is gone; in a folder it is missed when it is read.
        """


def open_store(root: str) -> ObjectStore:
    """The store at a root as `uri("")` gives it, by the credentials of the process.

    `file:///folder` or `s3://bucket/prefix`; raises `FixConfiguration` for anything else.
    """
    address = urlsplit(root)
    if address.scheme == "file":
        return FolderStore(Path(url2pathname(address.path)))
    if address.scheme == "s3":
        import boto3

        return S3Store(boto3.client("s3"), address.netloc, address.path)
    raise FixConfiguration(f"{root!r} is no lake. Expected s3://bucket/prefix or file:///folder.")


def gone(error: KeyError) -> RetryLater:
    """Of an object that was listed and is not there any more."""
    return RetryLater(f"{error.args[0]} has just been taken away. Run it again.")


_REMEDIES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Make room")


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
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=ASIDE)
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
                f"Can't write to the lake folder {self.root}: {error.strerror}"
                f"{f' ({error.filename})' if error.filename else ''}. "
                f"{_REMEDIES.get(error.errno or 0, 'Make it writable')}, or set "
                f"SPOTIFY_PIPELINE_HOME."
            ) from error

    def get(self, key: str) -> bytes:
        return self.head(key, -1)

    def head(self, key: str, size: int) -> bytes:
        try:
            with (self.root / key).open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            raise KeyError(self.uri(key)) from None
        except OSError as error:
            raise _unreadable(error) from error

    def list_keys(self, prefix: str) -> list[str]:
        folder, slash, _ = prefix.rpartition("/")
        return sorted(_keys_below(self.root / folder, f"{folder}{slash}", prefix))

    def uri(self, key: str) -> str:
        return (self.root / key).absolute().as_uri()

    @contextlib.contextmanager
    def files(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        yield [self.root / key for key in keys]


def _keys_below(folder: Path | str, above: str, prefix: str) -> Iterator[str]:
    """Those that begin with `prefix` in a folder whose own key is `above`."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except FileNotFoundError:
        return  # a folder that isn't there is empty; one that can't be read is not
    except OSError as error:
        raise _unreadable(error) from error
    for entry in entries:
        key = above + entry.name
        if entry.is_dir(follow_symlinks=False):
            if f"{key}/".startswith(prefix):
                yield from _keys_below(entry.path, f"{key}/", prefix)
        elif key.startswith(prefix) and not entry.name.startswith("."):
            yield key


def _unreadable(error: OSError) -> FixConfiguration:
    return FixConfiguration(
        f"Can't read the lake: {error.strerror} ({error.filename}). Make it readable, or set "
        f"SPOTIFY_PIPELINE_HOME."
    )


# What S3 answers to a conditional put: it is there; or another one of it is just under way.
_IS_THERE, _CONFLICT = 412, 409
_ATTEMPTS = 5


class S3Store:
    """A bucket, or the part of it below `prefix`; `client` is boto3's S3 client."""

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put_new(self, key: str, body: bytes) -> bool:
        for _ in range(_ATTEMPTS):
            status = self._put(key, body)
            if status != _CONFLICT:
                return status != _IS_THERE
        raise RetryLater(f"Others are just writing {self.uri(key)}. Nothing is lost: run it again.")

    def _put(self, key: str, body: bytes) -> int:
        from botocore.exceptions import ClientError

        with self._explained():
            try:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=self.prefix + key,
                    Body=body,
                    IfNoneMatch="*",
                    **_content_type(key),
                )
            except ClientError as error:
                status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
                if status not in (_CONFLICT, _IS_THERE):
                    raise
                return status
        return 200

    def get(self, key: str) -> bytes:
        return self._get(key)

    def head(self, key: str, size: int) -> bytes:
        return self._get(key, Range=f"bytes=0-{size - 1}")

    def _get(self, key: str, **part: str) -> bytes:
        from botocore.exceptions import ClientError

        with self._explained():
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key, **part)
                return bytes(answer["Body"].read())
            except self.client.exceptions.NoSuchKey:
                raise KeyError(self.uri(key)) from None
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidRange":
                    raise
                return b""  # an empty object has no first byte

    def list_keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + prefix
        )
        with self._explained():
            return sorted(
                found["Key"].removeprefix(self.prefix)
                for page in pages
                for found in page.get("Contents", [])
                if not found["Key"].endswith("/")  # what S3's console shows as a folder
            )

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"

    @contextlib.contextmanager
    def files(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / key for key in keys]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(self._download, keys, paths))
            yield paths

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except NoCredentialsError as error:
            raise FixConfiguration(f"S3 needs credentials of AWS: {error}.") from error
        except ClientError as error:
            code = error.response["Error"]["Code"]
            text = (
                f"S3 says {code} for s3://{self.bucket}: {error.response['Error'].get('Message')}"
            )
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise FixConfiguration(
                    f"{text}. Look at S3_BUCKET, at the region and at what the credentials may do."
                ) from error
            raise RetryLater(f"{text}. Nothing is lost: run it again.") from error
        except BotoCoreError as error:
            raise RetryLater(
                f"S3 doesn't answer: {error}. Nothing is lost: run it again."
            ) from error

    def _download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_bytes(self.get(key))
        except KeyError as error:
            raise gone(error) from error


def _content_type(key: str) -> dict[str, str]:
    """What a browser has to be told to show a page instead of saving it."""
    return {"ContentType": "text/html; charset=utf-8"} if key.endswith(".html") else {}
