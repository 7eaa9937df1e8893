"""A guest driver spoken by hand: one connection to an endpoint, and its command channel."""

import ctypes
import os
import select

import atomics
import vrdma_abi as abi
from memory import Memory
from packets import (CommandFailed, PeerGone, REPLY_TIMEOUT_SECONDS, Reply, connect, hello, make_message,
                     receive_welcome, send_packet)

_MESSAGE = ctypes.sizeof(abi.Message)
_TAIL = abi.ChannelHeader.command_tail.offset
_HEAD = abi.ChannelHeader.command_head.offset
_COMPLETION_TAIL = abi.ChannelHeader.completion_tail.offset
_COMPLETION_HEAD = abi.ChannelHeader.completion_head.offset
_ENDPOINT_KICK = abi.ChannelHeader.endpoint_kick_wanted.offset
_GUEST_KICK = abi.ChannelHeader.guest_driver_kick_wanted.offset
_ONE = (1).to_bytes(8, "little")


class RawGuest:
    """Connects to an endpoint as a guest driver and carries commands for any number of contexts."""

    def __init__(self, path, name, address, entries=64, prepare=None):
        """`prepare` may spoil the hello and the channel before they are sent."""
        self.name, self.address = name, address
        self.entries = entries
        ring = entries * _MESSAGE
        self.channel = Memory("channel", 4096 + 2 * ring)
        header = self.channel.view(abi.ChannelHeader)
        header.magic, header.major, header.minor = abi.ABI_MAGIC, abi.ABI_MAJOR, abi.ABI_MINOR
        header.command_entries = header.completion_entries = entries
        header.command_offset, header.completion_offset = 4096, 4096 + ring
        self.header = header
        self.kick = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.events = []
        self._replies = {}
        self._sequence = 0
        self._token = 0
        self.socket = connect(path)
        try:
            message = hello(abi.ROLE_GUEST_DRIVER, name, address)
            descriptors = [self.channel.descriptor, self.kick]
            if prepare is not None:
                message, descriptors = prepare(self, message, descriptors)
            send_packet(self.socket, message, descriptors)
            self.welcome = receive_welcome(self.socket)
        except BaseException:
            self.close()
            raise
        if self.welcome.status:
            self.close()
            raise CommandFailed(0, self.welcome.status)

    # Commands

    def send_descriptors(self, descriptors):
        """Sends descriptors ahead of a command and returns their token."""
        self._token += 1
        packet = abi.DescriptorPacket(magic=abi.ABI_MAGIC, descriptor_count=len(descriptors), token=self._token)
        send_packet(self.socket, packet, descriptors)
        return self._token

    def next_sequence(self):
        """A sequence number for the next command."""
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        return self._sequence

    def push(self, message):
        """Puts a message into the command ring and wakes the endpoint if it sleeps."""
        base = self.channel.base
        tail = atomics.load32(base + _TAIL)
        while (tail - atomics.load32(base + _HEAD)) & 0xFFFFFFFF >= self.entries:
            self._take_completions()
            self._pause(REPLY_TIMEOUT_SECONDS)
        offset = self.header.command_offset + (tail & (self.entries - 1)) * _MESSAGE
        self.channel.write(offset, bytes(message))
        atomics.store32(base + _TAIL, tail + 1)
        self.kick_if_wanted()

    def kick_if_wanted(self):
        """Wakes the endpoint when it says that it sleeps."""
        atomics.fence()
        address = self.channel.base + _ENDPOINT_KICK
        if atomics.load32(address) == 1 and atomics.exchange32(address, 0) == 1:
            os.write(self.kick, _ONE)

    def call(self, opcode, payload=None, descriptors=(), context=0, timeout=REPLY_TIMEOUT_SECONDS):
        """One command, and its reply."""
        token = self.send_descriptors(descriptors) if descriptors else 0
        sequence = self.next_sequence()
        self.push(make_message(sequence, opcode, payload, context, token))
        return self.reply(sequence, timeout)

    def reply(self, sequence, timeout=REPLY_TIMEOUT_SECONDS):
        """Waits for the reply with that sequence."""
        while True:
            self._take_completions()
            if sequence in self._replies:
                return self._replies.pop(sequence)
            self._pause(timeout)

    # Completions

    def _take_completions(self):
        base = self.channel.base
        head = atomics.load32(base + _COMPLETION_HEAD)
        tail = atomics.load32(base + _COMPLETION_TAIL)
        while head != tail:
            offset = self.header.completion_offset + (head & (self.entries - 1)) * _MESSAGE
            message = abi.Message.from_buffer_copy(self.channel.read(offset, _MESSAGE))
            # A command's sequence is never 0 here, and an event's always is: its opcode alone proves nothing.
            if message.opcode == abi.OP_ASYNC_EVENT and message.sequence == 0:
                event = abi.AsyncEvent.from_buffer_copy(bytes(message.payload)[:ctypes.sizeof(abi.AsyncEvent)])
                self.events.append((message.context, event))
            else:
                self._replies[message.sequence] = Reply(message)
            head = (head + 1) & 0xFFFFFFFF
            atomics.store32(base + _COMPLETION_HEAD, head)

    def _pause(self, timeout):
        """Sleeps until the endpoint wakes this side; raises PeerGone or TimeoutError."""
        base = self.channel.base
        atomics.store32(base + _GUEST_KICK, 1)
        atomics.fence()
        if atomics.load32(base + _COMPLETION_TAIL) != atomics.load32(base + _COMPLETION_HEAD):
            return
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise TimeoutError(f"guest {self.name}: no answer in {timeout} s")
        try:
            if not self.socket.recv(64):
                raise PeerGone(f"guest {self.name}: disconnected by the endpoint")
        except ConnectionResetError as problem:
            raise PeerGone(str(problem)) from problem

    def is_connected(self, timeout=0.0):
        """Whether the endpoint still holds the connection, after waiting up to `timeout` for its end."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        while poll.poll(timeout * 1000):
            try:
                if not self.socket.recv(64):
                    return False
            except OSError:
                return False
        return True

    def transport(self):
        """A carrier for one context of this guest."""
        return GuestTransport(self)

    def close(self):
        """Leaves, as a guest that ends does."""
        self.socket.close()
        if self.kick is not None:
            os.close(self.kick)
            self.kick = None
        self.channel.close()


class GuestTransport:
    """Carries one context's commands in a raw guest's channel."""

    def __init__(self, guest):
        self.guest = guest
        self.context = 0

    def call(self, opcode, payload=None, descriptors=(), timeout=REPLY_TIMEOUT_SECONDS):
        """One command, and its reply."""
        reply = self.guest.call(opcode, payload, descriptors, self.context, timeout)
        if opcode == abi.OP_OPEN_CONTEXT and reply.status == 0:
            self.context = reply.as_struct(abi.OpenContextReply).context
        return reply

    def close(self):
        """Closes the context, if it is open and the guest and the endpoint are there."""
        if self.context and self.guest.kick is not None:
            try:
                self.guest.call(abi.OP_CLOSE_CONTEXT, None, (), self.context)
            except (PeerGone, TimeoutError, OSError):
                pass
        self.context = 0
