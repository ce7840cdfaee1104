"""Whatever stands in the environment, in `.env` or behind a command's name: it is taken as it is
meant, or refused by the name under which it was given. Nothing becomes SQL, a path or a right.
"""

import re
from pathlib import Path
from string import printable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotify_pipeline.deployment import VARIABLES, Deployment, read_deployment, read_environment
from spotify_pipeline.errors import FixConfiguration, PipelineError
from spotify_pipeline.ingest.playlist_ids import parse_playlists, require_id, wanted_playlists
from spotify_pipeline.orchestration.addresses import of_lake
from spotify_pipeline.orchestration.resources import build_resources
from spotify_pipeline.provision import ddl
from spotify_pipeline.provision.wanted import Wanted, require_stack_name
from spotify_pipeline_tests.faults.generated import HOSTILE, examples
from spotify_pipeline_tests.synthetic import NOON

NOWHERE = Path("/nowhere/.env")

# What an environment can hold at all: no NUL, and nothing that means "not set".
words = st.one_of(
    st.sampled_from([text.replace("\x00", "") or " " for text in HOSTILE]),
    st.sampled_from(
        [
            *("~nobody-of-that-name/x", "http://[", "https://", "9" * 5000, "-1", "1e3", "０", "²"),
            *("2026-13-45", "demo", "local", "aws", "glue", "spark", "team:x", "a@b.cd", "*", "$x"),
            *("${aws:username}", "team/../x", "/", "a//b", "https://user:pw@host/", "x" * 70),
        ]
    ),
    st.text(st.sampled_from(printable), min_size=1, max_size=20),
)
settings_ = st.dictionaries(st.sampled_from([v.name for v in VARIABLES]), words, max_size=5)


@examples(300)
@given(settings_)
@example({"SPOTIFY_PIPELINE_HOME": "~nobody-of-that-name/x"})
@example({"SPOTIFY_API_URL": "http://["})
@example({"SPOTIFY_CONCURRENCY": "9" * 5000})
@example({"SPOTIFY_PIPELINE_DEPLOYMENT": "aws", "S3_PREFIX": "it's"})
@example({"SPOTIFY_PIPELINE_DEPLOYMENT": "aws", "S3_PREFIX": "a\\b"})
@example({"SPOTIFY_PIPELINE_DEPLOYMENT": "aws", "S3_BUCKET": "No Bucket"})
def test_a_setting_is_taken_or_refused_by_name(chosen: dict[str, str]) -> None:
    try:
        deployment = read_deployment(read_environment(chosen, NOWHERE))
    except FixConfiguration as error:
        named = [name for name in chosen if name in str(error)]
        assert named or "SPOTIFY_PIPELINE_" in str(error)
        return
    assert isinstance(deployment, Deployment)
    of_lake(deployment, "raw_data/")
    try:
        build_resources(deployment, lambda: NOON)
    except PipelineError as error:
        assert str(error)


@examples(100)
@given(st.lists(words).map(",".join))
def test_a_playlist_is_an_id_or_refused_as_it_was_written(text: str) -> None:
    try:
        found = parse_playlists(text)
    except FixConfiguration as error:
        assert "Known forms" in str(error)
    else:
        assert all(re.fullmatch("[0-9A-Za-z]{22}", each) for each in found)


@examples(100)
@given(st.lists(words).map(",".join))
def test_what_is_captured_is_an_id_or_refused_before_it_is_asked_for(text: str) -> None:
    for each in wanted_playlists(text):
        if not re.fullmatch("[0-9A-Za-z]{22}", each):
            with pytest.raises(FixConfiguration, match="Known forms"):
                require_id(each)


@pytest.mark.parametrize("name", list(ddl.DEFAULTS))
@pytest.mark.parametrize("value", [*HOSTILE, "Ünïcode", "9lives", "a b", "a.b", "a-b", "a\n"])
def test_a_name_in_snowflake_is_one_or_refused(name: str, value: str) -> None:
    environment = read_environment({}, NOWHERE)
    with pytest.raises(FixConfiguration, match=f"(?s){name}=.* is no name in Snowflake"):
        ddl.names(environment, [f"{name}={value}"])


@pytest.mark.parametrize("variable", ["DATABASE", "WAREHOUSE", "ROLE", "USER"])
@pytest.mark.parametrize("value", [text for text in HOSTILE if text])
def test_a_name_in_snowflake_is_one_wherever_it_comes_from(variable: str, value: str) -> None:
    environment = read_environment({f"SNOWFLAKE_{variable}": value}, NOWHERE)
    with pytest.raises(FixConfiguration, match="is no name in Snowflake"):
        ddl.names(environment, [])


PREFIXES = (
    *(text for text in HOSTILE if text not in ("", "a/b")),
    "*",
    "te?m",
    "${aws:username}",
    "a//b",
    "a\n",
)


@pytest.mark.parametrize("prefix", [f"{prefix}/" for prefix in PREFIXES])
def test_a_prefix_that_would_be_sql_or_widen_a_right_is_refused(prefix: str) -> None:
    """It stands in the statements that an administrator runs, and in the policies of roles."""
    with pytest.raises(FixConfiguration, match="S3_PREFIX"):
        Wanted("stack", "arn", "bucket", prefix, ddl.DEFAULTS, "5.1")


@pytest.mark.parametrize("prefix", ["", "team/", "a/b-c/d_e/f.g/", "dt=1/"])
def test_an_ordinary_prefix_is_taken(prefix: str) -> None:
    wanted = Wanted("stack", "arn", "bucket", prefix, ddl.DEFAULTS, "5.1")
    assert wanted.bucket_url == f"s3://bucket/{prefix}"


@pytest.mark.parametrize("name", [*HOSTILE, "Stack", "-a", "a_b", "a\n"])
def test_a_stack_has_a_name_or_none(name: str) -> None:
    with pytest.raises(FixConfiguration, match="--stack"):
        require_stack_name(name)


@pytest.mark.parametrize("body", [b"\xff\xfeS\x00", b"SPOTIFY_CLIENT_SECRET=\xe9"])
def test_an_env_file_that_is_no_text_is_told(tmp_path: Path, body: bytes) -> None:
    """As an editor of another system writes it."""
    file = tmp_path / ".env"
    file.write_bytes(body)
    with pytest.raises(FixConfiguration, match=rf"{file}.*UTF-8"):
        read_environment({}, file)
