"""Runs whose process was killed, or whose machine went down.

Dagster takes such a run for going on until its monitoring ends it after hours. Meanwhile its day is
busy and the queue behind it waits, and the day may be over before it is asked for again. Where the
instance's history is a folder of this machine, so are its processes, and they can be looked for.
"""

from collections.abc import Sequence

import dagster as dg
import psutil

_GONE = (
    "The run's process is gone: it was killed, or the machine went down. What it captured is kept; "
    "the next run of its day goes on from there."
)


def end(instance: dg.DagsterInstance) -> Sequence[str]:
    """Marks runs without a process as failed, and tells their ids.

    Runs that haven't said in which process they go on are left to Dagster's monitoring, and all
    runs where the history is a server's: their processes may be another machine's.
    """
    # An instance has loaded it already; who only loads the graph would be a third slower with it.
    from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

    if not isinstance(instance.event_log_storage, SqliteEventLogStorage):
        return []
    going_on = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    orphans = [run for run in going_on if _is_gone(instance, run)]
    for run in orphans:
        instance.report_run_failed(run, _GONE)
    return [run.run_id for run in orphans]


def _is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    told = None
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        if entry.dagster_event and "pid" in entry.dagster_event.engine_event_data.metadata:
            told = entry.dagster_event.engine_event_data.metadata["pid"], entry.timestamp
    if told is None:
        return False
    pid, at = told
    try:
        # A process that is younger than the word of it has only got the same number.
        return psutil.Process(int(str(pid.value))).create_time() > at
    except psutil.NoSuchProcess:
        return True
