"""Checks: red with evidence when something is wrong, and not to be fooled by other runs."""

from datetime import date, timedelta

import pytest

from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.ingest.sign_in import SignIn
from spotify_pipeline.lake import attempts
from spotify_pipeline.loading.quality import Finding
from spotify_pipeline.orchestration import checks
from spotify_pipeline_tests.orchestration.conftest import DAY, World

FAILED = RetryLater("Spotify said 503.")


def test_all_checks_are_green_on_an_ordinary_day(world: World) -> None:
    outcome = world.run()
    assert (outcome.red_checks, outcome.warnings) == ([], [])


@pytest.mark.slow
def test_a_playlist_that_is_missing_today_is_red_until_it_is_there(world: World) -> None:
    world.spotify.playlists["late"] = FAILED
    world.run()
    assert not world.verdict("raw_playlist_json", "captured")
    world.spotify.playlists["late"] = ["song9"]
    world.run()
    assert world.verdict("raw_playlist_json", "captured")


@pytest.mark.slow
def test_rebuilding_an_old_day_does_not_turn_todays_red_check_green(after_a_day: World) -> None:
    world = after_a_day
    world.day = DAY + timedelta(days=1)
    world.spotify.playlists["radio"] = FAILED
    world.run()
    world.materialize("*", DAY)
    assert not world.verdict("raw_playlist_json", "captured")


@pytest.mark.slow
def test_a_day_missed_for_ever_warns_and_does_not_fail_the_run(after_a_day: World) -> None:
    world = after_a_day
    world.day = DAY + timedelta(days=2)
    outcome = world.run()
    assert outcome.is_well
    [warning] = outcome.warnings
    assert "raw_playlist_json, check no_gaps" in warning
    assert (
        "2026-11-11 Playlist (chart), Playlist (radio): no run tried it before the day ended"
        in warning
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "red_checks"),
    [
        (
            "INSERT INTO HISTORY.SONG SELECT * FROM HISTORY.SONG LIMIT 1",
            {"published/song keys", "published/song rows"},
        ),
        (
            "INSERT INTO PUBLIC.TB_SONG SELECT * FROM PUBLIC.TB_SONG LIMIT 1",
            {"published/tb_song keys"},
        ),
        (
            "DELETE FROM HISTORY.PLAYLIST_ENTRY WHERE song_id = 'song1'",
            {"published/playlist_entry complete", "published/playlist_entry rows"},
        ),
        (
            "UPDATE HISTORY.SONG SET album_id = 'nowhere' WHERE song_id = 'song1'",
            {"published/song references"},
        ),
        ("DELETE FROM LANDING.ARTIST", {"published/artist rows"}),
        ("UPDATE OPS.LEDGER SET batch = 0", {"published/playlist publishing"}),
        (
            "INSERT INTO PIPES.PIPE VALUES ('song_pipe', 'song', true)",
            {"landing/song pipe"},
        ),
        (
            "UPDATE PIPES.COPY_HISTORY SET status = 'Load failed', "
            "first_error_message = 'no date' WHERE table_name = 'album'; DELETE FROM OPS.LEDGER; "
            "DELETE FROM LANDING.ALBUM",
            {"landing/album pipe", "published/album rows"},
        ),
    ],
)
def test_damage_is_red_where_it_is(after_a_day: World, damage: str, red_checks: set[str]) -> None:
    after_a_day.query(damage)
    assert after_a_day.judge() == red_checks


@pytest.mark.slow
def test_a_playlist_not_captured_lately_is_stale(after_a_day: World) -> None:
    world = after_a_day
    world.day = DAY + timedelta(days=3)
    world.spotify.playlists["radio"] = FAILED
    world.run()
    assert "published/playlist fresh" in world.judge()


@pytest.mark.slow
def test_a_playlist_that_never_was_captured_is_told_of_once_until_it_is_stale(world: World) -> None:
    world.spotify.playlists["late"] = FAILED
    red = []
    for number in range(3):
        world.day = DAY + timedelta(days=number)
        red.append({text.split(":")[0] for text in world.run().red_checks})
    captured = "raw_playlist_json, check captured"
    assert red == [{captured}, {captured}, {captured, "published/playlist, check fresh"}]


@pytest.mark.slow
def test_a_playlist_that_fails_is_told_by_its_last_name(after_a_day: World) -> None:
    world = after_a_day
    world.day = DAY + timedelta(days=1)
    world.spotify.playlists["radio"] = FAILED
    outcome = world.run()
    assert "2026-11-11 Playlist (radio): Spotify said 503." in "".join(outcome.red_checks)


@pytest.mark.slow
def test_a_playlist_whose_id_is_none_is_missed_by_its_text_and_does_no_harm(world: World) -> None:
    text = "../x'; DROP TABLE OPS.MISSED; --"
    world.spotify.playlists[text] = FixConfiguration("SPOTIFY_PLAYLISTS: no playlist in it.")
    assert f"{DAY} {text}: SPOTIFY_PLAYLISTS: no playlist" in "".join(world.run().red_checks)
    world.day = DAY + timedelta(days=1)
    del world.spotify.playlists[text]
    world.run()
    assert world.query("SELECT playlist_id FROM OPS.MISSED") == [(text,)]


def test_before_the_first_day_nothing_is_missing(world: World) -> None:
    assert world.judge() == set()


@pytest.mark.slow
def test_a_jump_in_size_warns(after_a_day: World) -> None:
    world = after_a_day
    world.day = DAY + timedelta(days=1)
    world.spotify.playlists["chart"] = [f"song{n}" for n in range(40)]
    outcome = world.run()
    assert outcome.is_well
    [warning] = outcome.warnings
    assert "2026-11-11 Playlist (chart): 40 entries, before 2" in warning


@pytest.mark.slow
def test_before_todays_run_the_last_day_that_was_tried_is_judged(after_a_day: World) -> None:
    """Not the empty day: that would be green with nothing captured."""
    after_a_day.spotify.playlists["late"] = FAILED
    after_a_day.materialize("raw_playlist_json")
    after_a_day.day = DAY + timedelta(days=1)
    assert "raw_playlist_json captured" in after_a_day.judge()


@pytest.mark.slow
def test_every_failing_playlist_is_named(world: World) -> None:
    names = [f"list{number}" for number in range(15)]
    world.spotify.playlists |= dict.fromkeys(names, FAILED)
    [text] = [text for text in world.run().red_checks if "check captured" in text]
    assert f"2026-11-10 {', '.join(names)}: Spotify said 503." in text


def test_a_total_outage_turns_the_check_red_though_its_step_is_left_out(world: World) -> None:
    world.spotify.playlists = dict.fromkeys(world.spotify.playlists, FAILED)
    outcome = world.run()
    assert outcome.failed_steps
    assert not world.verdict("raw_playlist_json", "captured")


@pytest.mark.slow
def test_what_keeps_spotify_from_being_asked_at_all_is_kept_as_the_reason(
    after_a_day: World,
) -> None:
    """Without an attempt of its own, the day would be judged by the last one that was."""
    world = after_a_day
    world.day = DAY + timedelta(days=1)
    world.spotify.is_closed = FixConfiguration("SPOTIFY_CLIENT_ID is not set.")
    world.run()
    assert not world.verdict("raw_playlist_json", "captured")
    attempt = attempts.latest(world.store, world.day)
    assert attempt is not None
    assert {failure.reason for failure in attempt.failures} == {"SPOTIFY_CLIENT_ID is not set."}


@pytest.mark.parametrize(
    ("consented_on", "verdict", "said"),
    [
        (None, "green", "no user is signed in"),
        (date(2026, 11, 10), "green", "holds until 2027-05-10"),
        (date(2026, 6, 10), "yellow", "ends on 2026-12-10, in 30 days"),
        (date(2026, 6, 11), "green", "holds until 2026-12-11"),
        (date(2026, 5, 11), "yellow", "ends on 2026-11-11, in 1 days"),
        (date(2026, 5, 10), "red", "ended on 2026-11-10. Sign in again: spotify-pipeline login"),
    ],
)
def test_the_consent_warns_thirty_days_ahead_and_fails_when_it_is_over(
    world: World, consented_on: date | None, verdict: str, said: str
) -> None:
    world.spotify.user = SignIn("token", consented_on) if consented_on else None
    result = world.materialize("raw_playlist_json")
    [evaluation] = [
        evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == "signed_in"
    ]
    severity = {"ERROR": "red", "WARN": "yellow"}[evaluation.severity.value]
    assert ("green" if evaluation.passed else severity) == verdict
    assert said in str(evaluation.metadata["found"].value)


@pytest.mark.slow
def test_a_sign_in_that_can_t_be_read_leaves_the_other_checks_their_say(world: World) -> None:
    world.spotify.user = FixConfiguration("Other users may read it: chmod 600")
    outcome = world.run()
    assert outcome.failed_steps == []
    assert world.verdict("raw_playlist_json", "captured")
    assert "chmod 600" in "".join(outcome.red_checks)


@pytest.mark.slow
def test_a_sign_in_of_unknown_age_says_how_to_make_it_known(world: World) -> None:
    world.spotify.user = SignIn("token", None)
    result = world.materialize("raw_playlist_json")
    texts = [str(e.description) for e in result.get_asset_check_evaluations()]
    assert any("SPOTIFY_CONSENT_DATE" in text for text in texts)


def test_a_whole_day_stays_whole_until_the_next_one_is_tried(after_a_day: World) -> None:
    after_a_day.day = DAY + timedelta(days=1)
    assert after_a_day.judge() == set()


def test_a_verdict_says_what_to_do_if_and_only_if_something_is_wrong() -> None:
    for check in (*checks.RAW, *checks.LAKE, *checks.PIPES.values(), *checks.PUBLISHED):
        red = check.evaluate(Finding.of("none", "one", "some", ["an offender"]))
        green = check.evaluate(Finding.of("none", "one", "some", []))
        assert red.metadata["what to do"].value
        assert "what to do" not in green.metadata
