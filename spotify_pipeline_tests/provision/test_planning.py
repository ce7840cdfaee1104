"""What is planned and noted for what was found, where no stand-in shows it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from spotify_pipeline import contract
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.provision import ddl, file_format, objects, tables
from spotify_pipeline.provision.aws import Aws
from spotify_pipeline.provision.bootstrap import Bootstrap
from spotify_pipeline.provision.bucket import Bucket
from spotify_pipeline.provision.change_set import Change, ChangeSet
from spotify_pipeline.provision.found import Found
from spotify_pipeline.provision.objects import Integration
from spotify_pipeline.provision.obstacles import require_no_obstacle
from spotify_pipeline.provision.remarks import remarks
from spotify_pipeline.provision.wanted import Wanted

pytestmark = pytest.mark.slow  # for what it imports

ROLE = "arn:aws:iam::1:role/lake-snowflake"
WANTED = Wanted("lake", ROLE, "lake-bucket", "", ddl.DEFAULTS, "5.1")
PARAMETERS = {
    **ddl.DEFAULTS,
    "public_key": "MIIB",
    "role_arn": ROLE,
    "external_id": "ours",
    "bucket_url": "s3://lake-bucket/",
}
STATEMENTS = ddl.statements(PARAMETERS)
OURS = Integration("arn:user", "ours", ROLE, ("s3://lake-bucket/",), is_enabled=True)
FOUND = Found(
    facts=frozenset(),
    integration=OURS,
    user=None,
    stage=None,
    is_stage_linked=True,
    pipes={},
    columns={},
    format_options={},
    stack_parameters={"SnowflakeExternalId": "ours"},
    is_foreign_stack=False,
    has_bucket=True,
    is_closed=True,
    has_role=True,
    foreign_policies=(),
    job_differences=(),
    bucket=Bucket(is_there=True, stack="lake"),
    outdated=(),
    waiting_days=(),
)


def noted(found: Found, wanted: Wanted = WANTED, *changes: Change) -> list[str]:
    return remarks(wanted, found, changes, STATEMENTS)


def test_where_all_is_well_nothing_is_noted() -> None:
    assert noted(FOUND) == []


def test_a_retention_that_is_new_is_noted_with_what_goes() -> None:
    shorter = replace(WANTED, retention_days=90)
    [note] = noted(FOUND, shorter)
    assert "older than 90 days will go" in note
    kept = replace(FOUND, stack_parameters=FOUND.stack_parameters | {"RetentionDays": "90"})
    assert noted(kept, shorter) == []
    assert noted(kept, replace(WANTED, retention_days=0)) == []


def test_a_function_that_this_run_does_not_renew_is_noted() -> None:
    found = replace(FOUND, stack_parameters=FOUND.stack_parameters | {"LambdaPlaylists": "a"})
    [note] = noted(found)
    assert "SPOTIFY_SECRET_NAME" in note
    assert noted(found, replace(WANTED, removes_function=True)) == []


def test_a_job_that_differs_is_noted_where_cloudformation_does_not_see_it() -> None:
    found = replace(FOUND, job_differences=["it is not there"])
    [note] = noted(found)
    assert "it is not there" in note
    assert "`destroy`, which keeps the data" in note
    planned = Change("Add", "GlueJob", "AWS::Glue::Job", is_replaced=False)
    assert noted(found, WANTED, planned) == []


# What the files say of tables and format


def test_the_files_columns_are_those_of_the_contract() -> None:
    found: dict[str, list[str]] = {}
    for column in tables.columns(STATEMENTS):
        found.setdefault(column.table, []).append(column.name)
        assert column.definition.startswith(f"{column.name} ")
    for table in contract.TABLES:
        names = list(table.column_names)
        assert found[f"SPOTIFY_DB.HISTORY.{table.name.upper()}"] == names
        landing = found[f"SPOTIFY_DB.LANDING.{table.name.upper()}"]
        assert landing == [*names, "_file", "_row", "_loaded_at"]


def test_a_column_that_a_migration_adds_is_known() -> None:
    sql = "ALTER TABLE D.LANDING.SONG ADD COLUMN IF NOT EXISTS song_mood VARCHAR COMMENT 'a, b'"
    statement = replace(STATEMENTS[0], sql=sql)
    [column] = tables.lacking_columns([statement], {"LANDING.SONG": {"SONG_ID"}})
    assert (column.name, column.is_required) == ("song_mood", False)
    assert tables.lacking_columns([statement], {}) == []


def test_only_options_that_are_said_and_told_are_compared() -> None:
    told = {"PARSE_HEADER": False, "NULL_IF": ["\\N"], "FIELD_DELIMITER": ",", "OTHER": 1}
    assert file_format.differing(STATEMENTS, told) == ["PARSE_HEADER = TRUE", "NULL_IF = ()"]
    assert file_format.differing(STATEMENTS, {"FIELD_OPTIONALLY_ENCLOSED_BY": '"'}) == []


# What no stand-in has


@dataclass
class OneIntegration:
    """An account with an integration of this kind."""

    told: Mapping[str, str]

    def use(self, role: str) -> None: ...

    def named(self, show: str, name: str) -> list[dict[str, Any]]:
        return [{"name": name}] if show.startswith("SHOW INTEGRATIONS") else []

    def ask(self, sql: str) -> list[dict[str, Any]]:
        return [{"property": name, "property_value": value} for name, value in self.told.items()]


@pytest.mark.parametrize(
    "told",
    [
        {"ENABLED": "true", "STORAGE_PROVIDER": "GCS", "STORAGE_ALLOWED_LOCATIONS": "gcs://b/"},
        {"ENABLED": "true", "API_PROVIDER": "AWS_API_GATEWAY"},
    ],
)
def test_an_integration_of_another_kind_stands_in_the_way(
    told: dict[str, str], key_pair: Any
) -> None:
    found = objects.integration(OneIntegration(told), "SPOTIFY_S3")  # type: ignore[arg-type]
    with pytest.raises(FixConfiguration, match=r"no storage on S3.*-D integration=NAME"):
        require_no_obstacle(WANTED, replace(FOUND, integration=found), key_pair)


@pytest.fixture
def key_pair(tmp_path: Any) -> Any:
    from spotify_pipeline.provision.key_pair import KeyPair

    return KeyPair.of(tmp_path / "key", "")


@dataclass
class Unwilling:
    """A stack that is refused for these reasons before it is made."""

    reasons: list[str]
    asked: int = 0

    def outputs(self) -> dict[str, str]:
        return {}

    def parameters(self) -> dict[str, str]:
        return {}

    def plan(self, parameters: Mapping[str, str]) -> ChangeSet:
        return ChangeSet("planned", ())

    def apply(self, change_set: ChangeSet) -> dict[str, str]:
        self.asked += 1
        if self.reasons:
            raise FixConfiguration(f"took everything back:\n{self.reasons.pop(0)}\nMend that.")
        return {"Bucket": "lake-bucket"}


@dataclass
class Waiting:
    """How often, and for how long, was waited."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def connecting(stack: Unwilling, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(objects, "integration", lambda *_: OURS)
    account: Any = None
    aws = Aws(lambda _: None, "eu-west-1", "1")
    bootstrap = Bootstrap(account, aws, WANTED, stack, lambda _: None, Waiting())  # type: ignore[arg-type]
    bootstrap._be_patient()
    yield bootstrap._connect(",,,,,")


@pytest.mark.parametrize(
    "reason",
    [
        '  SnowflakeRole: Invalid principal in policy: "AWS":"arn:user"',
        "  Bucket: Unable to validate the following destination configurations (Service: S3)",
    ],
)
def test_what_aws_does_not_know_yet_of_snowflake_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    stack = Unwilling([reason, reason])
    assert list(connecting(stack, monkeypatch)) == [{"Bucket": "lake-bucket"}]
    assert stack.asked == 3


def test_a_principal_for_dagster_that_is_not_there_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = Unwilling(['  DagsterRole: Invalid principal in policy: "AWS":"arn:nobody"'])
    with pytest.raises(FixConfiguration, match="DagsterRole: Invalid principal"):
        list(connecting(stack, monkeypatch))
    assert stack.asked == 1
