"""Hostile cases: indices of queues, doorbells, and words that belong to the endpoint."""

import os
import time

import atomics
import ibverbs_constants as ibv
import vrdma_abi as abi
from peers import Peer, expect_event, expect_state, make_peers, one
from raw_context import RawBuffer
from raw_queues import connect_pair, ring_doorbell
from runner import Cases, check

cases = Cases()
JUMPS = (33, 1 << 31, 0xFFFFFFFF, 0xFFFFFFE0, 0x7FFFFFFF)


def jump(queue_pair, offset, tail, bit):
    """Publishes an index that cannot be, and rings."""
    atomics.store32(queue_pair.context.memory.base + offset, tail & 0xFFFFFFFF)
    ring_doorbell(queue_pair.context, bit)


@cases.case("send queue: a tail beyond the ring or running backwards: QP_FATAL, nobody else is touched")
def bad_send_tail(stage):
    """That queue pair alone goes to ERR."""
    left, right = stage.context(), stage.context()
    untouched = make_peers(left, right)
    for change in JUMPS:
        a, b = make_peers(left, right)
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
        one(a, "WRITE before")
        jump(a.qp, a.qp.send_offset, a.qp.send_tail + change, 2 * a.qp.slot)
        event = expect_event(left, ibv.EVENT_QP_FATAL, f"tail + {change:#x}")
        check(event.element == a.qp.number, "the event names another queue pair")
        expect_state(a.qp, ibv.QPS_ERR, f"tail + {change:#x}")
        for peer in (a, b):
            peer.qp.destroy()
    a, b = untouched
    a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
    one(a, "WRITE of the other queue pair")


@cases.case("receive queue: a tail beyond the ring or running backwards: QP_FATAL when a message comes")
def bad_receive_tail(stage):
    """The owner of the index suffers; the sender gets a completion."""
    left, right = stage.context(), stage.context()
    for change in JUMPS:
        a, b = Peer(left), Peer(right)
        connect_pair(a.qp, b.qp, timeout=10, retry_count=1, rnr_retry=1)
        jump(b.qp, b.qp.receive_offset, change, 2 * b.qp.slot + 1)
        a.qp.post_send(abi.WR_SEND, [a.buffer.sge(0, 8)])
        expect_event(right, ibv.EVENT_QP_FATAL, f"tail {change:#x}")
        expect_state(b.qp, ibv.QPS_ERR, f"tail {change:#x}")
        found = a.cq.wait(1, 10)
        check(found and found[0].status != ibv.WC_SUCCESS, f"tail {change:#x}: the SEND had no error")
        for peer in (a, b):
            peer.qp.destroy()


@cases.case("completion queue: a head beyond the tail, or running backwards")
def bad_completion_head(stage):
    """An error of that completion queue at most."""
    left, right = stage.context(), stage.context()
    outcomes = set()
    for change in (1, 1 << 31, 0xFFFFFFFF, 0xFFFFFF00, 65):
        a, b = make_peers(left, right)
        head = left.memory.base + a.cq.offset + abi.QueueHeader.application_index.offset
        for _ in range(3):
            atomics.store32(head, change)
            a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
            time.sleep(0.02)
        event = left.async_event(0.1)
        outcomes.add(event.event_type if event else "none")
        while left.async_event(0):
            pass
        a.qp.query()
        for peer in (a, b):
            peer.qp.destroy()
    return f"events {sorted(map(str, outcomes))}"


@cases.case("queues: the endpoint's own words overwritten by the guest")
def scribbled_words(stage):
    """Indices, PSNs, progress and wake-up words that the guest has no business to write."""
    left, right = stage.context(), stage.context()
    for value in (0xFFFFFFFF, 0x80000000, 1, 0):
        a, b = make_peers(left, right)
        for queue in (a.qp.send_header, a.qp.receive_header, b.qp.receive_header, a.cq.header, b.cq.header):
            queue.endpoint_index = value
            queue.psn = value
            queue.arm_served = value
            queue.doorbell_wanted = value
            queue.progress.stage = value
            queue.progress.index = value
            queue.progress.bytes_done = value * 0x100000001
        b.qp.post_receive([b.buffer.sge(0, 64)])
        a.qp.post_send(abi.WR_SEND, [a.buffer.sge(0, 8)])
        ring_doorbell(left, 2 * a.qp.slot)
        a.cq.wait(1, 1)
        for peer in (a, b):
            peer.qp.query()
            peer.qp.destroy()
        while left.async_event(0) or right.async_event(0):
            pass


@cases.case("doorbells: all bits set, again and again")
def flooded_doorbells(stage):
    """Bits of 131,072 slots without queue pairs cost the others nothing for long."""
    context = stage.context()
    peer = Peer(context)
    words = b"\xff" * 8 * abi.DOORBELL_LEAF_WORDS
    end = time.monotonic() + 2.0
    rounds = 0
    while time.monotonic() < end:
        context.memory.write(abi.ContextHeader.leaves.offset, words)
        context.memory.write(abi.ContextHeader.branches.offset, b"\xff" * 8 * abi.DOORBELL_BRANCH_WORDS)
        atomics.fetch_or64(context.memory.base + abi.ContextHeader.summary.offset, (1 << 64) - 1)
        os.write(context.kick, (1).to_bytes(8, "little"))
        rounds += 1
        if rounds % 50 == 0:
            stage.innocents.check_progress()
    connect_pair(peer.qp, peer.qp)
    peer.qp.post_send(abi.WR_RDMA_WRITE, [peer.buffer.sge(0, 8)], peer.buffer.start + 64, peer.buffer.rkey)
    one(peer, "WRITE after the flood")
    stage.close_all()
    stage.innocents.check_rate()
    return f"{rounds} floods"


@cases.case("doorbells: sixteen contexts flood together")
def many_floods(stage):
    """The endpoint's work per turn is bounded for each."""
    guest = stage.guest()
    contexts = [stage.context(guest) for _ in range(16)]
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for context in contexts:
            context.memory.write(abi.ContextHeader.summary.offset, b"\xff" * 8)
            context.memory.write(abi.ContextHeader.branches.offset, b"\xff" * (512 + 8 * abi.DOORBELL_LEAF_WORDS))
            os.write(context.kick, (1).to_bytes(8, "little"))
        stage.innocents.check_progress()
    stage.close_all()
    stage.innocents.check_rate()


@cases.case("work requests: eight queue pairs with rings that are always full")
def flooded_rings(stage):
    """One guest's endless work leaves the others their turns."""
    left, right = stage.context(), stage.context()
    pairs = [make_peers(left, right) for _ in range(8)]
    for a, b in pairs:
        for _ in range(a.qp.entries):
            a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge()], b.buffer.start, b.buffer.rkey, flags=0, publish=False)
        a.qp.send_tail = 0
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        for a, _ in pairs:
            a.qp.publish_send(a.qp.consumed() + a.qp.entries)
        stage.innocents.check_progress()
    stage.close_all()
    stage.innocents.check_rate()


@cases.case("work requests: hundreds of queue pairs with large messages without end")
def flooded_engine(stage):
    """Work per turn and guest is bounded: the innocent pair goes on meanwhile, if slowly."""
    context = stage.context(memory_bytes=1 << 22)
    pd, queue = context.alloc_pd(), context.create_cq(4)
    big = RawBuffer(context, pd, 2 << 20, ibv.ACCESS_ALL, None)
    pairs = [context.create_qp(pd, queue, entries=4) for _ in range(256)]
    for pair in pairs:
        connect_pair(pair, pair)
        for _ in range(4):
            pair.post_send(abi.WR_RDMA_WRITE, [big.sge(0, 1 << 20)], big.start + (1 << 20), big.rkey, flags=0,
                           publish=False)
    before, longest, seen, changed = stage.innocents.page.operations, 0.0, 0, time.monotonic()
    started = changed
    while time.monotonic() < started + 3.0:
        for pair in pairs:
            pair.publish_send(pair.consumed() + 4)
        now, operations = time.monotonic(), stage.innocents.page.operations
        if operations != seen:
            seen, changed = operations, now
        longest = max(longest, now - changed)
    rate = (stage.innocents.page.operations - before) / 3.0
    share = rate / stage.innocents.rate_before
    check(longest < 1.0, f"the innocent pair stood still for {longest:.1f} s")
    check(share > 0.05, f"the innocent pair did {rate:.0f} operations a second, {share:.1%} of its rate")
    stage.close_all()
    stage.innocents.check_rate()
    return f"{share:.0%} of the innocent pair's rate, longest pause {longest * 1000:.0f} ms"


@cases.case("arming: an arm word that changes all the time")
def flooded_arming(stage):
    """Events are bounded by completions."""
    left, right = stage.context(), stage.context()
    handle, channel = left.make_comp_channel()
    stage.keep(channel)
    a, b = Peer(left, comp_channel=handle), Peer(right)
    connect_pair(a.qp, b.qp)
    for value in range(2000):
        a.cq.header.arm = (value * 0x9E3779B1) & 0xFFFFFFFF
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
        one(a, f"WRITE {value}")


@cases.case("context words: kick_wanted, endpoint_cpu and the header overwritten all the time")
def scribbled_context(stage):
    """The endpoint's own words in the context memory."""
    left, right = stage.context(), stage.context()
    a, b = make_peers(left, right)
    for value in range(500):
        left.header.kick_wanted = value & 1
        left.header.endpoint_cpu = (value * 0x9E3779B1) & 0xFFFFFFFF
        left.header.magic = value
        left.header.major = value & 0xFFFF
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
        ring_doorbell(left, 2 * a.qp.slot)
        os.write(left.kick, (1).to_bytes(8, "little"))
        one(a, f"WRITE {value}")
