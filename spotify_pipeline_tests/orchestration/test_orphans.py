"""Runs that were killed are ended, and none that goes on."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from spotify_pipeline.deployment import read_deployment, read_environment
from spotify_pipeline.orchestration import orphans
from spotify_pipeline.orchestration.local_run import dagster_instance

STARTED, FAILED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE


@dg.job
def some_job() -> None:
    pass


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """One whose history lies in a folder."""
    with dg.instance_for_test() as instance:
        yield instance


def started(instance: dg.DagsterInstance, *pids: int) -> dg.DagsterRun:
    """A run that said in which processes it goes on, one after the other."""
    run = instance.create_run_for_job(some_job, status=STARTED)
    for pid in pids:
        instance.report_engine_event("going on", run, EngineEventData.in_process(pid))
    return run


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_whose_process_is_gone_has_failed(instance: dg.DagsterInstance) -> None:
    run = started(instance, os.getpid(), dead())
    assert orphans.end(instance) == [run.run_id]
    assert status(instance, run) is FAILED
    [told] = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert told.dagster_event
    assert "process is gone" in str(told.dagster_event.message)
    assert orphans.end(instance) == []


def test_a_run_whose_process_lives_goes_on(instance: dg.DagsterInstance) -> None:
    run = started(instance, dead(), os.getpid())
    assert orphans.end(instance) == []
    assert status(instance, run) is STARTED


def test_a_process_with_the_same_number_is_another(instance: dg.DagsterInstance) -> None:
    """After a restart of the machine numbers come again."""
    run = started(instance)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        event = EngineEventData.in_process(process.pid)
        with pytest.MonkeyPatch.context() as patched:
            yesterday = time.time() - 86400
            patched.setattr(time, "time", lambda: yesterday)
            instance.report_engine_event("going on", run, event)
        assert orphans.end(instance) == [run.run_id]
    finally:
        process.communicate()


def test_a_run_that_named_no_process_is_left_alone(instance: dg.DagsterInstance) -> None:
    run = started(instance)
    assert orphans.end(instance) == []
    assert status(instance, run) is STARTED


def test_every_command_that_opens_the_history_ends_them(tmp_path: Path) -> None:
    deployment = read_deployment(
        read_environment({"SPOTIFY_PIPELINE_HOME": str(tmp_path)}, tmp_path)
    )
    with dagster_instance(deployment) as instance:
        run = started(instance, dead())
    with dagster_instance(deployment) as instance:
        assert status(instance, run) is FAILED


def test_where_others_write_the_history_too_no_process_is_looked_for() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = started(instance, dead())
        assert orphans.end(instance) == []
        assert status(instance, run) is STARTED
