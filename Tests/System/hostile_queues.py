"""Hostile cases: completion queues that nobody polls, and sockets that nobody reads."""

import socket
import time

import ibverbs_constants as ibv
import vrdma_abi as abi
from peers import Peer, expect_events, expect_state, make_peers, one
from raw_queues import connect_pair
from runner import Cases, check, check_equal

cases = Cases()


@cases.case("completion queue that is never polled: CQ_ERR, its queue pairs to ERR with QP_FATAL")
def overrun(stage):
    """Overrun as the specification has it; the other completion queue goes on."""
    left, right = stage.context(), stage.context()
    a, b = Peer(left, cq_entries=4), Peer(right)
    second = left.create_qp(a.pd, a.cq)
    connect_pair(a.qp, b.qp)
    connect_pair(second, right.create_qp(b.pd, b.cq))
    for number in range(8):
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey, wr_id=number)
    expect_events(left, [ibv.EVENT_CQ_ERR, ibv.EVENT_QP_FATAL, ibv.EVENT_QP_FATAL], "overrun")
    expect_state(a.qp, ibv.QPS_ERR, "overrun, the queue pair that caused it")
    expect_state(second, ibv.QPS_ERR, "overrun, the other queue pair of the queue")
    found = a.cq.wait(5, 0.3)
    check_equal([(entry.wr_id, entry.status) for entry in found], [(number, 0) for number in range(4)], "completions")
    c, d = make_peers(left, right)
    c.qp.post_send(abi.WR_RDMA_WRITE, [c.buffer.sge(0, 8)], d.buffer.start, d.buffer.rkey)
    one(c, "WRITE of another queue pair")


@cases.case("receiver's completion queue that is never polled: the sender ends with an error in bounded time")
def receiver_overrun(stage):
    """The receiver's overrun does not hold the sender."""
    left, right = stage.context(), stage.context()
    a, b = Peer(left), Peer(right, cq_entries=4)
    connect_pair(a.qp, b.qp, timeout=10, retry_count=1, rnr_retry=1)
    for number in range(8):
        b.qp.post_receive([b.buffer.sge(0, 64)], wr_id=number)
    for number in range(8):
        a.qp.post_send(abi.WR_SEND, [a.buffer.sge(0, 8)], wr_id=number)
    found = a.cq.wait(8, 10)
    check_equal(len(found), 8, "the sender's completions")
    check_equal([entry.status for entry in found[:4]], [0] * 4, "statuses of the first four")
    check(found[4].status != 0 or found[5].status != 0, "a SEND without a completion at the receiver succeeded")
    expect_events(right, [ibv.EVENT_CQ_ERR, ibv.EVENT_QP_FATAL], "the receiver's overrun")


@cases.case("completion channel that is never read: work goes on, an event waits for whom comes late")
def unread_channel(stage):
    """Thousands of events for a socket that nobody reads."""
    left, right = stage.context(), stage.context()
    handle, channel = left.make_comp_channel()
    stage.keep(channel)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    a, b = Peer(left, comp_channel=handle), Peer(right)
    connect_pair(a.qp, b.qp)
    for number in range(3000):
        a.cq.arm()
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey, wr_id=number)
        one(a, f"WRITE {number}")
    channel.settimeout(1)
    check_equal(len(channel.recv(64)), 8, "bytes of the first event")
    channel.setblocking(False)
    drained = 1
    try:
        while channel.recv(64):
            drained += 1
    except BlockingIOError:
        pass
    channel.settimeout(2)
    a.cq.arm()
    a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
    one(a, "WRITE after draining")
    check_equal(len(channel.recv(64)), 8, "bytes of an event after draining")
    return f"{drained} events kept"


@cases.case("completion channel that is full when its guest goes: its descriptors come back")
def full_channel_left(stage):
    """The other end stays open and unread, held by a second process of the attacker."""
    kept = []
    for _ in range(5):
        guest = stage.guest()
        context = stage.context(guest)
        handle, channel = context.make_comp_channel()
        kept.append(channel)
        peer = Peer(context, comp_channel=handle)
        connect_pair(peer.qp, peer.qp)
        for number in range(1500):
            peer.cq.arm()
            peer.qp.post_send(abi.WR_RDMA_WRITE, [peer.buffer.sge(0, 8)], peer.buffer.start + 64, peer.buffer.rkey)
            one(peer, f"WRITE {number}")
        guest.close()
    stage.close_all()
    try:
        stage.check_returned()
    finally:
        for channel in kept:
            channel.close()


@cases.case("completion channel whose other end is closed")
def closed_channel(stage):
    """EPIPE is not the end of the endpoint."""
    left, right = stage.context(), stage.context()
    handle, channel = left.make_comp_channel()
    a, b = Peer(left, comp_channel=handle), Peer(right)
    connect_pair(a.qp, b.qp)
    channel.close()
    for number in range(20):
        a.cq.arm()
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey, wr_id=number)
        one(a, f"WRITE {number}")


@cases.case("async event socket that is never read, or closed at the other end")
def unread_async(stage):
    """Hundreds of fatal queue pairs and nobody who wants to know."""
    for close in (False, True):
        left, right = stage.context(memory_bytes=1 << 22), stage.context()
        peer = Peer(right)
        pd, queue = left.alloc_pd(), left.create_cq(64)
        if close:
            left.async_socket.close()
        else:
            left.async_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for _ in range(400):
            mark = left.memory.mark()
            pair = left.create_qp(pd, queue, entries=4)
            pair.to_init()
            pair.to_rtr(bytes(right.query_gid(1).gid), peer.qp.number)
            pair.to_rts()
            pair.publish_send(0x40000000)
            deadline = time.monotonic() + 5
            while pair.state() != ibv.QPS_ERR:
                check(time.monotonic() < deadline, "a bad index is without consequence")
            pair.destroy()
            left.memory.release(mark)


@cases.case("receiver without receives: RNR_RETRY_EXC_ERR in bounded time")
def receiver_not_ready(stage):
    """A guest that never posts a receive."""
    left, right = stage.context(), stage.context()
    a, b = Peer(left), Peer(right)
    connect_pair(a.qp, b.qp, rnr_retry=2)
    started = time.monotonic()
    a.qp.post_send(abi.WR_SEND, [a.buffer.sge(0, 8)])
    one(a, "SEND without a receive", ibv.WC_RNR_RETRY_EXC_ERR)
    check(time.monotonic() - started < 5, "it took more than 5 s")
    c, d = Peer(left), Peer(right)
    connect_pair(c.qp, d.qp, rnr_retry=7)
    c.qp.post_send(abi.WR_SEND, [c.buffer.sge(0, 8)])
    check(not c.cq.wait(1, 0.5), "a SEND with endless retries completed without a receive")
    d.qp.post_receive([d.buffer.sge(0, 64)])
    one(c, "SEND after the receive came")
