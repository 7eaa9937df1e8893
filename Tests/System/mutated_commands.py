"""Commands with live handles, spoiled at random."""

import os
import socket

import ibverbs_constants as ibv
import vrdma_abi as abi
from memory import make_memfd
from mutator import Mutator
from packets import fill
from peers import Peer
from raw_context import RawContext

# What makes things comes often, what takes them away seldom: most commands shall meet something that is there.
MAKERS = [abi.OP_ATTACH_REGION, abi.OP_REG_MR, abi.OP_CREATE_CQ, abi.OP_CREATE_QP, abi.OP_MODIFY_QP,
          abi.OP_CREATE_COMP_CHANNEL, abi.OP_ALLOC_PD, abi.OP_OPEN_CONTEXT]
TAKERS = [abi.OP_DETACH_REGION, abi.OP_DEALLOC_PD, abi.OP_DEREG_MR, abi.OP_DESTROY_COMP_CHANNEL, abi.OP_DESTROY_CQ,
          abi.OP_DESTROY_QP]
OTHERS = [abi.OP_QUERY_DEVICE, abi.OP_QUERY_PORT, abi.OP_QUERY_GID, abi.OP_QUERY_PKEY, abi.OP_QUERY_QP, abi.OP_ARM_CQ,
          abi.OP_INVALID, abi.OP_LAST + 1, abi.OP_LAST + 2, 0x7FFF, abi.OP_ASYNC_EVENT, 0xFFFF]
OPCODES = MAKERS * 8 + TAKERS * 2 + OTHERS * 2 + [abi.OP_CLOSE_CONTEXT]


class CommandSource:
    """A hostile guest with two contexts whose commands are good ones, spoiled."""

    def __init__(self, stage, rng):
        self.rng, self.mutator = rng, Mutator(rng)
        self.guest = stage.guest()
        self.contexts = [RawContext(self.guest.transport(), memory_bytes=1 << 20) for _ in range(2)]
        self.numbers = [context.context for context in self.contexts]
        self.peers = [Peer(context) for context in self.contexts]
        self.handles = {kind: [] for kind in ("pd", "cq", "qp", "key", "region", "channel")}
        for peer in self.peers:
            for kind, value in (("pd", peer.pd), ("cq", peer.cq.handle), ("qp", peer.qp.number),
                                ("key", peer.buffer.lkey), ("region", peer.buffer.region),
                                ("region", peer.context.region)):
                self.handles[kind].append(value)
        self.pool, self.owners = self._make_descriptors()

    def _make_descriptors(self):
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader, writer = os.pipe()
        good = make_memfd("mutation", 1 << 17)
        header = abi.ContextHeader(magic=abi.ABI_MAGIC, major=abi.ABI_MAJOR)
        os.pwrite(good, bytes(header), 0)
        pool = [good, good, make_memfd("mutation", 1 << 17, 0), os.eventfd(0), left.fileno(), right.fileno(), reader,
                writer, os.open("/dev/zero", os.O_RDWR)]
        return pool, [left, right]

    def pick(self, kind):
        """A live handle of a kind, or one that may have been."""
        return self.rng.choice(self.handles[kind] or [1])

    def wild_token(self):
        """Now and then a token without a packet."""
        return self.mutator.number(64) if self.rng.random() < 0.02 else 0

    def next(self):
        """(opcode, context, payload, payload count, descriptors) of the next command."""
        rng = self.rng
        opcode = rng.choice(OPCODES)
        payload = self.good_payload(opcode)
        if rng.random() < 0.6:
            payload = self.mutator.spoil(payload)
        count = len(payload)
        if rng.random() < 0.05:
            count = self.mutator.number(16)
        context = rng.choice(self.numbers)
        if opcode == abi.OP_OPEN_CONTEXT and rng.random() < 0.8:
            context = 0
        elif rng.random() < 0.05:
            context = self.mutator.number(32)
        return opcode, context, payload, count, self.choose_descriptors(opcode)

    def choose_descriptors(self, opcode):
        """Descriptors: the right ones, some, or none."""
        memfd, event, ours = self.pool[0], self.pool[3], self.pool[4]
        right = {abi.OP_OPEN_CONTEXT: [memfd, event, ours], abi.OP_ATTACH_REGION: [memfd],
                 abi.OP_CREATE_COMP_CHANNEL: [ours]}.get(opcode, [])
        chance = self.rng.random()
        if chance < 0.9:
            return right
        if chance < 0.95:
            return []
        return [self.rng.choice(self.pool) for _ in range(self.rng.randrange(1, 4))]

    def good_payload(self, opcode):
        """A payload that could succeed."""
        rng = self.rng
        one_handle = {abi.OP_DETACH_REGION: "region", abi.OP_DEALLOC_PD: "pd", abi.OP_DEREG_MR: "key",
                      abi.OP_DESTROY_COMP_CHANNEL: "channel", abi.OP_DESTROY_CQ: "cq", abi.OP_QUERY_QP: "qp",
                      abi.OP_DESTROY_QP: "qp", abi.OP_ARM_CQ: "cq"}
        if opcode in one_handle:
            return bytes(abi.HandleCommand(handle=self.pick(one_handle[opcode]), index=rng.randrange(2)))
        if opcode in (abi.OP_QUERY_PORT, abi.OP_QUERY_GID, abi.OP_QUERY_PKEY):
            return bytes(abi.HandleCommand(handle=1, index=rng.randrange(2)))
        if opcode == abi.OP_OPEN_CONTEXT:
            return bytes(abi.OpenContextCommand(process_id=rng.getrandbits(16)))
        if opcode == abi.OP_REG_MR:
            return self.good_registration()
        if opcode == abi.OP_CREATE_CQ:
            command = abi.CreateCQCommand(entries=1 << rng.randrange(8), comp_channel=0, slot=rng.randrange(64))
            command.queue = self.place()
            return bytes(command)
        if opcode == abi.OP_CREATE_QP:
            return self.good_queue_pair()
        if opcode == abi.OP_MODIFY_QP:
            return self.good_modification()
        return rng.randbytes(rng.choice((0, 0, 8, 40, 232)))

    def place(self):
        """A place for a queue."""
        return abi.MemoryName(region=self.pick("region"), offset=self.rng.randrange(40960, 1 << 16, 64))

    def good_registration(self):
        """A memory region of some extents."""
        count = self.rng.choice((1, 1, 2, 7))
        command = abi.RegMRCommand(start=0x10000, length=4096 * count, pd=self.pick("pd"), access=ibv.ACCESS_ALL,
                                   extent_count=count)
        for index in range(count):
            command.extents[index] = abi.Extent(region=self.pick("region"), offset=4096 * index, length=4096)
        return bytes(command)

    def good_queue_pair(self):
        """A small queue pair."""
        command = abi.CreateQPCommand(send_entries=4, receive_entries=4, send_stride_bytes=128,
                                      receive_stride_bytes=48, max_send_sge=2, max_receive_sge=2, max_inline_bytes=64,
                                      pd=self.pick("pd"), send_cq=self.pick("cq"), receive_cq=self.pick("cq"),
                                      type=abi.QPT_RC, slot=self.rng.randrange(2, 2000))
        command.send_queue, command.receive_queue = self.place(), self.place()
        return bytes(command)

    def good_modification(self):
        """A step to the next state."""
        command = abi.ModifyQPCommand(qp_number=self.pick("qp"))
        attributes = command.attributes
        attributes.attribute_mask, attributes.qp_state = self.rng.choice((
            (ibv.MASK_INIT, ibv.QPS_INIT), (ibv.MASK_RTR, ibv.QPS_RTR), (ibv.MASK_RTS, ibv.QPS_RTS),
            (ibv.QP_STATE, ibv.QPS_ERR), (ibv.QP_STATE, ibv.QPS_RESET), (ibv.QP_STATE, ibv.QPS_SQD)))
        attributes.path_mtu, attributes.port_number, attributes.is_global = ibv.MTU_4096, 1, 1
        attributes.destination_qp_number, attributes.source_gid_index = self.pick("qp"), 1
        attributes.address_port_number, attributes.timeout, attributes.min_rnr_timer = 1, 8, 12
        fill(attributes.destination_gid, bytes(self.guest.welcome.address))
        return bytes(command)

    def learn(self, opcode, context, reply):
        """Remembers what a success made."""
        if reply.status or opcode not in (abi.OP_ALLOC_PD, abi.OP_CREATE_CQ, abi.OP_CREATE_QP, abi.OP_REG_MR,
                                          abi.OP_ATTACH_REGION, abi.OP_CREATE_COMP_CHANNEL, abi.OP_OPEN_CONTEXT):
            return
        if len(reply.payload) < 8:
            raise AssertionError(f"a success of opcode {opcode} has {len(reply.payload)} payload bytes")
        first = int.from_bytes(reply.payload[:4], "little")
        kind = {abi.OP_ALLOC_PD: "pd", abi.OP_CREATE_CQ: "cq", abi.OP_CREATE_QP: "qp", abi.OP_REG_MR: "key",
                abi.OP_ATTACH_REGION: "region", abi.OP_CREATE_COMP_CHANNEL: "channel"}.get(opcode)
        target = self.numbers if kind is None else self.handles[kind]
        target.append(first)
        del target[:-32]
        del context

    def close(self):
        """Ends the guest and closes what it had."""
        self.guest.close()
        for context in self.contexts:
            context.transport.context = 0
            context.close()
        for owner in self.owners:
            owner.close()
        for descriptor in set(self.pool[:4] + self.pool[6:]):
            os.close(descriptor)
