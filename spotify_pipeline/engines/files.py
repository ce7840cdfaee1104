"""Compressing the files of a batch, for every engine alike: the same rows, the same bytes."""

import gzip
import io
from collections.abc import Iterable


def compressed(chunks: Iterable[bytes]) -> bytes:
    """All chunks as one gzip file that tells no time.

    At level 3, which takes half the time of the usual 6 for a tenth more bytes.
    """
    body = io.BytesIO()
    with gzip.GzipFile(fileobj=body, mode="wb", compresslevel=3, mtime=0) as file:
        for chunk in chunks:
            file.write(chunk)
    return body.getvalue()
