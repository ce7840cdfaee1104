"""Forgetting in the deployment aws, on its stand-ins, by an administrator of both."""

import gzip
from dataclasses import replace
from datetime import timedelta

import pytest

from spotify_pipeline import cli
from spotify_pipeline.definitions import build_defs
from spotify_pipeline.lake import keys, manifests
from spotify_pipeline.loading import arrival, publishing
from spotify_pipeline.orchestration.retention import RETENTION, last_kept
from spotify_pipeline_tests import docs
from spotify_pipeline_tests.forgetting.kept import versions_of
from spotify_pipeline_tests.orchestration.team import CLOCK, Team, cloud, team
from spotify_pipeline_tests.synthetic import document, entry, track

__all__ = ["cloud", "team"]  # fixtures
pytestmark = pytest.mark.slow

CHART, RADIO = "C" * 22, "R" * 22


def capture(team: Team, songs: str, playlist: str, user: str) -> None:
    entries = [entry(track(f"SO{song}"), added_by={"id": user}) for song in songs]
    assert team.store.put_new(
        keys.raw(team.day, playlist), document(entries, playlist, day=team.day)
    )


@pytest.fixture
def administrator(team: Team, monkeypatch: pytest.MonkeyPatch) -> Team:
    """Who may do everything, with a day of two playlists published."""
    monkeypatch.setenv("SNOWFLAKE_CONNECTIONS", team.cloud.connection)
    monkeypatch.setattr(arrival, "_POLL_SECONDS", 0.1)
    capture(team, "ab", CHART, "USanna")
    capture(team, "bc", RADIO, "USbert")
    manifest = team.issue()
    with team.session() as session:
        publishing.publish(session, manifest, CLOCK())
    report = keys.report(team.day, manifest.batch, manifest.digest)
    assert team.store.put_new(report, CHART.encode())
    return team


def everything(team: Team) -> str:
    """All versions of all objects of the lake, their names, and all rows."""
    texts = versions_of(team.store)
    for schema, table in team.cloud.execute(
        "SELECT table_schema, table_name FROM SPOTIFY_DB.INFORMATION_SCHEMA.TABLES "
        "WHERE table_type = 'BASE TABLE'"
    ):
        texts.append(str(team.cloud.execute(f"SELECT * FROM SPOTIFY_DB.{schema}.{table}")))
    return "\n".join(texts)


def songs(team: Team) -> list[str]:
    found = team.published()
    assert found
    return found[1]


def test_a_playlist_and_a_user_and_a_day_go_with_all_versions(
    administrator: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    team = administrator
    team.store.client.put_object(  # a version that somebody else left
        Bucket=team.store.bucket,
        Key=team.store.prefix + keys.raw(team.day, CHART),
        Body=team.store.get(keys.raw(team.day, CHART)),
    )
    assert cli.main(["purge", "--playlist", CHART]) == 1
    told = capsys.readouterr().out
    assert "1  raw documents and 1 older versions" in told
    assert "Time Travel for 1 days" in told
    assert "Nothing was done." in told
    assert songs(team) == ["SOa", "SOb", "SOc"]

    assert cli.main(["purge", "--playlist", CHART, "--yes"]) == 0
    assert songs(team) == ["SOb", "SOc"]
    assert not [word for word in (CHART, "SOa", "USanna") if word in everything(team)]
    assert manifests.numbers(team.store, team.day) == [2]

    assert cli.main(["purge", "--user", "USbert", "--yes"]) == 0
    assert songs(team) == ["SOb", "SOc"]
    assert "USbert" not in everything(team)

    assert cli.main(["purge", "--before", str(team.day + timedelta(days=1)), "--yes"]) == 0
    assert team.published() is None
    assert not [word for word in (RADIO, "SOb", str(team.day)) if word in everything(team)]
    assert cli.main(["purge", "--before", str(team.day + timedelta(days=1))]) == 0
    assert "There is nothing of every day before" in capsys.readouterr().out


def test_who_is_no_administrator_in_snowflake_deletes_nothing(
    administrator: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    team = administrator
    team.cloud.execute("CREATE USER ANALYST PASSWORD = 'x' DEFAULT_ROLE = SPOTIFY_READER")
    team.cloud.execute("GRANT ROLE SPOTIFY_READER TO USER ANALYST")
    user = team.cloud.snowflake.connection_parameters["user"]
    connection = team.cloud.connection.replace(f"user = {user!r}", "user = 'ANALYST'")
    monkeypatch.setenv("SNOWFLAKE_CONNECTIONS", connection.replace("anything", "x"))
    before = everything(team)
    assert cli.main(["purge", "--playlist", CHART, "--yes"]) == 1
    assert "is not assigned to the executing user" in capsys.readouterr().err
    assert everything(team) == before
    team.cloud.execute("DROP USER ANALYST")


def test_the_job_says_which_right_it_lacks_and_with_those_of_the_page_it_forgets(
    administrator: Team,
) -> None:
    """The job has the pipeline's own role, which may not delete from LANDING: raw stays till then,
    so that it goes on from there."""
    team = administrator
    deployment = replace(team.deployment, retention_days=30)
    job = build_defs(deployment, CLOCK).resolve_job_def(RETENTION)
    CLOCK.shift = timedelta(days=90)

    refused = job.execute_in_process(instance=team.instance, raise_on_error=False)
    [event] = refused.all_node_events[-1:]
    said = str(event.event_specific_data)
    assert "must have DELETE granted on TABLE SPOTIFY_DB." in said
    assert f"spotify-pipeline purge --before {last_kept(deployment, CLOCK)} --yes" in said
    assert b"USanna" in gzip.decompress(team.store.get(keys.raw(team.day, CHART)))

    grants = docs.retention_grants()
    for grant in grants:
        team.cloud.execute(grant)
    try:
        assert job.execute_in_process(instance=team.instance).success
    finally:
        for grant in grants:
            team.cloud.execute(grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))
    assert not [word for word in (CHART, "SOb", str(team.day)) if word in everything(team)]
