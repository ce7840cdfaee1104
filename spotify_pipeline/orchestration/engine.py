"""What runs the transform, as a resource: `engine` in the UI."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date
from typing import Any

import dagster as dg

from spotify_pipeline.clock import Clock
from spotify_pipeline.lake import batch
from spotify_pipeline.lake.batch import Engine, Result
from spotify_pipeline.lake.store import ObjectStore

SPARK_CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "2g",
    # The session lives on this machine and talks to nobody else.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
"""What is set of a local Spark; everything else is Spark's own business."""


class EngineResource(dg.ConfigurableResource[Any]):
    """What runs the transform."""

    def issue(
        self,
        context: dg.AssetExecutionContext,
        store: ObjectStore,
        days: Sequence[date],
        clock: Clock,
        *,
        reload: bool,
        accept_partial: bool,
    ) -> Mapping[date, Result]:
        """The days' batches, see `lake.batch.issue`; raises `FixConfiguration` if it can't run."""
        raise NotImplementedError


class EngineHere(EngineResource):
    """An engine that runs on this machine."""

    def issue(
        self,
        context: dg.AssetExecutionContext,  # noqa: ARG002
        store: ObjectStore,
        days: Sequence[date],
        clock: Clock,
        *,
        reload: bool,
        accept_partial: bool,
    ) -> Mapping[date, Result]:
        with self._open() as engine:
            return batch.issue(
                store, engine, days, clock, reload=reload, accept_partial=accept_partial
            )

    def _open(self) -> AbstractContextManager[Engine]:
        raise NotImplementedError


class Embedded(EngineHere):
    """DuckDB, in the run's own process."""

    @contextmanager
    def _open(self) -> Iterator[Engine]:
        from spotify_pipeline.engines.embedded import EmbeddedEngine

        yield EmbeddedEngine()


class Spark(EngineHere):
    """Spark on this machine, for the length of a step."""

    spark_config: dict[str, str]

    @contextmanager
    def _open(self) -> Iterator[Engine]:
        from dagster_pyspark import LazyPySparkResource
        from pyspark.sql import SparkSession

        from spotify_pipeline.engines.spark import SparkEngine

        lazy = LazyPySparkResource(spark_config=self.spark_config)
        with ExitStack() as opened:

            def session() -> SparkSession:
                opened.callback(lazy.spark_session.stop)
                return lazy.spark_session

            yield SparkEngine(session)
