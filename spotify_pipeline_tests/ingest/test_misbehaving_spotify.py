"""The whole of ingest against the sandbox on a bad day: each misbehaviour alone, and mixed.

Whatever Spotify does, a playlist is stored whole or it is named with the reason; what whole means
the catalogue knows, independently of what reads it.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.ingest.day import CapturePolicy, PlaylistReport, capture_day
from spotify_pipeline.lake import keys, raw
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.sandbox.app import create_app
from spotify_pipeline.sandbox.catalogue import Catalogue
from spotify_pipeline.sandbox.fault_kinds import KINDS, FaultKind
from spotify_pipeline.sandbox.faults import Fault, with_faults
from spotify_pipeline.sandbox.playlists import PlaylistPlan
from spotify_pipeline.sandbox.server import SandboxServer
from spotify_pipeline.sandbox.shapes import Shape
from spotify_pipeline_tests.ingest.fakes import FakeTime
from spotify_pipeline_tests.synthetic import DAY

LONG, SHORT, NONE = ("a" * 22, "b" * 22, "c" * 22)
CATALOGUE = Catalogue(
    1,
    [
        PlaylistPlan(LONG, "Three pages", 170, stay=1),
        PlaylistPlan(SHORT, "One page", 30, oddities=("unavailable", "local", "episode")),
        PlaylistPlan(NONE, "Nothing", 0),
    ],
)
IDS = (LONG, SHORT, NONE)
KINDS_OF_THE_API: list[FaultKind] = [kind for kind in get_args(FaultKind) if kind != "denied"]

# What each says when it does not end, and about which playlists; the others are captured.
FOR_EVER: dict[FaultKind, tuple[str, tuple[str, ...]]] = {
    "rate_limit": ("429: too many calls", IDS),
    "rate_limit_silent": ("names no wait that would do", IDS),
    "quota": ("quota of calls is used up", IDS),
    "server_error": ("Spotify said 50", IDS),
    "timeout": ("could not be reached", IDS),
    "drop": ("could not be reached", IDS),
    "truncate": ("could not be reached", IDS),
    "cut_json": ("no JSON object", IDS),
    "html": ("no JSON object", IDS),
    "wrong_json": ("", IDS),
    "unauthorized": ("spotify-pipeline login", IDS),
    "expired_token": ("does not take the access tokens", IDS),
    "forbidden": ("owns or collaborates on", IDS),
    "premium": ("Premium", IDS),
    "not_allowlisted": ("User Management", IDS),
    "not_found": ("404", IDS),
    "tracks_closed": ("", ()),
    "items_closed": ("owns or collaborates on", (LONG,)),
    "changing": ("None of 3 reads of it was whole", (LONG,)),
    "no_token": ("gave no token", IDS),
    "invalid_grant": ("Sign in again: spotify-pipeline login", IDS),
}
# Those that no second try can mend in the same run.
FINAL = {
    *("quota", "unauthorized", "forbidden", "premium", "not_allowlisted", "not_found"),
    *("items_closed", "invalid_grant"),
}
# Refusals of the app and limits are true of every playlist.
OF_THE_APP = {"quota", "premium", "not_allowlisted", "rate_limit", "rate_limit_silent"}
OF_ONE_PLAYLIST = [kind for kind in KINDS if KINDS[kind].where == "api" and kind not in OF_THE_APP]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spotify_pipeline.ingest.client.TIMEOUT_SECONDS", 0.5)


def live_through(
    faults: Sequence[Fault], store: FolderStore, shape: Shape = "items", seed: int = 1
) -> dict[str, PlaylistReport]:
    """A day's capture by the real client from a sandbox with these faults."""
    time = FakeTime()
    app = with_faults(create_app(CATALOGUE, time.clock, shape), faults, seed)
    with SandboxServer(app) as server:
        client = SpotifyClient(
            Credentials("app", "secret", "user"), server.api_url, server.accounts_url
        )
        reports = capture_day(
            client,
            store,
            IDS,
            DAY,
            time.clock,
            time.told.append,
            CapturePolicy(),
            patience=time.patience(),
        )
    assert time.now() < 3600, "it has waited for longer than any budget"
    return {report.playlist_id: report for report in reports}


def stored(store: FolderStore, playlist_id: str) -> list[object] | None:
    """The entries of the raw document, or None where there is none."""
    if not store.list_keys(keys.raw(DAY, playlist_id)):
        return None
    playlist, *pages = raw.decode(store.get(keys.raw(DAY, playlist_id)))
    first = playlist.body.get("items") or playlist.body.get("tracks")
    answers = ([first] if first else []) + [page.body for page in pages]
    return [entry for answer in answers for entry in answer["items"]]


def is_whole(entries: list[object], playlist_id: str, shape: Shape) -> bool:
    """Whether it is what the playlist held on one day: some faults move it on by days."""
    states = (CATALOGUE.playlist(playlist_id, DAY + timedelta(days=n)) for n in range(40))
    return any(state and state.entry_payloads(shape) == entries for state in states)


def assert_whole_or_named(
    reports: dict[str, PlaylistReport], store: FolderStore, shape: Shape = "items"
) -> None:
    for playlist_id, report in reports.items():
        entries = stored(store, playlist_id)
        if report.outcome == "captured":
            assert entries is not None
            assert is_whole(entries, playlist_id, shape)
            assert report.entries == len(entries)
        else:
            assert report.outcome == "failed"
            assert report.reason
            assert entries is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS_OF_THE_API)
def test_a_misbehaviour_that_does_not_end_is_named_with_what_to_do(
    kind: FaultKind, tmp_path: Path
) -> None:
    said, hit = FOR_EVER[kind]
    store = FolderStore(tmp_path)
    reports = live_through([Fault(kind)], store)
    assert_whole_or_named(reports, store)
    assert {id_ for id_, report in reports.items() if report.outcome == "failed"} == set(hit)
    for playlist_id in hit:
        assert said in reports[playlist_id].reason


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS_OF_THE_API if kind not in FINAL])
def test_a_misbehaviour_that_passes_is_not_noticed(kind: FaultKind, tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    reports = live_through([Fault(kind, times=2)], store)
    assert {report.outcome for report in reports.values()} == {"captured"}
    assert_whole_or_named(reports, store)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_ONE_PLAYLIST)
def test_a_misbehaviour_towards_one_playlist_alone_stops_no_other(
    kind: FaultKind, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path)
    reports = live_through([Fault(kind, playlist_id=LONG)], store)
    assert reports[LONG].outcome == "failed"
    assert {reports[SHORT].outcome, reports[NONE].outcome} == {"captured"}
    assert_whole_or_named(reports, store)


faults = st.builds(
    Fault,
    kind=st.sampled_from([kind for kind in KINDS_OF_THE_API if kind != "timeout"]),
    playlist_id=st.just(""),
    times=st.none() | st.integers(1, 6),
    share=st.sampled_from([0.05, 0.2, 0.5, 1.0]),
)


@pytest.mark.slow
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(faults, min_size=1, max_size=4),
    st.sampled_from(get_args(Shape)),
    st.integers(0, 2**16),
)
def test_whatever_comes_together_a_playlist_is_whole_or_named(
    mix: list[Fault], shape: Shape, seed: int
) -> None:
    with TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        assert_whole_or_named(live_through(mix, store, shape, seed), store, shape)
