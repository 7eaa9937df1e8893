"""An application that exists to be killed.

Run as a program: victim.py TRANSPORT MODE.  It opens a context on the transport (see innocent.open_transport) and, in
mode `traffic`, prints where its queue pair and memory are as a line of JSON, reads the peer's line from standard input
and exchanges WRITE and SEND with it for ever.  In mode `control` it makes and destroys objects for ever.
"""

import json
import sys
import time

sys.dont_write_bytecode = True

import ibverbs_constants as ibv
import vrdma_abi as abi
from innocent import open_transport
from peers import Peer
from raw_context import RawContext
from raw_queues import connect_pair

DEPTH = 8


def describe(peer):
    """What the other side needs to know."""
    return {"gid": bytes(peer.context.query_gid(1).gid).hex(), "qp": peer.qp.number, "start": peer.buffer.start,
            "rkey": peer.buffer.rkey}


def connect(peer, remote, **rts):
    """Connects a peer with a described one."""
    peer.qp.to_init()
    peer.qp.to_rtr(bytes.fromhex(remote["gid"]), remote["qp"])
    peer.qp.to_rts(**rts)


class Traffic:
    """Endless WRITE and SEND with a described peer; both sides run it."""

    def __init__(self, peer, remote):
        self.peer, self.remote = peer, remote
        self.outstanding = self.receives = self.done = 0

    def step(self):
        """Posts what fits and polls once; the first completion with an error, or None."""
        peer = self.peer
        while self.receives < DEPTH:
            peer.qp.post_receive([peer.buffer.sge(32768, 4096)], wr_id=1 << 32)
            self.receives += 1
        while self.outstanding < DEPTH:
            if self.done % 2:
                peer.qp.post_send(abi.WR_SEND, [peer.buffer.sge(0, 1024)])
            else:
                peer.qp.post_send(abi.WR_RDMA_WRITE, [peer.buffer.sge(0, 4096)], self.remote["start"],
                                  self.remote["rkey"])
            self.outstanding += 1
            self.done += 1
        entry = peer.cq.poll_one()
        if entry is None:
            time.sleep(0.0001)
            return None
        if entry.wr_id == 1 << 32:
            self.receives -= 1
        else:
            self.outstanding -= 1
        return entry if entry.status != ibv.WC_SUCCESS else None


def traffic(context):
    """Mode `traffic`."""
    peer = Peer(context)
    print(json.dumps(describe(peer)), flush=True)
    remote = json.loads(sys.stdin.readline())
    connect(peer, remote, timeout=10, retry_count=3)
    run = Traffic(peer, remote)
    while True:
        if run.step() is not None:
            time.sleep(1)


def control(context):
    """Mode `control`."""
    print("{}", flush=True)
    mark = context.memory.mark()
    while True:
        a, b = Peer(context), Peer(context)
        connect_pair(a.qp, b.qp)
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge()], b.buffer.start, b.buffer.rkey)
        for peer in (a, b):
            peer.qp.destroy()
            peer.cq.destroy()
            peer.buffer.deregister()
            context.handle_call(abi.OP_DEALLOC_PD, peer.pd)
        context.memory.release(mark)


def main():
    """Entry point."""
    transport, mode = sys.argv[1:3]
    context = RawContext(open_transport(transport))
    {"traffic": traffic, "control": control}[mode](context)


if __name__ == "__main__":
    main()
