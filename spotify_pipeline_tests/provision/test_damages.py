"""Each single thing of a set-up damaged by hand: what the doctor says, what `provision` plans, and
that it is whole again after that.

One set-up serves all of them, one after the other. The doctor is to fail at exactly what was
damaged last, and the plan to hold exactly what mends it, so each test also says that the one before
was healed. `make test` tries every fourth, `make faults` all.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from spotify_pipeline import contract
from spotify_pipeline.provision import lambda_package
from spotify_pipeline_tests.emulators.cloud import Accounts
from spotify_pipeline_tests.provision.conftest import Administrator
from spotify_pipeline_tests.provision.test_provision import (
    BUCKET,
    INTEGRATION,
    NOTHING,
    STACK,
    failing,
    packed,
)

pytestmark = pytest.mark.slow

WITHOUT_SPOTIFY = ["credentials", "token"]
"""Where the doctor fails as long as nobody gave it Spotify."""

By = Callable[[Administrator], object]

ROLE, PLAYLIST = f"{STACK}-snowflake", "37i9dQZF1DXcBWIGoYBM5M"
ALL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
NOBODY = '{"Version": "2012-10-17", "Statement": []}'


@dataclass(frozen=True)
class Damage:
    """`by_hand` does it. `doctor` are the subjects at which the doctor then fails; `plan` says of
    each line of the plan how it begins, `notes` what stands in the plan's notes. What `provision`
    leaves to people, `mended` does."""

    by_hand: By
    doctor: Sequence[str] = ()
    plan: Sequence[str] = ()
    notes: Sequence[str] = ()
    mended: By | None = None


def sql(statement: str) -> By:
    return lambda admin: admin.asks(statement)


def aws(service: str, call: str, **given: object) -> By:
    return lambda admin: getattr(admin.aws.client(service), call)(**given)


def delete_bucket(admin: Administrator) -> None:
    s3 = admin.aws.client("s3")
    for version in s3.list_object_versions(Bucket=BUCKET)["Versions"]:
        s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)


def take_permission(admin: Administrator) -> None:
    functions = admin.aws.client("lambda")
    for each in json.loads(functions.get_policy(FunctionName=STACK)["Policy"])["Statement"]:
        functions.remove_permission(FunctionName=STACK, StatementId=each["Sid"])


def delete_rule(admin: Administrator) -> None:
    aws("events", "remove_targets", Rule=STACK, Ids=["lambda"])(admin)
    aws("events", "delete_rule", Name=STACK)(admin)


def delete_key(admin: Administrator) -> None:
    (admin.folder / ".aws" / "snowflake_key.p8").unlink()


def delete_role(admin: Administrator) -> None:
    aws("iam", "delete_role_policy", RoleName=ROLE, PolicyName="reads-csv")(admin)
    aws("iam", "delete_role", RoleName=ROLE)(admin)


def replace_stage(admin: Administrator) -> None:
    """Which leaves no trace but in the pipes."""
    admin.asks(
        f"CREATE OR REPLACE STAGE SPOTIFY_DB.PIPES.SPOTIFY_STAGE URL = 's3://{BUCKET}/' "
        f"STORAGE_INTEGRATION = SPOTIFY_S3"
    )
    admin.asks("GRANT OWNERSHIP ON STAGE SPOTIFY_DB.PIPES.SPOTIFY_STAGE TO ROLE SPOTIFY_LOADER")
    admin.asks("GRANT USAGE ON STAGE SPOTIFY_DB.PIPES.SPOTIFY_STAGE TO ROLE SPOTIFY_PIPELINE")


def replace_format(admin: Administrator) -> None:
    admin.asks(
        "CREATE OR REPLACE FILE FORMAT SPOTIFY_DB.PIPES.CSV_FILEFORMAT TYPE = CSV "
        "PARSE_HEADER = TRUE ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE ESCAPE_UNENCLOSED_FIELD = NONE"
    )
    form = "FILE FORMAT SPOTIFY_DB.PIPES.CSV_FILEFORMAT"
    admin.asks(f"GRANT OWNERSHIP ON {form} TO ROLE SPOTIFY_LOADER")
    admin.asks(f"GRANT USAGE ON {form} TO ROLE SPOTIFY_PIPELINE")


def make_table_anew(admin: Administrator) -> None:
    admin.asks("DROP TABLE SPOTIFY_DB.HISTORY.SONG")
    admin.types("provision", "--yes")


def make_pipe_anew(admin: Administrator) -> None:
    admin.asks("DROP PIPE SPOTIFY_DB.PIPES.song_pipe")
    admin.types("provision", "--yes")


def put_secret(admin: Administrator) -> None:
    aws("secretsmanager", "create_secret", Name="spotify", SecretString="{}")(admin)


ALTER_FORMAT = "ALTER FILE FORMAT SPOTIFY_DB.PIPES.csv_fileformat SET "
PIPES = [f"{table.name}_pipe" for table in contract.TABLES]
EVENTS = [f"{table.name} events" for table in contract.TABLES]
LOOK = ["Then the bucket is told the queue of each pipe", "Then each pipe looks once"]
FORGET = "They forget which files they have loaded"


def made_anew(*pipes: str) -> list[str]:
    """The lines of a plan that makes these pipes anew."""
    return [
        line
        for pipe in pipes
        for line in (
            f"DROP PIPE IF EXISTS SPOTIFY_DB.PIPES.{pipe}",
            *made(pipe),
        )
    ]


def made(pipe: str) -> list[str]:
    return [
        f"CREATE PIPE IF NOT EXISTS SPOTIFY_DB.PIPES.{pipe}",
        f"GRANT MONITOR ON PIPE SPOTIFY_DB.PIPES.{pipe} ",
        f"GRANT OPERATE ON PIPE SPOTIFY_DB.PIPES.{pipe} ",
    ]


AWS = {
    "the bucket tells no queue": Damage(
        aws(
            "s3",
            "put_bucket_notification_configuration",
            Bucket=BUCKET,
            NotificationConfiguration={},
        ),
        EVENTS,
        ["Modify Bucket "],
    ),
    "the bucket takes calls without TLS": Damage(
        aws("s3", "delete_bucket_policy", Bucket=BUCKET),
        ["bucket policy"],
        ["The policy of the bucket"],
    ),
    "no bucket": Damage(
        delete_bucket,
        ["bucket", "bucket policy", "glue package", "database"],
        ["Add Bucket ", "Upload glue/", "Upload lambda/", "Then the Lambda function"],
    ),
    "another script of the job": Damage(
        aws("s3", "put_object", Bucket=BUCKET, Key="glue/glue_job.py", Body=b"old"),
        ["glue package"],
        ["Upload glue/glue_job.py"],
    ),
    "no job": Damage(
        aws("glue", "delete_job", JobName=STACK),
        ["glue job"],
        ["Add GlueJob "],
    ),
    "another job": Damage(
        aws(
            "glue",
            "update_job",
            JobName=STACK,
            JobUpdate={"Role": "any", "Command": {"Name": "glueetl"}, "GlueVersion": "4.0"},
        ),
        ["glue job"],
        ["Modify GlueJob "],
    ),
    "Snowflake's role trusts nobody": Damage(
        aws("iam", "update_assume_role_policy", RoleName=ROLE, PolicyDocument=NOBODY),
        ["stage"],
        ["Modify SnowflakeRole "],
    ),
    "Snowflake's role may do more": Damage(
        aws("iam", "put_role_policy", RoleName=ROLE, PolicyName="all", PolicyDocument=ALL),
        notes=[f"The role {ROLE} also has the policy all"],
        mended=aws("iam", "delete_role_policy", RoleName=ROLE, PolicyName="all"),
    ),
    "no role for Snowflake": Damage(delete_role, ["stage"], ["Add SnowflakeRole "]),
    "no function": Damage(
        aws("lambda", "delete_function", FunctionName=STACK),
        ["function", "function's rule"],
        ["Add Lambda ", "Add LambdaPermission "],
    ),
    "the function captures something else": Damage(
        aws(
            "lambda",
            "update_function_configuration",
            FunctionName=STACK,
            Environment={"Variables": {"SPOTIFY_PLAYLISTS": "x"}},
        ),
        ["function"],
        ["Modify Lambda "],
    ),
    "no rule": Damage(delete_rule, ["function's rule"], ["Add LambdaRule "]),
    "the rule is off": Damage(
        aws("events", "disable_rule", Name=STACK),
        ["function's rule"],
        ["Modify LambdaRule "],
    ),
    "the rule calls nobody": Damage(
        aws("events", "remove_targets", Rule=STACK, Ids=["lambda"]),
        ["function's rule"],
        ["Modify LambdaRule "],
    ),
    "the rule may not call": Damage(
        take_permission, ["function's rule"], ["Add LambdaPermission "]
    ),
    "no secret": Damage(
        aws("secretsmanager", "delete_secret", SecretId="spotify", ForceDeleteWithoutRecovery=True),
        ["function's secret"],
        mended=put_secret,
    ),
}

SNOWFLAKE = {
    "no warehouse": Damage(
        sql("DROP WAREHOUSE SPOTIFY_WH"),
        ["rights"],  # the stand-in computes without one
        [
            "CREATE WAREHOUSE IF NOT EXISTS SPOTIFY_WH",
            "GRANT USAGE ON WAREHOUSE SPOTIFY_WH TO ROLE SPOTIFY_READER",
            "GRANT USAGE ON WAREHOUSE SPOTIFY_WH TO ROLE SPOTIFY_MONITOR",
            "INSERT INTO SPOTIFY_DB.OPS.SCHEMA_VERSION",  # nobody could look whether they are there
            "INSERT INTO SPOTIFY_DB.OPS.TURN",
        ],
    ),
    "no user": Damage(
        sql("DROP USER SPOTIFY_SERVICE"),
        [],  # the stand-in lets in whom it doesn't know
        [
            "CREATE USER IF NOT EXISTS SPOTIFY_SERVICE",
            "GRANT ROLE SPOTIFY_PIPELINE TO USER SPOTIFY_SERVICE",
        ],
    ),
    "the user is disabled": Damage(
        sql("ALTER USER SPOTIFY_SERVICE SET DISABLED = TRUE"),
        ["database"],
        notes=["The user SPOTIFY_SERVICE is disabled"],
        mended=sql("ALTER USER SPOTIFY_SERVICE SET DISABLED = FALSE"),
    ),
    "no key": Damage(
        delete_key,
        ["database"],
        ["A key pair for SPOTIFY_SERVICE", "ALTER USER SPOTIFY_SERVICE SET RSA_PUBLIC_KEY_2"],
    ),
    "a role is taken from another": Damage(
        sql("REVOKE ROLE SPOTIFY_MONITOR FROM ROLE SPOTIFY_PIPELINE"),
        [*PIPES, "stage", "file format", *EVENTS, "rights"],  # none of them is seen
        ["GRANT ROLE SPOTIFY_MONITOR TO ROLE SPOTIFY_PIPELINE"],
    ),
    "a right of the loader is taken": Damage(
        sql("REVOKE USAGE ON DATABASE SPOTIFY_DB FROM ROLE SPOTIFY_LOADER"),
        [],  # the pipeline may not see what the loader may
        ["GRANT USAGE ON DATABASE SPOTIFY_DB TO ROLE SPOTIFY_LOADER"],
    ),
    "a right of the publisher is taken": Damage(
        sql("REVOKE INSERT ON TABLE SPOTIFY_DB.OPS.LEDGER FROM ROLE SPOTIFY_PUBLISHER"),
        ["rights"],
        ["GRANT INSERT, UPDATE ON TABLE SPOTIFY_DB.OPS.LEDGER TO ROLE SPOTIFY_PUBLISHER"],
    ),
    "no integration": Damage(
        sql("DROP INTEGRATION SPOTIFY_S3"),
        ["stage", "rights"],
        [
            "CREATE STORAGE INTEGRATION IF NOT EXISTS SPOTIFY_S3",
            "GRANT USAGE ON INTEGRATION SPOTIFY_S3 TO ROLE SPOTIFY_LOADER",
            "GRANT USAGE ON INTEGRATION SPOTIFY_S3 TO ROLE SPOTIFY_PIPELINE",
            "ALTER STAGE SPOTIFY_DB.PIPES.spotify_stage SET STORAGE_INTEGRATION = SPOTIFY_S3",
        ],
    ),
    "another integration of this name": Damage(
        sql(INTEGRATION),
        ["stage", "rights"],
        [
            "Modify SnowflakeRole ",  # Snowflake made up another external id
            "GRANT USAGE ON INTEGRATION SPOTIFY_S3 TO ROLE SPOTIFY_LOADER",
            "GRANT USAGE ON INTEGRATION SPOTIFY_S3 TO ROLE SPOTIFY_PIPELINE",
            "ALTER STAGE SPOTIFY_DB.PIPES.spotify_stage SET STORAGE_INTEGRATION = SPOTIFY_S3",
        ],
    ),
    "the integration is off": Damage(
        sql("ALTER STORAGE INTEGRATION SPOTIFY_S3 SET ENABLED = FALSE"),
        ["stage"],
        ["ALTER STORAGE INTEGRATION SPOTIFY_S3 SET ENABLED = TRUE"],
    ),
    "the integration is for another place": Damage(
        sql("ALTER STORAGE INTEGRATION SPOTIFY_S3 SET STORAGE_ALLOWED_LOCATIONS = ('s3://other/')"),
        ["stage"],
        ["ALTER STORAGE INTEGRATION SPOTIFY_S3 SET STORAGE_ALLOWED_LOCATIONS = ('s3://other/', "],
    ),
    "the integration is for every place": Damage(
        sql("ALTER STORAGE INTEGRATION SPOTIFY_S3 SET STORAGE_ALLOWED_LOCATIONS = ('*')"),
    ),
    "no stage": Damage(
        sql("DROP STAGE SPOTIFY_DB.PIPES.SPOTIFY_STAGE"),
        [*PIPES, "stage", "rights"],
        [
            "CREATE STAGE IF NOT EXISTS SPOTIFY_DB.PIPES.spotify_stage",
            "GRANT USAGE ON ALL STAGES",
            *made_anew(*PIPES),
            *LOOK,
        ],
        [FORGET],
    ),
    "another stage of this name": Damage(
        replace_stage, PIPES, [*made_anew(*PIPES), *LOOK], [FORGET]
    ),
    "no file format": Damage(
        sql("DROP FILE FORMAT SPOTIFY_DB.PIPES.CSV_FILEFORMAT"),
        [*PIPES, "file format", "rights"],
        [
            "CREATE FILE FORMAT IF NOT EXISTS SPOTIFY_DB.PIPES.csv_fileformat",
            "GRANT USAGE ON ALL FILE FORMATS",
            *made_anew(*PIPES),
            *LOOK,
        ],
        [FORGET],
    ),
    "another file format of this name": Damage(
        replace_format, [*PIPES, "file format"], [ALTER_FORMAT, *made_anew(*PIPES), *LOOK], [FORGET]
    ),
    "the file format reads otherwise": Damage(
        sql("ALTER FILE FORMAT SPOTIFY_DB.PIPES.CSV_FILEFORMAT SET NULL_IF = ('')"),
        ["file format"],
        ["ALTER FILE FORMAT SPOTIFY_DB.PIPES.csv_fileformat SET NULL_IF = ()"],
    ),
    "no table in LANDING": Damage(
        sql("DROP TABLE SPOTIFY_DB.LANDING.SONG"),
        ["song_pipe", "rights"],
        [
            "CREATE TABLE IF NOT EXISTS SPOTIFY_DB.LANDING.SONG",
            "GRANT SELECT ON ALL TABLES IN SCHEMA SPOTIFY_DB.LANDING",
            "GRANT REFERENCES ON ALL TABLES IN SCHEMA SPOTIFY_DB.LANDING",
            "GRANT INSERT ON ALL TABLES IN SCHEMA SPOTIFY_DB.LANDING",
            *made_anew("song_pipe"),
            *LOOK,
        ],
        [FORGET],
    ),
    "no table in HISTORY": Damage(
        sql("DROP TABLE SPOTIFY_DB.HISTORY.SONG"),
        ["rights"],
        [
            "CREATE TABLE IF NOT EXISTS SPOTIFY_DB.HISTORY.SONG",
            "GRANT SELECT ON ALL TABLES IN SCHEMA SPOTIFY_DB.HISTORY",
            "GRANT INSERT, DELETE ON ALL TABLES IN SCHEMA SPOTIFY_DB.HISTORY",
        ],
    ),
    "no column": Damage(
        sql("ALTER TABLE SPOTIFY_DB.HISTORY.SONG DROP COLUMN song_isrc"),
        ["columns"],
        ["ALTER TABLE SPOTIFY_DB.HISTORY.SONG ADD COLUMN IF NOT EXISTS song_isrc VARCHAR COMMENT "],
        ["SPOTIFY_DB.HISTORY.SONG has lost its column song_isrc"],
    ),
    "no column of the key": Damage(
        sql("ALTER TABLE SPOTIFY_DB.HISTORY.SONG DROP COLUMN song_id"),
        ["columns"],
        notes=["SPOTIFY_DB.HISTORY.SONG has no column song_id"],
        mended=make_table_anew,
    ),
    "no view": Damage(
        sql("DROP VIEW SPOTIFY_DB.PUBLIC.PLAYLIST_TODAY"),
        ["rights"],
        [
            "CREATE VIEW IF NOT EXISTS SPOTIFY_DB.PUBLIC.PLAYLIST_TODAY",
            "GRANT SELECT ON ALL VIEWS",
        ],
    ),
    "no pipe": Damage(
        sql("DROP PIPE SPOTIFY_DB.PIPES.song_pipe"),
        ["song_pipe", "song events", "rights"],
        [*made("song_pipe"), *LOOK],
    ),
    "a pipe is paused": Damage(
        sql("ALTER PIPE SPOTIFY_DB.PIPES.song_pipe SET PIPE_EXECUTION_PAUSED = TRUE"),
        ["song_pipe"],
        mended=lambda admin: admin.types("doctor", "--repair", expect=1),
    ),
    "a pipe loads in another way": Damage(
        sql(
            "CREATE OR REPLACE PIPE SPOTIFY_DB.PIPES.song_pipe AUTO_INGEST = TRUE AS "
            "COPY INTO SPOTIFY_DB.LANDING.SONG "
            "FROM @SPOTIFY_DB.PIPES.spotify_stage/transformed_data/song_data/ "
            "FILE_FORMAT = (FORMAT_NAME = 'SPOTIFY_DB.PIPES.csv_fileformat') "
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
        ),
        notes=["SPOTIFY_DB.PIPES.song_pipe loads in another way"],
        mended=make_pipe_anew,
    ),
}

DAMAGES = AWS | SNOWFLAKE


@pytest.fixture(scope="module")
def set_up(
    quick_commands: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Administrator]:
    """All that there may be, also the function."""
    with (
        Accounts() as accounts,
        pytest.MonkeyPatch.context() as patch,
    ):
        admin = Administrator(tmp_path_factory.mktemp("set-up"), accounts)
        enter(admin, patch)
        (admin.folder / ".env").touch()
        put_secret(admin)
        (admin.folder / ".env").write_text(admin.types("provision", "--yes").split("Into .env:")[1])
        patch.undo()
        yield admin
        enter(admin, patch)
        assert failing(admin.types("doctor", expect=1)) == WITHOUT_SPOTIFY
        assert NOTHING in admin.types("provision", "--dry-run")


def enter(admin: Administrator, patch: pytest.MonkeyPatch) -> None:
    """To where its owner sits."""
    patch.chdir(admin.folder)
    patch.setattr(lambda_package, "build", lambda: packed("first"))
    for name, value in admin.environment.items():
        patch.setenv(name, value)
    patch.setenv("SPOTIFY_SECRET_NAME", "spotify")
    patch.setenv("SPOTIFY_PLAYLISTS", PLAYLIST)


def load(admin: Administrator, key: str) -> None:
    """A row of a day for LANDING.PLAYLIST."""
    body = gzip.compress(b"snapshot_date,playlist_id\n2026-11-22,p\n")
    admin.aws.client("s3").put_object(Bucket=BUCKET, Key=f"{FOLDER}{key}.csv.gz", Body=body)
    admin.settle()


FOLDER = "transformed_data/playlist_data/dt=2026-11-22/"
LANDED = f"SELECT DISTINCT _file FROM SPOTIFY_DB.LANDING.PLAYLIST WHERE _file LIKE '{FOLDER}%'"


@pytest.mark.parametrize(
    "dropped",
    ["TABLE SPOTIFY_DB.LANDING.PLAYLIST", "STAGE SPOTIFY_DB.PIPES.SPOTIFY_STAGE"],
)
def test_what_came_while_a_pipe_stood_still_lands_in_the_run_that_mends_it(
    set_up: Administrator, monkeypatch: pytest.MonkeyPatch, dropped: str
) -> None:
    """And what had landed is not lost."""
    enter(set_up, monkeypatch)
    before, meanwhile, after = (f"{word}-{dropped.split()[0]}" for word in ("a", "b", "c"))
    load(set_up, before)
    set_up.asks(f"DROP {dropped}")
    load(set_up, meanwhile)
    set_up.types("provision", "--yes")
    load(set_up, after)
    landed = {str(file) for (file,) in set_up.asks(LANDED)}
    assert {f"{FOLDER}{name}.csv.gz" for name in (before, meanwhile, after)} <= landed


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] if n % 4 else [])
        for n, name in enumerate(DAMAGES)
    ],
)
def test_a_damage_is_told_planned_and_mended(
    set_up: Administrator, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    enter(set_up, monkeypatch)
    damage = DAMAGES[name]
    damage.by_hand(set_up)
    verdicts = set_up.types("doctor", expect=1)
    said = set_up.types("provision", "--yes")
    if damage.mended:
        damage.mended(set_up)
    # All is well again, whatever comes of this: the next one relies on it.
    assert failing(verdicts) == [*WITHOUT_SPOTIFY, *damage.doctor]
    notes, lines = planned(said)
    for begin in damage.plan:
        assert any(line.startswith(begin) for line in lines), lines
    others = [line for line in lines if not line.startswith(tuple(damage.plan))]
    assert [line for line in others if not (REFERS.match(line) and has_change(damage))] == []
    assert len(notes) == len(damage.notes), notes
    for note, part in zip(notes, damage.notes, strict=True):
        assert part in note


REFERS = re.compile(r"Modify \w+  AWS::")
"""What refers to a resource that changes may be planned with it."""


def has_change(damage: Damage) -> bool:
    return any(line.startswith(("Add ", "Modify ")) for line in damage.plan)


def planned(said: str) -> tuple[list[str], list[str]]:
    """The notes of a plan, and its lines without who does it."""
    notes = re.findall(r"^NOTE: (.*)", said, re.MULTILINE)
    found = re.findall(
        r"^(?:  as \w+: (.*)|  (\w+ \w+  AWS::.*)|((?:Upload|The policy|Then|A key pair) .*))$",
        said,
        re.MULTILINE,
    )
    return notes, ["".join(line) for line in found]
