"""A bucket keeps what an object once was: that goes too, wherever a purge was cut off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.forgetting.plan import plan
from spotify_pipeline.forgetting.purge import carry_out
from spotify_pipeline.forgetting.subjects import Named, Playlist, User
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline_tests.forgetting.kept import (
    CAPTURES,
    DAYS,
    Capture,
    House,
    body_of,
    held,
    versions_of,
)

BUCKET = "bucket-of-versions"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Of an S3 server on this machine, with a bucket as `provision` makes it."""
    from spotify_pipeline_tests.emulators.s3 import s3_bucket

    with s3_bucket(BUCKET) as client:
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def store(client: Any, tmp_path: Path) -> S3Store:
    return S3Store(client, BUCKET, f"{tmp_path.name}/")


@pytest.fixture
def house(store: S3Store, tmp_path: Path) -> House:
    """The last day, published."""
    house = House(tmp_path / "home", store)
    house.capture({where: each for where, each in CAPTURES.items() if where[0] == DAYS[2]})
    house.publish(DAYS[2])
    return house


def forget(house: House, subject: Named) -> None:
    with house.place() as place:
        carry_out(place, plan(place, subject), lambda _: None)
        assert plan(place, subject).is_empty


def left(store: S3Store, word: str) -> list[str]:
    return [text for text in versions_of(store) if word in text]


def test_a_document_whose_older_version_could_not_be_deleted_is_not_taken_for_forgotten(
    house: House, store: S3Store, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redacting is two requests: one may lack the right for the second, or be cut off before it."""
    delete = client.delete_objects

    def delete_but_raw(**asked: Any) -> Any:
        if any(keys.RAW in each["Key"] for each in asked["Delete"]["Objects"]):
            raise FixConfiguration("S3 refuses it: AccessDenied")
        return delete(**asked)

    with house.place() as place:
        planned = plan(place, User("USanna"))
        with monkeypatch.context() as patched:
            patched.setattr(client, "delete_objects", delete_but_raw)
            with pytest.raises(FixConfiguration, match="AccessDenied"):
                carry_out(place, planned, lambda _: None)
    assert left(store, "USanna")
    forget(house, User("USanna"))
    assert left(store, "USanna") == []
    with house.place() as place:
        assert {owner for _, _, owner, _ in held(place.session)["history.playlist"]} == {"USbert"}


ZOE = Capture("USzoe", (("SOzoe", "USzoe"),))


@pytest.mark.parametrize(
    "body", [body_of("PLchart", DAYS[2], ZOE), b"cut off"], ids=["", "damaged"]
)
@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "captured anew"])
def test_who_is_in_older_versions_alone_is_found(
    house: House, store: S3Store, client: Any, body: bytes, is_deleted: bool
) -> None:
    """As where a damaged document was deleted by hand, to be captured anew."""
    playlist_id = "PLelse" if is_deleted else "PLchart"
    key = keys.raw(DAYS[2], playlist_id)
    now = None if is_deleted else store.get(key)
    client.put_object(Bucket=BUCKET, Key=store.prefix + key, Body=body)
    client.delete_object(Bucket=BUCKET, Key=store.prefix + key)
    if now:
        assert store.put_new(key, now)
    with house.place() as place:
        before = held(place.session)
        assert not plan(place, User("USzoe")).is_empty
    forget(house, User("USzoe"))
    assert left(store, "USzoe") == left(store, "cut off") == []
    assert store.list_keys(key) == ([] if is_deleted else [key])
    with house.place() as place:
        assert held(place.session) == before


def test_older_versions_that_name_nobody_are_let_be(house: House, store: S3Store) -> None:
    key = keys.raw(DAYS[2], "PLchart")
    store.client.put_object(Bucket=BUCKET, Key=store.prefix + key, Body=store.get(key))
    with house.place() as place:
        for subject in (User("USzoe"), Playlist("PLelse")):
            assert plan(place, subject).is_empty


def test_what_goes_as_a_whole_goes_with_the_versions_that_can_not_be_read(
    house: House, store: S3Store
) -> None:
    """As where a damaged manifest was put back from a backup, and its day is made anew."""
    key = store.list_keys(keys.manifests_prefix(DAYS[2]))[0]
    sound = store.get(key)
    for body in (b"cut off", sound):
        store.client.put_object(Bucket=BUCKET, Key=store.prefix + key, Body=body)
    forget(house, Playlist("PLradio"))
    assert left(store, "PLradio") == left(store, "cut off") == []
