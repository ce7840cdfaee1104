"""What the UI tells about an asset, derived from the contract; and how errors reach its readers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from spotify_pipeline import contract
from spotify_pipeline.deployment import Deployment
from spotify_pipeline.errors import PipelineError


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
        """An asset of the graph; its group is the stage that its key begins with."""
        synthetic = {"synthetic": "true"} if self.deployment.source == "sandbox" else {}
        return dg.AssetSpec(
            key,
            deps=deps,
            description=description,
            group_name=key.path[0] if len(key.path) > 1 else "raw",
            kinds=kinds,
            tags=synthetic,
            metadata=metadata,
            partitions_def=self.partitions,
        )


def table_schema(columns: Sequence[contract.Column]) -> dict[str, Any]:
    """The columns as Dagster shows them."""
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    column.name,
                    str(column.type),
                    description=column.description,
                    constraints=dg.TableColumnConstraints(nullable=column.nullable),
                )
                for column in columns
            ]
        )
    }


@contextmanager
def explained() -> Iterator[None]:
    """Ends a step with the sentence of a `PipelineError` instead of its traceback."""
    try:
        yield
    except PipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
