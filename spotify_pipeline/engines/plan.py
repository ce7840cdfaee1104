"""The transform as SQL for DuckDB, made by SQLFrame.

Making it takes seconds and depends on nothing but code, so it is kept beside the compiled code,
under a name that changes with its sources.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import duckdb

from spotify_pipeline import contract
from spotify_pipeline.transform import schema, tables, values
from spotify_pipeline.transform.schema import RAW_LINE, duckdb_type
from spotify_pipeline.transform.tables import Frame, transform


@dataclass(frozen=True)
class Plan:
    """Frames to be kept as tables, in order, and the queries of the results, by name.

    They read a table `lines` with the columns of `schema.RAW_LINE`.
    """

    kept: Mapping[str, str]
    results: Mapping[str, str]


@cache
def embedded_plan() -> Plan:
    """The plan for this very code, made now or before."""
    file = Path(__file__).parent / "__pycache__" / f"plan-{_fingerprint()}.json"
    # As with compiled code: where it can't be kept or read, it is made anew each time.
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Plan(**json.loads(file.read_bytes()))
    plan = make_plan()
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(asdict(plan), stream)
        Path(aside).chmod(0o644)  # for whoever runs this code, not for its maker alone
        Path(aside).replace(file)
    return plan


def make_plan() -> Plan:
    """Has SQLFrame turn the transform into SQL, over empty tables."""
    # The import alone takes half a second.
    from sqlframe.duckdb import DuckDBSession, Window, functions

    with duckdb.connect() as connection:
        columns = ", ".join(f'"{name}" {duckdb_type(field)}' for name, field in RAW_LINE.items())
        connection.execute(f"CREATE TABLE lines ({columns})")
        session = DuckDBSession(conn=connection)
        kept: dict[str, str] = {}

        def sql(frame: Frame) -> str:
            # Its optimizer breaks struct fields; DuckDB has one of its own.
            return str(frame.sql(dialect="duckdb", optimize=False, pretty=False))

        def keep(frame: Frame) -> Frame:
            # A regular table: SQLFrame doesn't find the columns of a temporary one.
            name = f"kept_{len(kept)}"
            kept[name] = sql(frame)
            connection.execute(f"CREATE TABLE {name} AS {kept[name]}")
            return session.table(name)

        results = transform(functions, Window, session.table("lines"), keep)
        plan = Plan(kept, {name: sql(frame) for name, frame in results.items()})
        session.stop()  # it is a singleton: the next one must not get this connection
        return plan


def _fingerprint() -> str:
    sources = [Path(str(module.__file__)) for module in (contract, schema, values, tables)]
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for source in sources:
        digest.update(source.read_bytes())
    for package in ("duckdb", "sqlframe", "sqlglot"):
        digest.update(version(package).encode())
    return digest.hexdigest()[:16]
