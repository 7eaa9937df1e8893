"""A connection of the keeper, with what is still to be sent on it."""

import selectors

import frames


class Peer:
    """A connection, to a client or to the agent of a machine, with what is still to be sent."""

    def __init__(self, keeper, connection, receive):
        self.keeper, self.connection, self.receive = keeper, connection, receive
        self.parser = frames.Parser()
        self.pending = bytearray()
        self.machine = self.channel = None
        connection.setblocking(False)
        keeper.selector.register(connection, selectors.EVENT_READ, self.handle)

    def handle(self, events):
        """Reads and writes what can be."""
        if events & selectors.EVENT_WRITE:
            self.send(b"")
        if events & selectors.EVENT_READ:
            try:
                data = self.connection.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            for frame in self.parser.feed(data):
                self.receive(self, *frame)
            if not data:
                self.receive(self, 0, None, b"")

    def send(self, data):
        """Sends at once what can be, the rest later."""
        if self.connection.fileno() < 0:
            return
        self.pending += data
        try:
            while self.pending:
                del self.pending[:self.connection.send(self.pending)]
        except BlockingIOError:
            pass
        except OSError:
            self.pending.clear()   # the reading side hears of it
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.pending else 0)
        self.keeper.selector.modify(self.connection, wanted, self.handle)

    def close(self):
        """Closes the connection."""
        if self.connection.fileno() >= 0:
            self.keeper.selector.unregister(self.connection)
            self.connection.close()
