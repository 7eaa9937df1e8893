"""Packets with descriptors on SOCK_SEQPACKET sockets, and the hello that opens every connection."""

import array
import ctypes
import errno
import ipaddress
import os
import select
import socket
import struct

import vrdma_abi as abi

REPLY_TIMEOUT_SECONDS = 10.0


class PeerGone(Exception):
    """The other side closed the connection, or never answered."""


class CommandFailed(Exception):
    """A command was answered with an errno value."""

    def __init__(self, opcode, status):
        super().__init__(f"opcode {opcode}: {errno.errorcode.get(status, status)}")
        self.opcode = opcode
        self.status = status


def connect(path):
    """A SOCK_SEQPACKET connection to that path."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        # Python's own timeout makes the socket non-blocking, and a full backlog an error at once.
        wait = struct.pack("@ll", int(REPLY_TIMEOUT_SECONDS), 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        connection.connect(os.fspath(path))
        connection.settimeout(REPLY_TIMEOUT_SECONDS)
    except OSError:
        connection.close()
        raise
    return connection


def send_packet(connection, data, descriptors=()):
    """Sends one packet with descriptors attached."""
    control = []
    if descriptors:
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    try:
        connection.sendmsg([bytes(data)], control)
    except (BrokenPipeError, ConnectionResetError) as problem:
        raise PeerGone(str(problem)) from problem


def receive_packet(connection, timeout=REPLY_TIMEOUT_SECONDS, size_bytes=4096):
    """One packet; raises PeerGone at the end of the stream and TimeoutError."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    if not poll.poll(timeout * 1000):
        raise TimeoutError("no packet")
    try:
        data = connection.recv(size_bytes)
    except ConnectionResetError as problem:
        raise PeerGone(str(problem)) from problem
    if not data:
        raise PeerGone("closed by the other side")
    return data


def fill(field, data):
    """Copies bytes into an array field and fills the rest with zeros."""
    count = len(field)
    field[:] = bytes(data[:count]).ljust(count, b"\0")


def address_bytes(text):
    """A GID from the text of an IPv6 or IPv4 address; IPv4 becomes an IPv4-mapped address."""
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return b"\0" * 10 + b"\xff\xff" + address.packed
    return address.packed


def hello(role, name="", address="::", features=None):
    """A well-formed hello; the caller may spoil it."""
    message = abi.Hello(magic=abi.ABI_MAGIC, major=abi.ABI_MAJOR, minor=abi.ABI_MINOR, role=role)
    every_feature = abi.FEATURE_RC | abi.FEATURE_ATOMICS | abi.FEATURE_ZERO_BASED | abi.FEATURE_ARM_CQ
    message.features = every_feature if features is None else features
    fill(message.guest_name, name.encode())
    fill(message.address, address_bytes(address))
    return message


def receive_welcome(connection, timeout=REPLY_TIMEOUT_SECONDS):
    """The answer to a hello, checked for its form only."""
    data = receive_packet(connection, timeout)
    if len(data) != ctypes.sizeof(abi.Welcome):
        raise AssertionError(f"welcome has {len(data)} bytes, not {ctypes.sizeof(abi.Welcome)}")
    welcome = abi.Welcome.from_buffer_copy(data)
    if welcome.magic != abi.ABI_MAGIC:
        raise AssertionError(f"welcome has magic {welcome.magic:#x}")
    return welcome


def text(field):
    """The text in a zero-filled byte array field."""
    return bytes(field).split(b"\0", 1)[0].decode(errors="replace")


def to_payload(payload):
    """Bytes of a command's payload, from a structure, bytes or None."""
    return b"" if payload is None else bytes(payload)


class Reply:
    """What came back for a command."""

    def __init__(self, message):
        self.opcode = message.opcode
        self.status = message.status
        self.context = message.context
        count = min(message.payload_bytes, abi.MESSAGE_PAYLOAD_BYTES)
        self.payload = bytes(message.payload)[:count]

    def as_struct(self, declaration):
        """The payload as a structure; a short one is an error of the other side."""
        if len(self.payload) < ctypes.sizeof(declaration):
            raise AssertionError(f"reply to opcode {self.opcode} has {len(self.payload)} payload bytes, "
                                 f"{declaration.__name__} has {ctypes.sizeof(declaration)}")
        return declaration.from_buffer_copy(self.payload)

    def checked(self):
        """Itself, or CommandFailed."""
        if self.status:
            raise CommandFailed(self.opcode, self.status)
        return self


def make_message(sequence, opcode, payload=None, context=0, token=0, payload_bytes=None):
    """A message; `payload_bytes` overrides the true count."""
    data = to_payload(payload)
    message = abi.Message(sequence=sequence & 0xFFFFFFFF, opcode=opcode & 0xFFFF, context=context,
                          descriptor_token=token)
    message.payload_bytes = len(data) if payload_bytes is None else payload_bytes
    ctypes.memmove(ctypes.addressof(message) + abi.Message.payload.offset, data,
                   min(len(data), abi.MESSAGE_PAYLOAD_BYTES))
    return message
