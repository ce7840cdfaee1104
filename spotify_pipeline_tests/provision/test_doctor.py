"""The doctor: each thing that is not as it should be is named, and nothing else is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from spotify_pipeline.clock import Clock
from spotify_pipeline.deployment import Deployment, read_deployment, read_environment
from spotify_pipeline.errors import FixConfiguration, PipelineError, SkipThis
from spotify_pipeline.ingest.refusals import TooManyCalls
from spotify_pipeline.ingest.sign_in import SignIn
from spotify_pipeline.lake import attempts, stamp
from spotify_pipeline.lake.attempts import Attempt
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.orchestration.database import build_database
from spotify_pipeline.provision.doctor import examine, examine_pipes, settings
from spotify_pipeline_tests.emulators.cloud import Cloud
from spotify_pipeline_tests.ingest.fakes import SMALL, Reader, Reading, pages
from spotify_pipeline_tests.synthetic import DAY, NOON, playlist


class Spotify:
    """Where everything is well, unless a test breaks it."""

    def __init__(self, **readings: Reading) -> None:
        self.readings = readings or {"a": SMALL}
        self.user: SignIn | PipelineError | None = SignIn("token", date(2026, 11, 1))
        self.refusal: PipelineError | None = None
        self.reading: Reader | None = None

    def playlist_ids(self) -> list[str]:
        return list(self.readings)

    def sign_in(self) -> SignIn | None:
        if isinstance(self.user, PipelineError):
            raise self.user
        return self.user

    @contextmanager
    def reader(self, clock: Clock) -> Iterator[Reader]:
        if self.refusal:
            raise self.refusal
        self.reading = Reader(**self.readings)
        yield self.reading


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    environment = read_environment({"SPOTIFY_PIPELINE_HOME": str(tmp_path / "home")})
    return read_deployment(environment)


def clock() -> datetime:
    return NOON


def found(deployment: Deployment, spotify: Spotify) -> dict[str, tuple[str, str]]:
    """State and text by subject."""
    return {v.subject: (v.state, v.text) for v in examine(deployment, spotify, clock)}


def test_where_all_is_well_each_thing_is_ok(deployment: Deployment) -> None:
    verdicts = found(deployment, Spotify(a=SMALL, b=Reading(*pages(100, 50))))
    assert {state for state, _ in verdicts.values()} == {"ok"}
    subjects = ["home", "lake", "consent", "playlists", "limits", "token", "a", "b"]
    assert list(verdicts) == subjects
    assert verdicts["b"][1] == "'Playlist', 150 entries"
    assert verdicts["playlists"][1] == "2 configured"


def test_a_playlist_costs_two_calls_at_most(deployment: Deployment) -> None:
    spotify = Spotify(a=Reading(*pages(100, 100, 100)), b=SMALL)
    found(deployment, spotify)
    assert spotify.reading is not None
    assert spotify.reading.calls == ["a", "a items 100", "b"]


def test_a_playlist_of_which_only_the_first_page_can_be_read_is_named(
    deployment: Deployment,
) -> None:
    closed = SkipThis("Spotify said 403: not yours.")
    first, _ = pages(100, 100)
    verdicts = found(deployment, Spotify(a=Reading(first, closed)))
    assert verdicts["a"] == ("FAIL", "Spotify said 403: not yours.")


def test_where_no_playlists_are_configured_only_that_fails(deployment: Deployment) -> None:
    class Empty(Spotify):
        def playlist_ids(self) -> list[str]:
            raise FixConfiguration("No playlists are configured.")

    verdicts = found(deployment, Empty())
    assert {s for s, (state, _) in verdicts.items() if state == "FAIL"} == {"playlists"}


def test_each_playlist_that_can_t_be_read_is_named_with_the_reason(deployment: Deployment) -> None:
    gone = Reading(SkipThis("Spotify said 404: deleted."))
    withheld = Reading(playlist(None), SkipThis("Spotify said 403: not yours."))
    verdicts = found(deployment, Spotify(a=gone, b=SMALL, c=withheld))
    assert verdicts["a"] == ("FAIL", "Spotify said 404: deleted.")
    assert verdicts["b"][0] == "ok"
    assert verdicts["c"] == ("FAIL", "Spotify said 403: not yours.")


@pytest.mark.parametrize(
    ("user", "state", "said"),
    [
        (None, "ok", "no user is signed in"),
        (SignIn("t", date(2026, 6, 1)), "warn", "ends on 2026-12-01, in 9 days"),
        (SignIn("t", date(2026, 5, 1)), "FAIL", "Sign in again: spotify-pipeline login"),
        (SignIn("t", None), "warn", "SPOTIFY_CONSENT_DATE"),
        (FixConfiguration("the file is broken"), "FAIL", "the file is broken"),
    ],
    ids=["none", "soon", "over", "unknown", "broken"],
)
def test_the_consent_is_told_by_its_age(
    deployment: Deployment, user: SignIn | PipelineError | None, state: str, said: str
) -> None:
    spotify = Spotify()
    spotify.user = user
    verdict = found(deployment, spotify)["consent"]
    assert verdict[0] == state
    assert said in verdict[1]


def test_without_credentials_the_token_fails_and_no_playlist_is_asked_for(
    deployment: Deployment,
) -> None:
    spotify = Spotify()
    spotify.refusal = FixConfiguration("SPOTIFY_CLIENT_ID is not set")
    verdicts = found(deployment, spotify)
    assert verdicts["token"] == ("FAIL", "SPOTIFY_CLIENT_ID is not set")
    assert "a" not in verdicts


def test_where_spotify_asked_to_wait_no_call_is_made(deployment: Deployment) -> None:
    attempt = Attempt(("a",), (), NOON + timedelta(hours=3))
    attempts.record(FolderStore(deployment.lake_folder), DAY, NOON, attempt)
    spotify = Spotify()
    verdicts = found(deployment, spotify)
    assert verdicts["limits"][0] == "FAIL"
    assert "until 2026-11-22 15:00 UTC" in verdicts["limits"][1]
    assert spotify.reading is None


def test_a_wait_that_the_doctor_is_asked_for_holds_for_runs_too(deployment: Deployment) -> None:
    store = FolderStore(deployment.lake_folder)
    attempts.record(store, DAY, NOON, Attempt(("a",), ()))
    quota = TooManyCalls("429: the quota is used up", 3600, is_quota=True)
    verdicts = found(deployment, Spotify(a=Reading(quota), b=SMALL))
    assert verdicts["a"][0] == verdicts["b"][0] == "FAIL"
    assert attempts.wait_until(store, NOON) == NOON + timedelta(hours=1)
    latest = attempts.latest(store, DAY)
    assert latest is not None
    assert (latest.playlist_ids, latest.failures) == (("a",), ())


def test_a_lake_of_another_source_is_refused(deployment: Deployment) -> None:
    stamp.claim(FolderStore(deployment.lake_folder), "spotify")
    assert found(deployment, Spotify())["lake"][0] == "FAIL"


def test_a_home_that_can_t_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    home = str(tmp_path / "file" / "home")
    deployment = read_deployment(read_environment({"SPOTIFY_PIPELINE_HOME": home}))
    state, text = found(deployment, Spotify())["home"]
    assert state == "FAIL"
    assert home in text
    assert "SPOTIFY_PIPELINE_HOME" in text


def test_each_setting_comes_with_its_origin_and_secrets_are_masked(tmp_path: Path) -> None:
    dotenv = tmp_path / "some.env"
    dotenv.write_text("SPOTIFY_CLIENT_SECRET=0123456789abcdefWXYZ\nSPOTIFY_CLIENT_ID=my-app\n")
    environment = read_environment({"SPOTIFY_REFRESH_TOKEN": "short-one"}, dotenv)
    told = {name: (value, origin) for name, value, origin in settings(environment)}
    assert told["SPOTIFY_CLIENT_ID"] == ("my-app", ".env")
    assert told["SPOTIFY_CLIENT_SECRET"] == ("…WXYZ", ".env")
    assert told["SPOTIFY_REFRESH_TOKEN"] == ("(set)", "environment")
    assert told["SPOTIFY_PIPELINE_HOUR"] == ("6", "default")
    assert "S3_BUCKET" not in told


def test_it_leaves_nothing_behind(deployment: Deployment) -> None:
    found(deployment, Spotify())
    assert list(deployment.home.iterdir()) == []


class Lake:
    """An empty one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self) -> FolderStore:
        return FolderStore(self._folder)


@pytest.mark.slow
def test_a_statement_that_snowflake_refuses_stops_no_other_subject(
    deployment: Deployment, tmp_path: Path
) -> None:
    with Cloud(tmp_path) as cloud:
        environment = read_environment(cloud.environment, Path("/nowhere"))
        snowflake = build_database(read_deployment(environment))

        def verdicts() -> dict[str, tuple[str, str]]:
            pipes = examine_pipes(Lake(tmp_path), snowflake, clock)
            others = examine(deployment, Spotify(), clock)
            return {v.subject: (v.state, v.text) for v in (*pipes, *others)}

        well = verdicts()
        assert {state for state, _ in well.values()} == {"ok"}
        assert {"database", "song_pipe"} <= set(well)
        cloud.execute("DROP TABLE SPOTIFY_DB.OPS.LEDGER")
        refused = verdicts()
    state, text = refused.pop("database")
    assert state == "FAIL"
    for part in ("LEDGER", "SNOWFLAKE_ROLE", "050_tables.sql"):
        assert part in text
    assert {state for state, _ in refused.values()} == {"ok"}
    assert set(refused) == {subject for subject in well if not subject.endswith("_pipe")} - {
        "database"
    }
