"""The day's report in the lake: one page, written once and never overwritten."""

import hashlib

from spotify_pipeline.insights import page
from spotify_pipeline.insights.facts import Facts
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import ObjectStore


def put(store: ObjectStore, facts: Facts) -> tuple[str, bool]:
    """Writes the day's page, unless the same one is there; its key, and whether it is new."""
    body = page.render(facts)
    digest = hashlib.sha256(body).hexdigest()[:16]
    key = keys.report(facts.day, facts.manifest.batch, digest)
    return key, store.put_new(key, body)
