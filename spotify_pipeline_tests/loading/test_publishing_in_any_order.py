"""Whatever order batches, repeats, corrections and crashes come in, the end is the same.

Generated histories of three days: files arrive table by table, once or several times; any batch,
current or old, is published at any moment, whole in LANDING or not; and some calls break off.
"""

import shutil
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from spotify_pipeline import contract
from spotify_pipeline.contract import Column, Table, Type
from spotify_pipeline.errors import RetryLater
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline_tests.loading.rows import (
    NOON,
    Row,
    bag,
    contents,
    day,
    land,
    manifest,
    row,
)
from spotify_pipeline_tests.loading.sessions import Crash, Crashing

DAYS = [day(n) for n in range(3)]
WRITTEN = [f"landing.{table.name}" for table in contract.TABLES]
WRITTEN += [f"history.{table.name}" for table in contract.TABLES]
WRITTEN += [f"public.tb_{table.name}" for table in contract.CURRENT] + ["ops.ledger"]


def values_of(column: Column, on: date) -> st.SearchStrategy[Any]:
    """Few values, so that ids meet again on other days and fetching times are equal."""
    if column.name == "snapshot_date":
        return st.just(on)
    if column.type is Type.TIMESTAMP:
        return st.sampled_from([datetime(2026, 11, 22, hour) for hour in range(3)])
    if column.type is Type.INTEGER:
        return st.integers(1, 2)
    return st.sampled_from("abc")


def rows_of(table: Table, on: date) -> st.SearchStrategy[list[Row]]:
    """Some rows of a day, each key once; the contract's first attributes are filled, if any."""
    named = [*table.key, table.columns[len(table.key)].name]
    named += [c.name for c in table.columns if not c.nullable and c.name not in named]
    some = st.fixed_dictionaries({name: values_of(table.column(name), on) for name in named})
    return st.lists(
        some.map(lambda values: row(table, **{"on": on, **values})),
        max_size=3,
        unique_by=lambda values: tuple(values[name] for name in table.key),
    )


@st.composite
def batches(draw: st.DrawFn) -> tuple[date, dict[str, list[Row]]]:
    on = draw(st.sampled_from(DAYS))
    return on, {table.name: draw(rows_of(table, on)) for table in contract.TABLES}


class Publishing(RuleBasedStateMachine):
    """The real database beside what it should hold."""

    issued = Bundle("issued")

    def __init__(self, session: Session, fresh: Session) -> None:
        super().__init__()
        self.session, self.fresh = session, fresh
        _empty(session)
        self.current: dict[date, Manifest] = {}
        self.rows: dict[str, dict[str, list[Row]]] = {}
        self.landed: set[tuple[str, str]] = set()
        self.published: dict[date, Manifest] = {}
        self.changed = True

    @rule(target=issued, content=batches())
    def issue(self, content: tuple[date, dict[str, list[Row]]]) -> Manifest:
        on, rows = content
        number = self.current[on].batch + 1 if on in self.current else 1
        self.current[on] = manifest(on, number, rows)
        self.rows[_name(self.current[on])] = rows
        return self.current[on]

    @rule(of=issued, times=st.integers(1, 2))
    def arrive(self, of: Manifest, times: int) -> None:
        for _ in range(times):
            self._land(of, contract.TABLES)

    @rule(of=issued, tables=st.sets(st.sampled_from(contract.TABLES), min_size=1))
    def arrive_in_part(self, of: Manifest, tables: set[Table]) -> None:
        self._land(of, tuple(tables))

    @rule(of=issued)
    def publish(self, of: Manifest) -> None:
        self.changed = True
        known = self.published.get(of.snapshot_date)
        if known and known.batch >= of.batch:
            answer = publishing.publish(self.session, of, NOON)
            assert (answer.batch, answer.is_new) == (known.batch, False)
        elif self._is_whole(of):
            answer = publishing.publish(self.session, of, NOON)
            assert (answer.batch, answer.is_new) == (of.batch, True)
            self.published[of.snapshot_date] = of
        else:
            with pytest.raises(RetryLater):
                publishing.publish(self.session, of, NOON)

    @rule(of=issued, done=st.integers(0, 24))
    def publish_and_crash(self, of: Manifest, done: int) -> None:
        self.changed = True
        known = self.published.get(of.snapshot_date)
        expected: tuple[type[Exception], ...] = (Crash, RetryLater)
        try:
            answer = publishing.publish(Crashing(self.session, done), of, NOON)
        except expected:
            return
        assert known
        assert (answer.batch, answer.is_new) == (known.batch, False)

    @rule(days=st.sets(st.sampled_from(DAYS), min_size=1))
    def withdraw(self, days: set[date]) -> None:
        self.changed = True
        publishing.withdraw(self.session, sorted(days), NOON)
        for on in days:
            self.published.pop(on, None)
            self.landed = {(of, table) for of, table in self.landed if not of.startswith(f"{on}/")}

    @precondition(lambda self: self.changed)
    @invariant()
    def history_is_the_published_batches(self) -> None:
        self.changed = False
        found = contents(self.session)
        for table in contract.TABLES:
            expected = Counter(
                tuple(values.values())
                for of in self.published.values()
                for values in self.rows[_name(of)][table.name]
            )
            assert found[f"HISTORY.{table.name}"] == expected
        for table in contract.CURRENT:
            defined = bag(self.session.execute(publishing.definition(table)))
            assert found[f"PUBLIC.TB_{table.name}"] == defined
        batches = {on: of.batch for on, of in self.published.items()}
        assert publishing.ledger(self.session) == batches

    def teardown(self) -> None:
        for of in self.current.values():
            self._land(of, contract.TABLES)
            self.publish(of)
        self.history_is_the_published_batches()
        assert contents(self.session) == self._published_in_order()

    def _published_in_order(self) -> dict[str, Counter[tuple[Any, ...]]]:
        """What a database holds that never knew but the current batches, day by day."""
        _empty(self.fresh)
        for _, of in sorted(self.current.items()):
            land(self.fresh, of, self.rows[_name(of)])
            publishing.publish(self.fresh, of, NOON)
        return contents(self.fresh)

    def _land(self, of: Manifest, tables: tuple[Table, ...]) -> None:
        land(self.session, of, self.rows[_name(of)], tables)
        self.landed |= {(_name(of), table.name) for table in tables}

    def _is_whole(self, of: Manifest) -> bool:
        return all(
            not rows or (_name(of), name) in self.landed
            for name, rows in self.rows[_name(of)].items()
        )


def _empty(session: Session) -> None:
    with session.transaction():
        for name in WRITTEN:
            session.execute(f"DELETE FROM {name}")


def _name(of: Manifest) -> str:
    return f"{of.snapshot_date}/{of.batch}"


@pytest.mark.slow
def test_any_order_of_events_ends_in_the_same_state(tmp_path: Path, new_file: Path) -> None:
    databases = []
    for name in ("lived", "fresh"):
        databases.append(DuckDBDatabase(tmp_path / f"{name}.duckdb"))
        shutil.copy(new_file, databases[-1].path)
    lived, fresh = databases
    with lived.session() as session, fresh.session() as other:
        for each in (session, other):
            each.execute("SET threads = 1")  # the tables are tiny
        run_state_machine_as_test(
            lambda: Publishing(session, other),
            settings=settings(
                max_examples=20,
                stateful_step_count=15,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
