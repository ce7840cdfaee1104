"""What the Glue job is asked for survives the way through its command line."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from spotify_pipeline.engines.glue_request import GlueRequest
from spotify_pipeline.lake.batch import RELEASE, Draft

DAYS = (date(2026, 11, 20), date(2026, 11, 22))


@pytest.mark.parametrize("reload", [True, False])
@pytest.mark.parametrize("accept_partial", [True, False])
@pytest.mark.parametrize("days", [DAYS, DAYS[:1]])
def test_it_is_read_as_it_was_written(
    days: tuple[date, ...], reload: bool, accept_partial: bool
) -> None:
    request = GlueRequest("s3://bucket/team/", days, reload, accept_partial, ("ab", "cd"), "1.1")
    words = [word for pair in request.to_arguments().items() for word in pair]
    glue_s_own = ["--JOB_NAME", "job", "--TempDir", "s3://x", "--enable-metrics", "true"]
    assert GlueRequest.parse([*glue_s_own, *words, "--dagster-pipes-context", "x"]) == request


def test_it_names_days_digests_and_release_of_the_drafts_it_is_for() -> None:
    drafts = [Draft(day, 1, digest, ()) for day, digest in zip(DAYS, ("ab", "cd"), strict=True)]
    expected = GlueRequest("s3://bucket/", DAYS, digests=("ab", "cd"), release=RELEASE)
    assert GlueRequest.of("s3://bucket/", drafts) == expected
    reloading = GlueRequest.of("s3://bucket/", drafts, reload=True, accept_partial=True)
    assert reloading == replace(expected, reload=True, accept_partial=True)


ASKED = GlueRequest("s3://bucket/", DAYS, digests=("a", "b"), release="1.1")


def test_a_run_serves_who_wants_the_same_or_a_part_of_it() -> None:
    going_on = ASKED.to_arguments() | {"--dagster-pipes-messages": "x"}
    assert ASKED.is_served_by(going_on)
    assert replace(ASKED, days=DAYS[1:], digests=("b",)).is_served_by(going_on)


def test_a_run_does_more_if_it_is_for_more_days() -> None:
    assert ASKED.is_all_of(replace(ASKED, digests=()).to_arguments())
    assert not replace(ASKED, days=DAYS[1:]).is_all_of(ASKED.to_arguments())


@pytest.mark.parametrize(
    "difference",
    [
        {"lake": "s3://bucket/other/"},
        {"days": DAYS[:1], "digests": ("a",)},
        {"reload": True},
        {"accept_partial": True},
        {"digests": ("a", "c")},
        {"release": "1.2"},
    ],
    ids=str,
)
def test_a_run_that_does_something_else_does_not_serve(difference: dict[str, Any]) -> None:
    assert not ASKED.is_served_by(replace(ASKED, **difference).to_arguments())


def test_arguments_that_are_no_request_serve_nobody() -> None:
    assert not ASKED.is_served_by({})
    assert not ASKED.is_served_by(ASKED.to_arguments() | {"--reload": "perhaps"})


@pytest.mark.parametrize(
    "words", [["--lake", "s3://b/"], ["--days", "2026-11-22"], ["--lake", "x", "--days", "today"]]
)
def test_what_is_no_request_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        GlueRequest.parse(words)
