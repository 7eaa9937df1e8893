"""Hostile cases: the endpoint's socket and the command channel."""

import ctypes
import errno
import os
import time

import atomics
import vrdma_abi as abi
from packets import PeerGone, connect, hello, make_message, receive_packet, receive_welcome, send_packet
from raw_guest import RawGuest
from runner import Cases, Failure, check, check_equal

cases = Cases()
TAIL = abi.ChannelHeader.command_tail.offset
HEAD = abi.ChannelHeader.command_head.offset
COMPLETION_HEAD = abi.ChannelHeader.completion_head.offset
COMPLETION_TAIL = abi.ChannelHeader.completion_tail.offset


def kick(guest):
    """Wakes the endpoint whatever it says."""
    try:
        os.write(guest.kick, (1).to_bytes(8, "little"))
    except BlockingIOError:
        pass


def expect_disconnected(guest, what):
    """The endpoint throws the guest out."""
    kick(guest)
    check(not guest.is_connected(5.0), f"{what}: the guest is still connected")


@cases.case("hello: cut short, oversized, wrong magic, wrong role, twice, never")
def bad_hello(stage):
    """First packets that are not a hello; the endpoint answers with an error or closes."""
    good = bytes(hello(abi.ROLE_GUEST_DRIVER, "bad", "10.77.97.1"))
    wrong_role = bytes(hello(abi.ROLE_APPLICATION, "bad", "10.77.97.1"))
    for what, data in (("1 byte", b"x"), ("cut short", good[:-1]), ("oversized", good + b"x"),
                       ("65536 bytes", good.ljust(65536, b"x")), ("wrong magic", b"XXXX" + good[4:]),
                       ("role of an application", wrong_role), ("role 77", good[:8] + b"M\0\0\0" + good[12:]),
                       ("a command", bytes(make_message(1, abi.OP_QUERY_DEVICE)))):
        connection = stage.keep(connect(stage.endpoint.socket_path))
        send_packet(connection, data)
        try:
            status = receive_welcome(connection, 5).status
        except PeerGone:
            continue
        check(status != 0, f"{what} was welcome")


@cases.case("hello: hundreds of connections that say nothing do not keep others out")
def silent_connections(stage):
    """Whoever says hello is let in meanwhile."""
    silent = []
    for _ in range(300):
        try:
            silent.append(stage.keep(connect(stage.endpoint.socket_path)))
        except OSError:
            break
    deadline = time.monotonic() + 3
    while True:
        try:
            stage.guest()
            return f"{len(silent)} silent connections"
        except (PeerGone, OSError) as problem:
            check(time.monotonic() < deadline, f"no guest is let in for 3 s: {problem}")
            time.sleep(0.05)


@cases.case("hello: names and addresses that cannot be")
def bad_identity(stage):
    """Names that are not text, and addresses that no host has."""
    for what, name, address in (
            ("no name", b"", "10.77.96.1"), ("64 bytes without an end", b"n" * 64, "10.77.96.2"),
            ("a path", b"../../etc", "10.77.96.3"), ("a line feed", b"a\nb", "10.77.96.4"),
            ("not UTF-8", b"\xff\xfe", "10.77.96.5"), ("address ::", b"zero", "::"),
            ("a multicast address", b"multicast", "ff02::1"), ("address 0.0.0.0", b"any", "0.0.0.0")):
        connection = stage.keep(connect(stage.endpoint.socket_path))
        message = hello(abi.ROLE_GUEST_DRIVER, "x", address)
        message.guest_name[:] = name.ljust(64, b"\0")
        helper = stage.guest()
        send_packet(connection, message, [helper.channel.descriptor, helper.kick])
        try:
            status = receive_welcome(connection, 5).status
        except PeerGone:
            continue
        check(status != 0, f"{what} was welcome")


@cases.case("hello: the identity of a connected guest stays its own")
def stolen_identity(stage):
    """Neither the innocent's name nor its address can be taken."""
    for name, address in (("innocent0", "10.77.95.1"), ("thief", "10.76.0.1")):
        try:
            stage.keep(RawGuest(stage.endpoint.socket_path, name, address))
        except Exception:  # refused one way or the other
            continue
        raise Failure(f"a second guest {name} at {address} was welcome")


@cases.case("command ring: a tail beyond the ring, or running backwards")
def bad_tail(stage):
    """The guest is disconnected."""
    for change in (65, 1 << 31, 0xFFFFFFFF, 0x80000041):
        guest = stage.guest()
        guest.call(abi.OP_QUERY_DEVICE)
        tail = atomics.load32(guest.channel.base + TAIL)
        atomics.store32(guest.channel.base + TAIL, (tail + change) & 0xFFFFFFFF)
        expect_disconnected(guest, f"tail + {change:#x}")


@cases.case("completion ring: a head beyond the tail")
def bad_head(stage):
    """The guest is disconnected at the latest with the next reply."""
    for change in (1, 1 << 31, 0xFFFFFF00):
        guest = stage.guest()
        guest.call(abi.OP_QUERY_DEVICE)
        head = atomics.load32(guest.channel.base + COMPLETION_HEAD)
        atomics.store32(guest.channel.base + COMPLETION_HEAD, (head + change) & 0xFFFFFFFF)
        try:
            guest.push(make_message(guest.next_sequence(), abi.OP_QUERY_DEVICE))
        except (PeerGone, TimeoutError):
            pass
        expect_disconnected(guest, f"completion head + {change:#x}")


@cases.case("channel: the endpoint's own indices overwritten by the guest")
def scribbled_indices(stage):
    """The endpoint does not read back what it wrote."""
    guest = stage.guest()
    for value in (0xFFFFFFFF, 0x80000000, 12345):
        atomics.store32(guest.channel.base + HEAD, value)
        sequence = guest.next_sequence()
        tail = atomics.load32(guest.channel.base + TAIL)
        message = make_message(sequence, abi.OP_ALLOC_PD)
        guest.channel.write(4096 + (tail & 63) * ctypes.sizeof(abi.Message), bytes(message))
        atomics.store32(guest.channel.base + TAIL, tail + 1)
        kick(guest)
        atomics.store32(guest.channel.base + COMPLETION_TAIL, value)
        time.sleep(0.05)
        if not guest.is_connected():
            return "disconnected"
    return "kept"


@cases.case("command ring: flooded, with completions that nobody takes")
def flooded(stage):
    """More commands under way than there is room for replies: that guest is disconnected, nobody waits for it."""
    guest = stage.guest(entries=16)
    tail = 0
    base = guest.channel.base
    message = ctypes.sizeof(abi.Message)
    for _ in range(4):
        space = 16 - ((tail - atomics.load32(base + HEAD)) & 0xFFFFFFFF)
        for _ in range(space):
            data = bytes(make_message(tail + 1, abi.OP_QUERY_DEVICE))
            guest.channel.write(4096 + (tail & 15) * message, data)
            tail += 1
        atomics.store32(base + TAIL, tail)
        kick(guest)
        time.sleep(0.05)
    stage.check_alive()
    check(not guest.is_connected(5.0), "the guest is connected although there was no room for its replies")


@cases.case("channel: kicks without end, and wake-up words that are never cleared")
def kick_storm(stage):
    """A storm of wake-ups for one second."""
    guest = stage.guest()
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        kick(guest)
        guest.header.guest_driver_kick_wanted = 1
        guest.header.endpoint_kick_wanted = 0
    stage.check_alive()
    sequence = guest.next_sequence()
    guest.push(make_message(sequence, abi.OP_QUERY_DEVICE))
    kick(guest)  # the word that says whether the endpoint sleeps was spoilt above
    check_equal(guest.reply(sequence).opcode, abi.OP_QUERY_DEVICE, "opcode of the reply after the storm")
    os.eventfd_read(guest.kick)
    os.write(guest.kick, (0xFFFFFFFFFFFFFFFE).to_bytes(8, "little"))
    stage.check_alive()


@cases.case("socket: wake-up packets that are never read")
def unread_wakeups(stage):
    """The guest's socket fills; the endpoint does not wait for it."""
    guest = stage.guest()
    for _ in range(3000):
        guest.header.guest_driver_kick_wanted = 1
        sequence = guest.next_sequence()
        guest.push(make_message(sequence, abi.OP_QUERY_DEVICE))
        deadline = time.monotonic() + 5
        while sequence not in guest._replies:  # replies are taken from the ring, the socket is left alone
            guest._take_completions()
            check(time.monotonic() < deadline, "no reply while the socket is full")
        guest._replies.clear()


@cases.case("descriptors: packets that lie, that are too many, or never used")
def bad_descriptor_packets(stage):
    """Packets on the guest's socket that are not descriptor packets."""
    def packet(count, token=7, magic=abi.ABI_MAGIC):
        return bytes(abi.DescriptorPacket(magic=magic, descriptor_count=count, token=token))
    good = packet(1)
    for what, data, number in (
            ("1 byte", b"x", 1), ("cut short", good[:15], 1), ("oversized", good + b"x", 1),
            ("64 KiB", good.ljust(65536, b"x"), 1), ("wrong magic", packet(1, 7, 1), 1), ("token 0", packet(1, 0), 1),
            ("count beyond what is attached", packet(3), 1), ("count below", packet(1), 3), ("no descriptors", good, 0),
            ("count 2^32-1", packet(0xFFFFFFFF), 3), ("253 descriptors", packet(253), 253)):
        guest = stage.guest()
        try:
            send_packet(guest.socket, data, [guest.kick] * number)
            guest.is_connected(0.1)
            stage.check_alive()
            guest.call(abi.OP_QUERY_DEVICE, timeout=5)
        except (PeerGone, TimeoutError):
            check(not guest.is_connected(1.0), f"{what}: no answer, yet connected")


@cases.case("descriptors: thousands without a command do not pile up")
def piled_descriptors(stage):
    """The endpoint bounds what it keeps for commands that never come."""
    guest = stage.guest()
    most = 0
    try:
        for _ in range(3000):
            guest.send_descriptors([guest.channel.descriptor] * 3)
            most = max(most, len(os.listdir(f"/proc/{stage.endpoint.pid}/fd")))
    except (PeerGone, TimeoutError, OSError):
        pass
    held = most - stage.before.descriptors
    check(held < 2000, f"the endpoint kept {held} descriptors")
    return f"kept {held} at most"


@cases.case("descriptors: dozens of commands under way that each bring some are in order")
def many_descriptors(stage):
    """A guest with many applications that start together; every command gets its own descriptors."""
    guest = stage.guest(entries=256)
    context = stage.context(guest)
    sequences = []
    for _ in range(60):
        token = guest.send_descriptors([context.memory.descriptor])
        sequence = guest.next_sequence()
        guest.channel.write(4096 + (atomics.load32(guest.channel.base + TAIL) & 255) * ctypes.sizeof(abi.Message),
                            bytes(make_message(sequence, abi.OP_ATTACH_REGION, None, context.context, token)))
        atomics.store32(guest.channel.base + TAIL, atomics.load32(guest.channel.base + TAIL) + 1)
        sequences.append(sequence)
    kick(guest)
    statuses = [guest.reply(sequence).status for sequence in sequences]
    check_equal(statuses.count(0), len(statuses), "commands that succeeded")


@cases.case("descriptors: a token without a packet, a reused one, another command's")
def bad_tokens(stage):
    """Tokens that name nothing."""
    guest = stage.guest()
    reply = guest.call(abi.OP_ATTACH_REGION)
    check_equal(reply.status, errno.EINVAL, "status of ATTACH_REGION without descriptors")
    for token in (1, 99, 1 << 63):
        sequence = guest.next_sequence()
        guest.push(make_message(sequence, abi.OP_ATTACH_REGION, token=token))
        try:
            check(guest.reply(sequence, 5).status != 0, f"token {token} of no packet was accepted")
        except PeerGone:
            guest = stage.guest()
    for opcode in (abi.OP_QUERY_DEVICE, abi.OP_ALLOC_PD, 999):
        try:
            guest.call(opcode, None, [guest.kick] * 3)
        except PeerGone:
            guest = stage.guest()


@cases.case("connections: two hundred that come and go, and guests that leave at once")
def churn(stage):
    """The endpoint forgets them all."""
    for _ in range(200):
        connect(stage.endpoint.socket_path).close()
    for number in range(60):
        guest = stage.guest()
        if number % 3 == 0:
            stage.context(guest)
        guest.close()


@cases.case("socket: packets after the welcome that never end")
def packet_storm(stage):
    """One guest sends packets as fast as it can; the others are served."""
    guest = stage.guest()
    guest.socket.settimeout(0.2)
    end = time.monotonic() + 1.0
    sent = 0
    try:
        while time.monotonic() < end:
            send_packet(guest.socket, b"y" * 16)
            sent += 1
    except (PeerGone, TimeoutError, OSError):
        pass
    stage.check_alive()
    try:
        receive_packet(guest.socket, 0.1)
    except (PeerGone, TimeoutError):
        pass
    return f"{sent} packets taken"
