"""What the UI tells about an asset, derived from the contract; and how errors reach its readers.

Here is what is true of an asset at all times; what a step tells of a day is the step's business.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.deployment import Deployment
from spotify_pipeline.errors import PipelineError
from spotify_pipeline.orchestration import addresses

_SCHEMA, _LINEAGE = "dagster/column_schema", "dagster/column_lineage"
_PERSONAL = "personal"


@dataclass(frozen=True)
class Stage:
    """What all assets of one build share."""

    deployment: Deployment
    partitions: dg.PartitionsDefinition

    def spec(
        self,
        key: dg.AssetKey,
        description: str,
        kinds: set[str],
        deps: Sequence[dg.AssetKey] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> dg.AssetSpec:
        """An asset of the graph; its group is the stage that its key begins with.

        A `dagster/table_name` is told as `SCHEMA.NAME`: the database and its address are added.
        """
        told = dict(metadata or {})
        if name := told.get("dagster/table_name"):
            told |= addresses.of_table(self.deployment, name)
        return dg.AssetSpec(
            key,
            deps=deps,
            description=description,
            group_name=key.path[0] if len(key.path) > 1 else "raw",
            kinds=kinds,
            owners=[self.deployment.owner],
            tags=self._tags(told.get(_SCHEMA)),
            metadata=told,
            partitions_def=self.partitions,
        )

    def _tags(self, schema: dg.TableSchema | None) -> dict[str, str]:
        is_personal = schema and any(_PERSONAL in column.tags for column in schema.columns)
        return {
            **({"synthetic": "true"} if self.deployment.source == "sandbox" else {}),
            **({"personal_data": "true"} if is_personal else {}),
        }


def raw_fields() -> dict[str, Any]:
    """The fields of Spotify's answers that become columns, as the columns of a raw document."""
    becomes: dict[str, list[str]] = {}
    personal = set()
    for table in contract.TABLES:
        for column in table.columns:
            for source in column.sources:
                becomes.setdefault(source, []).append(f"{table.name}.{column.name}")
                if column.personal:
                    personal.add(source)
    columns = [
        dg.TableColumn(
            field,
            "json",
            description=f"becomes {', '.join(names)}",
            tags=_tags_of(is_personal=field in personal),
        )
        for field, names in becomes.items()
    ]
    return {_SCHEMA: dg.TableSchema(columns)}


def table_schema(columns: Sequence[contract.Column], key: Sequence[str] = ()) -> dict[str, Any]:
    """The columns as Dagster shows them; of the columns in `key` no two rows have the same."""
    return {_SCHEMA: dg.TableSchema([_column(column, key) for column in columns])}


def _column(column: contract.Column, key: Sequence[str]) -> dg.TableColumn:
    part_of_key = ["key"] if column.name in key and len(key) > 1 else []
    reference = [f"references {column.references}"] if column.references else []
    return dg.TableColumn(
        column.name,
        str(column.type),
        description=column.description,
        constraints=dg.TableColumnConstraints(
            nullable=column.nullable,
            unique=[column.name] == list(key),
            other=[*part_of_key, *reference],
        ),
        tags=_tags_of(column.source, is_personal=column.personal),
    )


def _tags_of(source: str = "", *, is_personal: bool) -> dict[str, str]:
    # GraphQL and Dagster+ tell the lineage of a column, but the open-source UI shows it nowhere.
    return ({"from": source} if source else {}) | ({_PERSONAL: "true"} if is_personal else {})


def column_lineage(
    columns: Sequence[contract.Column], upstream: dg.AssetKey, known: Collection[str] = ()
) -> dict[str, Any]:
    """Which columns of `upstream` each column comes from: the one of its name among those that
    are `known` there, or else those of its sources."""
    return {
        _LINEAGE: dg.TableColumnLineage(
            {
                column.name: [
                    dg.TableColumnDep(upstream, name)
                    for name in ([column.name] if column.name in known else column.sources)
                ]
                for column in columns
                if column.sources
            }
        )
    }


def table_preview(table: contract.Table, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as the UI shows them; nothing where there are none."""
    if not rows:
        return {}
    columns = [dg.TableColumn(c.name, str(c.type)) for c in table.columns if c.name in rows[0]]
    records = [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in rows]
    return {"preview": dg.MetadataValue.table(records, dg.TableSchema(columns))}


def _plain(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


@contextmanager
def explained() -> Iterator[None]:
    """Ends a step with the sentence of a `PipelineError` instead of its traceback."""
    try:
        yield
    except PipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
