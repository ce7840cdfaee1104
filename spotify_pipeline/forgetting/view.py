"""The lake as it will be: what the days are rebuilt from, before anything of it has gone.

So the new truth is made and published while the old one is whole, and what is cut off has lost
nothing: who comes again finds the raw documents, from which all of it is known.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spotify_pipeline.forgetting.subjects import Named
from spotify_pipeline.lake.store import ObjectStore


@dataclass(frozen=True)
class Without:
    """A lake's `ObjectStore` without `subject`; what is written goes into the lake itself."""

    store: ObjectStore
    subject: Named

    def put_new(self, key: str, body: bytes) -> bool:
        return self.store.put_new(key, body)

    def get(self, key: str) -> bytes:
        return self.subject.without(key, self.store.get(key))

    def head(self, key: str, size: int) -> bytes:
        return self.get(key)[:size]

    def list_keys(self, prefix: str) -> list[str]:
        return [key for key in self.store.list_keys(prefix) if not self.subject.takes(key)]

    def uri(self, key: str) -> str:
        return self.store.uri(key)

    @contextmanager
    def files(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        with self.store.files(keys) as paths, tempfile.TemporaryDirectory() as folder:
            told = list(paths)
            for number, (key, path) in enumerate(zip(keys, paths, strict=True)):
                body = path.read_bytes()
                if (redacted := self.subject.without(key, body)) != body:
                    told[number] = Path(folder) / f"{number}.ndjson.gz"
                    told[number].write_bytes(redacted)
            yield told
