"""Forgetting where something is refused, damaged, or has expired by itself: nothing is half
forgotten without a word, and nothing that was captured is told as missed.

What is forgotten, and that it is so wherever a purge was cut off, is `forgetting/`'s.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline import cli
from spotify_pipeline.engines.embedded import EmbeddedEngine
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.forgetting.plan import Place, plan
from spotify_pipeline.forgetting.purge import carry_out
from spotify_pipeline.forgetting.subjects import OldDays, Playlist, Subject, User
from spotify_pipeline.lake import attempts, keys
from spotify_pipeline.loading import publishing
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline_tests.forgetting.kept import (
    CAPTURES,
    DAYS,
    House,
    copied,
    expected,
    fill,
    held,
    places_of,
)
from spotify_pipeline_tests.rows import issued
from spotify_pipeline_tests.small_spark import SMALL_SPARK
from spotify_pipeline_tests.synthetic import NOON

SUBJECTS: tuple[Subject, ...] = (OldDays(DAYS[1]), Playlist("PLchart"), User("USanna"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> House:
    return fill(tmp_path_factory.mktemp("filled") / "home")


@pytest.fixture
def house(filled: House, tmp_path: Path) -> House:
    return copied(filled, tmp_path / "home")


# What a bucket's own rules let go


def test_a_day_that_has_expired_in_the_lake_is_not_told_as_missed(house: House) -> None:
    """The retention of a bucket takes raw documents and batches, and leaves the attempts."""
    for prefix in (keys.RAW, keys.TRANSFORMED, keys.MANIFESTS, keys.REPORTS):
        for key in house.store.list_keys(prefix):
            if keys.day_of(key) == DAYS[0]:
                (house.store.root / key).unlink()
    with house.place() as place:
        before = place.session.execute("SELECT * FROM ops.missed ORDER BY ALL")
        missed = attempts.gaps(house.store, DAYS[:2])
        publishing.note_missed(place.session, missed, house.clock())
        assert place.session.execute("SELECT * FROM ops.missed ORDER BY ALL") == before
        assert held(place.session) == expected(CAPTURES)


# What can't be searched


@pytest.mark.parametrize("subject", SUBJECTS[1:], ids=["playlist", "user"])
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"playlist_ids": 7}', b"[" * 99_999])
@pytest.mark.parametrize(
    "key",
    [keys.attempt(DAYS[1], NOON, 7), keys.manifest(DAYS[1], 1)],
    ids=["attempt", "manifest"],
)
def test_what_can_not_be_searched_is_named_and_nothing_is_done(
    house: House, subject: Subject, key: str, body: bytes
) -> None:
    path = house.store.root / key
    path.write_bytes(body)
    before = {p: p.read_bytes() for p in house.store.root.rglob("*") if p.is_file()}
    with house.place() as place:
        try:
            plan(place, subject)
        except FixConfiguration as error:
            assert Path(key).name in str(error)  # noqa: PT017 - or it is searched, and plans
        assert held(place.session) == expected(CAPTURES)
    assert {p: p.read_bytes() for p in house.store.root.rglob("*") if p.is_file()} == before


# What is refused


@dataclass(frozen=True)
class Refusing:
    """An eraser whose owner may not delete below a prefix, as S3 says so."""

    inner: Any
    prefix: str

    def found(self, prefix: str) -> Any:
        return self.inner.found(prefix)

    def older(self, key: str) -> Any:
        return self.inner.older(key)

    def delete_older(self, key: str) -> None:
        self._let(key)
        self.inner.delete_older(key)

    def delete(self, going: Sequence[str]) -> None:
        for key in going:
            self._let(key)
            self.inner.delete([key])

    def replace(self, key: str, body: bytes) -> None:
        self._let(key)
        self.inner.replace(key, body)

    def _let(self, key: str) -> None:
        if key.startswith(self.prefix):
            raise FixConfiguration(f"S3 refuses it: AccessDenied: {key}")


@pytest.mark.slow
@pytest.mark.parametrize("prefix", [keys.MANIFESTS, keys.TRANSFORMED, keys.ATTEMPTS, keys.RAW])
@pytest.mark.parametrize("number", range(len(SUBJECTS)), ids=["before", "playlist", "user"])
def test_where_something_may_not_be_deleted_that_is_said_and_the_rest_can_be_gone_on_with(
    house: House, number: int, prefix: str
) -> None:
    """What stays is whole all the time; who has the right then finishes it."""
    subject = SUBJECTS[number]
    with house.place() as place:
        found = plan(place, subject)
        concerned = [key for key in [*found.objects, *found.redacted] if key.startswith(prefix)]
        refusing = Place(
            place.store, Refusing(place.eraser, prefix), place.session, place.loader, place.clock
        )
        if concerned:
            with pytest.raises(FixConfiguration, match="AccessDenied"):
                carry_out(refusing, found, lambda _: None)
            assert not plan(place, subject).is_empty  # so it is not told as forgotten
        carry_out(place, plan(place, subject), lambda _: None)
        assert plan(place, subject).is_empty
    house.database.rewrite()
    words = {0: ("SOold",), 1: ("PLchart", "SOchart"), 2: ("USanna",)}[number]
    assert places_of(house, *words) == []


# Redacted documents on another engine


@pytest.mark.slow
def test_redacted_documents_give_the_same_bytes_on_spark(house: House) -> None:
    """A purge rebuilds by the embedded engine, and a later run by whichever is configured."""
    from dagster_pyspark import LazyPySparkResource

    from spotify_pipeline.deployment import prepare_for_spark
    from spotify_pipeline.engines.spark import SparkEngine
    from spotify_pipeline.orchestration.engine import SPARK_CONFIG

    with house.place() as place:
        carry_out(place, plan(place, User("USanna")), lambda _: None)
    prepare_for_spark()
    session = LazyPySparkResource(spark_config=SPARK_CONFIG | SMALL_SPARK).spark_session
    by_spark = issued(house.store, SparkEngine(lambda: session), DAYS)
    session.stop()
    embedded = issued(house.store, EmbeddedEngine(), DAYS)
    assert {day: each.bytes for day, each in by_spark.items()} == {
        day: each.bytes for day, each in embedded.items()
    }
    assert by_spark[DAYS[0]].column("playlist", "owner_id") == [None, "USbert"]


# What a purge says that it leaves


@pytest.mark.slow
def test_what_is_left_is_in_dagsters_history_alone_and_goes_as_was_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of persons nothing at all is left there; of a playlist what its owner is told to delete."""
    monkeypatch.setenv("SPOTIFY_PIPELINE_HOME", str(tmp_path / "home"))
    assert cli.main(["run"]) == 0
    playlist = Catalogue().playlists[1]
    guest, *_ = playlist.guests
    house, history = House(tmp_path / "home"), tmp_path / "home" / "dagster"

    for user, names in ((guest, ()), (playlist.owner_id, (playlist.owner_name,))):
        words = [user, *filter(None, names)]
        assert len({place.split(": ")[1] for place in places_of(house, *words)}) == len(words)
        assert cli.main(["purge", "--user", user, "--yes"]) == 0
        assert places_of(house, *words) == []

    assert places_of(house, playlist.playlist_id)
    capsys.readouterr()
    assert cli.main(["purge", "--playlist", playlist.playlist_id, "--yes"]) == 0
    told = capsys.readouterr().out
    assert f"Dagster's history in {history}" in told
    assert "delete that folder while nothing runs" in told
    left = places_of(house, playlist.playlist_id, *playlist.guests)
    assert left
    assert [place for place in left if not place.startswith("dagster/")] == []
    assert [place for place in left if any(guest in place for guest in playlist.guests)] == []
    shutil.rmtree(history)
    assert places_of(house, playlist.playlist_id) == []
