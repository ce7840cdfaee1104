"""Running something in a fresh Python process, and watching what it takes of the machine.

Linux only: it is read from /proc. A process that starts others, as Spark starts a JVM, is measured
with all of them: the memory is the largest sum that was seen.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Finished:
    """A process that went well: how long it lived and computed, its memory at most, what it
    printed."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


def run(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
    """`python -m module …`; RuntimeError with its last words where it fails.

    `environment` is added to this process's own.
    """
    command = [sys.executable, "-m", module, *arguments]
    whole = {**os.environ, **(environment or {})}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as log:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603
            command, stdout=output, stderr=log, text=True, env=whole
        )
        peak = ticks = 0
        while process.poll() is None:
            use = _use(process.pid)
            peak, ticks = max(peak, use.memory), max(ticks, use.ticks)
            time.sleep(_EVERY_SECONDS)
        seconds = time.perf_counter() - began
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed:\n{_text(log)[-4000:]}")
        cpu_seconds = ticks / os.sysconf("SC_CLK_TCK")
        return Finished(seconds, cpu_seconds, peak / 1e6, _text(output))


def memory_mb(pid: int) -> float:
    """What a running process and its descendants have in memory now."""
    return _use(pid, peak=False).memory / 1e6


class _Use(NamedTuple):
    """Bytes of memory, and ticks of the processor."""

    memory: int
    ticks: int


def _use(pid: int, *, peak: bool = True) -> _Use:
    """What a process and its descendants use; nothing for one that has just ended. Of one without
    descendants the kernel knows the `peak`."""
    there = Path(f"/proc/{pid}")
    try:
        # Behind the name, which may hold anything: its own ticks, and those of ended children.
        ticks = sum(map(int, (there / "stat").read_text().rpartition(")")[2].split()[11:15]))
        children = [
            int(child)
            for thread in (there / "task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
        memory = _peak_alone(there) if peak and not children else _memory(there)
    except (FileNotFoundError, ProcessLookupError):
        return _Use(0, 0)
    uses = [_Use(memory, ticks), *(_use(child, peak=peak) for child in children)]
    return _Use(sum(use.memory for use in uses), sum(use.ticks for use in uses))


def _memory(there: Path) -> int:
    return int((there / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak_alone(there: Path) -> int:
    """The kernel keeps the peak of each process: no short one is overlooked between two looks."""
    for line in (there / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
