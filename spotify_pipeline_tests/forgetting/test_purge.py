"""What is forgotten is nowhere any more, and nothing else is lost, wherever it was cut off."""

import gzip
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.forgetting.plan import Place, plan
from spotify_pipeline.forgetting.purge import carry_out
from spotify_pipeline.forgetting.subjects import Named, OldDays, Playlist, Subject, User
from spotify_pipeline.lake import attempts, keys, manifests, raw
from spotify_pipeline.lake.attempts import Attempt, Failure
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe
from spotify_pipeline_tests.forgetting.kept import (
    CAPTURES,
    DAYS,
    Capture,
    Captures,
    House,
    body_of,
    copied,
    expected,
    fill,
    held,
    places_of,
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> House:
    return fill(tmp_path_factory.mktemp("filled") / "home")


@pytest.fixture
def house(filled: House, tmp_path: Path) -> House:
    return copied(filled, tmp_path / "home")


def forget(house: House, subject: Subject) -> None:
    with house.place() as place:
        carry_out(place, plan(place, subject), lambda _: None)
    house.database.rewrite()


def without_playlist(playlist_id: str) -> Captures:
    return {where: each for where, each in CAPTURES.items() if where[1] != playlist_id}


def without_user(user: str) -> Captures:
    def other(each: str | None) -> str | None:
        return None if each == user else each

    return {
        where: Capture(other(c.owner), tuple((song, other(by)) for song, by in c.entries))
        for where, c in CAPTURES.items()
    }


CASES: dict[str, tuple[Subject, Captures, tuple[str, ...]]] = {
    "before": (
        OldDays(DAYS[1]),
        {where: each for where, each in CAPTURES.items() if where[0] >= DAYS[1]},
        ("SOone", "SOold", str(DAYS[0])),
    ),
    "playlist": (
        Playlist("PLchart"),
        without_playlist("PLchart"),
        ("PLchart", "SOone", "SOchart"),
    ),
    "playlist that failed once": (
        Playlist("PLradio"),
        without_playlist("PLradio"),
        ("PLradio", "SOold", "SOnew"),
    ),
    "user": (User("USanna"), without_user("USanna"), ("USanna",)),
}
cases = pytest.mark.parametrize(
    ("subject", "stays", "words"), list(CASES.values()), ids=list(CASES)
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


COPY = "PLchart (conflicted copy).ndjson.gz"
COPIES: dict[str, tuple[str, bytes]] = {
    "a copy": (COPY, body_of("PLchart", DAYS[1], CAPTURES[DAYS[1], "PLchart"])),
    "an unpacked copy": (
        "old.ndjson",
        gzip.decompress(body_of("PLchart", DAYS[1], CAPTURES[DAYS[1], "PLchart"])),
    ),
    "a note": ("notes.txt", b"PLchart is of spotify:user:USanna\nand of nobody else"),
}


STAYS = {"PLchart": CASES["playlist"][1], "USanna": CASES["user"][1]}


@pytest.mark.parametrize(("name", "body"), COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("subject", [Playlist("PLchart"), User("USanna")], ids=["p", "u"])
def test_what_others_put_among_raw_documents_goes_if_it_names_it(
    house: House, subject: Named, name: str, body: bytes
) -> None:
    """Also where there is nothing else of the day; and nothing is rebuilt for its sake."""
    day = DAYS[0] - timedelta(days=1)
    for each in (day, DAYS[1]):
        assert house.store.put_new(f"{keys.raw_prefix(each)}{name}", body)
    with house.place() as place:
        found = plan(place, subject)
        assert day not in (*found.gone, *found.rebuilt)
    forget(house, subject)
    assert places_of(house, subject.value) == []
    with house.place() as place:
        assert plan(place, subject).is_empty
        assert held(place.session) == expected(STAYS[subject.value])


def test_a_copy_of_which_only_the_name_tells_goes_too(house: House) -> None:
    assert house.store.put_new(f"{keys.raw_prefix(DAYS[1])}{COPY}.part", b"cut off")
    forget(house, Playlist("PLchart"))
    assert places_of(house, "PLchart") == []


@pytest.mark.parametrize("subject", [Playlist("PLchart"), User("USanna")], ids=["p", "u"])
def test_what_others_put_among_raw_documents_stays_if_it_does_not(
    house: House, subject: Named
) -> None:
    """It keeps nothing from going, and stands for no document of a day that holds no other."""
    strays = [f"{keys.raw_prefix(day)}desktop.ini" for day in DAYS]
    for key in strays:
        assert house.store.put_new(key, b"[.ShellClassInfo]\r\nIconIndex=\xff")
    forget(house, subject)
    assert places_of(house, subject.value) == []
    assert set(strays) <= set(house.store.list_keys(keys.RAW))


def test_a_copy_that_can_not_be_searched_is_not_passed_over(house: House) -> None:
    body = body_of("PLradio", DAYS[1], CAPTURES[DAYS[0], "PLradio"])
    key = f"{keys.raw_prefix(DAYS[1])}PLradio (1).ndjson.gz"
    assert house.store.put_new(key, body[:-20])
    for subject in (Playlist("PLchart"), User("USanna")):
        with house.place() as place, pytest.raises(FixConfiguration, match="damaged") as caught:
            plan(place, subject)
        assert key in str(caught.value)


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


def test_a_copy_of_a_document_goes_with_it(house: House) -> None:
    body = house.store.get(keys.raw(DAYS[0], "PLchart"))
    for name in ("PLchart.damaged.ndjson.gz", "PLchart (conflicted copy).ndjson.gz"):
        (house.store.root / keys.raw_prefix(DAYS[0]) / name).write_bytes(body)
    forget(house, Playlist("PLchart"))
    assert places_of(house, "PLchart") == []


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


# Cut off at every step


class Crash(Exception):
    """The machine went off."""


@dataclass
class Fuse:
    """Burns down with every change; when it is out, nothing changes any more."""

    left: int

    def burn(self) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1


@dataclass
class CrashingStore(FolderStore):
    inner: FolderStore
    fuse: Fuse

    def __post_init__(self) -> None:
        self.root = self.inner.root

    def put_new(self, key: str, body: bytes) -> bool:
        self.fuse.burn()
        return self.inner.put_new(key, body)


@dataclass
class CrashingEraser:
    inner: Any
    fuse: Fuse

    def found(self, prefix: str) -> Any:
        return self.inner.found(prefix)

    def older(self, key: str) -> Any:
        return self.inner.older(key)

    def delete_older(self, key: str) -> None:
        self.fuse.burn()
        self.inner.delete_older(key)

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.fuse.burn()
            self.inner.delete([key])

    def replace(self, key: str, body: bytes) -> None:
        self.fuse.burn()
        self.inner.replace(key, body)


@dataclass
class CrashingSession:
    inner: Any
    fuse: Fuse
    is_inside: bool = False

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        if not self.is_inside and not sql.startswith("SELECT"):
            self.fuse.burn()
        return self.inner.execute(sql, parameters)

    def transaction(self) -> AbstractContextManager[None]:
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Any:
        with self.inner.transaction():
            self.is_inside = True
            try:
                yield
                self.fuse.burn()  # nothing is committed
            finally:
                self.is_inside = False

    def file_name(self, key: str) -> str:
        return self.inner.file_name(key)


def crashing(place: Place, fuse: Fuse) -> Place:
    return replace(
        place,
        store=CrashingStore(place.store, fuse),  # type: ignore[arg-type]
        eraser=CrashingEraser(place.eraser, fuse),
        session=CrashingSession(place.session, fuse),
    )


EVERY = 29
"""From a step that is tried to the next one; 1 tries them all, in some minutes."""


@pytest.mark.slow
@cases
def test_cut_off_anywhere_and_run_again_it_is_done(
    filled: House, tmp_path: Path, subject: Subject, stays: Captures, words: Sequence[str]
) -> None:
    for steps in range(0, 1000, EVERY):
        house = copied(filled, tmp_path / str(steps))
        try:
            with house.place() as place:
                carry_out(crashing(place, Fuse(steps)), plan(place, subject), lambda _: None)
        except Crash:
            with house.place() as place:  # what stays is there at every moment
                assert expected(stays)["history.song"] <= held(place.session)["history.song"]
        else:
            break
        forget(house, subject)
        with house.place() as place:
            assert held(place.session) == expected(stays)
            assert plan(place, subject).is_empty
        assert places_of(house, *words) == []
    assert steps > 20
