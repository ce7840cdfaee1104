"""`insights/*`: questions that the published tables answer every day."""

import dagster as dg
import pandas as pd

from spotify_pipeline import contract
from spotify_pipeline.errors import SkipThis
from spotify_pipeline.loading import insights, publishing
from spotify_pipeline.orchestration import asset_keys
from spotify_pipeline.orchestration.metadata import Stage, explained
from spotify_pipeline.orchestration.partitions import day_of
from spotify_pipeline.orchestration.resources import DatabaseResource

_SHOWN = 30


def build(stage: Stage) -> dg.AssetsDefinition:
    """The insights for one deployment."""
    spec = stage.spec(
        dg.AssetKey(["insights", "playlist_changes"]),
        "One row per entry that entered, left or moved in a playlist since its previous captured "
        "day; the view PUBLIC.PLAYLIST_CHANGES.",
        {stage.deployment.database},
        deps=[
            asset_keys.published(contract.PLAYLIST),
            asset_keys.published(contract.PLAYLIST_ENTRY),
        ],
        metadata={"dagster/table_name": "PUBLIC.PLAYLIST_CHANGES"},
    )

    @dg.multi_asset(name="playlist_changes", specs=[spec])
    def playlist_changes(
        context: dg.AssetExecutionContext, database: DatabaseResource
    ) -> dg.MaterializeResult[None]:
        day = day_of(context)
        with explained(), database.database().session() as session:
            if day not in publishing.ledger(session):
                raise SkipThis(f"{day} is not published: materialize published/* of {day} first.")
            changes = insights.playlist_changes(session, day)
        counts = changes["change"].value_counts()
        return dg.MaterializeResult(
            metadata={
                "dagster/partition_row_count": len(changes),
                **{change: int(counts.get(change, 0)) for change in insights.CHANGES},
                "changes": _table(changes.drop(columns=["snapshot_date", "playlist_id"])),
            }
        )

    return playlist_changes


def _table(frame: pd.DataFrame) -> dg.TableMetadataValue:
    """The head of a frame as the UI shows it; an empty one has its columns too."""
    records = frame.head(_SHOWN).astype(object).to_dict("records")
    return dg.MetadataValue.table(
        [
            dg.TableRecord({str(n): None if pd.isna(value) else value for n, value in each.items()})
            for each in records
        ],
        dg.TableSchema([dg.TableColumn(str(name)) for name in frame.columns]),
    )
