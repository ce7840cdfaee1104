"""A team's deployment aws on its stand-ins, for the tests of it.

The engine is the embedded one, the sooner; with Glue it is `test_glue` and `make demo-aws`. Who
tests with a `team` imports both fixtures.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spotify_pipeline import contract
from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.definitions import build_defs
from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.lake import keys, manifests
from spotify_pipeline.lake.store import S3Store
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.pipe import PATIENCE
from spotify_pipeline.orchestration.database import build_database
from spotify_pipeline_tests.emulators.cloud import Cloud
from spotify_pipeline_tests.loading.rows import land, manifest, row
from spotify_pipeline_tests.orchestration.test_sensor import Sensor, red
from spotify_pipeline_tests.synthetic import document, entry, track

LATE = PATIENCE + timedelta(minutes=1)


@dataclass
class Shifted:
    """The machine's time, and what a test adds to it."""

    shift: timedelta = timedelta()

    def __call__(self) -> datetime:
        return machine_clock() + self.shift


CLOCK = Shifted()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud"), CLOCK) as cloud:
        yield cloud


@pytest.fixture
def team(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator["Team"]:
    """An empty lake and an empty database, with every pipe running."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    CLOCK.shift = timedelta()
    s3 = cloud.aws.client("s3")
    for key in cloud.listing(f"{cloud.prefix}/"):
        s3.delete_object(Bucket=cloud.bucket, Key=key)
    for schema, table in cloud.execute(
        "SELECT table_schema, table_name FROM SPOTIFY_DB.INFORMATION_SCHEMA.TABLES "
        "WHERE table_type = 'BASE TABLE' AND table_schema IN ('LANDING', 'HISTORY', 'PUBLIC') "
        "OR table_name IN ('LEDGER', 'MISSED')"
    ):
        cloud.execute(f"DELETE FROM SPOTIFY_DB.{schema}.{table}")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Team(cloud, instance)


DAYS = iter(today(machine_clock) - timedelta(days=n) for n in range(55, 0, -1))


@dataclass
class Team:
    """A deployment; every test has a day of its own, as pipes remember names."""

    cloud: Cloud
    instance: dg.DagsterInstance
    day: date = field(default_factory=lambda: next(DAYS))

    def __post_init__(self) -> None:
        environment = read_environment(
            self.cloud.environment
            | {"SPOTIFY_PIPELINE_ENGINE": "embedded", "SNOWPIPE_WAIT_MINUTES": "0"},
            Path("/nowhere"),
        )
        self.deployment = read_deployment(environment)
        self.definitions = build_defs(self.deployment, CLOCK)
        s3 = self.cloud.aws.client("s3")
        self.store = S3Store(s3, self.cloud.bucket, self.cloud.prefix)
        self.database = build_database(self.deployment)
        self.sensor = Sensor(self)  # type: ignore[arg-type]

    def capture(self, *songs: str, playlist: str = "p", day: date | None = None) -> None:
        body = document([entry(track(song)) for song in songs], playlist, day=day or self.day)
        assert self.store.put_new(keys.raw(day or self.day, playlist), body)

    def run(self, group: str, day: date | None = None, **config: Any) -> dg.ExecuteInProcessResult:
        definitions = self.definitions
        job = definitions.resolve_implicit_global_asset_job_def()
        selection = dg.AssetSelection.groups(group)
        return job.execute_in_process(
            asset_selection=list(selection.resolve(definitions.resolve_asset_graph())),
            partition_key=str(day or self.day),
            run_config={"ops": {"lake": {"config": config}}} if config else None,
            instance=self.instance,
            raise_on_error=False,
        )

    def issue(self, **config: Any) -> manifests.Manifest:
        """The day's next batch, and what the pipes make of it."""
        assert self.run("lake", **config).success
        self.cloud.snowflake.settle()
        manifest = manifests.current(self.store, self.day)
        assert manifest
        return manifest

    def has_landed(self, *days: date) -> None:
        """Small batches of these days, whole in LANDING without having been in the lake."""
        with self.session() as session:
            for day in days:
                songs = {"song": [row(contract.SONG, day, song_id="a")]}
                batch = manifest(day, 1, songs)
                assert self.store.put_new(keys.manifest(day, 1), batch.to_json())
                land(session, batch, songs)

    def tick(self) -> dg.SensorResult:
        return self.sensor.tick()

    def follow(self, result: dg.SensorResult) -> None:
        """Does what the sensor asked for."""
        for request in result.run_requests or ():
            job = self.definitions.resolve_job_def("publish")
            run = job.execute_in_process(
                partition_key=request.partition_key, instance=self.instance
            )
            assert run.success

    def published(self) -> tuple[int, list[str]] | None:
        """The day's batch and songs in the database."""
        with self.session() as session:
            batch = publishing.ledger(session).get(self.day)
            rows = session.execute(
                f"SELECT song_id FROM HISTORY.SONG WHERE snapshot_date = '{self.day}' ORDER BY 1"
            )
        return (batch, [song for (song,) in rows]) if batch else None

    def session(self) -> Any:
        return self.database.database().session()

    def repair(self) -> list[str]:
        from spotify_pipeline.provision import doctor

        class Lake:
            store = staticmethod(lambda: self.store)

        done = list(doctor.repair(Lake(), self.database, CLOCK))  # type: ignore[arg-type]
        self.cloud.snowflake.settle()
        return done

    def troubles(self) -> dict[str, str]:
        """All that is red at the next tick, said before or not; that tick is not remembered."""
        before = self.sensor.cursor
        self.sensor.cursor = json.dumps(json.loads(before or "{}") | {"verdicts": {}})
        told = red(self.tick())
        self.sensor.cursor = before
        return told

    def overwrite(self, manifest: manifests.Manifest, songs: bytes) -> None:
        """Puts other content into the file of songs, and lets the pipe know."""
        self.store.client.put_object(
            Bucket=self.store.bucket,
            Key=self.store.prefix + manifest.files["song"].key,
            Body=gzip.compress(songs),
        )
        self.cloud.snowflake.settle()

    def drop_pipes(self) -> None:
        for table in contract.TABLES:
            self.cloud.execute(f"DROP PIPE SPOTIFY_DB.PIPES.{table.name}_pipe")

    def run_ddl(self, file: str) -> None:
        """As the remedies say: the file, and the grants."""
        for each in (file, "080_grants.sql"):
            self.cloud.run_ddl(each)


def arrivals(result: dg.SensorResult) -> list[dg.AssetMaterialization]:
    return [event for event in result.asset_events if isinstance(event, dg.AssetMaterialization)]


def verdicts(result: dg.SensorResult) -> list[dg.AssetCheckEvaluation]:
    return [event for event in result.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
