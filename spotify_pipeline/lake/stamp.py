"""Which source a lake belongs to: real captures and synthetic ones must never meet.

The stamp is written with the first object; whoever comes from the other source is refused.
"""

import json
from typing import Literal, cast, get_args

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import ObjectStore

Source = Literal["spotify", "sandbox"]


def read(store: ObjectStore) -> Source | None:
    """The lake's source, or None while it is empty."""
    # Looked for, not just asked for: who may list only a part of a bucket is told that it may not
    # read what isn't there.
    if keys.STAMP not in store.list_keys(keys.STAMP):
        return None
    try:
        source = json.loads(store.get(keys.STAMP))["source"]
    except (ValueError, TypeError, KeyError):
        source = None
    if source not in get_args(Source):
        raise FixConfiguration(
            f"{store.uri(keys.STAMP)} should say which source the lake is from and doesn't. Put "
            f'it back: {{"source": "spotify"}} for real captures, {{"source": "sandbox"}} for '
            f"synthetic ones."
        )
    return cast(Source, source)


def check(store: ObjectStore, source: Source) -> None:
    """Raises `FixConfiguration` if the lake belongs to the other source."""
    found = read(store)
    if found and found != source:
        raise FixConfiguration(
            f"{store.uri('')} holds captures from {found}, this run would add some from "
            f"{source}. Nothing was written. Set SPOTIFY_PIPELINE_HOME (or S3_BUCKET, S3_PREFIX) "
            f"to another place, or SPOTIFY_PIPELINE_DEPLOYMENT to the one that made it."
        )


def claim(store: ObjectStore, source: Source) -> None:
    """Stamps an empty lake; raises `FixConfiguration` if it belongs to the other source."""
    check(store, source)
    if not store.put_new(keys.STAMP, json.dumps({"source": source}).encode()):
        check(store, source)
