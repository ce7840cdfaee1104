"""Ending what was started: `dagster dev` is several processes."""

import os
import signal
import subprocess

_PATIENCE_SECONDS = 20


def end_group(leader: subprocess.Popen[bytes]) -> None:
    """Ends a process that leads a group, and all that it started.

    Asked first. What was started where Ctrl-C is ignored, as in a shell's background, lets that go
    by, and is killed.
    """
    try:
        os.killpg(leader.pid, signal.SIGTERM)
        leader.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()
