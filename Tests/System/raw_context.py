"""One context's objects over any transport: the verbs' control half, spoken by hand."""

import ctypes
import os
import select
import socket

import ibverbs_constants as ibv
import vrdma_abi as abi
from memory import Memory
from packets import fill, to_payload
from raw_queues import RawCompletionQueue, RawQueuePair, queue_pair_shape

_HEADER_BYTES = ctypes.sizeof(abi.QueueHeader)


class RawContext:
    """An open context: context memory, wake-up, async events, and makers for everything else.

    `transport` has call(opcode, payload, descriptors) and close().  Queues are
    placed in the context's own memory.
    """

    def __init__(self, transport, memory_bytes=1 << 20, descriptors=None):
        """`descriptors` replaces the three that OPEN_CONTEXT wants."""
        self.transport = transport
        self.memory = Memory("context", memory_bytes)
        self.memory.allocate(ctypes.sizeof(abi.ContextHeader))
        self.header = self.memory.view(abi.ContextHeader)
        self.header.magic, self.header.major, self.header.minor = abi.ABI_MAGIC, abi.ABI_MAJOR, abi.ABI_MINOR
        self.kick = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.async_socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._free_slots = list(range(1023, -1, -1))
        try:
            command = abi.OpenContextCommand(process_id=os.getpid())
            fill(command.process_name, b"raw")
            given = descriptors or [self.memory.descriptor, self.kick, theirs.fileno()]
            reply = transport.call(abi.OP_OPEN_CONTEXT, command, given).checked()
            opened = reply.as_struct(abi.OpenContextReply)
        except BaseException:
            self.close()
            raise
        finally:
            theirs.close()
        self.context, self.region = opened.context, opened.context_region

    # Commands

    def call(self, opcode, payload=None, descriptors=(), **options):
        """A command whose errno, if any, becomes CommandFailed."""
        return self.transport.call(opcode, payload, descriptors, **options).checked()

    def status_of(self, opcode, payload=None, descriptors=()):
        """A command that may fail: its status."""
        return self.transport.call(opcode, to_payload(payload), descriptors).status

    def handle_call(self, opcode, handle=0, index=0):
        """A command that names one object."""
        return self.call(opcode, abi.HandleCommand(handle=handle, index=index))

    def query_device(self):
        """Device attributes."""
        return self.handle_call(abi.OP_QUERY_DEVICE).as_struct(abi.QueryDeviceReply)

    def query_port(self, port=1):
        """Port attributes."""
        return self.handle_call(abi.OP_QUERY_PORT, port, 0).as_struct(abi.QueryPortReply)

    def query_gid(self, index=1, port=1):
        """A GID table entry."""
        return self.handle_call(abi.OP_QUERY_GID, port, index).as_struct(abi.QueryGIDReply)

    def query_pkey(self, index=0, port=1):
        """A partition key."""
        return self.handle_call(abi.OP_QUERY_PKEY, port, index).as_struct(abi.QueryPKeyReply)

    def alloc_pd(self):
        """A protection domain's handle."""
        return self.call(abi.OP_ALLOC_PD).as_struct(abi.HandleReply).handle

    def attach_region(self, descriptor):
        """Gives a memfd to the endpoint; returns its region id."""
        return self.call(abi.OP_ATTACH_REGION, None, [descriptor]).as_struct(abi.AttachRegionReply).region

    def reg_mr(self, pd, start, length, extents, access=ibv.ACCESS_ALL):
        """Registers extents [(region, offset, length)] as the memory from `start`; returns (lkey, rkey)."""
        command = abi.RegMRCommand(start=start, length=length, pd=pd, access=access, extent_count=len(extents))
        for index, (region, offset, count) in enumerate(extents):
            command.extents[index] = abi.Extent(region=region, offset=offset, length=count)
        reply = self.call(abi.OP_REG_MR, command).as_struct(abi.RegMRReply)
        return reply.lkey, reply.rkey

    def make_buffer(self, pd, size_bytes, access=ibv.ACCESS_ALL, start=None):
        """Memory of its own, attached and registered."""
        return RawBuffer(self, pd, size_bytes, access, start)

    def make_comp_channel(self):
        """A completion channel: (handle, this side's socket)."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            reply = self.call(abi.OP_CREATE_COMP_CHANNEL, None, [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return reply.as_struct(abi.HandleReply).handle, ours

    def create_cq(self, entries=64, comp_channel=0, slot=0):
        """A completion queue."""
        offset = self.memory.allocate(_HEADER_BYTES + entries * ctypes.sizeof(abi.CQE))
        self.memory.write(offset, bytes(_HEADER_BYTES + entries * ctypes.sizeof(abi.CQE)))
        command = abi.CreateCQCommand(entries=entries, comp_channel=comp_channel, slot=slot)
        command.queue = abi.MemoryName(region=self.region, offset=offset)
        handle = self.call(abi.OP_CREATE_CQ, command).as_struct(abi.HandleReply).handle
        return RawCompletionQueue(self, handle, offset, entries)

    def create_qp(self, pd, send_cq, receive_cq=None, entries=32, max_sge=2, inline_bytes=64, signal_all=False,
                  change=None):
        """A queue pair in RESET; `change` may spoil the command."""
        receive_cq = receive_cq or send_cq
        slot = self._free_slots.pop()
        shape = queue_pair_shape(entries, max_sge, inline_bytes)
        send_offset = self.memory.allocate(_HEADER_BYTES + entries * shape.send_stride)
        receive_offset = self.memory.allocate(_HEADER_BYTES + entries * shape.receive_stride)
        self.memory.write(send_offset, bytes(_HEADER_BYTES))
        self.memory.write(receive_offset, bytes(_HEADER_BYTES))
        command = abi.CreateQPCommand(
            send_entries=entries, receive_entries=entries, send_stride_bytes=shape.send_stride,
            receive_stride_bytes=shape.receive_stride, max_send_sge=max_sge, max_receive_sge=max_sge,
            max_inline_bytes=inline_bytes, pd=pd, send_cq=send_cq.handle, receive_cq=receive_cq.handle,
            type=abi.QPT_RC, flags=abi.QP_SIGNAL_ALL if signal_all else 0, slot=slot)
        command.send_queue = abi.MemoryName(region=self.region, offset=send_offset)
        command.receive_queue = abi.MemoryName(region=self.region, offset=receive_offset)
        if change is not None:
            change(command)
        try:
            number = self.call(abi.OP_CREATE_QP, command).as_struct(abi.HandleReply).handle
        except BaseException:
            self._free_slots.append(slot)
            raise
        return RawQueuePair(self, number, slot, send_offset, receive_offset, entries, shape)

    def give_back_slot(self, slot):
        """Makes a doorbell slot free again."""
        self._free_slots.append(slot)

    # Events

    def async_event(self, timeout=5.0):
        """The next async event, or None; that a connection was established by traffic is no news here."""
        poll = select.poll()
        poll.register(self.async_socket, select.POLLIN)
        while poll.poll(timeout * 1000):
            data = self.async_socket.recv(256)
            if not data:
                return None
            event = abi.AsyncEvent.from_buffer_copy(data)
            if event.event_type != ibv.EVENT_COMM_EST:
                return event
        return None

    def close(self):
        """Closes the context and everything of this side."""
        self.transport.close()
        self.async_socket.close()
        if self.kick is not None:
            os.close(self.kick)
            self.kick = None
        self.memory.close()


class RawBuffer:
    """Registered memory: `start` is the virtual address that requests use."""

    def __init__(self, context, pd, size_bytes, access, start):
        self.context = context
        self.memory = Memory("buffer", size_bytes)
        self.size_bytes = size_bytes
        self.region = context.attach_region(self.memory.descriptor)
        zero_based = access & ibv.ACCESS_ZERO_BASED
        self.start = start if start is not None else (0 if zero_based else self.memory.base)
        self.lkey, self.rkey = context.reg_mr(pd, self.start, size_bytes, [(self.region, 0, size_bytes)], access)

    def sge(self, offset=0, length=None):
        """A scatter/gather element for a piece of it."""
        return abi.SGE(address=self.start + offset, length=self.size_bytes - offset if length is None else length,
                       lkey=self.lkey)

    def deregister(self):
        """Removes the registration and the region."""
        self.context.handle_call(abi.OP_DEREG_MR, self.lkey)
        self.context.handle_call(abi.OP_DETACH_REGION, self.region)
        self.memory.close()
