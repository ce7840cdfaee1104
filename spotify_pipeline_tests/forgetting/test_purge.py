"""What is forgotten is nowhere any more, and nothing else is lost."""

import gzip
import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.forgetting.plan import plan
from spotify_pipeline.forgetting.purge import carry_out
from spotify_pipeline.forgetting.subjects import OldDays, Playlist, Subject, User
from spotify_pipeline.lake import attempts, keys, manifests, raw
from spotify_pipeline.lake.attempts import Attempt, Failure
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline_tests.forgetting.cases import CASES, cases, forget, without_playlist
from spotify_pipeline_tests.forgetting.kept import (
    CAPTURES,
    DAYS,
    Captures,
    House,
    expected,
    held,
    places_of,
)


@cases
def test_what_stays_is_what_would_be_there_without_it(
    house: House, subject: Subject, stays: Captures, words: Sequence[str]
) -> None:
    """Then there is nothing more to do; and it doesn't come again, neither from files that a pipe
    takes, nor by rebuilding the days."""
    assert places_of(house, *words)
    forget(house, subject)
    for again in (False, True):
        if again:
            house.publish(*sorted({day for day, _ in stays}))
        with house.place() as place:
            assert held(place.session) == expected(stays)
            assert plan(place, subject).is_empty
        assert places_of(house, *words) == []


def test_a_plan_says_what_would_go(house: House) -> None:
    with house.place() as place:
        found = plan(place, Playlist("PLchart"))
    assert (found.gone, found.rebuilt) == ([DAYS[1]], [DAYS[0], DAYS[2]])
    assert [key for key in found.objects if key.startswith(keys.RAW)] == [
        keys.raw(day, "PLchart") for day in DAYS
    ]
    assert len([key for key in found.objects if key.startswith(keys.MANIFESTS)]) == 4
    assert found.rows["HISTORY.playlist_entry"] == 5
    assert found.rows["LANDING.playlist_entry"] == 7  # the first day landed twice


def test_looking_changes_nothing(house: House) -> None:
    before = {path: path.read_bytes() for path in house.store.root.rglob("*") if path.is_file()}
    with house.place() as place:
        for subject, _, _ in CASES.values():
            plan(place, subject)
        assert held(place.session) == expected(CAPTURES)
    after = {path: path.read_bytes() for path in house.store.root.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.slow
def test_a_redacted_document_says_so_and_is_else_what_the_api_said(house: House) -> None:
    key, other = keys.raw(DAYS[0], "PLchart"), keys.raw(DAYS[0], "PLradio")
    before, untouched = json.loads(gzip.decompress(house.store.get(key))), house.store.get(other)
    forget(house, User("USanna"))
    after = json.loads(gzip.decompress(house.store.get(key)))
    assert after.pop(raw.REDACTED) is True
    owner = after["playlist"]["owner"]
    assert owner == dict.fromkeys(before["playlist"]["owner"]) | {"type": "user"}
    said = after["playlist"]["description"]
    assert said == 'by <a href="spotify:user:redacted">someone</a>'
    by = after["playlist"]["items"]["items"][0]["added_by"]
    assert by == dict.fromkeys(by) | {"type": "user"}
    before["playlist"] |= {"owner": owner, "description": said}
    before["playlist"]["items"]["items"][0]["added_by"] = by
    assert after == before
    assert house.store.get(other) == untouched
    with pytest.raises(ValueError, match="redacted"):  # so it is not repeated as a later day's
        raw.decode(house.store.get(key))


def test_who_only_sounds_like_the_user_is_let_be(house: House) -> None:
    with house.place() as place:
        for word in ("USann", "USannab", "NAMEUSanna", "SOone", "someone"):
            assert plan(place, User(word)).is_empty, word


@pytest.mark.slow
def test_attempts_are_told_without_the_playlist(house: House) -> None:
    forget(house, Playlist("PLradio"))
    for day in DAYS:
        attempt = attempts.latest(house.store, day)
        assert attempt
        assert (attempt.playlist_ids, attempt.failures) == (("PLchart",), ())


@pytest.mark.slow
def test_old_days_are_not_noted_as_missed_again(house: House) -> None:
    forget(house, OldDays(DAYS[2]))
    assert attempts.gaps(house.store, DAYS[:2]) == {}
    with house.place() as place:
        assert place.session.execute("SELECT * FROM ops.missed") == []


@pytest.mark.parametrize(
    "subject", [OldDays(DAYS[0]), Playlist("PLgone"), User("USgone")], ids=["before", "p", "u"]
)
def test_what_writers_left_that_were_cut_off_goes_too(house: House, subject: Subject) -> None:
    """Also where there is nothing else that goes."""
    folder = house.home / "lake" / keys.raw_prefix(DAYS[0] - timedelta(days=1))
    folder.mkdir()
    (folder / ".writing-x").write_bytes(b"PLgone USgone")
    forget(house, subject)
    assert not folder.exists()
    with house.place() as place:
        assert plan(place, subject).is_empty
        assert held(place.session) == expected(CAPTURES)


def test_a_playlist_that_was_only_ever_missed_is_in_no_report_any_more(house: House) -> None:
    """A report names what was missed, of all days before it."""
    day = DAYS[0] - timedelta(days=1)
    failures = (Failure("PLnever", "it was away"),)
    attempts.record(house.store, day, house.clock(), Attempt(("PLnever",), failures))
    with house.place() as place:
        publishing.note_missed(place.session, {day: failures}, house.clock())
    assert house.store.put_new(keys.report(DAYS[2], 9, "digest"), b"PLnever: it was away")
    forget(house, Playlist("PLnever"))
    assert places_of(house, "PLnever") == []
    with house.place() as place:
        assert held(place.session) == expected(CAPTURES)


@pytest.mark.slow
def test_a_batch_without_a_manifest_goes_too(house: House) -> None:
    """The remains of a run that was cut off, of a day that was never published."""
    manifest = manifests.current(house.store, DAYS[1])
    assert manifest
    (house.store.root / keys.manifest(DAYS[1], 1)).unlink()
    (house.store.root / keys.raw(DAYS[1], "PLchart")).unlink()
    forget(house, Playlist("PLchart"))
    assert places_of(house, "PLchart") == []


def test_a_day_that_can_not_be_rebuilt_is_not_lost(house: House) -> None:
    for key in house.store.list_keys(keys.raw_prefix(DAYS[0])):
        (house.store.root / key).unlink()
    with house.place() as place:
        with pytest.raises(FixConfiguration, match="raw documents of what else they hold are gone"):
            plan(place, Playlist("PLchart"))
        assert held(place.session) == expected(CAPTURES)


@pytest.mark.parametrize("subject", [User("USbert"), Playlist("PLchart")], ids=["user", "playlist"])
def test_a_day_of_which_a_document_is_gone_is_not_rebuilt_from_the_rest(
    house: House, subject: Subject
) -> None:
    """HISTORY and the batch are all that is left of it."""
    house.store.put_new(keys.raw(DAYS[2], "PLthird"), house.store.get(keys.raw(DAYS[2], "PLradio")))
    (house.store.root / keys.raw(DAYS[2], "PLradio")).unlink()
    with house.place() as place:
        with pytest.raises(FixConfiguration, match=f"raw documents .* are gone: {DAYS[2]}"):
            plan(place, subject)
        assert held(place.session) == expected(CAPTURES)


def test_a_day_on_which_the_playlist_only_failed_needs_no_raw_documents(house: House) -> None:
    (house.store.root / keys.raw(DAYS[1], "PLchart")).unlink()
    forget(house, Playlist("PLradio"))
    assert places_of(house, "PLradio") == []
    with house.place() as place:
        assert held(place.session) == expected(without_playlist("PLradio"))


@pytest.mark.parametrize(
    ("before", "after"),
    [('"type":"user","id":"USanna"', '"type":null,"id":"USanna"'), ('"id":"USanna"', '"id":4711')],
    ids=["no type", "a number"],
)
def test_whom_the_tables_take_for_a_user_is_redacted(house: House, before: str, after: str) -> None:
    key = keys.raw(DAYS[2], "PLradio")
    text = gzip.decompress(house.store.get(key)).decode()
    assert before in text
    (house.store.root / key).write_bytes(gzip.compress(text.replace(before, after).encode()))
    house.publish(DAYS[2])
    user = User("4711" if "4711" in after else "USanna")
    forget(house, user)
    assert places_of(house, user.user_id) == []


def test_what_was_missed_is_noted_before_days_are_published_anew(house: House) -> None:
    """A week before the last publication is as far as is looked back."""
    for number in range(1, 20):
        day = DAYS[2] + timedelta(days=number)
        attempts.record(house.store, day, house.clock(), Attempt(("PLlate",), ()))
    house.today += timedelta(days=20)
    forget(house, Playlist("PLradio"))
    with house.place() as place:
        publishing.note_gaps(place.session, house.store, house.clock)
        [(noted,)] = place.session.execute(
            "SELECT count(*) FROM ops.missed WHERE playlist_id = 'PLlate'"
        )
    assert noted == 19


def test_a_damaged_document_is_not_passed_over(house: House) -> None:
    path = house.store.root / keys.raw(DAYS[1], "PLchart")
    path.write_bytes(path.read_bytes()[:-20])
    with house.place() as place, pytest.raises(FixConfiguration, match="damaged"):
        plan(place, User("USanna"))


@pytest.mark.slow
def test_a_pipe_that_is_paused_loses_nothing(house: House) -> None:
    with house.place() as place:
        EmbeddedPipe(house.store).pause(place.session, contract.SONG)
        with pytest.raises(RetryLater, match="not whole in LANDING"):
            carry_out(place, plan(place, Playlist("PLchart")), lambda _: None)
        assert held(place.session) == expected(CAPTURES)
        EmbeddedPipe(house.store).pause(place.session, contract.SONG, paused=False)
    forget(house, Playlist("PLchart"))
    assert places_of(house, "PLchart") == []


@pytest.mark.slow
def test_a_run_that_came_in_between_is_noticed(house: House) -> None:
    """It captured the playlist again after all was found."""
    with house.place() as place:
        found = plan(place, Playlist("PLchart"))

        def come_in_between(text: str) -> None:
            if keys.RAW in text:
                body = house.store.get(keys.raw(DAYS[2], "PLradio"))
                house.store.put_new("raw_data/dt=2026-11-19/PLchart.ndjson.gz", body)

        with pytest.raises(RetryLater, match="a run came in between"):
            carry_out(place, found, come_in_between)
