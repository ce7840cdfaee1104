"""A transform that gives other rows has another version, so that every day gets a new batch."""

import hashlib
from datetime import timedelta

from spotify_pipeline.transform import tables
from spotify_pipeline_tests.rows import tables_of
from spotify_pipeline_tests.synthetic import (
    NOON,
    album,
    artist,
    document,
    entry,
    episode,
    local_file,
    track,
)

RECORDED = (2, "d41e9128f3d3b581")
"""The version of the transform, and the fingerprint of the rows that it gives."""


def test_other_rows_from_the_same_documents_have_another_version() -> None:
    duet = [artist("b"), artist("a", name='Q"uote, comma')]
    old = album("old", release_date="1973", release_date_precision="year", images=[])
    odd = {"duration_ms": "long", "explicit": 1, "disc_number": None, "track_number": 1.5}
    found = tables_of(
        document(
            [
                entry(track("a", artists=duet, popularity=0), "tracks"),
                entry(track("b", album=old), "tracks", added_at=None, added_by=None),
                entry(track("b", album=old, name=""), "tracks", added_at="1970-01-01T00:00:00Z"),
                entry(episode(), "tracks"),
                entry(local_file(), "tracks", is_local=True),
                entry(None, "tracks"),
            ],
            shape="tracks",
        ),
        document(
            [entry(track("a", name="later")), entry(track("c", **odd)), entry("odd"), None],
            "playlist2",
            fetched_at=NOON + timedelta(seconds=1),
        ),
    )
    body = b"".join(found.bytes[name] for name in sorted(found.bytes))
    digest = hashlib.sha256(body + repr(found.odd_values).encode()).hexdigest()[:16]
    assert (tables.VERSION, digest) == RECORDED, (
        "The same documents give other rows than before: raise transform.tables.VERSION, so that "
        "every day gets a new batch on its next run, and record version and digest here."
    )
