"""What the results are held against: the floors that vRDMA promises, and the comparisons that explain them."""

from dataclasses import dataclass

from .vm_tests import OURS, PLAIN, TESTS

@dataclass(frozen=True)
class Floor:
    """A figure, or its ratio to another of the same round, and the limit that its median must keep.

    Attributes:
        what: the promise, in words.
        figures: the names of the results that are held against it, each by itself.
        limit: in `unit` (or a ratio when `relative_to` is given).
        at_least: whether the limit is a minimum; else it is a maximum.
        relative_to: the result that the figure is divided by.
        reference: a result that shows what the machine allowed in the same run, or None.
    """

    what: str
    figures: tuple
    limit: float
    at_least: bool
    unit: str = ""
    relative_to: str = ""
    reference: str = ""


@dataclass(frozen=True)
class Expectations:
    """What one kind of run is held against: floors, and comparisons of two figures of the same unit within a round."""

    floors: list
    comparisons: list


FLOORS = [
    Floor("WRITE 1 MiB, depth 16, of a memcpy over the same buffers", ("perftest.write.1m", "client.write.1m"),
          0.85, True, relative_to="memcpy.1m", reference="ring.write.1m"),
    Floor("WRITE 64 KiB, depth 16, of a memcpy over the same buffers", ("perftest.write.64k", "client.write.64k"),
          0.7, True, relative_to="memcpy.64k", reference="ring.write.64k"),
    Floor("WRITE 64 B, depth 128", ("perftest.write.64", "client.write.64"),
          20.0, True, unit="M/s", reference="ring.write.64"),
    Floor("SEND 64 B, depth 128", ("perftest.send.64", "client.send.64"),
          12.0, True, unit="M/s", reference="ring.send.64"),
    Floor("SEND ping-pong 64 B, polling, half round trip", ("perftest.send_lat.64", "client.send_lat.64"),
          3.0, False, unit="us", reference="ring.send_lat.64"),
    Floor("SEND ping-pong 64 B, blocking, of three futex hops",
          ("perftest.send_lat.64.blocking", "client.send_lat.64.blocking"),
          1.5, False, relative_to="futex.three_hops", reference="ring.send_lat.64.blocking"),
    Floor("idle endpoint, 100 guests and 1,000 queue pairs, of a core", ("client.idle:cpu",), 1.0, False, unit="%"),
    Floor("endpoint memory of an idle connected queue pair", ("client.idle:memory",), 8192, False, unit="B"),
    Floor("busy pair beside 10,000 idle queue pairs, of alone", ("client.manyqp.10000",),
          0.9, True, relative_to="client.manyqp.0"),
    Floor("registering 1 MiB that is shared already", ("client.register.1m",), 100.0, False, unit="us"),
    Floor("creating and connecting 1,000 queue pairs", ("client.connect.1000",), 1.0, False, unit="s"),
]

# What is divided by what, within one round. Both must have the same unit.
COMPARISONS = [
    *[
        (ours, other)
        for test, others in {
            "write.64": ["ring.write.64", "ucx.put.64"],
            "write.4k": ["ring.write.4k", "ucx.put.4k", "memcpy.4k"],
            "write.64k": ["ring.write.64k", "memcpy.64k", "ucx.put.64k", "libfabric.64k", "tcp.64k"],
            "write.1m": ["ring.write.1m", "memcpy.1m", "ucx.put.1m", "libfabric.1m", "tcp.1m"],
            "send.64": ["ring.send.64", "ucx.tag.64"],
            "send_lat.64": ["ring.send_lat.64", "ucx.tag_lat.64", "libfabric.lat.64", "tcp.lat.64"],
            "send_lat.64.blocking": ["ring.send_lat.64.blocking", "futex.three_hops"],
        }.items()
        for ours in (f"perftest.{test}", f"client.{test}")
        for other in others
    ],
    ("perftest.write_lat.64", "ring.write_lat.64"),
    ("perftest.write_lat.64", "ucx.put_lat.64"),
    ("perftest.read.64k", "memcpy.64k"),
    ("client.manyqp.10000", "client.manyqp.0"),
    ("ring.write.64k", "memcpy.64k"),
    ("ring.write.1m", "memcpy.1m"),
    ("ring.write.1m.16", "memcpy.1m.16"),
    ("ring.write.64", "ucx.put.64"),
    ("ring.send.64", "ucx.tag.64"),
    ("ring.send_lat.64", "ucx.tag_lat.64"),
    ("ring.send_lat.64.blocking", "futex.three_hops"),
]

HOST = Expectations(FLOORS, COMPARISONS)


def _vm_floors(place: str, where: str) -> list:
    """The promises for the verbs adapter: perftest through us against perftest on the device itself."""
    def floor(what: str, test: str, limit: float, at_least: bool) -> Floor:
        figures = tuple(f"{who}.{place}.{test}" for who in OURS)
        return Floor(f"{what}, {where}, of rxe's own", figures, limit, at_least,
                     relative_to=f"{PLAIN}.{place}.{test}")

    return [
        floor("WRITE ping-pong 64 B", "write_lat.64", 1.5, False),
        floor("SEND ping-pong 64 B", "send_lat.64", 1.5, False),
        floor("WRITE 64 KiB", "write.64k", 0.9, True),
        floor("SEND 64 KiB", "send.64k", 0.9, True),
        floor("READ 64 KiB", "read.64k", 0.9, True),
    ]


VM = Expectations(
    [*_vm_floors("loop", "within one machine"), *_vm_floors("wire", "between two machines")],
    [(f"{who}.{place}.{name}", f"{PLAIN}.{place}.{name}")
     for place in ("loop", "wire") for name, *_ in TESTS for who in OURS])
