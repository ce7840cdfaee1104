"""The hand-written DDL says what the contract says."""

import pytest

from spotify_pipeline import contract
from spotify_pipeline.contract import Column, Table, Type
from spotify_pipeline.loading.database import Session

SQL_TYPES = {
    Type.STRING: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.BOOLEAN: "BOOLEAN",
    Type.DATE: "DATE",
    Type.TIMESTAMP: "TIMESTAMP",
}

tables = pytest.mark.parametrize("table", contract.TABLES, ids=lambda table: table.name)
current = pytest.mark.parametrize(
    "table", [*map(contract.current, contract.CURRENT)], ids=lambda table: table.name
)


def columns_of(session: Session, schema: str, name: str) -> list[tuple[str, str, bool]]:
    return session.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
        [schema, name],
    )


def said(column: Column, nullable: bool) -> tuple[str, str, bool]:
    return column.name, SQL_TYPES[column.type], nullable


@tables
def test_landing_has_the_contracts_columns_with_only_keys_not_null(
    session: Session, table: Table
) -> None:
    expected = [said(column, column.nullable) for column in contract.landing_columns(table)]
    assert columns_of(session, "landing", table.name) == expected
    assert {name for name, _, nullable in expected if not nullable} == {
        *table.key,
        *(column.name for column in contract.ARRIVAL),
    }


@tables
def test_history_has_the_contracts_columns_and_nullability(session: Session, table: Table) -> None:
    expected = [said(column, column.nullable) for column in table.columns]
    assert columns_of(session, "history", table.name) == expected


@current
def test_current_tables_have_no_day_but_when_a_row_was_seen(session: Session, table: Table) -> None:
    expected = [said(column, column.nullable) for column in table.columns]
    assert columns_of(session, "public", table.name) == expected


def test_there_are_no_tables_but_the_contracts_and_the_books(session: Session) -> None:
    found = set(session.execute("SELECT schema_name, table_name FROM duckdb_tables()"))
    names = {table.name for table in contract.TABLES}
    assert found == {
        *(("landing", name) for name in names),
        *(("history", name) for name in names),
        *(("public", f"tb_{table.name}") for table in contract.CURRENT),
        *(("ops", name) for name in ("schema_version", "ledger", "missed", "turn")),
        *(("pipes", name) for name in ("pipe", "copy_history")),
    }


@tables
def test_the_catalogue_describes_history(session: Session, table: Table) -> None:
    assert comments(session, "history", table.name) == (
        table.grain,
        {column.name: column.description for column in table.columns},
    )


@current
def test_the_catalogue_describes_current_tables(session: Session, table: Table) -> None:
    assert comments(session, "public", table.name) == (
        table.grain,
        {column.name: column.description for column in table.columns},
    )


@pytest.mark.parametrize("name", ["playlist_today", "playlist_changes"])
def test_the_views_can_be_queried(session: Session, name: str) -> None:
    assert session.execute(
        "SELECT count(*) FROM duckdb_views() WHERE schema_name = 'public' AND view_name = ?", [name]
    ) == [(1,)]
    assert session.execute(f"SELECT * FROM public.{name}") == []


def comments(session: Session, schema: str, name: str) -> tuple[str, dict[str, str]]:
    place = [schema, name]
    [(told,)] = session.execute(
        "SELECT comment FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?", place
    )
    by_column = session.execute(
        "SELECT column_name, comment FROM duckdb_columns() "
        "WHERE schema_name = ? AND table_name = ?",
        place,
    )
    return told, dict(by_column)
