"""An application spoken by hand: one connection to a guest driver, one context on it."""

import ctypes

import vrdma_abi as abi
from packets import (CommandFailed, REPLY_TIMEOUT_SECONDS, Reply, connect, hello, make_message, receive_packet,
                     receive_welcome, send_packet)


class RawApplication:
    """Connects to a guest driver's socket as an application; it carries the commands of one context."""

    def __init__(self, path, prepare=None):
        """`prepare` may spoil the hello."""
        self.socket = connect(path)
        self._sequence = 0
        try:
            message = hello(abi.ROLE_APPLICATION)
            descriptors = []
            if prepare is not None:
                message, descriptors = prepare(message, descriptors)
            send_packet(self.socket, message, descriptors)
            self.welcome = receive_welcome(self.socket)
        except BaseException:
            self.socket.close()
            raise
        if self.welcome.status:
            self.socket.close()
            raise CommandFailed(0, self.welcome.status)

    def next_sequence(self):
        """A sequence number for the next command."""
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return self._sequence

    def call(self, opcode, payload=None, descriptors=(), timeout=REPLY_TIMEOUT_SECONDS):
        """One command, and its reply."""
        sequence = self.next_sequence()
        send_packet(self.socket, make_message(sequence, opcode, payload), descriptors)
        return self.reply(sequence, timeout)

    def reply(self, sequence, timeout=REPLY_TIMEOUT_SECONDS):
        """Waits for the reply with that sequence; other packets are dropped."""
        while True:
            data = receive_packet(self.socket, timeout)
            if len(data) != ctypes.sizeof(abi.Message):
                raise AssertionError(f"a packet of {len(data)} bytes from the guest driver")
            message = abi.Message.from_buffer_copy(data)
            if message.sequence == sequence:
                return Reply(message)

    def is_connected(self, timeout=0.0):
        """Whether the guest driver still holds the connection."""
        try:
            while True:
                receive_packet(self.socket, timeout)
        except TimeoutError:
            return True
        except Exception:  # every other end means that it is gone
            return False

    def close(self):
        """Leaves, as an application that ends does."""
        self.socket.close()
