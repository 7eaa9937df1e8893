"""Hostile cases: commands cut short, oversized, of unknown type, out of order; and applications that misbehave."""

import ctypes
import errno
import os
import socket
import time

import vrdma_abi as abi
from packets import (CommandFailed, PeerGone, connect, hello, make_message, receive_packet, receive_welcome,
                     send_packet)
from peers import Peer
from raw_context import RawContext
from runner import Cases, Skip, check, check_equal
from daemons import find_binary

cases = Cases()

PAYLOADS = {
    abi.OP_OPEN_CONTEXT: abi.OpenContextCommand, abi.OP_DETACH_REGION: abi.HandleCommand,
    abi.OP_QUERY_PORT: abi.HandleCommand, abi.OP_QUERY_GID: abi.HandleCommand, abi.OP_QUERY_PKEY: abi.HandleCommand,
    abi.OP_DEALLOC_PD: abi.HandleCommand, abi.OP_REG_MR: abi.RegMRCommand, abi.OP_DEREG_MR: abi.HandleCommand,
    abi.OP_DESTROY_COMP_CHANNEL: abi.HandleCommand, abi.OP_CREATE_CQ: abi.CreateCQCommand,
    abi.OP_DESTROY_CQ: abi.HandleCommand, abi.OP_CREATE_QP: abi.CreateQPCommand,
    abi.OP_MODIFY_QP: abi.ModifyQPCommand, abi.OP_QUERY_QP: abi.HandleCommand, abi.OP_DESTROY_QP: abi.HandleCommand,
    abi.OP_ARM_CQ: abi.HandleCommand,
}
UNKNOWN_OPCODES = (0, abi.OP_LAST + 1, abi.OP_LAST + 2, 100, 0x7FFF, 0x8000, 0x8001, 0x8002, 0xFFFF)


def the_driver(stage):
    """The guest driver that hostile applications share with a well-behaved one."""
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")
    return stage.drivers["shared"]


@cases.case("commands cut short: EINVAL, whatever the payload says")
def cut_short(stage):
    """Every opcode with every shorter payload."""
    context = stage.context()
    guest = context.transport.guest
    for opcode, declaration in PAYLOADS.items():
        size = ctypes.sizeof(declaration)
        for count in {0, 1, size // 2, size - 1}:
            sequence = guest.next_sequence()
            guest.push(make_message(sequence, opcode, b"\xff" * size, context.context, 0, count))
            status = guest.reply(sequence).status
            check_equal(status, errno.EINVAL, f"status of opcode {opcode} with {count} of {size} bytes")


@cases.case("commands oversized: payload counts beyond the message")
def oversized(stage):
    """A payload cannot be longer than the message."""
    context = stage.context()
    guest = context.transport.guest
    for opcode in range(1, abi.OP_LAST + 1):
        if opcode in (abi.OP_CLOSE_CONTEXT,):
            continue
        for count in (233, 256, 4096, 65535):
            sequence = guest.next_sequence()
            guest.push(make_message(sequence, opcode, b"", context.context, 0, count))
            status = guest.reply(sequence).status
            if opcode in PAYLOADS:
                check(status != 0, f"opcode {opcode} with {count} payload bytes succeeded")


@cases.case("commands of unknown type: EOPNOTSUPP")
def unknown(stage):
    """With and without a context and descriptors."""
    context = stage.context()
    guest = context.transport.guest
    for opcode in UNKNOWN_OPCODES:
        for number in (context.context, 0, 0xFFFFFFFF):
            status = guest.call(opcode, b"\xff" * 232, (), number).status
            check(status in (errno.EOPNOTSUPP, errno.EINVAL), f"opcode {opcode:#x}: status {status}")
        check_equal(context.status_of(opcode), errno.EOPNOTSUPP, f"status of opcode {opcode:#x}")


@cases.case("commands out of order: without a context, after its end, twice")
def out_of_order(stage):
    """Every opcode where it has no place."""
    guest = stage.guest()
    for opcode in range(2, abi.OP_LAST + 1):
        for number in (0, 1, 77, 0xFFFFFFFF):
            status = guest.call(opcode, b"\x01" * 200, (), number).status
            check(status != 0, f"opcode {opcode} in context {number}, which is not open, succeeded")
    context = stage.context(guest)
    number = context.context
    check_equal(guest.call(abi.OP_CLOSE_CONTEXT, None, (), number).status, 0, "status of the first close")
    check(guest.call(abi.OP_CLOSE_CONTEXT, None, (), number).status != 0, "a context was closed twice")
    check(guest.call(abi.OP_ALLOC_PD, None, (), number).status != 0, "a closed context gave a PD")
    check(guest.call(abi.OP_OPEN_CONTEXT, abi.OpenContextCommand()).status != 0, "a context without memory was opened")
    context.transport.context = 0


@cases.case("handles: unknown ones are EINVAL, used ones are EBUSY, freed ones are gone")
def handles(stage):
    """Every command that names an object."""
    context = stage.context()
    peer = Peer(context)
    for opcode in (abi.OP_DETACH_REGION, abi.OP_DEALLOC_PD, abi.OP_DEREG_MR, abi.OP_DESTROY_COMP_CHANNEL,
                   abi.OP_DESTROY_CQ, abi.OP_QUERY_QP, abi.OP_DESTROY_QP, abi.OP_ARM_CQ):
        for handle in (0, 0x00FFFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
            status = context.status_of(opcode, abi.HandleCommand(handle=handle))
            check_equal(status, errno.EINVAL, f"status of opcode {opcode}, handle {handle:#x}")
    for what, opcode, handle in (("PD", abi.OP_DEALLOC_PD, peer.pd), ("CQ", abi.OP_DESTROY_CQ, peer.cq.handle),
                                 ("region", abi.OP_DETACH_REGION, peer.buffer.region),
                                 ("context region", abi.OP_DETACH_REGION, context.region)):
        status = context.status_of(opcode, abi.HandleCommand(handle=handle))
        check_equal(status, errno.EBUSY, f"status for a {what} in use")
    peer.qp.destroy()
    check_equal(context.status_of(abi.OP_DESTROY_QP, abi.HandleCommand(handle=peer.qp.number)), errno.EINVAL,
                "status of the second destroy")
    peer.cq.destroy()
    peer.buffer.deregister()
    context.handle_call(abi.OP_DEALLOC_PD, peer.pd)


@cases.case("application: hello missing, cut short, oversized, of a wrong role or kind")
def application_hello(stage):
    """The guest driver refuses, and serves the next one."""
    driver = the_driver(stage)
    good = bytes(hello(abi.ROLE_APPLICATION))
    for what, data, descriptors in (
            ("1 byte", b"x", 0), ("cut short", good[:-1], 0), ("oversized", good + b"x", 0),
            ("wrong magic", b"XXXX" + good[4:], 0), ("role of a guest driver", bytes(hello(1, "n", "10.1.1.1")), 0),
            ("a command", bytes(make_message(1, abi.OP_QUERY_DEVICE)), 0), ("64 KiB", good.ljust(65536, b"z"), 0)):
        connection = stage.keep(connect(driver.socket_path))
        send_packet(connection, data, [0] * descriptors)
        try:
            check(receive_welcome(connection, 5).status != 0, f"{what} was welcome")
        except PeerGone:
            pass
    for _ in range(100):
        connect(driver.socket_path).close()
    RawContext(stage.application(driver)).close()


@cases.case("application: hundreds of connections that say nothing do not keep others out")
def silent_applications(stage):
    """Whoever says hello is served meanwhile."""
    driver = the_driver(stage)
    silent = [stage.keep(connect(driver.socket_path)) for _ in range(300)]
    deadline = time.monotonic() + 3
    while True:
        try:
            RawContext(stage.application(driver)).close()
            return f"{len(silent)} silent connections"
        except (PeerGone, OSError) as problem:
            check(time.monotonic() < deadline, f"no application is served for 3 s: {problem}")
            time.sleep(0.05)


@cases.case("application: the guest driver's descriptors are used up, then given back")
def driver_descriptors(stage):
    """A guest driver that may open 64 files."""
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")
    driver = stage.start_driver(open_files=64)
    early = RawContext(stage.application(driver))
    connections = []
    try:
        for _ in range(100):
            connections.append(connect(driver.socket_path))
        for connection in connections:
            send_packet(connection, hello(abi.ROLE_APPLICATION))
    except (PeerGone, OSError):
        pass
    check(driver.is_alive(), f"the guest driver died: {driver.log_tail()}")
    check(early.alloc_pd(), "an application that was there before is not served")
    for connection in connections:
        connection.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            RawContext(stage.application(driver)).close()
            break
        except (PeerGone, CommandFailed, OSError, TimeoutError) as problem:
            check(time.monotonic() < deadline, f"no service after the descriptors were given back: {problem}")
            time.sleep(0.05)
    early.close()
    driver.stop()
    del stage.drivers[driver.name]


@cases.case("application: packets that are not messages, with and without descriptors")
def application_packets(stage):
    """The guest driver answers with an error or closes; it goes on serving."""
    driver = the_driver(stage)
    message = bytes(make_message(1, abi.OP_QUERY_DEVICE))
    for size in (1, 23, 255, 257, 4096, 65536):
        for number in (0, 1, 3, 4, 200):
            application = stage.application(driver)
            try:
                given = [application.socket.fileno()] * number
                send_packet(application.socket, message[:size].ljust(size, b"x"), given)
                answer = receive_packet(application.socket, 2)
                check(abi.Message.from_buffer_copy(answer).status != 0, f"a packet of {size} bytes was taken")
            except (PeerGone, TimeoutError):
                pass
            application.close()
    RawContext(stage.application(driver)).close()


@cases.case("application: commands before OPEN_CONTEXT, a second OPEN_CONTEXT, unknown commands")
def application_order(stage):
    """Order as the ABI has it."""
    driver = the_driver(stage)
    for opcode in list(range(2, abi.OP_LAST + 1)) + list(UNKNOWN_OPCODES):
        application = stage.application(driver)
        try:
            status = application.call(opcode, b"\1" * 200, timeout=5).status
            check(status != 0, f"opcode {opcode} came first and worked")
        except PeerGone:
            pass
        application.close()
    context = stage.keep(RawContext(stage.application(driver)))
    for opcode in UNKNOWN_OPCODES:
        check_equal(context.status_of(opcode), errno.EOPNOTSUPP, f"status of opcode {opcode:#x}")
    other = stage.application(driver)
    kick = os.eventfd(0)
    try:
        second = context.transport.call(abi.OP_OPEN_CONTEXT, abi.OpenContextCommand(),
                                        [context.memory.descriptor, kick, other.socket.fileno()])
        check(second.status != 0, "a second context on one connection was opened")
    except PeerGone:
        pass
    finally:
        os.close(kick)


@cases.case("application: a context number of its own choice is not believed")
def application_context_number(stage):
    """The guest driver fills the context in, whatever the application wrote."""
    driver = the_driver(stage)
    victim = stage.keep(RawContext(stage.application(driver)))
    victim_pd = victim.alloc_pd()
    thief = stage.keep(RawContext(stage.application(driver)))
    for number in range(1, 64):
        sequence = thief.transport.next_sequence()
        message = make_message(sequence, abi.OP_DEALLOC_PD, abi.HandleCommand(handle=victim_pd), number)
        send_packet(thief.transport.socket, message)
        thief.transport.reply(sequence)
    victim.make_buffer(victim_pd, 4096)


@cases.case("application: replies that are never read do not stop the others")
def unread_replies(stage):
    """One application's socket is full; another one of the same guest is served."""
    driver = the_driver(stage)
    deaf = stage.application(driver)
    deaf.socket.settimeout(0.3)
    sent = 0
    try:
        for sequence in range(1, 20000):
            send_packet(deaf.socket, make_message(sequence, abi.OP_QUERY_DEVICE))
            sent += 1
    except (TimeoutError, PeerGone, OSError):
        pass
    context = stage.keep(RawContext(stage.application(driver)))
    check(context.alloc_pd(), "no PD")
    return f"{sent} commands without reading"


@cases.case("application: descriptors of wrong kinds for every command that takes some")
def application_descriptors(stage):
    """What the endpoint refuses, it refuses through the guest driver too."""
    driver = the_driver(stage)
    context = stage.keep(RawContext(stage.application(driver)))
    reader, writer = os.pipe()
    datagram, spare = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        for opcode in (abi.OP_ATTACH_REGION, abi.OP_CREATE_COMP_CHANNEL):
            for what, given in (("none", []), ("a pipe", [writer]), ("a datagram socket", [datagram.fileno()]),
                                ("three", [writer, reader, datagram.fileno()])):
                try:
                    status = context.transport.call(opcode, None, given).status
                except (PeerGone, CommandFailed):
                    context = stage.keep(RawContext(stage.application(driver)))
                    continue
                check(status != 0, f"opcode {opcode} took {what}")
    finally:
        os.close(reader)
        os.close(writer)
        datagram.close()
        spare.close()
