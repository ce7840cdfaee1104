"""Running something in a fresh Python process, and watching what it takes of the machine.

Linux only: it is read from /proc. A process that starts others, as Spark starts a JVM, is measured
with all of them: the memory is the largest sum that was seen.
"""

import os
import subprocess
import sys
import tempfile
import time
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


def run(module: str, *arguments: str) -> Finished:
    """`python -m module …`; RuntimeError with its last words where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=log, text=True)  # noqa: S603
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


class _Use(NamedTuple):
    """Bytes of memory, and ticks of the processor."""

    memory: int
    ticks: int


def _use(pid: int) -> _Use:
    """What a process and its descendants use; nothing for one that has just ended."""
    there = Path(f"/proc/{pid}")
    try:
        # Behind the name, which may hold anything: its own ticks, and those of ended children.
        ticks = sum(map(int, (there / "stat").read_text().rpartition(")")[2].split()[11:15]))
        children = [
            int(child)
            for thread in (there / "task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
        memory = _memory(there) if children else _peak_alone(there)
    except (FileNotFoundError, ProcessLookupError):
        return _Use(0, 0)
    uses = [_Use(memory, ticks), *map(_use, children)]
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
