"""Hostile cases: queue pairs, keys and handles of another guest or another context."""

import errno

import ibverbs_constants as ibv
import vrdma_abi as abi
from packets import CommandFailed
from peers import Peer, make_peers, one
from raw_queues import connect_pair
from runner import Cases, Failure, check, check_equal

cases = Cases()


@cases.case("another guest's memory key: REM_ACCESS_ERR, not a byte is read or written")
def foreign_key(stage):
    """The innocent's keys, used on a queue pair that ends in the hostile guest."""
    page = stage.innocents.page
    context = stage.context()
    for opcode in (abi.WR_RDMA_WRITE, abi.WR_RDMA_READ, abi.WR_ATOMIC_FETCH_AND_ADD):
        for index in range(2):
            peer = Peer(context)
            connect_pair(peer.qp, peer.qp)
            peer.buffer.memory.write(0, b"\xee" * 64)
            # Keys are per guest: the number may exist here too, but then its address range does not fit.
            peer.qp.post_send(opcode, [peer.buffer.sge(0, 8)], page.starts[index], page.rkeys[index], compare_add=1)
            one(peer, f"opcode {opcode} with the innocent's key", ibv.WC_REM_ACCESS_ERR)
            check_equal(peer.buffer.memory.read(0, 64), b"\xee" * 64, "local memory")
            peer.qp.destroy()


@cases.case("another guest's queue pair: it does not answer a stranger")
def foreign_queue_pair(stage):
    """The innocent's queue pair is connected to somebody else; a stranger's requests are not for it."""
    page = stage.innocents.page
    context = stage.context()
    for index in range(2):
        for opcode in (abi.WR_RDMA_WRITE, abi.WR_RDMA_READ, abi.WR_SEND, abi.WR_ATOMIC_FETCH_AND_ADD):
            peer = Peer(context)
            peer.qp.to_init()
            peer.qp.to_rtr(bytes(page.gids[index]), page.qp_numbers[index])
            peer.qp.to_rts(timeout=8, retry_count=1, rnr_retry=1)
            peer.qp.post_send(opcode, [peer.buffer.sge(0, 8)], page.starts[index], page.rkeys[index], compare_add=1)
            one(peer, f"opcode {opcode} to the innocent's queue pair", ibv.WC_RETRY_EXC_ERR)
            peer.qp.destroy()
    stage.innocents.check_progress()


@cases.case("another guest's queue pair with that guest's peer's numbers: still a stranger")
def masked_stranger(stage):
    """A source address cannot be forged: the endpoint knows which guest posts."""
    page = stage.innocents.page
    context = stage.context()
    peer = Peer(context)
    peer.qp.to_init()
    for source in (0, 1, 2, 255):
        try:
            peer.qp.modify(ibv.MASK_RTR, qp_state=ibv.QPS_RTR, path_mtu=ibv.MTU_4096, rq_psn=0,
                           destination_qp_number=page.qp_numbers[0], max_destination_rd_atomic=8, min_rnr_timer=12,
                           destination_gid=bytes(page.gids[0]), is_global=1, source_gid_index=source, hop_limit=64,
                           address_port_number=1)
        except CommandFailed:
            continue
        peer.qp.to_rts(timeout=8, retry_count=0)
        peer.qp.post_send(abi.WR_RDMA_WRITE, [peer.buffer.sge(0, 8)], page.starts[0], page.rkeys[0])
        one(peer, f"source GID index {source}", ibv.WC_RETRY_EXC_ERR)
        peer.qp.to_reset()
        peer.qp.to_init()


@cases.case("another context's handles: EINVAL for each command")
def foreign_handles(stage):
    """Two contexts of one guest do not share objects."""
    guest = stage.guest()
    mine, theirs = stage.context(guest), stage.context(guest)
    owner = Peer(theirs)
    handle, channel = theirs.make_comp_channel()
    stage.keep(channel)
    # The thief has no objects of its own, so that equal numbers cannot be meant.
    for opcode, number in ((abi.OP_DETACH_REGION, owner.buffer.region), (abi.OP_DETACH_REGION, theirs.region),
                           (abi.OP_DEALLOC_PD, owner.pd), (abi.OP_DEREG_MR, owner.buffer.lkey),
                           (abi.OP_DESTROY_COMP_CHANNEL, handle), (abi.OP_DESTROY_CQ, owner.cq.handle),
                           (abi.OP_QUERY_QP, owner.qp.number), (abi.OP_DESTROY_QP, owner.qp.number),
                           (abi.OP_ARM_CQ, owner.cq.handle)):
        if opcode == abi.OP_DETACH_REGION and number == mine.region:
            continue
        status = mine.status_of(opcode, abi.HandleCommand(handle=number))
        check_equal(status, errno.EINVAL, f"status of opcode {opcode} for another context's object")
    command = abi.ModifyQPCommand(qp_number=owner.qp.number)
    command.attributes.attribute_mask, command.attributes.qp_state = ibv.QP_STATE, ibv.QPS_ERR
    check_equal(mine.status_of(abi.OP_MODIFY_QP, command), errno.EINVAL, "status of MODIFY_QP")
    check_equal(owner.qp.state(), ibv.QPS_RESET, "state of the owner's queue pair")


@cases.case("another context's PD, CQ and regions cannot be built upon")
def foreign_parts(stage):
    """REG_MR, CREATE_CQ and CREATE_QP with parts of another context."""
    guest = stage.guest()
    mine, theirs = stage.context(guest), stage.context(guest)
    owner = Peer(theirs)
    handle, channel = theirs.make_comp_channel()
    stage.keep(channel)
    pd, cq = mine.alloc_pd(), mine.create_cq()
    try:
        if owner.buffer.region != mine.region:
            mine.reg_mr(pd, 0x1000, 4096, [(owner.buffer.region, 0, 4096)])
            raise Failure("another context's region was registered")
    except CommandFailed:
        pass
    command = abi.CreateCQCommand(entries=16, comp_channel=handle)
    command.queue = abi.MemoryName(region=mine.region, offset=1 << 19)
    check(mine.status_of(abi.OP_CREATE_CQ, command) != 0, "another context's channel was used")
    for field, value, own in (("pd", owner.pd, pd), ("send_cq", owner.cq.handle, cq.handle)):
        if value == own:
            continue
        try:
            mine.create_qp(pd, cq, change=lambda command: setattr(command, field, value))
        except CommandFailed:
            continue
        raise Failure(f"another context's {field} was used")


@cases.case("another context's local key, and one of another PD: LOC_PROT_ERR")
def foreign_local_key(stage):
    """A key is good in its own protection domain only."""
    guest = stage.guest()
    left, right = stage.context(guest), stage.context(guest)
    a, b = make_peers(left, right)
    a.qp.post_send(abi.WR_RDMA_WRITE, [b.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
    one(a, "another context's local key", ibv.WC_LOC_PROT_ERR)
    c, d = make_peers(left, right)
    other = left.make_buffer(left.alloc_pd(), 4096)
    c.qp.post_send(abi.WR_RDMA_WRITE, [other.sge(0, 8)], d.buffer.start, d.buffer.rkey)
    one(c, "another PD's local key", ibv.WC_LOC_PROT_ERR)


@cases.case("a remote key of another PD, and one that was deregistered: REM_ACCESS_ERR")
def stale_key(stage):
    """The responder's queue pair and the region share a PD; a key dies with its region."""
    left, right = stage.context(), stage.context()
    a, b = make_peers(left, right)
    other = right.make_buffer(right.alloc_pd(), 4096)
    a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], other.start, other.rkey)
    one(a, "another PD's remote key", ibv.WC_REM_ACCESS_ERR)
    c, d = make_peers(left, right)
    gone = right.make_buffer(d.pd, 4096)
    memory = gone.memory
    right.handle_call(abi.OP_DEREG_MR, gone.lkey)
    again = right.reg_mr(d.pd, gone.start, 4096, [(gone.region, 0, 4096)])
    check(again[1] != gone.rkey, "a key came back unchanged at once")
    c.qp.post_send(abi.WR_RDMA_WRITE, [c.buffer.sge(0, 8)], gone.start, gone.rkey)
    one(c, "a key that was deregistered", ibv.WC_REM_ACCESS_ERR)
    check_equal(memory.read(0, 8), bytes(8), "memory of the key that was deregistered")


@cases.case("rights: WRITE, READ and atomics where the region or the queue pair does not permit them")
def rights(stage):
    """Every right that is missing."""
    left, right = stage.context(memory_bytes=1 << 22), stage.context(memory_bytes=1 << 22)
    local = ibv.ACCESS_LOCAL_WRITE
    for opcode, needed, enough in (
            (abi.WR_RDMA_WRITE, ibv.ACCESS_REMOTE_WRITE, {ibv.WC_REM_ACCESS_ERR}),
            (abi.WR_RDMA_READ, ibv.ACCESS_REMOTE_READ, {ibv.WC_REM_ACCESS_ERR}),
            (abi.WR_ATOMIC_FETCH_AND_ADD, ibv.ACCESS_REMOTE_ATOMIC, {ibv.WC_REM_ACCESS_ERR})):
        for place in ("region", "queue pair"):
            a = Peer(left)
            b = Peer(right, access=local | (ibv.ACCESS_ALL & ~needed if place == "region" else ibv.ACCESS_ALL))
            connect_pair(a.qp, b.qp)
            if place == "queue pair":
                b.qp.modify(ibv.QP_ACCESS_FLAGS, access_flags=ibv.ACCESS_ALL & ~needed)
                enough = enough | {ibv.WC_REM_INV_REQ_ERR}
            a.qp.post_send(opcode, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey, compare_add=1)
            found = a.cq.wait(1)
            check(found and found[0].status in enough,
                  f"opcode {opcode} without the {place}'s right: "
                  f"{ibv.status_name(found[0].status) if found else 'no completion'}")
            for peer in (a, b):
                peer.qp.destroy()
    read_only = left.make_buffer(left.alloc_pd(), 4096, access=0)
    check(read_only.lkey, "a region for local reading is refused")
