"""Deleting and replacing objects of a lake for good: of a bucket with all their versions."""

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake.store import ASIDE, FolderStore, ObjectStore, S3Store

_AT_A_TIME = 1000
"""As many objects S3 deletes by one call."""


class Eraser(Protocol):
    """What is done to a lake that an `ObjectStore` doesn't do."""

    def found(self, prefix: str) -> Mapping[str, int]:
        """All keys that begin with `prefix`, by the number of their versions: deleted ones of which
        versions are left too, and what writers that were cut off have left."""

    def older(self, key: str) -> Iterator[bytes]:
        """What an object once was, of which versions are left."""

    def delete_older(self, key: str) -> None:
        """Takes away what an object once was."""

    def delete(self, keys: Collection[str]) -> None:
        """Takes the objects away, with all versions; those that are gone are no error."""

    def replace(self, key: str, body: bytes) -> None:
        """Puts `body` in the place of an object, at once: there is no moment without one. Then no
        older version is left."""


def is_aside(key: str) -> bool:
    """Whether a key is of what a writer has not given its name yet, and never will."""
    return key.rpartition("/")[2].startswith(ASIDE)


def eraser_of(store: ObjectStore) -> Eraser:
    """The eraser of a lake."""
    return S3Eraser(store) if isinstance(store, S3Store) else FolderEraser(store)  # type: ignore[arg-type]


@dataclass(frozen=True)
class FolderEraser:
    """Of a folder."""

    store: FolderStore

    def found(self, prefix: str) -> Mapping[str, int]:
        folder = self.store.root / prefix.rpartition("/")[0]
        rests = (rest.relative_to(self.store.root).as_posix() for rest in folder.rglob(f"{ASIDE}*"))
        rests = (rest for rest in rests if rest.startswith(prefix))
        return dict.fromkeys([*self.store.list_keys(prefix), *rests], 1)

    def older(self, key: str) -> Iterator[bytes]:  # noqa: ARG002
        return iter(())

    def delete_older(self, key: str) -> None:
        """There is nothing."""

    def delete(self, keys: Collection[str]) -> None:
        root = self.store.root
        paths = [root / key for key in keys]
        folders = {folder for path in paths for folder in path.parents if root in folder.parents}
        with self._explained():
            for path in paths:
                path.unlink(missing_ok=True)
            for folder in sorted(folders, reverse=True):  # the inner ones first
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    def replace(self, key: str, body: bytes) -> None:
        path = self.store.root / key
        with self._explained():
            descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=ASIDE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(aside).chmod(0o644)
            Path(aside).replace(path)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FixConfiguration(
                f"Can't delete in the lake folder {self.store.root}: {error.strerror} "
                f"({error.filename}). Make it writable, and run this again: it goes on."
            ) from error


@dataclass(frozen=True)
class S3Eraser:
    """Of a bucket, or a part of one."""

    store: S3Store

    def found(self, prefix: str) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for key, *_ in self._versions(prefix):
            counts[key] = counts.get(key, 0) + 1
        return counts

    def older(self, key: str) -> Iterator[bytes]:
        for found, version, is_latest, is_marker in self._versions(key):
            if found == key and not is_latest and not is_marker:
                with self._explained():
                    answer = self.store.client.get_object(
                        Bucket=self.store.bucket, Key=self.store.prefix + key, VersionId=version
                    )
                    body: bytes = answer["Body"].read()
                yield body

    def delete(self, keys: Collection[str]) -> None:
        wanted = set(keys)
        for folder, _ in groupby(sorted(wanted), key=lambda key: key.rpartition("/")[0]):
            found = self._versions(f"{folder}/")
            self._delete([(key, version) for key, version, *_ in found if key in wanted])

    def replace(self, key: str, body: bytes) -> None:
        with self._explained():
            self.store.client.put_object(
                Bucket=self.store.bucket, Key=self.store.prefix + key, Body=body
            )
        self.delete_older(key)

    def delete_older(self, key: str) -> None:
        found = self._versions(key)
        self._delete(
            [(k, version) for k, version, is_latest, _ in found if k == key and not is_latest]
        )

    def _versions(self, prefix: str) -> Iterator[tuple[str, str, bool, bool]]:
        """Key, version, whether it is the latest one, and whether it only says "deleted"."""
        with self._explained():
            pages = self.store.client.get_paginator("list_object_versions").paginate(
                Bucket=self.store.bucket, Prefix=self.store.prefix + prefix
            )
            for page in pages:
                for kind in ("Versions", "DeleteMarkers"):
                    for each in page.get(kind, ()):
                        key = each["Key"].removeprefix(self.store.prefix)
                        yield key, each["VersionId"], each["IsLatest"], kind == "DeleteMarkers"

    def _delete(self, versions: list[tuple[str, str]]) -> None:
        for start in range(0, len(versions), _AT_A_TIME):
            objects = [
                {"Key": self.store.prefix + key, "VersionId": version}
                for key, version in versions[start : start + _AT_A_TIME]
            ]
            with self._explained():
                answer: Any = self.store.client.delete_objects(
                    Bucket=self.store.bucket, Delete={"Objects": objects, "Quiet": True}
                )
            for refused in answer.get("Errors", ()):
                raise _refused(f"{refused.get('Code')}: {refused['Key']} {refused.get('Message')}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except NoCredentialsError as error:
            raise FixConfiguration(f"S3 needs credentials of AWS: {error}.") from error
        except ClientError as error:
            said = f"{error.response['Error']['Code']}: {error.response['Error'].get('Message')}"
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise _refused(said) from error
            raise RetryLater(f"S3 says {said}. Nothing is lost: run this again.") from error
        except BotoCoreError as error:
            raise RetryLater(f"S3 doesn't answer: {error}. Run this again: it goes on.") from error


def _refused(said: str) -> FixConfiguration:
    return FixConfiguration(
        f"S3 refuses it: {said}. Forgetting takes s3:ListBucketVersions, s3:GetObjectVersion, "
        f"s3:PutObject, s3:DeleteObject and s3:DeleteObjectVersion, which the pipeline's own role "
        f"has not. Run spotify-pipeline purge with an administrator's AWS_PROFILE; it goes on "
        f"where it was."
    )
