"""Hostile cases: work requests with wild opcodes, counts, addresses and keys."""

import threading

import ibverbs_constants as ibv
import vrdma_abi as abi
from peers import BUFFER_BYTES, expect_state, make_peers
from raw_context import RawBuffer
from raw_queues import connect_pair
from runner import Cases, check, check_equal

cases = Cases()
U64 = (1 << 64) - 1


class Field:
    """Two contexts in one guest each, and fresh connected peers for every attempt."""

    def __init__(self, stage):
        self.left, self.right = stage.context(memory_bytes=1 << 22), stage.context(memory_bytes=1 << 22)

    def attempt(self, what, statuses, post, prepare=None):
        """Posts by `post(a, b)`; the completion must have one of `statuses`, and both sides stay usable."""
        marks = self.left.memory.mark(), self.right.memory.mark()
        a, b = make_peers(self.left, self.right, timeout=8, retry_count=1, rnr_retry=1)
        a.buffer.memory.write(0, b"\xa5" * BUFFER_BYTES)
        if prepare:
            prepare(a, b)
        post(a, b)
        found = a.cq.wait(1, 10)
        check(found, f"{what}: no completion")
        names = [ibv.status_name(status) for status in statuses]
        check(found[0].status in statuses, f"{what}: {ibv.status_name(found[0].status)}, not {' or '.join(names)}")
        if found[0].status != ibv.WC_SUCCESS:
            expect_state(a.qp, ibv.QPS_ERR, what)
        intact = b.buffer.memory.read(0, BUFFER_BYTES)
        for peer in (a, b):
            peer.qp.destroy()
            peer.cq.destroy()
            peer.buffer.deregister()
        for context, mark in zip((self.left, self.right), marks):
            context.memory.release(mark)
            while context.async_event(0):
                pass
        return found[0], intact


@cases.case("work requests: unknown opcodes")
def opcodes(stage):
    """LOC_QP_OP_ERR, whatever the flags."""
    field = Field(stage)
    for opcode in (7, 8, 9, 10, 11, 12, 13, 14, 15, 0x7F, 0x80, 0xFE, 0xFF):
        for flags in (0, abi.SEND_SIGNALED, 0xFF & ~abi.SEND_INLINE):
            field.attempt(f"opcode {opcode}, flags {flags:#x}", {ibv.WC_LOC_QP_OP_ERR},
                          lambda a, b: a.qp.post_send(opcode, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey,
                                                      flags=flags))


@cases.case("work requests: counts of elements and inline bytes beyond the maximum")
def counts(stage):
    """LOC_QP_OP_ERR, and no byte beyond the entry is read."""
    field = Field(stage)

    def post(a, b, sge_count=1, inline_bytes=0, flags=abi.SEND_SIGNALED):
        entry = abi.SendWQE(opcode=abi.WR_RDMA_WRITE, flags=flags, sge_count=sge_count, inline_bytes=inline_bytes,
                            remote_address=b.buffer.start, rkey=b.buffer.rkey)
        a.qp.write_send(a.qp.send_tail, bytes(entry) + bytes(a.buffer.sge(0, 8)) * 2)
        a.qp.publish_send(a.qp.send_tail + 1)
    for count in (3, 5, 32, 33, 1000, 65535):
        field.attempt(f"{count} elements", {ibv.WC_LOC_QP_OP_ERR}, lambda a, b: post(a, b, count))
    inline = abi.SEND_SIGNALED | abi.SEND_INLINE
    for count in (65, 128, 4096, 1 << 31, 0xFFFFFFFF):
        field.attempt(f"{count} inline bytes", {ibv.WC_LOC_QP_OP_ERR}, lambda a, b: post(a, b, 0, count, inline))
    field.attempt("inline data with a READ", {ibv.WC_LOC_QP_OP_ERR},
                  lambda a, b: a.qp.post_send(abi.WR_RDMA_READ, [], b.buffer.start, b.buffer.rkey, inline=b"12345678"))


@cases.case("work requests: local keys, addresses and lengths that are wrong: LOC_PROT_ERR")
def local_access(stage):
    """Every bound of a local element."""
    field = Field(stage)
    for opcode in (abi.WR_RDMA_WRITE, abi.WR_SEND, abi.WR_RDMA_READ):
        for what, change in (
                ("key 0", {"lkey": 0}), ("key 2^32-1", {"lkey": 0xFFFFFFFF}), ("index + 1", {"index": 0x100}),
                ("key byte + 1", {"portion": 1}), ("address 0", {"address": 0}), ("address 2^64-1", {"address": U64}),
                ("before the region", {"before": 1}), ("beyond the region", {"length": BUFFER_BYTES + 1}),
                ("address + length beyond 2^64", {"address": U64 - 3}), ("length 2^32-1", {"length": 0xFFFFFFFF})):
            def post(a, b):
                sge = a.buffer.sge(0, 8)
                sge.lkey = change.get("lkey", sge.lkey + change.get("index", 0) & 0xFFFFFFFF)
                sge.lkey = sge.lkey & ~0xFF | (sge.lkey + change.get("portion", 0)) & 0xFF
                sge.address = change.get("address", sge.address - change.get("before", 0))
                sge.length = change.get("length", 8)
                a.qp.post_send(opcode, [sge], b.buffer.start, b.buffer.rkey)

            def receive(a, b):
                b.qp.post_receive([b.buffer.sge()])
            allowed = {ibv.WC_LOC_PROT_ERR, ibv.WC_LOC_LEN_ERR}
            if opcode == abi.WR_RDMA_READ:
                allowed.add(ibv.WC_LOC_ACCESS_ERR)
            if "length" in change:  # the remote side or the message limit may be found first
                allowed |= {ibv.WC_REM_ACCESS_ERR, ibv.WC_REM_INV_REQ_ERR}
            field.attempt(f"opcode {opcode}, {what}", allowed, post, receive)


@cases.case("work requests: remote keys, addresses and lengths that are wrong: REM_ACCESS_ERR")
def remote_access(stage):
    """Every bound of the remote side; not a byte is written."""
    field = Field(stage)
    for opcode in (abi.WR_RDMA_WRITE, abi.WR_RDMA_READ, abi.WR_ATOMIC_FETCH_AND_ADD, abi.WR_RDMA_WRITE_WITH_IMM):
        for what, address, key in (
                ("key 0", 0, lambda key: 0), ("key 2^32-1", 0, lambda key: 0xFFFFFFFF),
                ("index + 1", 0, lambda key: key + 0x100 & 0xFFFFFFFF),
                ("key byte + 1", 0, lambda key: key & ~0xFF | key + 1 & 0xFF),
                ("before the region", -8, None), ("beyond the region", BUFFER_BYTES - 4, None),
                ("far beyond", 1 << 40, None), ("near 2^64", "top", None)):
            def post(a, b):
                target = U64 - 3 if address == "top" else b.buffer.start + address
                if opcode == abi.WR_ATOMIC_FETCH_AND_ADD:
                    target &= ~7
                a.qp.post_send(opcode, [a.buffer.sge(0, 8)], target, key(b.buffer.rkey) if key else b.buffer.rkey,
                               compare_add=1)
            if opcode == abi.WR_ATOMIC_FETCH_AND_ADD and what == "beyond the region":
                continue
            _, bytes_after = field.attempt(f"opcode {opcode}, {what}", {ibv.WC_REM_ACCESS_ERR}, post,
                                           lambda a, b: b.qp.post_receive([]))
            check_equal(bytes_after, bytes(BUFFER_BYTES), f"opcode {opcode}, {what}: target")


@cases.case("work requests: misaligned atomics, atomics of wrong length")
def atomics(stage):
    """REM_INV_REQ_ERR or a local length error, never a torn value."""
    field = Field(stage)
    for misalignment in range(1, 8):
        field.attempt(f"atomic at + {misalignment}", {ibv.WC_REM_INV_REQ_ERR, ibv.WC_REM_ACCESS_ERR},
                      lambda a, b: a.qp.post_send(abi.WR_ATOMIC_FETCH_AND_ADD, [a.buffer.sge(0, 8)],
                                                  b.buffer.start + misalignment, b.buffer.rkey, compare_add=1))
    for length in (0, 1, 4, 7):
        field.attempt(f"atomic with {length} local bytes",
                      {ibv.WC_LOC_LEN_ERR, ibv.WC_LOC_PROT_ERR, ibv.WC_LOC_QP_OP_ERR},
                      lambda a, b: a.qp.post_send(abi.WR_ATOMIC_FETCH_AND_ADD, [a.buffer.sge(0, length)],
                                                  b.buffer.start, b.buffer.rkey, compare_add=1))


@cases.case("receive requests: counts, keys and addresses that are wrong harm the receiver alone")
def receives(stage):
    """The sender gets a remote error in bounded time."""
    field = Field(stage)
    for what, count, change in (("3 elements", 3, {}), ("65536 elements", 65536, {}), ("2^32-1", 0xFFFFFFFF, {}),
                                ("key 0", 1, {"lkey": 0}), ("address 2^64-1", 1, {"address": U64}),
                                ("length 2^32-1", 1, {"length": 0xFFFFFFFF}), ("too short", 1, {"length": 4})):
        def prepare(a, b):
            sge = b.buffer.sge(0, 64)
            for name, value in change.items():
                setattr(sge, name, value)
            b.qp.write_receive(0, bytes(abi.ReceiveWQE(sge_count=count)) + bytes(sge))
            b.qp.publish_receive(1)
        allowed = {ibv.WC_REM_OP_ERR, ibv.WC_REM_INV_REQ_ERR, ibv.WC_REM_ACCESS_ERR, ibv.WC_RETRY_EXC_ERR}
        if "length" in change and change["length"] > 4:
            allowed.add(ibv.WC_SUCCESS)  # eight bytes fit into the region, if the length is not checked beforehand
        field.attempt(what, allowed, lambda a, b: a.qp.post_send(abi.WR_SEND, [a.buffer.sge(0, 8)]), prepare)


@cases.case("work requests: changed while the endpoint reads them")
def changing(stage):
    """What was checked is what is used: no completion with success writes beyond the region."""
    left, right = stage.context(), stage.context()
    a, b = make_peers(left, right)
    guard = right.make_buffer(b.pd, 4096)
    stop = threading.Event()
    places = [a.qp.send_offset + 256 + index * a.qp.shape.send_stride for index in range(8)]
    views = [(left.memory.view(abi.SGE, place + 48), left.memory.view(abi.SendWQE, place)) for place in places]

    def change():
        while not stop.is_set():
            for element, entry in views:
                element.length, entry.remote_address, entry.sge_count = 0x7FFFFFFF, U64 - 4096, 65535
                element.length, entry.remote_address, entry.sge_count = 8, b.buffer.start, 1
    thread = threading.Thread(target=change)
    thread.start()
    outcomes = {}
    try:
        for _ in range(400):
            a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
            status = one_status(a)
            outcomes[status] = outcomes.get(status, 0) + 1
            if status != "SUCCESS" or a.qp.send_tail >= 8:
                for peer in (a, b):
                    peer.qp.to_reset()
                connect_pair(a.qp, b.qp, timeout=8, retry_count=1)
    finally:
        stop.set()
        thread.join()
    check_equal(guard.memory.read(0, 4096), bytes(4096), "memory beside the target")
    return ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))


def one_status(peer):
    """The name of the next completion's status."""
    found = peer.cq.wait(1, 10)
    check(found, "no completion")
    return ibv.status_name(found[0].status)


@cases.case("work requests: messages of 2 GiB, and one byte more")
def longest(stage):
    """The limit of the transport is a limit, not a crash."""
    left, right = stage.context(memory_bytes=1 << 22), stage.context(memory_bytes=1 << 22)
    a, b = make_peers(left, right)
    a.qp.destroy()
    a.qp = left.create_qp(a.pd, a.cq, max_sge=32)
    b.qp.to_reset()
    connect_pair(a.qp, b.qp)
    big = RawBuffer(left, a.pd, 64 << 20, ibv.ACCESS_ALL, None)
    pieces = [abi.SGE(address=big.start, length=64 << 20, lkey=big.lkey)] * 32
    pieces[31] = abi.SGE(address=big.start, length=(64 << 20) + 1, lkey=big.lkey)
    a.qp.post_send(abi.WR_RDMA_WRITE, pieces, b.buffer.start, b.buffer.rkey)
    status = one_status(a)
    check(status in ("LOC_LEN_ERR", "LOC_PROT_ERR", "REM_ACCESS_ERR", "REM_INV_REQ_ERR", "LOC_QP_OP_ERR"),
          f"2 GiB and a byte: {status}")
    return status
