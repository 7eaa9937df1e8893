"""The frames between a test, the keeper of the virtual machines, and the agent inside one.

A frame is a header (channel, kind, length of the payload) and a payload. A channel is
one command; the keeper numbers channels, a client has one channel per connection and
calls it 0. Each direction of a channel may have `WINDOW` bytes that are not acknowledged.
"""

import struct

HEADER = struct.Struct("<IBI")
NUMBER = struct.Struct("<q")
SCREEN = struct.Struct("<HH")
WINDOW = 256 * 1024
CHUNK = 32 * 1024

# To the agent
START = 1          # a JSON object: what to run
STDIN = 2          # bytes for its standard input; none: the end
SIGNAL = 3         # NUMBER: a signal for the command's process group
RESIZE = 4         # SCREEN: rows and columns of the terminal
ACKNOWLEDGE = 5    # NUMBER: so many bytes of the other side's were consumed; both directions
CLOSE = 6          # the client has gone: kill the command

# From the agent
READY = 16         # channel 0, once: the machine is up; the payload is a complaint, or nothing
STARTED = 17       # NUMBER: the process id
STDOUT = 18
STDERR = 19
EXIT = 20          # NUMBER: exit status, or minus the signal; the last frame of a channel
FAILED = 21        # text: there was no command; the last frame of a channel

# Between a client and the keeper
REQUEST = 32       # a JSON object: what the keeper shall do
ANSWER = 33        # a JSON object


def pack(kind, payload=b"", channel=0):
    """The bytes of a frame."""
    return HEADER.pack(channel, kind, len(payload)) + payload


class Parser:
    """Makes frames of a stream of bytes."""

    def __init__(self):
        self.pending = bytearray()

    def feed(self, data):
        """Takes bytes; yields (channel, kind, payload) of each frame that is complete."""
        self.pending += data
        position = 0
        while len(self.pending) - position >= HEADER.size:
            channel, kind, length = HEADER.unpack_from(self.pending, position)
            end = position + HEADER.size + length
            if len(self.pending) < end:
                break
            yield channel, kind, bytes(self.pending[position + HEADER.size:end])
            position = end
        del self.pending[:position]
