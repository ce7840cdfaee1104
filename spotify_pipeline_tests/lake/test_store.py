"""One contract for the folder and for S3: objects are whole or absent, and never overwritten."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.lake.store import FolderStore, ObjectStore, S3Store, open_store

BUCKET = "lake"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of an S3 server on this machine."""
    from spotify_pipeline_tests.emulators.s3 import s3_bucket

    with s3_bucket(BUCKET) as client:
        yield client


@pytest.fixture(params=["folder", "s3", "s3 with prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store; on S3 every test has a part of the bucket of its own."""
    if request.param == "folder":
        return FolderStore(tmp_path / "lake")
    client = request.getfixturevalue("s3")
    if request.param == "s3":
        for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=found["Key"])
        return S3Store(client, BUCKET)
    return S3Store(client, BUCKET, f"/some/where/{tmp_path.name}/")


def together(*tasks: Callable[[], object]) -> None:
    """Runs the tasks at the same time, as nearly as threads allow."""
    gate = threading.Barrier(len(tasks))

    def run(task: Callable[[], object]) -> None:
        gate.wait()
        task()

    threads = [threading.Thread(target=run, args=[task]) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# The contract


def test_what_is_put_can_be_got(store: ObjectStore) -> None:
    assert store.put_new("a/b.gz", b"\x00\xff bytes \n")
    assert store.get("a/b.gz") == b"\x00\xff bytes \n"


def test_a_browser_is_told_that_a_page_is_a_page(s3: Any) -> None:
    store = S3Store(s3, BUCKET, "pages")
    store.put_new("a.html", b"<p>")
    store.put_new("a.json", b"{}")
    kinds = [s3.head_object(Bucket=BUCKET, Key=f"pages/a.{end}") for end in ("html", "json")]
    assert [kind["ContentType"] for kind in kinds] == [
        "text/html; charset=utf-8",
        "binary/octet-stream",
    ]


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    assert store.put_new("empty", b"")
    assert (store.get("empty"), store.list_keys("")) == (b"", ["empty"])


def test_the_second_to_put_is_told_so_and_changes_nothing(store: ObjectStore) -> None:
    assert store.put_new("key", b"first")
    assert not store.put_new("key", b"second")
    assert store.get("key") == b"first"


def test_of_two_at_the_same_time_exactly_one_puts(store: ObjectStore) -> None:
    for number in range(8):
        key, won = f"race/{number}", []

        def put(body: bytes, key: str = key, won: list[bytes] = won) -> None:
            if store.put_new(key, body):
                won.append(body)

        together(lambda: put(b"one" * 10_000), lambda: put(b"two" * 10_000))
        assert len(won) == 1
        assert store.get(key) == won[0]


def test_getting_what_is_not_there_is_a_key_error_that_says_where(store: ObjectStore) -> None:
    store.put_new("other", b"")
    with pytest.raises(KeyError) as caught:
        store.get("not/there")
    assert store.uri("not/there") in str(caught.value)


def test_the_head_of_an_object_is_its_first_bytes(store: ObjectStore) -> None:
    store.put_new("key", b"0123456789")
    store.put_new("empty", b"")
    assert [store.head("key", size) for size in (1, 4, 10, 99)] == [
        b"0",
        b"0123",
        b"0123456789",
        b"0123456789",
    ]
    assert store.head("empty", 4) == b""
    with pytest.raises(KeyError) as caught:
        store.head("not/there", 4)
    assert store.uri("not/there") in str(caught.value)


def test_an_empty_store_lists_nothing(store: ObjectStore) -> None:
    assert store.list_keys("") == []
    assert store.list_keys("raw_data/dt=2026-11-22/") == []


def test_listing_gives_the_keys_with_the_prefix_in_order(store: ObjectStore) -> None:
    for key in ("b/2", "b/10", "b/deep/er", "bb/1", "a/1"):
        store.put_new(key, b"")
    assert store.list_keys("b/") == ["b/10", "b/2", "b/deep/er"]
    assert store.list_keys("b") == ["b/10", "b/2", "b/deep/er", "bb/1"]
    assert store.list_keys("b/d") == ["b/deep/er"]
    assert store.list_keys("") == ["a/1", "b/10", "b/2", "b/deep/er", "bb/1"]


def test_keys_may_hold_an_equals_sign(store: ObjectStore) -> None:
    store.put_new("raw_data/dt=2026-11-22/x.gz", b"x")
    assert store.list_keys("raw_data/dt=2026-11-2") == ["raw_data/dt=2026-11-22/x.gz"]


def test_files_are_the_objects_in_the_order_asked_for(store: ObjectStore) -> None:
    store.put_new("x/1", b"one")
    store.put_new("y/1", b"two")
    with store.files(["y/1", "x/1"]) as paths:
        assert [path.read_bytes() for path in paths] == [b"two", b"one"]


def test_the_address_ends_in_the_key(store: ObjectStore) -> None:
    assert store.uri("a/b").endswith("/a/b")
    assert store.uri("a/b").split("://")[0] in ("file", "s3")


# The folder alone


def test_a_store_opens_again_by_its_address(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As workers open it, which get the address and have credentials of their own."""
    if isinstance(store, S3Store):
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.client.meta.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    store.put_new("a b/dt=1/ü.txt", b"here")
    again = open_store(store.uri(""))
    assert again.get("a b/dt=1/ü.txt") == b"here"
    assert again.uri("x") == store.uri("x")


@pytest.mark.parametrize("address", ["", "/lake", "gs://bucket"])
def test_what_is_no_address_of_a_lake_is_refused(address: str) -> None:
    with pytest.raises(FixConfiguration, match="is no lake"):
        open_store(address)


def test_a_crash_between_writing_and_linking_leaves_nothing_behind_that_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCut(BaseException):
        pass

    def cut(*args: object) -> None:
        raise PowerCut

    store = FolderStore(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(os, "link", cut)
        broken.setattr(Path, "unlink", cut)  # no cleaning up either
        with pytest.raises(PowerCut):
            store.put_new("a/key", b"body")
    assert [path.name[:9] for path in (tmp_path / "a").iterdir()] == [".writing-"]
    assert store.list_keys("") == []
    assert store.put_new("a/key", b"body")
    assert store.list_keys("") == ["a/key"]


def test_a_name_never_shows_before_its_bytes_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bytes]] = []
    target = tmp_path / "key"
    link = os.link

    def watched(aside: Path, name: Path) -> None:
        seen.append((target.exists(), Path(aside).read_bytes()))
        link(aside, name)

    monkeypatch.setattr(os, "link", watched)
    FolderStore(tmp_path).put_new("key", b"body")
    assert seen == [(False, b"body")]


def test_listing_looks_into_no_folder_where_the_keys_can_t_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake has many: a file for every playlist and day."""
    store = FolderStore(tmp_path)
    for key in ("source.json", "raw/dt=1/a", "raw/dt=2/a", "manifests/dt=1/1"):
        store.put_new(key, b"")
    looked: list[str] = []
    scandir = os.scandir

    def noting(path: str) -> Any:
        looked.append(Path(path).relative_to(tmp_path).as_posix())
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noting)
    assert store.list_keys("source.json") == ["source.json"]
    assert store.list_keys("raw/dt=2") == ["raw/dt=2/a"]
    assert store.list_keys("manifests/dt=1/") == ["manifests/dt=1/1"]
    assert looked == [".", "raw", "raw/dt=2", "manifests/dt=1"]


def test_nothing_stays_beside_an_object_that_was_put(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "lake")
    store.put_new("key", b"first")
    store.put_new("key", b"second")
    assert [path.name for path in store.root.iterdir()] == ["key"]


def test_others_may_read_the_files(tmp_path: Path) -> None:
    FolderStore(tmp_path).put_new("key", b"body")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_can_not_be_made_is_said_with_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file stands in the way")
    with pytest.raises(FixConfiguration, match="SPOTIFY_PIPELINE_HOME"):
        FolderStore(tmp_path / "lake").put_new("a/key", b"")


# S3 alone


def test_a_prefix_keeps_lakes_in_one_bucket_apart(s3: Any) -> None:
    one, two = S3Store(s3, BUCKET, "one"), S3Store(s3, BUCKET, "two/")
    assert one.put_new("key", b"1")
    assert two.put_new("key", b"2")
    assert (one.get("key"), one.list_keys("")) == (b"1", ["key"])
    assert one.uri("key") == f"s3://{BUCKET}/one/key"
    assert s3.get_object(Bucket=BUCKET, Key="two/key")["Body"].read() == b"2"


def test_more_keys_than_a_page_of_s3_are_all_listed(s3: Any) -> None:
    class SmallPages:
        """A client whose listings come in pages of two."""

        def get_paginator(self, name: str) -> Any:
            paginator = s3.get_paginator(name)
            paginate = paginator.paginate
            paginator.paginate = lambda **more: paginate(**more, PaginationConfig={"PageSize": 2})
            return paginator

    store = S3Store(s3, BUCKET, "many")
    for number in range(5):
        store.put_new(str(number), b"")
    assert S3Store(SmallPages(), BUCKET, "many").list_keys("") == list("01234")


def test_other_troubles_of_s3_are_not_taken_for_an_object_that_is_there(s3: Any) -> None:
    store = S3Store(s3, "no-such-bucket")
    for use in (
        lambda: store.put_new("key", b""),
        lambda: store.get("key"),
        lambda: store.list_keys(""),
    ):
        with pytest.raises(FixConfiguration, match="NoSuchBucket for s3://no-such-bucket"):
            use()


class Answering:
    """A client of S3 whose puts are answered with these statuses, one after the other."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)

    def put_object(self, **_: Any) -> None:
        from botocore.exceptions import ClientError

        if (status := self.statuses.pop(0)) != 200:
            answer = {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, "PutObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("statuses", "expected"), [((409, 200), True), ((409, 409, 412), False), ((412,), False)]
)
def test_a_conflict_of_two_puts_is_settled_by_putting_again(
    statuses: tuple[int, ...], expected: bool
) -> None:
    assert S3Store(Answering(*statuses), BUCKET).put_new("key", b"") is expected


def test_an_outage_of_s3_and_a_conflict_without_end_can_be_retried() -> None:
    for statuses in ((503,), (409,) * 9):
        with pytest.raises(RetryLater, match="Nothing is lost: run it again"):
            S3Store(Answering(*statuses), BUCKET).put_new("key", b"")


def test_a_file_where_a_folder_should_be_is_an_error_and_not_taken_for_the_object(
    tmp_path: Path,
) -> None:
    (tmp_path / "raw_data").write_text("in the way")
    with pytest.raises(FixConfiguration, match="Can't write to the lake folder"):
        FolderStore(tmp_path).put_new("raw_data/x", b"body")
