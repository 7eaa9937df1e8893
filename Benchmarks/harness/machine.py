"""The machine that the run had: what it is, how near its processors are to each other, and who else used them."""

import os
import pathlib
import platform
import resource
from collections.abc import Callable

from . import processes, reading
from .invocations import BUILT
from .step import StepFailed

# One-way transfer of a cache line, up to this many nanoseconds. Virtual processors move between these classes, and
# figures for small messages move with them. No two processors are as far apart as "disturbed": somebody else ran.
CLASSES = [("siblings", 37.0), ("same-cache", 120.0), ("far", 1000.0), ("disturbed", float("inf"))]

# Others used more than DISTURBING of a processor during the measurement, or during the look at it.
DISTURBED = "disturbed"
DISTURBING = 0.25

# Before and after a measurement the classes differed: the figure belongs to neither.
MOVED = "moved"

# There was no second processor, or no look succeeded.
UNKNOWN = "unknown"

# What uses one processor only is the same in every class.
EVERY = "every"

LOOK_MILLISECONDS = 15


def description() -> dict:
    """Processor, kernel, memory: what a reader needs to judge figures from elsewhere."""
    return {
        "processor": _processor_model(),
        "processors": os.cpu_count(),
        "usable": sorted(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def cache_line_nanoseconds(processors: tuple, timeout: float) -> float | None:
    """One-way transfer between the two processors; None when there is only one, or they could not be looked at.

    The lower quartile over many batches, because load by others only adds to it.
    """
    if processors[0] == processors[1]:
        return None
    command = [str(BUILT / "cache_line_latency"), "--from", str(processors[0]), "--to", str(processors[1])]
    try:
        output = processes.run([*command, "--duration-ms", str(LOOK_MILLISECONDS)], timeout)
        return reading.at(reading.json_line(output), "oneWayNanoseconds", "lowerQuartile")
    except StepFailed:
        return None


def class_of(nanoseconds: float | None) -> str:
    """The name of the class that a transfer time belongs to."""
    if nanoseconds is None:
        return UNKNOWN
    return next(name for name, limit in CLASSES if nanoseconds <= limit)


def class_between(before: float | None, after: float | None) -> str:
    """The class of what was measured between two looks."""
    return class_of(before) if class_of(before) == class_of(after) else MOVED


class ForeignLoad:
    """How much processor time others took while steps ran whose processes are all children of this one.

    `more_own` tells the processor seconds of processes that are no children and yet belong to the measurement.
    """

    def __init__(self, more_own: Callable = lambda: 0.0) -> None:
        self._more_own = more_own
        self._seconds = 0.0
        self._foreign = 0.0
        self._stolen = 0.0
        self._start: tuple | None = None

    def begin(self) -> None:
        """Call before a step."""
        self._start = _processor_seconds(), self._own_seconds(), os.times().elapsed

    def end(self) -> float:
        """Call after a step whose processes have all been waited for; returns what others took during it."""
        if self._start is None:
            return 0.0
        (busy, stolen), own, elapsed = self._start
        (busy_now, stolen_now), own_now, elapsed_now = _processor_seconds(), self._own_seconds(), os.times().elapsed
        foreign = max(0.0, (busy_now - busy) - (own_now - own))
        self._foreign += foreign
        self._stolen += stolen_now - stolen
        self._seconds += elapsed_now - elapsed
        self._start = None
        return foreign / max(elapsed_now - elapsed, 0.1)

    def result(self) -> dict:
        """Fractions of one processor: by other processes, and withheld by the hypervisor."""
        if self._seconds == 0:
            return {"others": 0.0, "stolen": 0.0}
        return {"others": self._foreign / self._seconds, "stolen": self._stolen / self._seconds}

    def _own_seconds(self) -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
        return sum(usage.ru_utime + usage.ru_stime for usage in used) + self._more_own()


def seconds_of_processes(identifiers: list) -> float:
    """The processor time that running processes have used, with all their threads."""
    total = 0
    for identifier in identifiers:
        try:
            # After the name, which may hold anything but ends with the last bracket.
            text = pathlib.Path(f"/proc/{identifier}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _processor_seconds() -> tuple:
    fields = pathlib.Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _, _, hard, soft, steal = map(int, fields[:8])
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + hard + soft) / ticks, steal / ticks


def _processor_model() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
