"""The contract holds together, and a change of it is noticed."""

import hashlib
import re
from typing import Any

import pytest

from spotify_pipeline import contract
from spotify_pipeline.transform import schema

COLUMNS = [(table, column) for table in contract.TABLES for column in table.columns]

RECORDED = (1, "ad87fc3a515eb555")
"""The version of the contract, and the fingerprint of the tables that it stands for."""


def _name(pair: tuple[contract.Table, contract.Column]) -> str:
    return f"{pair[0].name}.{pair[1].name}"


@pytest.mark.parametrize("table", contract.TABLES, ids=lambda table: table.name)
def test_every_key_column_exists_and_is_never_null(table: contract.Table) -> None:
    assert [table.column(name).nullable for name in table.key] == [False] * len(table.key)


@pytest.mark.parametrize("table", contract.TABLES, ids=lambda table: table.name)
def test_every_key_begins_with_the_snapshot_date(table: contract.Table) -> None:
    assert table.key[0] == "snapshot_date"
    assert table.column("snapshot_date").type is contract.Type.DATE


@pytest.mark.parametrize("table", contract.TABLES, ids=lambda table: table.name)
def test_no_table_has_a_column_twice(table: contract.Table) -> None:
    assert len(set(table.column_names)) == len(table.columns)


def test_a_reference_is_named_like_the_key_that_it_holds() -> None:
    for table, column in COLUMNS:
        if column.references:
            target = contract.table(column.references)
            assert target.key == ("snapshot_date", column.name), f"{table.name}.{column.name}"


@pytest.mark.parametrize("pair", COLUMNS, ids=_name)
def test_every_column_is_described_and_has_a_source(
    pair: tuple[contract.Table, contract.Column],
) -> None:
    _, column = pair
    assert column.description.strip()
    assert column.source.strip()


def _is_read(source: str) -> bool:
    """Whether the transform's input has the field: of a line, or of an entry in one."""
    path = re.sub(r"\[\d*\]", ".[]", source).split(".")
    return any(_leads_somewhere(path, root) for root in (schema.RAW_LINE, schema.ENTRY))


def _leads_somewhere(path: list[str], field: Any) -> bool:
    if not path:
        return True
    step, *rest = path
    if step == "[]":
        return isinstance(field, list) and _leads_somewhere(rest, field[0])
    return isinstance(field, dict) and step in field and _leads_somewhere(rest, field[step])


@pytest.mark.parametrize("pair", COLUMNS, ids=_name)
def test_every_source_is_a_field_that_is_read(pair: tuple[contract.Table, contract.Column]) -> None:
    _, column = pair
    assert [source for source in column.sources if not _is_read(source)] == []


def test_a_table_of_one_row_per_id_has_no_day_but_when_it_was_seen() -> None:
    song = contract.current(contract.SONG)
    assert (song.name, song.grain, song.key) == ("tb_song", "one row per song", ("song_id",))
    assert song.column_names == (*contract.SONG.column_names[1:], "first_seen", "last_seen")


def test_columns_of_one_name_are_of_one_type() -> None:
    types: dict[str, set[contract.Type]] = {}
    for _, column in COLUMNS:
        types.setdefault(column.name, set()).add(column.type)
    assert {name: found for name, found in types.items() if len(found) > 1} == {}


def test_what_tells_about_a_person_is_marked() -> None:
    marked = {f"{table.name}.{column.name}" for table, column in COLUMNS if column.personal}
    assert marked == {"playlist.owner_id", "playlist.owner_name", "playlist_entry.added_by"}


def test_an_unknown_table_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        contract.table("tb_song")


def test_a_changed_contract_has_a_new_version() -> None:
    shape = [
        (table.name, table.key, [(c.name, c.type.value, c.nullable) for c in table.columns])
        for table in contract.TABLES
    ]
    found = (contract.VERSION, hashlib.sha256(repr(shape).encode()).hexdigest()[:16])
    assert found == RECORDED, (
        "The tables changed: raise contract.VERSION, so that every day gets a new batch on its "
        "next run, write a migration for both databases, and record version and fingerprint here."
    )
