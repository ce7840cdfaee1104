"""Forgetting, in an order in which nothing else is lost wherever it is cut off.

First the days that stay are made and published anew, without what is to be forgotten, while all
that was is still there. Then the old batches go, and last the raw documents, by which whoever
comes again knows what is left to be done. A redacted one takes the old one's place at once, for a
moment without it would have today captured again, or a past day lost.
"""

from collections.abc import Callable
from datetime import date

from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.errors import PipelineError, RetryLater
from spotify_pipeline.forgetting import rows
from spotify_pipeline.forgetting.plan import (
    ORDER,
    Place,
    Plan,
    files_of,
    listing,
    plan,
    superseded,
)
from spotify_pipeline.forgetting.subjects import OldDays
from spotify_pipeline.forgetting.view import Without
from spotify_pipeline.lake import batch, keys, manifests
from spotify_pipeline.lake.batch import Outcome
from spotify_pipeline.loading import publishing

_SHOWN = 5


def carry_out(place: Place, planned: Plan, say: Callable[[str], object]) -> None:
    """Does it. Raises a `PipelineError` where it can't go on; run again, it goes on from there.

    The days are rebuilt by the embedded engine, whichever makes the daily batches: all of them give
    the same rows, and this one sees the lake as it will be.
    """
    kept = _rebuild(place, planned, say)
    if isinstance(planned.subject, OldDays):
        going = set(planned.objects)
    else:
        # Listed anew: there are batches now that were not there.
        days = {*planned.gone, *planned.rebuilt}
        going = {*planned.objects, *superseded(listing(place), planned.since, days, kept)}
        staying = {key for each in kept.values() for key in each}
        going -= staying
    for prefix in ORDER:
        objects = sorted(key for key in going if key.startswith(prefix))
        if objects:
            say(f"{len(objects)} objects below {prefix}")
            place.eraser.delete(objects)
        if prefix == keys.TRANSFORMED:  # else the embedded pipe would take the files again
            _erase_rows(place, planned, kept, say)
        for key in planned.redacted:
            if key.startswith(prefix) and key not in going:
                _redact(place, planned, key)
        for key in planned.cleaned:
            if key.startswith(prefix) and key not in going:
                place.eraser.delete_older(key)
    rest = plan(place, planned.subject)
    if not rest.is_empty:
        left = [*rest.rows, *rest.objects, *rest.redacted, *rest.cleaned]
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        raise RetryLater(
            f"Something of {planned.subject} is there again, or still: "
            f"{', '.join(left[:_SHOWN])}{more}. If a run came in between, nothing is lost: run it "
            f"again when no run is going on. If it says the same again, please report it."
        )


def _rebuild(place: Place, planned: Plan, say: Callable[[str], object]) -> dict[date, list[str]]:
    """Makes and publishes what stays; what makes each day's batch now."""
    if isinstance(planned.subject, OldDays) or not planned.rebuilt:
        return {}
    view = Without(place.store, planned.subject)
    # What was missed is looked for from the last publication on, so before there is another one.
    publishing.note_gaps(place.session, view, place.clock)
    kept = {}
    for day in planned.rebuilt:
        before = manifests.current(place.store, day)
        results = batch.issue(
            view,
            EmbeddedEngine(),
            [day],
            place.clock,
            # Lines that its owner has accepted to be left out are left out again.
            accept_partial=bool(before and before.quarantined),
        )
        outcome = results[day]
        if isinstance(outcome, PipelineError):
            raise outcome
        place.loader.land(place.session, outcome.manifest)
        publishing.publish(place.session, outcome.manifest, place.clock())
        kept[day] = files_of(outcome)
        say(f"{day}: {_said(outcome)}")
    return kept


def _said(outcome: Outcome) -> str:
    made = "made and published" if outcome.is_new else "is without it already"
    return f"batch {outcome.manifest.batch} {made}"


def _erase_rows(
    place: Place, planned: Plan, kept: dict[date, list[str]], say: Callable[[str], object]
) -> None:
    say("rows of " + (", ".join(sorted(planned.rows)) or "no table"))
    rows.erase(place.session, planned.subject, planned.gone, kept, place.clock())
    files = {key for each in kept.values() for key in each}
    place.loader.forget(place.session, {*planned.gone, *kept}, files)


def _redact(place: Place, planned: Plan, key: str) -> None:
    assert not isinstance(planned.subject, OldDays)  # noqa: S101 - such a plan redacts nothing
    place.eraser.replace(key, planned.subject.without(key, place.store.get(key)))
