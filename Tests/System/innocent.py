"""Two well-behaved applications in two guests that exchange verified WRITE and SEND traffic.

Run as a program by `InnocentPair` (innocent_pair.py).  Its figures go to a shared page, so that the parent sees them
without asking: operations, errors, rounds, and the text of the first error.  The page also tells the first
application's and the second's QP number and memory key, as targets for attacks.
"""

import argparse
import ctypes
import os
import mmap
import sys
import time

sys.dont_write_bytecode = True

import ibverbs_constants as ibv
import vrdma_abi as abi
from raw_application import RawApplication
from raw_context import RawContext
from raw_guest import RawGuest
from raw_queues import connect_pair

DEPTH = 16
MESSAGE_BYTES = 4096
STALL_SECONDS = 20.0


class Page(ctypes.Structure):
    """The shared figures; written by the program only, but for `stop`."""
    _fields_ = [("ready", ctypes.c_uint32), ("stop", ctypes.c_uint32), ("operations", ctypes.c_uint64),
                ("rounds", ctypes.c_uint64), ("errors", ctypes.c_uint64), ("qp_numbers", ctypes.c_uint32 * 2),
                ("rkeys", ctypes.c_uint32 * 2), ("lkeys", ctypes.c_uint32 * 2), ("starts", ctypes.c_uint64 * 2),
                ("gids", (ctypes.c_uint8 * 16) * 2), ("text", ctypes.c_char * 512)]


def open_transport(text):
    """A transport from `app:SOCKET` or `raw:ENDPOINT,NAME,ADDRESS`."""
    kind, _, rest = text.partition(":")
    if kind == "app":
        return RawApplication(rest)
    path, name, address = rest.split(",")
    return RawGuest(path, name, address).transport()


class Side:
    """One application: a context, a buffer for each direction, a queue pair."""

    def __init__(self, transport):
        self.context = RawContext(transport)
        self.pd = self.context.alloc_pd()
        self.outgoing = self.context.make_buffer(self.pd, DEPTH * MESSAGE_BYTES)
        self.incoming = self.context.make_buffer(self.pd, 2 * DEPTH * MESSAGE_BYTES)
        self.cq = self.context.create_cq(4 * DEPTH)
        self.qp = self.context.create_qp(self.pd, self.cq, entries=2 * DEPTH)

    def pattern(self, number, index):
        """The bytes of one message."""
        return ((number * 0x9E3779B97F4A7C15 + index * 0xD1B54A32D192ED03) & (1 << 64) - 1).to_bytes(8, "little") \
            * (MESSAGE_BYTES // 8)

    def send_round(self, peer, number):
        """DEPTH messages to the peer, half of them WRITE, half SEND; all are checked. Returns how many."""
        sends = DEPTH // 2
        for index in range(sends):
            peer.qp.post_receive([peer.incoming.sge((DEPTH + index) * MESSAGE_BYTES, MESSAGE_BYTES)], wr_id=index)
        for index in range(DEPTH):
            self.outgoing.memory.write(index * MESSAGE_BYTES, self.pattern(number, index))
            piece = self.outgoing.sge(index * MESSAGE_BYTES, MESSAGE_BYTES)
            if index < sends:
                self.qp.post_send(abi.WR_SEND, [piece], wr_id=index, publish=False)
            else:
                place = peer.incoming.start + index * MESSAGE_BYTES
                self.qp.post_send(abi.WR_RDMA_WRITE, [piece], place, peer.incoming.rkey, wr_id=index, publish=False)
        self.qp.publish_send(self.qp.send_tail)
        self.finish(peer, number, sends)
        return DEPTH

    def finish(self, peer, number, sends):
        """Waits for the completions of a round and compares the bytes."""
        done = self.cq.wait(DEPTH, STALL_SECONDS)
        received = peer.cq.wait(sends, STALL_SECONDS)
        if len(done) != DEPTH or len(received) != sends:
            raise RuntimeError(f"round {number}: {len(done)} of {DEPTH} sent, {len(received)} of {sends} received "
                               f"in {STALL_SECONDS} s")
        for order, entry in enumerate(done + received):
            if entry.status != ibv.WC_SUCCESS:
                raise RuntimeError(f"round {number}: completion {ibv.status_name(entry.status)}")
            if entry.wr_id != order % DEPTH:
                raise RuntimeError(f"round {number}: completion of {entry.wr_id} where {order % DEPTH} was due")
        for index in range(DEPTH):
            slot = DEPTH + index if index < sends else index
            if peer.incoming.memory.read(slot * MESSAGE_BYTES, MESSAGE_BYTES) != self.pattern(number, index):
                raise RuntimeError(f"round {number}: message {index} arrived with wrong bytes")

    def check_quiet(self):
        """No event of an error came."""
        event = self.context.async_event(0)
        if event is not None:
            raise RuntimeError(f"async event {event.event_type} for element {event.element}")


def run(page, transports):
    """Traffic in both directions until told to stop."""
    sides = [Side(transport) for transport in transports]
    connect_pair(sides[0].qp, sides[1].qp)
    for index, side in enumerate(sides):
        page.qp_numbers[index], page.starts[index] = side.qp.number, side.incoming.start
        page.rkeys[index], page.lkeys[index] = side.incoming.rkey, side.incoming.lkey
        page.gids[index][:] = bytes(side.context.query_gid(1).gid)
    page.ready = 1
    number = 0
    while not page.stop:
        for side, peer in (sides, reversed(sides)):
            page.operations += side.send_round(peer, number)
            side.check_quiet()
            number += 1
        page.rounds += 1
        time.sleep(0.0002)
    for side in sides:
        side.context.close()


def main():
    """Entry point."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("page", type=int, help="descriptor of the shared page")
    options.add_argument("transports", nargs=2, help="app:SOCKET or raw:ENDPOINT,NAME,ADDRESS")
    arguments = options.parse_args()
    page = Page.from_buffer(mmap.mmap(arguments.page, 4096))
    os.close(arguments.page)
    try:
        run(page, [open_transport(text) for text in arguments.transports])
    except Exception as problem:  # the parent reports it
        page.text = f"{type(problem).__name__}: {problem}".encode()[:511]
        page.errors += 1
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
