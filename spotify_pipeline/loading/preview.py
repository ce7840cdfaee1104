"""The first rows of a table, for people's eyes: without what tells about a person."""

from typing import Any

from spotify_pipeline import contract
from spotify_pipeline.lake.preview import ROWS
from spotify_pipeline.loading.database import Session


def first_rows(
    session: Session, schema: str, table: contract.Table, where: str = "TRUE"
) -> list[dict[str, Any]]:
    """Rows of a table of `schema` for which `where` holds, the first ones by key: one query."""
    rows = session.execute(
        f"SELECT {', '.join(table.previewed)} FROM {schema}.{table.name} WHERE {where} "
        f"ORDER BY {', '.join(table.key)} LIMIT {ROWS}"
    )
    return [dict(zip(table.previewed, row, strict=True)) for row in rows]
