"""Rings, doorbells and the queue-pair states: the verbs' data half, spoken by hand."""

import collections
import ctypes
import os
import time

import atomics
import ibverbs_constants as ibv
import vrdma_abi as abi
from packets import fill

_HEADER = ctypes.sizeof(abi.QueueHeader)
_CQE = ctypes.sizeof(abi.CQE)
_SGE = ctypes.sizeof(abi.SGE)
_APPLICATION = abi.QueueHeader.application_index.offset
_ENDPOINT = abi.QueueHeader.endpoint_index.offset
_WANTED = abi.QueueHeader.doorbell_wanted.offset
_ARM = abi.QueueHeader.arm.offset
_ARM_SERVED = abi.QueueHeader.arm_served.offset
_SUMMARY = abi.ContextHeader.summary.offset
_BRANCHES = abi.ContextHeader.branches.offset
_LEAVES = abi.ContextHeader.leaves.offset
_KICK = abi.ContextHeader.kick_wanted.offset
_ONE = (1).to_bytes(8, "little")
_MASK = 0xFFFFFFFF

Shape = collections.namedtuple("Shape", "send_stride receive_stride")


def queue_pair_shape(entries, max_sge, inline_bytes):
    """Strides of the smallest entries that hold that."""
    del entries
    body = max(max_sge * _SGE, inline_bytes)
    send = (ctypes.sizeof(abi.SendWQE) + body + 63) // 64 * 64
    return Shape(send, ctypes.sizeof(abi.ReceiveWQE) + max_sge * _SGE)


def ring_doorbell(context, bit):
    """Sets a queue's bit from the leaf up and wakes the endpoint if it sleeps."""
    base = context.memory.base
    word, branch = bit // 64, bit // 4096
    atomics.fetch_or64(base + _LEAVES + 8 * word, 1 << bit % 64)
    atomics.fetch_or64(base + _BRANCHES + 8 * branch, 1 << word % 64)
    atomics.fetch_or64(base + _SUMMARY, 1 << branch)
    kick_if_wanted(context)


def kick_if_wanted(context):
    """Writes the kick eventfd when the endpoint says that it sleeps."""
    address = context.memory.base + _KICK
    if atomics.load32(address) and atomics.exchange32(address, 0):
        os.write(context.kick, _ONE)


class RawCompletionQueue:
    """A completion queue in the context's memory."""

    def __init__(self, context, handle, offset, entries):
        self.context, self.handle, self.offset, self.entries = context, handle, offset, entries
        self.header = context.memory.view(abi.QueueHeader, offset)
        self.head = 0
        self._base = context.memory.base + offset
        self._arm_sequence = 0

    def poll_one(self):
        """The next completion, or None."""
        place = _HEADER + (self.head & (self.entries - 1)) * _CQE
        if atomics.load32(self._base + place + abi.CQE.sequence.offset) != (self.head + 1) & _MASK:
            return None
        start = self.offset + place
        entry = abi.CQE.from_buffer_copy(self.context.memory.map, start)
        self.head = (self.head + 1) & _MASK
        atomics.store32(self._base + _APPLICATION, self.head)
        return entry

    def wait(self, count=1, timeout=10.0):
        """That many completions; fewer when the time is over."""
        found = []
        deadline = time.monotonic() + timeout
        rounds = 0
        while len(found) < count:
            entry = self.poll_one()
            if entry is not None:
                found.append(entry)
                rounds = 0
                continue
            rounds += 1
            if rounds > 50:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.0005 if rounds > 500 else 0)
        return found

    def arm(self, how=abi.CQ_ARM_ANY):
        """Asks for one event."""
        self._arm_sequence = (self._arm_sequence + 1) & (_MASK >> 2)
        atomics.store32(self._base + _ARM, self._arm_sequence << 2 | how)
        atomics.fence()

    def destroy(self):
        """Destroys it."""
        self.context.handle_call(abi.OP_DESTROY_CQ, self.handle)


class RawQueuePair:
    """A queue pair with its two rings in the context's memory."""

    def __init__(self, context, number, slot, send_offset, receive_offset, entries, shape):
        self.context, self.number, self.slot, self.entries, self.shape = context, number, slot, entries, shape
        self.send_offset, self.receive_offset = send_offset, receive_offset
        self.send_header = context.memory.view(abi.QueueHeader, send_offset)
        self.receive_header = context.memory.view(abi.QueueHeader, receive_offset)
        self.send_tail = self.receive_tail = 0

    # Posting

    def publish_send(self, tail):
        """Makes the send queue's entries before `tail` visible."""
        self.send_tail = tail & _MASK
        self._publish(self.send_offset, self.send_tail, 2 * self.slot)

    def publish_receive(self, tail):
        """Makes the receive queue's entries before `tail` visible."""
        self.receive_tail = tail & _MASK
        self._publish(self.receive_offset, self.receive_tail, 2 * self.slot + 1)

    def _publish(self, offset, tail, bit):
        base = self.context.memory.base + offset
        atomics.store32(base + _APPLICATION, tail)
        atomics.fence()
        if atomics.load32(base + _WANTED):
            ring_doorbell(self.context, bit)

    def write_send(self, index, data):
        """Writes the bytes of one send entry without making it visible."""
        place = self.send_offset + _HEADER + (index & (self.entries - 1)) * self.shape.send_stride
        self.context.memory.write(place, bytes(data)[:self.shape.send_stride])

    def write_receive(self, index, data):
        """Writes the bytes of one receive entry without making it visible."""
        place = self.receive_offset + _HEADER + (index & (self.entries - 1)) * self.shape.receive_stride
        self.context.memory.write(place, bytes(data)[:self.shape.receive_stride])

    def post_send(self, opcode, sges=(), remote_address=0, rkey=0, flags=abi.SEND_SIGNALED, wr_id=0, immediate=0,
                  compare_add=0, swap=0, inline=None, publish=True):
        """Posts one send request."""
        entry = abi.SendWQE(wr_id=wr_id, opcode=opcode, flags=flags, sge_count=len(sges), immediate=immediate,
                            remote_address=remote_address, rkey=rkey)
        entry.extension.atomic.compare_add, entry.extension.atomic.swap = compare_add, swap
        body = b"".join(bytes(sge) for sge in sges)
        if inline is not None:
            entry.flags |= abi.SEND_INLINE
            entry.inline_bytes, body = len(inline), inline
        self.write_send(self.send_tail, bytes(entry) + body)
        if publish:
            self.publish_send(self.send_tail + 1)
        else:
            self.send_tail = (self.send_tail + 1) & _MASK

    def post_receive(self, sges=(), wr_id=0):
        """Posts one receive request."""
        entry = abi.ReceiveWQE(wr_id=wr_id, sge_count=len(sges))
        self.write_receive(self.receive_tail, bytes(entry) + b"".join(bytes(sge) for sge in sges))
        self.publish_receive(self.receive_tail + 1)

    def consumed(self):
        """How far the endpoint is in the send queue."""
        return atomics.load32(self.context.memory.base + self.send_offset + _ENDPOINT)

    # States

    def modify(self, mask, **values):
        """Modifies; `values` are fields of QPAttributes."""
        command = abi.ModifyQPCommand(qp_number=self.number)
        attributes = command.attributes
        attributes.attribute_mask = mask
        gid = values.pop("destination_gid", None)
        if gid is not None:
            fill(attributes.destination_gid, gid)
        for name, value in values.items():
            setattr(attributes, name, value)
        return self.context.call(abi.OP_MODIFY_QP, command)

    def query(self):
        """Its attributes."""
        reply = self.context.handle_call(abi.OP_QUERY_QP, self.number)
        return reply.as_struct(abi.QueryQPReply).attributes

    def state(self):
        """Its state."""
        return self.query().qp_state

    def to_init(self, access=ibv.ACCESS_ALL):
        """RESET to INIT."""
        self.modify(ibv.MASK_INIT, qp_state=ibv.QPS_INIT, pkey_index=0, port_number=1, access_flags=access)

    def to_rtr(self, gid, number, psn=0, rnr_timer=12):
        """INIT to RTR."""
        self.modify(ibv.MASK_RTR, qp_state=ibv.QPS_RTR, path_mtu=ibv.MTU_4096, destination_qp_number=number,
                    rq_psn=psn, max_destination_rd_atomic=8, min_rnr_timer=rnr_timer, destination_gid=gid,
                    is_global=1, source_gid_index=1, hop_limit=64, address_port_number=1)

    def to_rts(self, psn=0, timeout=14, retry_count=7, rnr_retry=7):
        """RTR to RTS."""
        self.modify(ibv.MASK_RTS, qp_state=ibv.QPS_RTS, timeout=timeout, retry_count=retry_count,
                    rnr_retry=rnr_retry, sq_psn=psn, max_rd_atomic=8)

    def to_error(self):
        """Any state to ERR."""
        self.modify(ibv.QP_STATE, qp_state=ibv.QPS_ERR)

    def to_reset(self):
        """Any state to RESET; the rings start again at zero."""
        self.modify(ibv.QP_STATE, qp_state=ibv.QPS_RESET)
        self.context.memory.write(self.send_offset, bytes(4))
        self.context.memory.write(self.receive_offset, bytes(4))
        self.send_tail = self.receive_tail = 0

    def destroy(self):
        """Destroys it."""
        self.context.handle_call(abi.OP_DESTROY_QP, self.number)
        self.context.give_back_slot(self.slot)


def connect_pair(left, right, **rts):
    """Connects two queue pairs with each other, from RESET to RTS; a queue pair may be its own peer."""
    gids = [bytes(pair.context.query_gid(1).gid) for pair in (left, right)]
    steps = [(left, right, gids[1]), (right, left, gids[0])][:1 if left is right else 2]
    for pair, peer, gid in steps:
        pair.to_init()
        pair.to_rtr(gid, peer.number)
    for pair, _, _ in steps:
        pair.to_rts(**rts)
