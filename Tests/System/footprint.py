"""What a process holds: descriptors, mappings, resident memory, processor time."""

import os
import pathlib
import time
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Footprint:
    """A measurement of one process."""
    descriptors: int
    mappings: int
    shared_mappings: int
    resident_bytes: int
    processor_seconds: float


def measure(pid):
    """The footprint of a process now."""
    base = pathlib.Path("/proc", str(pid))
    lines = (base / "maps").read_text().splitlines()
    status = dict(line.split(":", 1) for line in (base / "status").read_text().splitlines() if ":" in line)
    fields = (base / "stat").read_text().rsplit(")", 1)[1].split()
    anonymous = int(status.get("RssAnon", "0 kB").split()[0]) * 1024
    return Footprint(
        descriptors=len(os.listdir(base / "fd")), mappings=len(lines),
        shared_mappings=sum("memfd:" in line for line in lines), resident_bytes=anonymous,
        processor_seconds=(int(fields[11]) + int(fields[12])) / _TICKS)


def wait_for_return(pid, before, timeout=10.0, descriptors=0, shared_mappings=0):
    """Waits until a process holds no more descriptors and shared mappings than before; the last measurement.

    The allowances are for what the caller knows to be still open.
    """
    deadline = time.monotonic() + timeout
    while True:
        now = measure(pid)
        if now.descriptors <= before.descriptors + descriptors \
                and now.shared_mappings <= before.shared_mappings + shared_mappings:
            return now, True
        if time.monotonic() > deadline:
            return now, False
        time.sleep(0.05)


def describe_descriptors(pid, limit=40):
    """Kinds of open descriptors and how many of each, for a failure's text."""
    kinds = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}").split(":[", 1)[0]
        except OSError:
            continue
        kinds[target] = kinds.get(target, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1])[:limit])
