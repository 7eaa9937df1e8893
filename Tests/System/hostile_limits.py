"""Hostile cases: descriptor, memory and table limits."""

import errno
import os
import time

import vrdma_abi as abi
from harness import Stage
from memory import make_memfd
from packets import CommandFailed, PeerGone
from peers import Peer, make_peers, one
from raw_context import RawContext
from raw_guest import RawGuest
from runner import Cases, Failure, check, check_equal

cases = Cases()

# The section of the guest `small` in the endpoint's configuration.
SMALL_NAME, SMALL_ADDRESS = "small", "10.73.0.1"
SMALL_LIMITS = {"contexts": 3, "protection-domains": 4, "memory-regions": 5, "completion-queues": 4,
                "completion-queue-entries": 256, "queue-pairs": 5, "work-requests": 64,
                "scatter-gather-elements": 4, "completion-channels": 3, "shared-memory-regions": 9,
                "mapped-memory": "32M", "message-size": "8192"}


def small_guest(stage):
    """The guest with small limits; the one of the case before may just be leaving."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return stage.keep(RawGuest(stage.endpoint.socket_path, SMALL_NAME, SMALL_ADDRESS))
        except (CommandFailed, PeerGone):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def small_context(stage):
    """A context of that guest."""
    return stage.context(small_guest(stage))


def exhaust(what, limit, make, release):
    """`limit` objects can be made, one more is ENOMEM, and one given back makes room for one."""
    made = []
    for _ in range(limit + 1):
        try:
            made.append(make())
        except CommandFailed as refusal:
            check_equal(refusal.status, errno.ENOMEM, f"status of {what} number {len(made) + 1}")
            break
    check_equal(len(made), limit, f"number of {what}")
    release(made.pop())
    made.append(make())


@cases.case("limit of contexts")
def contexts(stage):
    """ENOMEM, and room again after a close."""
    guest = small_guest(stage)
    exhaust("contexts", 3, lambda: RawContext(guest.transport()), lambda context: context.close())


@cases.case("limit of protection domains")
def protection_domains(stage):
    """ENOMEM, and room again after a release."""
    context = small_context(stage)
    exhaust("protection domains", 4, context.alloc_pd, lambda pd: context.handle_call(abi.OP_DEALLOC_PD, pd))


@cases.case("limit of memory regions")
def memory_regions(stage):
    """ENOMEM, and room again after a release; keys never repeat at once."""
    context = small_context(stage)
    pd = context.alloc_pd()
    seen = set()

    def register():
        key = context.reg_mr(pd, 0x10000, 4096, [(context.region, 0, 4096)])[0]
        check(key not in seen, f"key {key:#x} came back at once")
        seen.add(key)
        return key
    exhaust("memory regions", 5, register, lambda key: context.handle_call(abi.OP_DEREG_MR, key))


@cases.case("limit of completion queues and of their entries")
def completion_queues(stage):
    """ENOMEM for the number, an error for the entries."""
    context = small_context(stage)
    exhaust("completion queues", 4, lambda: context.create_cq(4), lambda queue: queue.destroy())
    context = stage.context(context.transport.guest)
    try:
        context.create_cq(512)
    except CommandFailed as refusal:
        check(refusal.status in (errno.EINVAL, errno.ENOMEM), f"status {refusal.status}")
        return
    raise Failure("a completion queue beyond the limit was created")


@cases.case("limit of completion channels")
def completion_channels(stage):
    """ENOMEM, and room again after a release."""
    context = small_context(stage)

    def make():
        handle, channel = context.make_comp_channel()
        stage.keep(channel)
        return handle
    exhaust("completion channels", 3, make, lambda handle: context.handle_call(abi.OP_DESTROY_COMP_CHANNEL, handle))


@cases.case("limit of queue pairs, of their entries and elements")
def queue_pairs(stage):
    """ENOMEM for the number, an error for the rest."""
    context = small_context(stage)
    pd, queue = context.alloc_pd(), context.create_cq(16)
    exhaust("queue pairs", 5, lambda: context.create_qp(pd, queue, entries=4), lambda pair: pair.destroy())
    context = stage.context(context.transport.guest)
    pd, queue = context.alloc_pd(), context.create_cq(16)
    for what, options in (("entries", {"entries": 128}), ("elements", {"max_sge": 5})):
        try:
            context.create_qp(pd, queue, **options)
        except CommandFailed as refusal:
            check(refusal.status in (errno.EINVAL, errno.ENOMEM), f"{what}: status {refusal.status}")
            continue
        raise Failure(f"a queue pair with {what} beyond the limit was created")


@cases.case("limit of regions")
def regions(stage):
    """ENOMEM, and room again after a release."""
    context = small_context(stage)
    attached = []
    try:
        for _ in range(10):
            attached.append(context.attach_region(context.memory.descriptor))
    except CommandFailed as refusal:
        check_equal(refusal.status, errno.ENOMEM, "status")
    check(7 <= len(attached) <= 9, f"{len(attached)} regions could be attached")
    context.handle_call(abi.OP_DETACH_REGION, attached.pop())
    context.attach_region(context.memory.descriptor)


@cases.case("limit of mapped memory, and memfds of terabytes")
def mapped_memory(stage):
    """ENOMEM; what was refused is not kept."""
    context = small_context(stage)
    for size in (16 << 20, 1 << 40, (1 << 62) + 4096):
        descriptor = make_memfd("large", size)
        try:
            statuses = [context.status_of(abi.OP_ATTACH_REGION, None, [descriptor]) for _ in range(3)]
        finally:
            os.close(descriptor)
        check(errno.ENOMEM in statuses or (size > 1 << 40 and 0 not in statuses), f"{size} bytes: {statuses}")
        check(size <= 32 << 20 or 0 not in statuses, f"{size} bytes were mapped")
    generous = stage.context()
    descriptor = make_memfd("sparse", 1 << 44)
    try:
        check(generous.status_of(abi.OP_ATTACH_REGION, None, [descriptor]) != 0, "16 TiB were mapped")
    finally:
        os.close(descriptor)


@cases.case("limit of a message")
def message_size(stage):
    """A longer one fails, the port says so, a shorter one passes."""
    guest = small_guest(stage)
    left, right = stage.context(guest), stage.context(guest)
    check_equal(left.query_port().max_message_bytes, 8192, "max_message_bytes")
    a, b = make_peers(left, right)
    a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8192)], b.buffer.start, b.buffer.rkey)
    one(a, "WRITE of 8192 bytes")
    a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8193)], b.buffer.start, b.buffer.rkey)
    check(a.cq.wait(1)[0].status != 0, "a WRITE of 8193 bytes passed")


@cases.case("attributes of the device are the limits")
def truth(stage):
    """What query_device says is what the guest gets."""
    device = small_context(stage).query_device()
    for field, value in (("max_qp", 5), ("max_cq", 4), ("max_cqe", 256), ("max_mr", 5), ("max_pd", 4),
                         ("max_qp_wr", 64), ("max_sge", 4)):
        check_equal(getattr(device, field), value, field)


@cases.case("descriptor limit of the endpoint process: errors, then service again")
def descriptor_limit(stage):
    """An endpoint that may open 96 files."""
    with Stage(None, open_files=96, label="limited") as limited:
        early = Peer(limited.context())
        taken = []
        try:
            for _ in range(60):
                guest = RawGuest(limited.endpoint.socket_path, *limited.new_identity())
                taken.append(guest)
                RawContext(guest.transport())
        except (CommandFailed, PeerGone, OSError, TimeoutError):
            pass
        check(limited.endpoint.is_alive(), f"the endpoint died: {limited.endpoint.log_tail()}")
        check(len(taken) < 60, "60 guests fit into 96 descriptors")
        statuses = {early.context.status_of(abi.OP_ATTACH_REGION, None, [early.context.memory.descriptor])
                    for _ in range(100)}
        check(statuses - {0}, "100 regions fit into no descriptors")
        check(statuses <= {0, errno.ENOMEM, errno.EMFILE}, f"statuses {sorted(statuses)}")
        early.qp.query()
        for guest in taken:
            guest.close()
        for region in range(1, 300):
            early.context.status_of(abi.OP_DETACH_REGION, abi.HandleCommand(handle=region))
        deadline = time.monotonic() + 5
        while True:
            try:
                limited.context()
                return f"{len(taken)} guests"
            except (CommandFailed, PeerGone, OSError, TimeoutError):
                check(time.monotonic() < deadline, "no service after the descriptors were given back")
                time.sleep(0.05)
