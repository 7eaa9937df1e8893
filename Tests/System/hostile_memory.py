"""Hostile cases: memory that is not what it should be, and sizes that lie."""

import errno
import os
import threading
import time

import ibverbs_constants as ibv
import vrdma_abi as abi
from bad_descriptors import bad_files, bad_memory, opened
from memory import SIZE_SEALS, make_memfd
from packets import CommandFailed, PeerGone
from peers import Peer, make_peers, one
from runner import Cases, Failure, check, check_equal

cases = Cases()
U64 = (1 << 64) - 1


def expect_hello_refused(stage, what, prepare):
    """A guest driver's hello is answered with an error or the end of the connection."""
    try:
        stage.guest(prepare=prepare)
    except (CommandFailed, PeerGone):
        return
    raise Failure(f"{what}: the hello was welcome")


def expect_open_refused(stage, guest, what, replace):
    """OPEN_CONTEXT with one descriptor replaced fails."""
    try:
        context = stage.context(guest)
        context.close()
    except CommandFailed:
        raise Failure("a good context is refused") from None
    position, descriptor = replace
    spare = make_memfd("context", 1 << 16)
    kick = os.eventfd(0)
    try:
        given = [spare, kick, guest.socket.fileno()]
        given[position] = descriptor
        stage.context(guest, descriptors=given)
    except CommandFailed:
        return
    finally:
        os.close(spare)
        os.close(kick)
    raise Failure(f"{what} was accepted as descriptor {position} of OPEN_CONTEXT")


@cases.case("channel: unsealed, truncated, huge-page memfds and other files are refused")
def bad_channel(stage):
    """Each kind as the channel of a hello."""
    for what, maker in bad_memory(stage):
        with opened(maker) as descriptor:
            expect_hello_refused(stage, what, lambda guest, message, given: (message, [descriptor, given[1]]))


@cases.case("channel: too few, too many and exchanged descriptors are refused")
def channel_descriptors(stage):
    """The hello's descriptors by number and order."""
    for what, choose in (("none", lambda given: []), ("one", lambda given: given[:1]),
                         ("exchanged", lambda given: given[::-1]), ("three", lambda given: given + given[:1]),
                         ("two hundred", lambda given: given * 100)):
        expect_hello_refused(stage, what, lambda guest, message, given, choose=choose: (message, choose(given)))


@cases.case("channel: shapes that lie are refused")
def channel_shapes(stage):
    """Entries and offsets of the channel's header."""
    for field, values in (("command_entries", (0, 3, 1 << 20, 1 << 31, 0xFFFFFFFF)),
                          ("completion_entries", (0, 5, 1 << 20, 1 << 31, 0xFFFFFFFF)),
                          ("command_offset", (0, 64, 4097, 0xFFFFF000, 0xFFFFFFFF)),
                          ("completion_offset", (0, 320, 4097, 0xFFFFF000, 0xFFFFFFFF)),
                          ("magic", (0,)), ("major", (0, 2))):
        for value in values:
            def prepare(guest, message, descriptors, field=field, value=value):
                setattr(guest.header, field, value)
                return message, descriptors
            expect_hello_refused(stage, f"{field} = {value:#x}", prepare)


@cases.case("channel: a shape that changes later changes nothing")
def channel_shape_changes(stage):
    """The endpoint read the shape once."""
    guest = stage.guest()
    good = [getattr(guest.header, name) for name in ("command_entries", "command_offset")]
    guest.call(abi.OP_QUERY_DEVICE)
    pushed = []
    original = guest.push

    def push(message):
        original(message)
        guest.header.command_entries, guest.header.command_offset = 1 << 30, 0xFFFFF000
        pushed.append(message)
    guest.push = push
    for _ in range(20):
        guest.header.command_entries, guest.header.command_offset = good
        guest.call(abi.OP_QUERY_DEVICE)
    check_equal(len(pushed), 20, "commands")


@cases.case("context: unsealed, truncated, huge-page memfds and other files are refused")
def bad_context(stage):
    """Each kind as the memory of a context."""
    guest = stage.guest()
    for what, maker in bad_memory(stage) + [("too small a memfd", lambda: make_memfd("bad", 4096))]:
        with opened(maker) as descriptor:
            expect_open_refused(stage, guest, what, (0, descriptor))


@cases.case("context: wrong kinds of kick and event descriptors do no harm")
def bad_context_wakeups(stage):
    """What is not an eventfd or a packet socket is refused, or used without harm."""
    for position in (1, 2):
        for what, maker in bad_files(stage):
            guest = stage.guest()
            with opened(maker) as descriptor:
                given = [make_memfd("context", 1 << 20), os.eventfd(0), guest.socket.fileno()]
                spare = given[:2]
                given[position] = descriptor
                try:
                    context = stage.context(guest, descriptors=given)
                    pd = context.alloc_pd()
                    check(pd, f"{what}: no PD")
                except CommandFailed:
                    pass
                finally:
                    for mine in spare:
                        os.close(mine)
                stage.check_alive()
            guest.close()


@cases.case("regions: unsealed, truncated, huge-page memfds and other files are refused")
def bad_region(stage):
    """Each kind as a region."""
    context = stage.context()
    for what, maker in bad_memory(stage):
        with opened(maker) as descriptor:
            status = context.status_of(abi.OP_ATTACH_REGION, None, [descriptor])
            check(status != 0, f"{what} was accepted as a region")
    check(context.attach_region(context.memory.descriptor), "a good region is refused afterwards")


@cases.case("regions: pages punched out of a sealed memfd under traffic")
def punched(stage):
    """Holes read as zeros; nobody faults."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    a, b = make_peers(stage.context(), stage.context())
    stop = threading.Event()

    def punch():
        while not stop.is_set():
            for memory in (a.buffer.memory, b.buffer.memory):
                # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
                libc.fallocate(memory.descriptor, 3, ctypes.c_long(0), ctypes.c_long(memory.size_bytes))
    thread = threading.Thread(target=punch)
    thread.start()
    try:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge()], b.buffer.start, b.buffer.rkey)
            one(a, "WRITE between holes")
    finally:
        stop.set()
        thread.join()


@cases.case("memory regions: extents, lengths and rights that lie are refused")
def bad_registrations(stage):
    """REG_MR against every bound."""
    context = stage.context()
    pd = context.alloc_pd()
    region = context.attach_region(context.memory.descriptor)
    size = context.memory.size_bytes
    bad = [
        ("beyond the region", 0x10000, size + 1, [(region, 0, size + 1)]),
        ("offset beyond the region", 0x10000, 8, [(region, size, 8)]),
        ("offset near 2^64", 0x10000, 16, [(region, U64 - 7, 16)]),
        ("length near 2^64", 0x10000, U64, [(region, 0, U64)]),
        ("extents shorter than the length", 0x10000, 8192, [(region, 0, 4096)]),
        ("extents longer than the length", 0x10000, 4096, [(region, 0, 8192)]),
        ("extents whose sum wraps", 0x10000, 4096, [(region, 0, 1 << 63), (region, 0, (1 << 63) + 4096)]),
        ("start + length beyond 2^64", U64 - 100, 4096, [(region, 0, 4096)]),
        ("no extents", 0x10000, 4096, []),
        ("unknown region", 0x10000, 4096, [(region + 1000, 0, 4096)]),
        ("region 0", 0x10000, 4096, [(0, 0, 4096)]),
    ]
    for what, start, length, extents in bad:
        try:
            context.reg_mr(pd, start, length, extents)
        except CommandFailed as refusal:
            check_equal(refusal.status, errno.EINVAL, f"{what}: status")
            continue
        raise Failure(f"{what} was registered")
    for what, access in (("remote write without local write", ibv.ACCESS_REMOTE_WRITE), ("unknown right", 1 << 18)):
        try:
            context.reg_mr(pd, 0x10000, 4096, [(region, 0, 4096)], access)
        except CommandFailed:
            continue
        raise Failure(f"{what} was registered")
    check_equal(bad_pd(context, region), errno.EINVAL, "status for an unknown PD")


def bad_pd(context, region):
    """The status of a registration in a PD that is not there."""
    command = abi.RegMRCommand(start=0x10000, length=4096, pd=0x7FFFFFFF, access=1, extent_count=1)
    command.extents[0] = abi.Extent(region=region, offset=0, length=4096)
    return context.status_of(abi.OP_REG_MR, command)


@cases.case("memory regions: extent tables that lie, or change while they are read")
def bad_extent_tables(stage):
    """More extents than fit into the command stand in shared memory, which has two sides."""
    context = stage.context(memory_bytes=1 << 22)
    pd = context.alloc_pd()
    for count, offset in ((8, 1 << 22), (8, U64), (8, (1 << 22) - 100), (0xFFFFFFFF, 65536), (1 << 20, 65536)):
        command = abi.RegMRCommand(start=0, length=count * 4096, pd=pd, access=1, extent_count=count)
        command.extents[0] = abi.Extent(region=context.region, offset=offset, length=count * 24)
        check(context.status_of(abi.OP_REG_MR, command) != 0, f"{count} extents at {offset:#x} were registered")
    place, count = 65536, 512
    for index in range(count):
        context.memory.write(place + 24 * index, bytes(abi.Extent(region=context.region, offset=0, length=4096)))
    stop = threading.Event()

    def change():
        target = context.memory.view(abi.Extent, place + 24 * 300)
        while not stop.is_set():
            target.offset, target.length, target.region = U64 - 4095, 1 << 62, 77
            target.offset, target.length, target.region = 0, 4096, context.region
    thread = threading.Thread(target=change)
    thread.start()
    outcomes = set()
    try:
        for _ in range(300):
            command = abi.RegMRCommand(start=0x100000, length=count * 4096, pd=pd, access=1, extent_count=count)
            command.extents[0] = abi.Extent(region=context.region, offset=place, length=count * 24)
            reply = context.transport.call(abi.OP_REG_MR, command)
            outcomes.add(reply.status)
            if reply.status == 0:
                context.handle_call(abi.OP_DEREG_MR, reply.as_struct(abi.RegMRReply).lkey)
    finally:
        stop.set()
        thread.join()
    check(outcomes <= {0, errno.EINVAL}, f"statuses {sorted(outcomes)}")
    return f"statuses {sorted(outcomes)}"


@cases.case("queues: places, entries and strides that lie are refused")
def bad_queues(stage):
    """CREATE_CQ and CREATE_QP against every bound."""
    context = stage.context()
    peer = Peer(context)
    size = context.memory.size_bytes
    other = make_memfd("small", 4096, SIZE_SEALS)
    small = context.attach_region(other)
    os.close(other)
    for what, fields in (
            ("0 entries", {"entries": 0}), ("3 entries", {"entries": 3}), ("2^31 entries", {"entries": 1 << 31}),
            ("offset beyond the region", {"offset": size}), ("offset near 2^64", {"offset": U64 - 63}),
            ("offset not aligned", {"offset": 40001}), ("end beyond the region", {"region": small, "entries": 64}),
            ("unknown region", {"region": 4711}), ("unknown channel", {"channel": 4711})):
        command = abi.CreateCQCommand(entries=fields.get("entries", 16), comp_channel=fields.get("channel", 0))
        command.queue = abi.MemoryName(region=fields.get("region", context.region), offset=fields.get("offset", 40960))
        check(context.status_of(abi.OP_CREATE_CQ, command) != 0, f"a CQ with {what} was created")
    for field, values in (
            ("send_entries", (0, 3, 1 << 31, 0xFFFFFFFF)), ("receive_entries", (3, 1 << 31, 0xFFFFFFFF)),
            ("send_stride_bytes", (0, 16, 48, 65, 1 << 31, 0xFFFFFFC0)),
            ("receive_stride_bytes", (0, 8, 17, 1 << 31, 0xFFFFFFF0)), ("max_send_sge", (33, 1000, 0xFFFFFFFF)),
            ("max_receive_sge", (33, 1000, 0xFFFFFFFF)), ("max_inline_bytes", (1 << 16, 0xFFFFFFFF)),
            ("pd", (0, 4711)), ("send_cq", (0, 4711)), ("receive_cq", (0, 4711)), ("type", (0, 3, 4, 99)),
            ("slot", (abi.DOORBELL_SLOTS, 0xFFFFFFFF, peer.qp.slot)),
            ("send_queue", (abi.MemoryName(region=4711), abi.MemoryName(region=context.region, offset=size - 64),
                            abi.MemoryName(region=context.region, offset=U64 - 63),
                            abi.MemoryName(region=context.region, offset=40001))),
            ("receive_queue", (abi.MemoryName(region=4711), abi.MemoryName(region=context.region, offset=U64 - 63),
                               abi.MemoryName(region=context.region, offset=40001)))):
        for value in values:
            mark = context.memory.mark()
            try:
                context.create_qp(peer.pd, peer.cq, change=lambda command: setattr(command, field, value))
            except CommandFailed:
                context.memory.release(mark)
                continue
            shown = value if isinstance(value, int) else f"({value.region}, {value.offset:#x})"
            raise Failure(f"a queue pair with {field} = {shown} was created")
