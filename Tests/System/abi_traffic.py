"""Speaks the ABI to a live endpoint: one of each operation, with its bytes and completions."""

import struct

import ibverbs_constants as ibv
import vrdma_abi as abi
from abi_live import both_kinds
from peers import Peer, make_peers, one
from raw_queues import connect_pair
from runner import Cases, check, check_equal

cases = Cases()


@cases.case("WRITE, WRITE with immediate and READ move the right bytes")
def one_sided(stage):
    """One-sided operations, gathered from two pieces."""
    for kind, left, right in both_kinds(stage):
        a, b = make_peers(left, right)
        a.buffer.memory.write(0, bytes(range(256)) * 32)
        pieces = [a.buffer.sge(0, 100), a.buffer.sge(1000, 156)]
        expected = a.buffer.memory.read(0, 100) + a.buffer.memory.read(1000, 156)
        a.qp.post_send(abi.WR_RDMA_WRITE, pieces, b.buffer.start + 5, b.buffer.rkey, wr_id=11)
        one(a, f"{kind}: WRITE", wr_id=11, opcode=ibv.WC_RDMA_WRITE, qp_number=a.qp.number, slot=a.qp.slot)
        check_equal(b.buffer.memory.read(5, 256), expected, f"{kind}: written bytes")
        check_equal(b.buffer.memory.read(0, 5) + b.buffer.memory.read(261, 5), bytes(10), f"{kind}: bytes around")
        b.qp.post_receive([], wr_id=12)
        a.qp.post_send(abi.WR_RDMA_WRITE_WITH_IMM, [a.buffer.sge(0, 64)], b.buffer.start + 512, b.buffer.rkey,
                       immediate=0x44332211)
        one(a, f"{kind}: WRITE with immediate")
        one(b, f"{kind}: its receive", wr_id=12, opcode=ibv.WC_RECV_RDMA_WITH_IMM, immediate=0x44332211,
            byte_length=64, flags=abi.WC_FLAG_WITH_IMM)
        b.buffer.memory.write(4096, b"remote bytes")
        a.qp.post_send(abi.WR_RDMA_READ, [a.buffer.sge(8192, 12)], b.buffer.start + 4096, b.buffer.rkey, wr_id=13)
        one(a, f"{kind}: READ", wr_id=13, opcode=ibv.WC_RDMA_READ)
        check_equal(a.buffer.memory.read(8192, 12), b"remote bytes", f"{kind}: bytes read")


@cases.case("SEND, SEND with immediate, inline and unsignalled")
def two_sided(stage):
    """Messages meet the receives in their order."""
    for kind, left, right in both_kinds(stage):
        a, b = make_peers(left, right)
        for number in range(3):
            b.qp.post_receive([b.buffer.sge(1024 * number, 1024)], wr_id=100 + number)
        a.buffer.memory.write(0, b"first message")
        a.qp.post_send(abi.WR_SEND, [a.buffer.sge(0, 13)], flags=0, wr_id=1)
        a.qp.post_send(abi.WR_SEND_WITH_IMM, [a.buffer.sge(0, 5)], immediate=0x01020304, wr_id=2)
        a.qp.post_send(abi.WR_SEND, inline=b"inline data", wr_id=3)
        one(a, f"{kind}: SEND with immediate", wr_id=2, opcode=ibv.WC_SEND)
        one(a, f"{kind}: inline SEND", wr_id=3)
        one(b, f"{kind}: receive 0", wr_id=100, opcode=ibv.WC_RECV, byte_length=13, flags=0)
        one(b, f"{kind}: receive 1", wr_id=101, immediate=0x01020304, byte_length=5, flags=abi.WC_FLAG_WITH_IMM)
        one(b, f"{kind}: receive 2", wr_id=102, byte_length=11, qp_number=b.qp.number)
        check_equal(b.buffer.memory.read(0, 13), b"first message", f"{kind}: first message")
        check_equal(b.buffer.memory.read(2048, 11), b"inline data", f"{kind}: inline message")
        check(a.cq.poll_one() is None, f"{kind}: an unsignalled request completed visibly")


@cases.case("compare-and-swap and fetch-and-add")
def atomics(stage):
    """The original value comes back, the new one is there."""
    for kind, left, right in both_kinds(stage):
        a, b = make_peers(left, right)
        b.buffer.memory.write(64, struct.pack("<Q", 40))
        target = b.buffer.start + 64
        a.qp.post_send(abi.WR_ATOMIC_FETCH_AND_ADD, [a.buffer.sge(0, 8)], target, b.buffer.rkey, compare_add=2)
        one(a, f"{kind}: fetch-and-add", opcode=ibv.WC_FETCH_ADD)
        check_equal(struct.unpack("<Q", a.buffer.memory.read(0, 8))[0], 40, f"{kind}: value before the addition")
        a.qp.post_send(abi.WR_ATOMIC_CMP_AND_SWP, [a.buffer.sge(8, 8)], target, b.buffer.rkey, compare_add=42, swap=7)
        one(a, f"{kind}: compare-and-swap", opcode=ibv.WC_COMP_SWAP)
        a.qp.post_send(abi.WR_ATOMIC_CMP_AND_SWP, [a.buffer.sge(16, 8)], target, b.buffer.rkey, compare_add=42, swap=9)
        one(a, f"{kind}: compare-and-swap that does not match")
        check_equal(struct.unpack("<QQ", a.buffer.memory.read(8, 16)), (42, 7), f"{kind}: values before the swaps")
        check_equal(struct.unpack("<Q", b.buffer.memory.read(64, 8))[0], 7, f"{kind}: value at the end")


@cases.case("a queue pair connected to itself")
def loopback(stage):
    """One context is enough."""
    for kind, left, _ in both_kinds(stage):
        a = Peer(left)
        gid = bytes(left.query_gid(1).gid)
        a.qp.to_init()
        a.qp.to_rtr(gid, a.qp.number)
        a.qp.to_rts()
        a.buffer.memory.write(0, b"to myself")
        a.qp.post_receive([a.buffer.sge(100, 100)], wr_id=1)
        a.qp.post_send(abi.WR_SEND, [a.buffer.sge(0, 9)], wr_id=2)
        found = {entry.wr_id: entry.status for entry in a.cq.wait(2)}
        check_equal(found, {1: ibv.WC_SUCCESS, 2: ibv.WC_SUCCESS}, f"{kind}: completions")
        check_equal(a.buffer.memory.read(100, 9), b"to myself", f"{kind}: bytes")


@cases.case("completion channel: one event for one arming")
def events(stage):
    """An armed queue writes one packet; an unarmed one none."""
    for kind, left, right in both_kinds(stage):
        handle, channel = left.make_comp_channel()
        stage.keep(channel)
        channel.settimeout(5)
        a, b = Peer(left, comp_channel=handle), Peer(right)
        connect_pair(a.qp, b.qp)
        a.cq.arm()
        for number in range(2):
            a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey, wr_id=number)
        event = abi.CompletionEvent.from_buffer_copy(channel.recv(64))
        check_equal((event.cq, event.slot), (a.cq.handle, 7), f"{kind}: event")
        check_equal(len(a.cq.wait(2)), 2, f"{kind}: completions")
        channel.settimeout(0.2)
        try:
            channel.recv(64)
        except TimeoutError:
            continue
        check(False, f"{kind}: a second event without a second arming")


@cases.case("query of a queue pair gives back what modify set")
def query(stage):
    """Attributes survive the way there and back."""
    for kind, left, right in both_kinds(stage):
        a, b = make_peers(left, right)
        found = a.qp.query()
        check_equal(found.qp_state, ibv.QPS_RTS, f"{kind}: state")
        check_equal(found.destination_qp_number, b.qp.number, f"{kind}: destination QP")
        check_equal(bytes(found.destination_gid), bytes(right.query_gid(1).gid), f"{kind}: destination GID")
        check_equal((found.timeout, found.retry_count, found.rnr_retry), (14, 7, 7), f"{kind}: retries")
        check_equal(found.min_rnr_timer, 12, f"{kind}: RNR timer")
        a.qp.to_error()
        check_equal(a.qp.state(), ibv.QPS_ERR, f"{kind}: state after to_error")


@cases.case("a wrong key is answered with REM_ACCESS_ERR, and the bytes stay")
def wrong_key(stage):
    """Access checks reach the completion."""
    for kind, left, right in both_kinds(stage):
        a, b = make_peers(left, right)
        a.buffer.memory.write(0, b"x" * 8)
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey ^ 0x5A00, wr_id=9)
        one(a, f"{kind}: WRITE with a wrong key", status=ibv.WC_REM_ACCESS_ERR, wr_id=9)
        check_equal(b.buffer.memory.read(0, 8), bytes(8), f"{kind}: target")
        check_equal(a.qp.state(), ibv.QPS_ERR, f"{kind}: state")
