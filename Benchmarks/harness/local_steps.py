"""Steps that measure the machine itself: memory, waking, switching, and the ring model."""

from . import processes, reading
from .invocations import BUILT
from .step import Figure, Settings, Step

SIZES = {"64": 64, "4k": 4096, "64k": 65536, "1m": 1 << 20}

# A and B share a processor and yield, E polls on the other: what two processors are best at.
APART = ["--endpoint-wait", "spin", "--application-wait", "yield"]
# Everybody polls a little and yields then, wherever the scheduler puts them.
FREE = ["--endpoint-wait", "yield:64", "--application-wait", "yield:64"]
FREE_YIELD = ["--endpoint-wait", "yield", "--application-wait", "yield"]
BLOCKING = ["--endpoint-wait", "futex", "--application-wait", "futex"]

# name, arguments, whether processes are kept apart, what is read
RING = [
    ("ring.write.64", ["--mode", "write", "--size", "64", "--depth", "128", *APART], True, "rate"),
    ("ring.write.4k", ["--mode", "write", "--size", "4096", "--depth", "128", *APART], True, "bytes"),
    ("ring.write.64k", ["--mode", "write", "--size", "65536", "--depth", "16", *APART], True, "bytes"),
    ("ring.write.1m", ["--mode", "write", "--size", "1048576", "--depth", "16", *APART], True, "bytes"),
    ("ring.write.1m.16", ["--mode", "write", "--size", "1048576", "--depth", "16", "--buffers", "16", *APART], True,
     "bytes"),
    ("ring.send.64", ["--mode", "send", "--size", "64", "--depth", "128", *APART], True, "rate"),
    ("ring.write.64.free", ["--mode", "write", "--size", "64", "--depth", "128", *FREE], False, "rate"),
    ("ring.send.64.free", ["--mode", "send", "--size", "64", "--depth", "128", *FREE], False, "rate"),
    ("ring.write_lat.64", ["--mode", "write-pingpong", "--size", "64", *APART], True, "latency"),
    ("ring.send_lat.64", ["--mode", "send-pingpong", "--size", "64", *APART], True, "latency"),
    ("ring.send_lat.64.free", ["--mode", "send-pingpong", "--size", "64", *FREE_YIELD], False, "latency"),
    ("ring.send_lat.64.blocking", ["--mode", "send-pingpong", "--size", "64", *BLOCKING], False, "latency"),
]


def figure_of(name: str, kind: str) -> Figure:
    """The figure of a step that yields one of the three usual kinds."""
    unit, better = {"rate": ("M/s", "higher"), "bytes": ("GB/s", "higher"), "latency": ("us", "lower")}[kind]
    return Figure(name, unit, better)


def value_of(line: dict, kind: str) -> float:
    """The value of that figure in a JSON line of the ring model, and of whoever prints the same keys."""
    if kind == "rate":
        return reading.at(line, "messagesPerSecond") / 1e6
    if kind == "bytes":
        return reading.at(line, "bytesPerSecond") / 1e9
    return reading.at(line, "halfRoundTripNanoseconds", "median") / 1e3


def steps(settings: Settings) -> list:
    """All steps of this file."""
    return [*_memcpy(settings), *_machine(settings), *_ring(settings)]


def _line(settings: Settings, program: str, *arguments: str) -> dict:
    command = [str(BUILT / program), *arguments, "--duration-ms", str(settings.milliseconds)]
    return reading.json_line(processes.run(command, settings.step_timeout_seconds))


def _memcpy(settings: Settings) -> list:
    def step(name: str, size: int, buffers: int) -> Step:
        def run() -> list:
            line = _line(settings, "memcpy_bandwidth", "--size", str(size), "--buffers", str(buffers))
            return [reading.at(line, "bytesPerSecond") / 1e9]

        return Step(name, [figure_of(name, "bytes")], run, one_processor=True)

    found = [step(f"memcpy.{label}", size, 1) for label, size in SIZES.items()]
    return [*found, step("memcpy.1m.16", 1 << 20, 16)]


def _machine(settings: Settings) -> list:
    def hops(name: str, *arguments: str, one_processor: bool = False) -> Step:
        def run() -> list:
            return [reading.at(_line(settings, "futex_hops", *arguments), "threeHopsNanoseconds") / 1e3]

        return Step(name, [Figure(name, "us", "lower")], run, one_processor=one_processor)

    def switch() -> list:
        line = _line(settings, "context_switch", "--processor", str(settings.processors[0]))
        return [reading.at(line, "switchNanoseconds", "median") / 1e3]

    return [
        hops("futex.three_hops", "--route", "circle"),
        hops("futex.three_hops.one_processor", "--route", "circle", "--processor", str(settings.processors[0]),
             one_processor=True),
        Step("context_switch", [Figure("context_switch", "us", "lower")], switch, one_processor=True),
    ]


def _ring(settings: Settings) -> list:
    first, second = settings.processors

    def step(name: str, arguments: list, apart: bool, kind: str) -> Step:
        pins = ["--pin", f"{first},{second},{first}"] if apart else []

        def run() -> list:
            return [value_of(_line(settings, "ringmodel", *arguments, *pins), kind)]

        return Step(name, [figure_of(name, kind)], run)

    return [step(*entry) for entry in RING]
