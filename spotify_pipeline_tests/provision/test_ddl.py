"""The DDL as statements: every one is understood, and only what is lacking is run."""

from pathlib import Path

import pytest

from spotify_pipeline.deployment import read_environment
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.provision import ddl
from spotify_pipeline.provision.ddl import Statement

PARAMETERS = {
    **ddl.DEFAULTS,
    "public_key": "MIIB",
    "role_arn": "arn",
    "external_id": "ours",
    "bucket_url": "s3://lake/",
}
STATEMENTS = ddl.statements(PARAMETERS)
ALL = frozenset().union(*(statement.facts for statement in STATEMENTS))


def of(file: Path, sql: str) -> list[Statement]:
    (file / "010_test.sql").write_text(sql)
    return ddl.statements({"db": "D"}, file)


def test_what_every_statement_makes_is_known() -> None:
    unseen = [
        statement.headline
        for statement in STATEMENTS
        if all(fact.startswith("VERSION") for fact in statement.facts)
        and not statement.sql.startswith("INSERT INTO SPOTIFY_DB.OPS.")
    ]
    assert unseen == []
    assert all(statement.role for statement in STATEMENTS)


def test_where_all_is_there_nothing_is_lacking() -> None:
    assert ddl.lacking(STATEMENTS, ALL) == []
    assert ddl.lacking(STATEMENTS, ()) == STATEMENTS


def test_each_thing_that_is_lacking_is_made_by_what_is_about_it_and_nothing_else() -> None:
    for fact in ALL:
        lacking = ddl.lacking(STATEMENTS, ALL - {fact})
        assert lacking, fact
        assert all(fact in statement.facts for statement in lacking), fact


def test_roles_and_warehouses_are_those_above(tmp_path: Path) -> None:
    first, second, third = of(
        tmp_path,
        "USE ROLE A;\nCREATE ROLE IF NOT EXISTS X;\nUSE WAREHOUSE W;\n"
        "CREATE ROLE IF NOT EXISTS Y COMMENT = 'a;b -- c';\nUSE ROLE B;\nGRANT ROLE X TO USER u;",
    )
    assert (first.role, first.warehouse) == ("A", None)
    assert (second.role, second.warehouse) == ("A", "W")
    assert second.sql == "CREATE ROLE IF NOT EXISTS Y COMMENT = 'a;b -- c'"
    assert (third.role, third.facts) == ("B", {"ROLE X TO USER U"})


def test_a_grant_on_all_is_about_what_the_files_make(tmp_path: Path) -> None:
    statements = of(
        tmp_path,
        "USE ROLE A;\nCREATE TABLE IF NOT EXISTS <% db %>.S.T (a INT);\n"
        "CREATE TABLE IF NOT EXISTS <% db %>.S2.T (a INT);\n"
        "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA <% db %>.S TO ROLE r;\n"
        "GRANT SELECT ON FUTURE FILE FORMATS IN SCHEMA <% db %>.S TO ROLE r;",
    )
    assert statements[2].facts == {
        "SELECT ON TABLE D.S.T TO ROLE R",
        "INSERT ON TABLE D.S.T TO ROLE R",
    }
    assert statements[3].facts == {"SELECT ON FUTURE FILE FORMATS IN SCHEMA D.S TO ROLE R"}


def test_what_can_not_be_seen_is_run_until_its_version_is_recorded(tmp_path: Path) -> None:
    statements = of(
        tmp_path,
        "USE ROLE A;\nALTER TABLE t ADD COLUMN IF NOT EXISTS c INT;\n"
        "INSERT INTO v SELECT 90 AS version, '090_c' AS name;",
    )
    assert ddl.lacking(statements, ["VERSION 80"]) == statements
    assert ddl.lacking(statements, ["VERSION 90"]) == []


def test_names_come_from_defaults_environment_and_choice() -> None:
    environment = read_environment({"SNOWFLAKE_DATABASE": "MUSIC"}, Path("none"))
    names = ddl.names(environment, ["loader_role=L"])
    assert names == {**ddl.DEFAULTS, "database": "MUSIC", "loader_role": "L"}


def test_wrong_names_are_all_told() -> None:
    environment = read_environment({"SNOWFLAKE_ROLE": "a b"}, Path("none"))
    with pytest.raises(FixConfiguration) as caught:
        ddl.names(environment, ["nope=1", "database=x;y"])
    for text in ("-D nope=1", "'a b'", "'x;y'"):
        assert text in str(caught.value)
