"""What a DBA runs on Snowflake says what the contract says, and loses nothing when run again.

There is no Snowflake here: sqlfluff knows its grammar, rules of our own know what that lets pass,
and DuckDB runs the views. What only a live account can tell is not tested.
"""

import random
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlfluff.core import FluffConfig, Linter
from sqlfluff.core.parser import Lexer
from sqlglot import exp

from spotify_pipeline import contract
from spotify_pipeline.contract import Column, Table, Type
from spotify_pipeline.insights import overview
from spotify_pipeline.insights.answers import ask
from spotify_pipeline.insights.questions import QUESTIONS
from spotify_pipeline.lake import keys
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.pipe import pipe_name
from spotify_pipeline_tests.loading.rows import DAY, NOON, bag, day, insert, land, manifest, row

pytestmark = pytest.mark.slow

DDL = Path(__file__).parents[1] / "snowflake_ddl"
FILES = sorted(DDL.glob("*.sql"))
MIGRATIONS = [file for file in FILES if file.name >= "050"]
README = (DDL / "README.md").read_text()

DOCUMENTED = dict(re.findall(r"^\| `(\w+)` \| (?:`(\w+)`|none) \|", README, re.MULTILINE))
"""The parameters with their defaults; "" where the README says none."""

PARAMETERS = DOCUMENTED | {
    "public_key": "MIIB",
    "role_arn": "arn",
    "external_id": "ours",
    "bucket_url": "s3://lake/music/",
}
DATABASE = PARAMETERS["database"]
LAKE = S3Store(None, "lake", "music")

UNKNOWN_TO_SQLFLUFF = r"STORAGE_AWS_EXTERNAL_ID = '[^']*'"
"""All that it can't parse and Snowflake can; it is cut out first."""

SNOWFLAKE = FluffConfig(overrides={"dialect": "snowflake"})
TEXT = r"'((?:[^']|'')*)'"

files = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
tables = pytest.mark.parametrize("table", contract.TABLES, ids=lambda table: table.name)
current = pytest.mark.parametrize(
    "table", [*map(contract.current, contract.CURRENT)], ids=lambda table: table.name
)


def render(sql: str) -> str:
    """`sql` with its parameters put in; KeyError for one that the README doesn't know."""
    return re.sub(r"<% (\w+) %>", lambda parameter: PARAMETERS[parameter[1]], sql)


def split(sql: str) -> list[str]:
    """The statements with their semicolons, without comments, on one line each."""
    elements, _ = Lexer(config=SNOWFLAKE).lex(sql)
    found = [""]
    for element in elements:
        found[-1] += " " if "comment" in element.get_type() else element.raw
        if element.raw == ";":
            found.append("")
    return [" ".join(statement.split()) for statement in found if statement.strip()]


@cache
def statements(file: Path) -> list[str]:
    return split(render(file.read_text()))


def everything() -> list[str]:
    return [statement for file in FILES for statement in statements(file)]


def created(kind: str) -> str:
    """The one statement that creates a thing of this kind."""
    [found] = [s for s in everything() if s.startswith(f"CREATE {kind} ")]
    return found


# Every file


@pytest.mark.slow
@files
def test_sqlfluff_understands_every_statement(file: Path) -> None:
    assert unparsable(re.sub(UNKNOWN_TO_SQLFLUFF, "", render(file.read_text()))) == []


@pytest.mark.parametrize(
    "bad",
    ["CREATE PIPE p AUTO_INGST = TRUE AS COPY INTO a FROM @b;", "GRANT USEAGE ON ROLE r;"],
)
def test_sqlfluff_finds_misspelt_words(bad: str) -> None:
    assert unparsable(bad)


def unparsable(sql: str) -> list[str]:
    tree = Linter(config=SNOWFLAKE).parse_string(sql).tree
    assert tree
    return [section.raw for section in tree.recursive_crawl("unparsable")]


@files
def test_every_statement_ends_with_a_semicolon(file: Path) -> None:
    assert [s for s in statements(file) if not s.endswith(";")] == []


@files
def test_a_file_says_first_that_it_may_run_again_and_as_whom(file: Path) -> None:
    head = file.read_text().partition("\n\n")[0]
    assert all(line.startswith("-- ") or line == "--" for line in head.splitlines())
    assert "Safe to run again" in head
    assert "Runs as " in head
    for role in roles_used(file):
        assert role in head


@files
def test_a_file_chooses_the_role_for_each_statement_as_the_readme_says(file: Path) -> None:
    assert statements(file)[0].startswith("USE ROLE ")
    [line] = [line for line in README.splitlines() if line.startswith(f"| [`{file.name}`]")]
    assert line.split("|")[3].strip().split(", ") == roles_used(file)


def roles_used(file: Path) -> list[str]:
    """In order; the loader by its title, for its name is a parameter."""
    used = re.findall(r"USE ROLE (\w+);", " ".join(statements(file)))
    return ["loader role" if role == PARAMETERS["loader_role"] else role for role in used]


@files
def test_a_file_keeps_the_rules(file: Path) -> None:
    assert {s: found for s in statements(file) if (found := complaints(s))} == {}


@pytest.mark.parametrize("file", [*FILES, DDL / "README.md"], ids=lambda file: file.stem)
def test_no_account_bucket_or_key_stands_in_a_file(file: Path) -> None:
    private = r"arn:aws\S*|\d{12}|s3://(?!<|bucket/lake)\S*|MII\w+|\w+-\w+\.snowflake\S*"
    assert re.findall(private, file.read_text()) == []


# Rules that sqlfluff doesn't know: of which statements, what, and why

NEVER = (
    (r"(?!CREATE OR REPLACE VIEW)", r"\bOR (REPLACE|ALTER)\b", "loses what is there"),
    (r"(DROP|TRUNCATE|DELETE|UPDATE|REVOKE|GRANT OWNERSHIP)\b", "", "takes something away"),
    (r"ALTER TABLE", r"\b(DROP|RENAME|SWAP)\b", "takes something away"),
    (
        r"(CREATE|ALTER) ",
        r"\b(PRIMARY|FOREIGN|UNIQUE|DEFAULT)\b",
        "is not enforced, or filled in too early",
    ),
    (
        r"CREATE (OR \w+ )?PIPE",
        r"\b(FILES|FORCE|LOAD_UNCERTAIN_FILES|PURGE|RETURN_FAILED_ONLY|SIZE_LIMIT|VALIDATION_MODE)\b",
        "may not stand in a pipe",
    ),
    (
        r"CREATE (OR \w+ )?PIPE",
        r"\b(CURRENT_\w+|GETDATE|LOCALTIME\w*|SYSDATE|SYSTIMESTAMP)\b",
        "tells when the pipe was compiled",
    ),
)
ALWAYS = (
    (r"CREATE (?!OR )|ALTER TABLE \S+ ADD", r" IF NOT EXISTS ", "fails when run again"),
    (r"CREATE (OR \w+ )?PIPE", r" AUTO_INGEST = TRUE ", "waits for a call"),
    (r"CREATE (OR \w+ )?PIPE", r" FROM @\S+/ ", "takes neighbours too"),
    (r"CREATE (OR \w+ )?PIPE", r" MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ", "goes by places"),
    (r"CREATE (OR \w+ )?PIPE", r" ON_ERROR = SKIP_FILE;", "doesn't say what errors do"),
    (r"CREATE (OR \w+ )?STAGE", r" URL = 's3://\S+/' ", "takes neighbours too"),
    (r"CREATE (OR \w+ )?STAGE", r" STORAGE_INTEGRATION = \w+", "has keys of its own"),
    (r"CREATE (OR \w+ )?FILE", r" ESCAPE_UNENCLOSED_FIELD = NONE ", "eats backslashes"),
)


def complaints(statement: str) -> list[str]:
    """What is wrong with a statement that may be perfect SQL."""
    words = re.sub(TEXT, "''", statement)
    found = [f"{name} is not fully qualified" for name in unqualified(statement)]
    found += [why for of, it, why in NEVER if re.match(of, words) and re.search(it, words)]
    found += [why for of, it, why in ALWAYS if re.match(of, words) and not re.search(it, statement)]
    return found


def unqualified(statement: str) -> list[str]:
    """Names in a statement that depend on which database or schema is in use."""
    objects = r"\b(?:TABLE|VIEW|STAGE|PIPE|FILE FORMAT|INTO) (?:IF NOT EXISTS )?(?!ON\b)([\w.]+)"
    named = re.findall(objects, re.sub(TEXT, "''", statement))
    named += re.findall(r"FORMAT_NAME = '([^']*)'", statement)
    named += re.findall(r"FROM @([\w.]+)", statement)
    if query := query_in(statement):
        named += [table.sql() for table in tables_in(query)]
    schemas = re.findall(r"\bSCHEMA (?:IF NOT EXISTS )?([\w.]+)", statement)
    return [
        *(name for name in named if not re.fullmatch(rf"{DATABASE}\.\w+\.\w+", name)),
        *(name for name in schemas if not re.fullmatch(rf"{DATABASE}\.\w+", name)),
    ]


def query_in(statement: str) -> exp.Expr | None:
    """The query in a statement. sqlglot is never shown the DDL, which it doesn't read truly."""
    if re.match(r"CREATE (OR \w+ )?VIEW ", statement):
        statement = statement.partition(" AS ")[2]
    elif not statement.startswith("INSERT "):
        return None
    return sqlglot.parse_one(statement, dialect="snowflake")


def tables_in(query: exp.Expr) -> list[exp.Table]:
    """The tables that a query names, without their aliases; not its CTEs."""
    ours = {cte.alias for cte in query.find_all(exp.CTE)}
    found = [exp.table_(t.name, t.db, t.catalog) for t in query.find_all(exp.Table)]
    return [table for table in found if table.name not in ours]


PIPE = (
    "CREATE PIPE IF NOT EXISTS SPOTIFY_DB.PIPES.p AUTO_INGEST = TRUE AS COPY INTO "
    "SPOTIFY_DB.LANDING.t FROM @SPOTIFY_DB.PIPES.s/t_data/ FILE_FORMAT = (FORMAT_NAME = "
    "'SPOTIFY_DB.PIPES.f') MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ON_ERROR = SKIP_FILE;"
)


def test_the_rules_have_nothing_against_a_good_pipe() -> None:
    assert complaints(PIPE) == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("CREATE OR REPLACE STORAGE INTEGRATION i TYPE = EXTERNAL_STAGE;", "loses"),
        ("CREATE OR REPLACE TABLE SPOTIFY_DB.OPS.t (a DATE);", "loses"),
        ("CREATE OR ALTER TABLE SPOTIFY_DB.OPS.t (a DATE);", "loses"),
        (PIPE.replace("CREATE PIPE IF NOT EXISTS", "CREATE OR REPLACE PIPE"), "loses"),
        ("CREATE TABLE SPOTIFY_DB.OPS.t (a DATE);", "run again"),
        ("CREATE ROLE r;", "run again"),
        ("ALTER TABLE SPOTIFY_DB.OPS.t ADD COLUMN a DATE;", "run again"),
        (PIPE.replace(" IF NOT EXISTS", ""), "run again"),
        ("DROP VIEW SPOTIFY_DB.PUBLIC.v;", "takes something"),
        ("TRUNCATE TABLE SPOTIFY_DB.LANDING.t;", "takes something"),
        ("ALTER TABLE SPOTIFY_DB.OPS.t DROP COLUMN a;", "takes something"),
        ("CREATE TABLE IF NOT EXISTS SPOTIFY_DB.OPS.t (a DATE PRIMARY KEY);", "not enforced"),
        ("CREATE TABLE IF NOT EXISTS OPS.t (a DATE);", "qualified"),
        ("CREATE SCHEMA IF NOT EXISTS OPS;", "qualified"),
        ("INSERT INTO t SELECT 1;", "qualified"),
        ("INSERT INTO SPOTIFY_DB.OPS.t SELECT a FROM HISTORY.song;", "qualified"),
        ("CREATE OR REPLACE VIEW SPOTIFY_DB.PUBLIC.v AS SELECT a FROM song;", "qualified"),
        ("GRANT MONITOR ON PIPE PIPES.p TO ROLE r;", "qualified"),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA OPS TO ROLE r;", "qualified"),
        (PIPE.replace("@SPOTIFY_DB.PIPES.s", "@s"), "qualified"),
        (PIPE.replace("'SPOTIFY_DB.PIPES.f'", "'f'"), "qualified"),
        (PIPE.replace("t_data/", "t_data"), "neighbours"),
        (PIPE.replace(" ON_ERROR = SKIP_FILE", ""), "errors"),
        (PIPE.replace("SKIP_FILE", "ABORT_STATEMENT"), "errors"),
        (PIPE.replace("AUTO_INGEST = TRUE ", ""), "waits"),
        (PIPE.replace("MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ", ""), "places"),
        (PIPE.replace("ON_ERROR", "FORCE = TRUE ON_ERROR"), "may not stand"),
        (PIPE.replace("ON_ERROR", "PURGE = TRUE ON_ERROR"), "may not stand"),
        (PIPE.replace("MATCH_BY", "(SELECT CURRENT_TIMESTAMP()) MATCH_BY"), "compiled"),
        ("CREATE STAGE IF NOT EXISTS SPOTIFY_DB.PIPES.s URL = 's3://a' X = 1;", "neighbours"),
        ("CREATE FILE FORMAT IF NOT EXISTS SPOTIFY_DB.PIPES.f TYPE = CSV;", "backslashes"),
    ],
)
def test_the_rules_find_what_is_wrong(bad: str, why: str) -> None:
    assert why in " ".join(complaints(bad))


# Parameters


def test_the_readme_documents_exactly_the_parameters_that_are_used() -> None:
    used = {name for file in FILES for name in re.findall(r"<% (\w+) %>", file.read_text())}
    assert used == set(DOCUMENTED)
    without = {name for name, default in DOCUMENTED.items() if not default}
    assert without == {"public_key", "role_arn", "external_id", "bucket_url"}


def test_the_readmes_command_gives_every_parameter_and_its_default() -> None:
    given = dict(re.findall(r'-D "(\w+)=([^"]+)"', README))
    assert set(given) == set(DOCUMENTED)
    assert given.items() >= {(name, default) for name, default in DOCUMENTED.items() if default}


@files
def test_nothing_else_looks_like_a_parameter_of_the_command_line(file: Path) -> None:
    assert re.findall(r"&\w|&\{|\{\{|\{%|\{#|<%(?! \w+ %>)", file.read_text()) == []


# Tables

SQL_TYPES = {
    Type.STRING: "VARCHAR",
    Type.INTEGER: "NUMBER(38,0)",
    Type.BOOLEAN: "BOOLEAN",
    Type.DATE: "DATE",
    Type.TIMESTAMP: "TIMESTAMP_NTZ",
}
OF_THE_PIPE = {"_loaded_at": "TIMESTAMP_LTZ"}  # what METADATA$START_SCAN_TIME is

Said = tuple[str, str, bool, str]
"""A column: its name, its type, whether it may be null, its comment."""

COLUMN = rf"(\w+) (\w+(?:\(38,0\))?)( NOT NULL)? COMMENT {TEXT}"


def read_tables(said: Sequence[str]) -> dict[str, tuple[str, list[Said]]]:
    """Comment and columns of each table, by its name in small letters; with columns that were
    added later. A table or column that says anything else is an error."""
    found: dict[str, tuple[str, list[Said]]] = {}
    for statement in said:
        if statement.startswith("CREATE TABLE "):
            form = rf"CREATE TABLE IF NOT EXISTS {DATABASE}\.(\S+) \( (.+) \) COMMENT = {TEXT};"
            table = re.fullmatch(form, statement)
            assert table, statement
            assert re.fullmatch(rf"{COLUMN}(, {COLUMN})*", table[2]), statement
            columns = [_column(*column) for column in re.findall(COLUMN, table[2])]
            found[table[1].lower()] = table[3], columns
        elif statement.startswith("ALTER TABLE "):
            form = rf"ALTER TABLE {DATABASE}\.(\S+) ADD COLUMN IF NOT EXISTS {COLUMN};"
            added = re.fullmatch(form, statement)
            assert added, statement
            found[added[1].lower()][1].append(_column(*added.groups()[1:]))
    return found


def _column(name: str, sql_type: str, not_null: str | None, comment: str) -> Said:
    return name, sql_type, not not_null, comment.replace("''", "'")


@cache
def all_tables() -> dict[str, tuple[str, list[Said]]]:
    return read_tables(everything())


def expected(column: Column) -> Said:
    sql_type = OF_THE_PIPE.get(column.name, SQL_TYPES[column.type])
    return column.name, sql_type, column.nullable, column.description


def without_comment(columns: Sequence[Said]) -> list[tuple[str, str, bool]]:
    return [column[:3] for column in columns]


def with_ours_last(columns: Sequence[Said], ours: Sequence[Column]) -> list[Said]:
    """The columns with ours behind the day's: one that a migration adds stands behind both."""
    names = [column.name for column in ours]
    return sorted(columns, key=lambda column: column[0] in names)


@tables
def test_landing_has_the_contracts_columns_with_only_keys_and_arrival_not_null(
    table: Table,
) -> None:
    comment, columns = all_tables()[f"landing.{table.name}"]
    assert with_ours_last(columns, contract.ARRIVAL) == [
        expected(column) for column in contract.landing_columns(table)
    ]
    assert comment.startswith(table.grain)


@tables
def test_history_has_the_contracts_columns_and_nullability(table: Table) -> None:
    comment, columns = all_tables()[f"history.{table.name}"]
    assert columns == [expected(column) for column in table.columns]
    assert comment == table.grain


@current
def test_current_tables_have_no_day_but_when_a_row_was_seen(table: Table) -> None:
    comment, columns = all_tables()[f"public.{table.name}"]
    assert with_ours_last(columns, contract.SEEN) == [expected(column) for column in table.columns]
    assert comment == table.grain


def test_the_tables_are_those_of_the_duckdb_file(session: Session) -> None:
    found = session.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() "
        "WHERE schema_name <> 'pipes'"  # the embedded pipe's books: Snowpipe keeps its own
    )
    assert set(all_tables()) == {name for (name,) in found}


@pytest.mark.parametrize("name", ["schema_version", "ledger", "missed", "turn"])
def test_the_books_are_those_of_the_duckdb_file(session: Session, name: str) -> None:
    types = {"BIGINT": "NUMBER(38,0)", "TIMESTAMP": "TIMESTAMP_NTZ"}
    found = session.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE schema_name = 'ops' AND table_name = ? ORDER BY column_index",
        [name],
    )
    _, columns = all_tables()[f"ops.{name}"]
    assert without_comment(columns) == [(c, types.get(t, t), nullable) for c, t, nullable in found]


# The way into LANDING


@pytest.fixture(params=contract.TABLES, ids=lambda table: table.name)
def table(request: pytest.FixtureRequest) -> Table:
    chosen: Table = request.param
    return chosen


@pytest.fixture
def pipe(table: Table) -> str:
    """The statement that makes the pipe of `table`."""
    return created(f"PIPE IF NOT EXISTS {DATABASE}.PIPES.{pipe_name(table)}")


def test_there_is_a_pipe_for_each_table_and_no_other() -> None:
    pipes = [s.split()[5] for s in everything() if s.startswith("CREATE PIPE ")]
    assert pipes == [f"{DATABASE}.PIPES.{pipe_name(table)}" for table in contract.TABLES]


def test_a_pipe_loads_its_table_from_where_the_lake_has_its_files(table: Table, pipe: str) -> None:
    copy = re.search(rf" AS COPY INTO {DATABASE}\.(\S+) FROM @([^/]+)/(\S+) FILE_FORMAT", pipe)
    stage = re.search(r" IF NOT EXISTS (\S+) URL = '(\S+)'", created("STAGE"))
    assert copy
    assert stage
    assert copy[1].lower() == f"landing.{table.name}"
    assert copy[2] == stage[1]
    assert stage[2] + copy[3] == LAKE.uri(keys.table_prefix(table.name))


def test_a_pipe_reads_with_our_format(pipe: str) -> None:
    name = f"{DATABASE}.PIPES.csv_fileformat"
    assert f" FILE_FORMAT = (FORMAT_NAME = '{name}') " in pipe
    assert created(f"FILE FORMAT IF NOT EXISTS {name}")


def test_a_pipe_fills_the_columns_of_arrival_and_names_no_other(table: Table, pipe: str) -> None:
    listed = re.search(r"INCLUDE_METADATA = \( (.+?) \)", pipe)
    assert listed
    assert dict(each.split(" = ") for each in listed[1].split(", ")) == {
        "_file": "METADATA$FILENAME",
        "_row": "METADATA$FILE_ROW_NUMBER",
        "_loaded_at": "METADATA$START_SCAN_TIME",
    }
    assert set(re.findall(r"\w+", pipe)) & set(table.column_names) == set()


def test_no_pipe_takes_what_is_another_ones() -> None:
    paths = re.findall(r" FROM @(\S+)", " ".join(s for s in everything() if "COPY INTO" in s))
    assert len(paths) == len(contract.TABLES)
    assert [(one, other) for one, other in permutations(paths, 2) if other.startswith(one)] == []


def test_the_format_reads_what_the_lake_writes() -> None:
    options = dict(re.findall(r"(\w+) = ('[^']*'|\(\)|\w+)", created("FILE FORMAT")))
    assert (
        options.items()
        >= {
            "TYPE": "CSV",
            "COMPRESSION": "GZIP",
            "ENCODING": "'UTF8'",
            "REPLACE_INVALID_CHARACTERS": "FALSE",
            "PARSE_HEADER": "TRUE",
            "FIELD_OPTIONALLY_ENCLOSED_BY": "'\"'",
            "MULTI_LINE": "TRUE",
            "TRIM_SPACE": "FALSE",
            "ESCAPE": "NONE",
            "ESCAPE_UNENCLOSED_FIELD": "NONE",
            "EMPTY_FIELD_AS_NULL": "TRUE",
            "NULL_IF": "()",
            "ERROR_ON_COLUMN_COUNT_MISMATCH": "FALSE",
            "DATE_FORMAT": "'YYYY-MM-DD'",
        }.items()
    )


def test_the_integration_opens_the_lake_alone_and_by_our_external_id() -> None:
    integration = created("STORAGE INTEGRATION")
    assert f" STORAGE_ALLOWED_LOCATIONS = ('{LAKE.uri('')}') " in integration
    assert " STORAGE_AWS_EXTERNAL_ID = 'ours' " in integration


# Rights

Right = tuple[str, str]
"""What may be done, and with what."""

GRANT = (
    r"GRANT (?P<rights>[A-Z ,]+) ON "
    r"(?:(?P<which>ALL|FUTURE) (?P<kind>TABLES|VIEWS|PIPES|STAGES|FILE FORMATS) IN )?"
    r"(?:DATABASE|SCHEMA|TABLE|PIPE|WAREHOUSE|INTEGRATION|STAGE|FILE FORMAT) "
    r"(?P<name>\S+) TO ROLE (?P<role>\w+);"
)


def grants() -> list[Mapping[str, str]]:
    said = [s for s in everything() if s.startswith("GRANT ") and " ON " in s]
    found = {statement: re.fullmatch(GRANT, statement) for statement in said}
    assert [statement for statement, grant in found.items() if not grant] == []
    return [grant.groupdict() for grant in found.values() if grant]


def rights(role: str) -> set[Right]:
    """What a role may do by itself on what is there now."""
    found = set()
    for grant in grants():
        if grant["role"] == PARAMETERS[role] and grant["which"] != "FUTURE":
            place = grant["name"].removeprefix(f"{DATABASE}.").lower()
            kind = grant["kind"]
            names = (
                [name for name in made(kind) if name.startswith(f"{place}.")] if kind else [place]
            )
            found |= {(right, name) for right in grant["rights"].split(", ") for name in names}
    return found


def made(kind: str) -> list[str]:
    """The names of all objects of a kind, which is in the plural; in small letters."""
    start = rf"CREATE {kind.removesuffix('S')} (?:IF NOT EXISTS )?{DATABASE}\.(\S+) "
    found = [re.match(start, statement) for statement in everything()]
    return [statement[1].lower() for statement in found if statement]


def test_who_holds_which_role() -> None:
    titles = {value: parameter for parameter, value in PARAMETERS.items()}
    held = re.findall(r"GRANT ROLE (\w+) TO (?:ROLE|USER) (\w+);", " ".join(everything()))
    assert [(titles[role], titles.get(holder, holder)) for role, holder in held] == [
        ("reader_role", "publisher_role"),
        ("publisher_role", "service_role"),
        ("monitor_role", "service_role"),
        ("loader_role", "SYSADMIN"),
        ("service_role", "SYSADMIN"),
        ("service_role", "service_user"),
    ]


def test_what_is_granted_on_all_is_granted_on_future_ones_too() -> None:
    now, later = (
        [
            {**grant, "which": ""}
            for grant in grants()
            if grant["which"] == which and grant["kind"] != "PIPES"
        ]
        for which in ("ALL", "FUTURE")
    )
    assert now == later
    assert now


def test_what_is_granted_on_each_pipe_is_granted_on_future_ones_too() -> None:
    """So that one that 070 makes anew is seen and repaired as before. There is no ALL PIPES."""
    later = {
        (grant["rights"], name, grant["role"])
        for grant in grants()
        if (grant["which"], grant["kind"]) == ("FUTURE", "PIPES")
        for name in made("PIPES")
    }
    now = {
        (grant["rights"], grant["name"].removeprefix(f"{DATABASE}.").lower(), grant["role"])
        for grant in grants()
        if f"{DATABASE}.PIPES." in grant["name"]
    }
    assert now == later
    assert {rights for rights, _, _ in now} == {"MONITOR", "OPERATE"}


def test_nothing_of_what_loads_is_granted_only_as_it_is_now() -> None:
    """Pipes, stage and format are dropped and made anew by 070 alone, tables never."""
    kinds = {grant["kind"] for grant in grants() if grant["which"] == "FUTURE"}
    assert kinds >= {"PIPES", "STAGES", "FILE FORMATS"}
    assert [s for s in everything() if re.match(r"GRANT .* ON (STAGE|FILE FORMAT) ", s)] == []


def test_readers_only_read_what_is_published() -> None:
    assert {right for right, _ in rights("reader_role")} == {"USAGE", "SELECT"}
    assert [n for _, n in rights("reader_role") if n.startswith(("landing", "pipes"))] == []


def test_the_publisher_has_nothing_on_pipes_and_only_reads_landing() -> None:
    publisher = rights("publisher_role")
    assert [name for _, name in publisher if name.startswith("pipes")] == []
    assert {r for r, name in publisher if name.startswith("landing")} == {"USAGE", "SELECT"}


def test_the_publisher_may_do_what_publishing_does_and_change_nothing_else(
    session: Session,
) -> None:
    needed = needed_for(published(session))
    granted = rights("publisher_role") | rights("reader_role")
    assert needed - granted == set()
    assert {right for right in granted - needed if right[0] not in ("SELECT", "USAGE")} == set()


def published(session: Session) -> list[str]:
    """What is said to a database when days are published and looked at."""
    watched = Watched(session)
    rows = {"artist": [row(contract.ARTIST, artist_id="r1")]}
    for batch in (1, 2):
        of = manifest(DAY, batch, rows)
        land(session, of, rows)
        publishing.publish(watched, of, NOON)
    publishing.landed(watched, [of])
    publishing.note_missed(watched, {DAY: [Failure("p1", "private")]}, NOON)
    for question in QUESTIONS:
        ask(watched, question, DAY)
    overview.row_counts(watched)
    return watched.said


class Watched:
    """Notes what is said to a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.said: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.said.append(sql)
        return self._session.execute(sql, parameters)


def needed_for(said: Sequence[str]) -> set[Right]:
    verbs: dict[type[exp.Expr], tuple[str, ...]]
    verbs = {
        exp.Insert: ("INSERT",),
        exp.Delete: ("DELETE",),
        exp.Update: ("UPDATE",),
        exp.Merge: ("INSERT", "UPDATE"),
    }
    needed = set()
    for statement in map(sqlglot.parse_one, said):
        needed |= {("SELECT", table.sql().lower()) for table in tables_in(statement) if table.db}
        for verb in verbs.get(type(statement), ()):
            needed |= {(verb, table.sql().lower()) for table in tables_in(statement.this)}
    return needed


def test_the_monitor_sees_every_pipe_and_its_table_but_no_row() -> None:
    monitor = rights("monitor_role")
    for table in contract.TABLES:
        assert ("MONITOR", f"pipes.{pipe_name(table)}") in monitor
        assert ("REFERENCES", f"landing.{table.name}") in monitor
    assert {right for right, _ in monitor} == {"USAGE", "MONITOR", "REFERENCES"}


def test_the_service_by_itself_only_looks_at_and_repairs_pipes() -> None:
    needed = {("OPERATE", f"pipes.{pipe_name(table)}") for table in contract.TABLES}
    needed |= {("INSERT", f"landing.{table.name}") for table in contract.TABLES}
    needed |= {("USAGE", "pipes.spotify_stage"), ("USAGE", "pipes.csv_fileformat")}
    needed |= {("USAGE", PARAMETERS["integration"].lower())}
    assert rights("service_role") == needed


def test_the_loader_owns_what_loads_and_nothing_else() -> None:
    owner, owned = "", set()
    for statement in everything():
        if statement.startswith("USE ROLE "):
            owner = statement
        elif found := re.match(rf"CREATE .*?(?:EXISTS|VIEW) {DATABASE}\.(\w+)\.", statement):
            owned.add((found[1], owner == f"USE ROLE {PARAMETERS['loader_role']};"))
    by_others = {(schema, False) for schema in ("HISTORY", "PUBLIC", "OPS")}
    assert owned == {("LANDING", True), ("PIPES", True), *by_others}
    assert ("USAGE", PARAMETERS["integration"].lower()) in rights("loader_role")


def test_the_service_user_signs_in_by_key_and_has_its_role_alone() -> None:
    user = created("USER")
    assert " TYPE = SERVICE RSA_PUBLIC_KEY = 'MIIB' " in user
    assert f" DEFAULT_ROLE = {PARAMETERS['service_role']} DEFAULT_SECONDARY_ROLES = () " in user
    assert "PASSWORD" not in user


# Versions


@pytest.fixture(scope="module")
def new_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file of the same name as Snowflake's database, so that full names are found."""
    path = tmp_path_factory.mktemp("ddl") / f"{DATABASE}.duckdb"
    with DuckDBDatabase(path).session():
        return path


@pytest.fixture
def session(tmp_path: Path, new_file: Path) -> Iterator[Session]:
    path = shutil.copy(new_file, tmp_path)
    with DuckDBDatabase(Path(path)).session() as session:
        yield session


@pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: file.stem)
def test_a_migration_ends_by_noting_its_number_once(session: Session, file: Path) -> None:
    number = int(file.name[:3])
    *before, note = statements(file)
    assert f"USE WAREHOUSE {PARAMETERS['warehouse']};" in before
    assert roles_used(file)[-1] == "SYSADMIN"
    assert f" Schema version {number}." in file.read_text()
    [noted] = sqlglot.transpile(note, read="snowflake", write="duckdb")
    assert [session.execute(noted) for _ in range(2)] == [[(1,)], [(0,)]]
    found = session.execute("SELECT version, name FROM ops.schema_version WHERE version >= 50")
    assert found == [(number, file.stem)]


def test_whose_turn_it_is_is_one_row_however_often_the_file_runs(session: Session) -> None:
    [filled] = [s for s in statements(DDL / "050_tables.sql") if f"INTO {DATABASE}.OPS.TURN" in s]
    [filled] = sqlglot.transpile(filled, read="snowflake", write="duckdb")
    session.execute("DELETE FROM ops.turn")
    assert [session.execute(filled) for _ in range(2)] == [[(1,)], [(0,)]]


def test_only_migrations_carry_a_version_and_the_readme_tells_them() -> None:
    assert [file for file in FILES if "SCHEMA_VERSION (" in file.read_text()] == MIGRATIONS
    told = re.findall(r"^\| \[`(\S+)`\].* \| (\d*) ?\|$", README, re.MULTILINE)
    assert [name for name, _ in told] == [file.name for file in FILES]
    assert [version for _, version in told if version] == [
        str(int(file.name[:3])) for file in MIGRATIONS
    ]
    assert f"now {int(MIGRATIONS[-1].name[:3])}." in README


def test_a_column_is_added_by_the_readmes_example_without_touching_a_pipe() -> None:
    [example] = re.findall(r"```sql\n(.+?)```", README, re.DOTALL)
    added = split(render(example))
    assert unparsable(render(example)) == []
    assert [found for s in added if (found := complaints(s))] == []
    assert [s for s in added if "PIPE" in s] == []
    grown = read_tables([*everything(), *added])
    for name in ("landing.song", "history.song", "public.tb_song"):
        assert grown[name][1] == [*all_tables()[name][1], ("song_mood", "VARCHAR", True, "mood")]


# Views

VIEWS = ("public.playlist_today", "public.playlist_changes")


def test_the_views_are_made_once_so_that_a_later_migration_is_not_undone() -> None:
    assert made("VIEWS") == list(VIEWS)
    first = " ".join(statements(DDL / "060_views.sql"))
    assert not re.search(r"\bOR (REPLACE|ALTER)\b", first)


every_view = pytest.mark.parametrize("view", VIEWS)


@pytest.fixture
def views(session: Session) -> Session:
    """Snowflake's views beside DuckDB's, over the same rows."""
    for view in VIEWS:
        statement = created(f"VIEW IF NOT EXISTS {DATABASE}.{view.upper()}")
        query = query_in(statement)
        assert query
        session.execute(f"CREATE VIEW {view}_snowflake AS {query.sql(dialect='duckdb')}")
    return session


@every_view
def test_a_view_has_the_same_columns_as_in_duckdb(views: Session, view: str) -> None:
    ours, theirs = (views.execute(f"DESCRIBE {name}") for name in (view, f"{view}_snowflake"))
    assert ours == theirs
    assert len(ours) >= 10


@every_view
@pytest.mark.parametrize("seed", range(3))
def test_a_view_shows_the_same_as_in_duckdb(views: Session, view: str, seed: int) -> None:
    fill(views, random.Random(seed))
    ours, theirs = (views.execute(f"SELECT * FROM {n}") for n in (view, f"{view}_snowflake"))
    assert bag(ours) == bag(theirs)
    assert len(ours) >= 10


def test_the_rows_for_this_show_every_change_and_lack_names(views: Session) -> None:
    fill(views, random.Random(0))
    changes = views.execute("SELECT DISTINCT change FROM public.playlist_changes ORDER BY 1")
    assert changes == [("entered",), ("left",), ("moved",)]
    gaps = views.execute("SELECT count(DISTINCT gap_days) FROM public.playlist_changes")
    assert gaps > [(1,)]
    names = views.execute("SELECT DISTINCT song_id, artist_names FROM public.playlist_today")
    assert set(names) >= {("s1", "Z, A"), ("s2", "Z"), ("s3", None)}


def test_artists_without_names_are_null_and_not_an_empty_text() -> None:
    """Of nulls alone DuckDB makes null, and so do its rows above; Snowflake's LISTAGG does not."""
    [view] = [s for s in everything() if "listagg" in s]
    assert re.search(r"CASE WHEN count\(a\.artist_name\) > 0 THEN listagg\(a\.artist_name, ", view)


def fill(session: Session, chance: random.Random) -> None:
    """A week of two playlists: days left out, entries that stand twice, songs and names missing."""

    def put(table: Table, on: int, **values: Any) -> None:
        insert(session, f"HISTORY.{table.name}", [row(table, day(on), **values)])

    for on in range(-6, 1):
        for playlist in [p for p in ("p1", "p2") if on == 0 or chance.random() < 0.7]:
            put(contract.PLAYLIST, on, playlist_id=playlist, playlist_name=chance.choice("PQ"))
            songs = ["s1", "s2", "s3", *chance.choices(["s1", "unknown", None], k=4)]
            chance.shuffle(songs)
            for position, song in enumerate(songs, start=1):
                put(
                    contract.PLAYLIST_ENTRY,
                    on,
                    playlist_id=playlist,
                    position=position,
                    song_id=song,
                    entry_uri=song and f"spotify:track:{song}",
                    entry_name=song,
                )
        for song, artists in {"s1": "za", "s2": "nz", "s3": "n"}.items():
            put(contract.SONG, on, song_id=song, album_id=chance.choice(["a1", "unknown", None]))
            for place, artist in enumerate(artists, start=1):
                names = {"song_id": song, "artist_position": place, "artist_id": artist}
                put(contract.SONG_ARTIST, on, **names)
        put(contract.ALBUM, on, album_id="a1", album_name="A")
        for artist, name in {"z": "Z", "a": "A", "n": None}.items():
            put(contract.ARTIST, on, artist_id=artist, artist_name=name)
