"""The engine that is chosen runs in the graph, and leaves nothing running behind it."""

from dataclasses import replace

import pytest

from spotify_pipeline.lake import manifests
from spotify_pipeline.orchestration.engine import SPARK_CONFIG
from spotify_pipeline_tests.orchestration.conftest import DAY, World
from spotify_pipeline_tests.small_spark import SMALL_SPARK


@pytest.mark.slow
def test_spark_runs_in_the_graph_and_its_session_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    for name, value in SMALL_SPARK.items():
        monkeypatch.setitem(SPARK_CONFIG, name, value)
    world.deployment = replace(world.deployment, engine="spark")
    assert world.materialize("group:raw or group:lake").success
    manifest = manifests.current(world.store, DAY)
    assert manifest
    assert (manifest.engine, manifest.files["playlist_entry"].rows) == ("spark", 4)
    assert SparkSession.getActiveSession() is None
    assert SparkContext._active_spark_context is None
