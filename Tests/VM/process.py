"""A command that runs in a virtual machine."""

import dataclasses
import json
import signal
import socket
import threading

import frames


class GuestError(Exception):
    """A command could not be started, or its machine has gone; the text says why."""


class GuestTimeout(GuestError):
    """A command did not end in time. `stdout` and `stderr` are what it wrote until then."""

    def __init__(self, text, stdout, stderr):
        super().__init__(text)
        self.stdout, self.stderr = stdout, stderr


@dataclasses.dataclass
class Result:
    """How a command ended."""

    status: int       # the exit status, or minus the signal
    output: bytes     # what it wrote to its standard output
    errors: bytes     # what it wrote to its standard error

    @property
    def stdout(self):
        """The standard output as text."""
        return self.output.decode(errors="replace")

    @property
    def stderr(self):
        """The standard error as text."""
        return self.errors.decode(errors="replace")


class Process:
    """A running command; ends with `close`, when the machine ends, or when this program does.

    Output is collected, or given to `on_output(kind, bytes)` from a thread.
    """

    def __init__(self, control, what, on_output=None):
        self.name = " ".join(what["arguments"])
        self.pid = None
        self.status = None
        self.failure = None
        self._on_output = on_output
        self._collected = {frames.STDOUT: bytearray(), frames.STDERR: bytearray()}
        self._changed = threading.Condition()
        self._credit = frames.WINDOW
        self._sending = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(control))
            self._send(frames.START, json.dumps(what).encode())
        except OSError as problem:
            self._socket.close()
            raise GuestError(f"the machines have gone: {problem.strerror}") from problem
        threading.Thread(target=self._receive, daemon=True).start()

    def _send(self, kind, payload=b""):
        with self._sending:
            self._socket.sendall(frames.pack(kind, payload))

    def _receive(self):
        parser = frames.Parser()
        try:
            while self.status is None and self.failure is None:
                data = self._socket.recv(1 << 16)
                if not data:
                    self._finish(failure="the machines have gone")
                for _, kind, payload in parser.feed(data):
                    self._take(kind, payload)
        except OSError:
            self._finish(failure="closed")

    def _take(self, kind, payload):
        if kind in self._collected:
            if self._on_output:
                self._on_output(kind, payload)
            else:
                with self._changed:
                    self._collected[kind] += payload
                    self._changed.notify_all()
            try:
                self._send(frames.ACKNOWLEDGE, frames.NUMBER.pack(len(payload)))
            except OSError:
                pass   # the reading side hears of it, after what is still to be read
        elif kind == frames.ACKNOWLEDGE:
            with self._changed:
                self._credit += frames.NUMBER.unpack(payload)[0]
                self._changed.notify_all()
        elif kind == frames.STARTED:
            with self._changed:
                self.pid = frames.NUMBER.unpack(payload)[0]
                self._changed.notify_all()
        elif kind == frames.EXIT:
            self._finish(status=frames.NUMBER.unpack(payload)[0])
        elif kind == frames.FAILED:
            self._finish(failure=payload.decode(errors="replace"))

    def _finish(self, status=None, failure=None):
        with self._changed:
            if self.status is None and self.failure is None:
                self.status, self.failure = status, failure
            self._changed.notify_all()

    @property
    def ended(self):
        """Whether it has ended."""
        return self.status is not None or self.failure is not None

    @property
    def stdout(self):
        """What it wrote to its standard output so far, as text."""
        return self._collected[frames.STDOUT].decode(errors="replace")

    @property
    def stderr(self):
        """What it wrote to its standard error so far, as text."""
        return self._collected[frames.STDERR].decode(errors="replace")

    def write(self, data):
        """Writes to its standard input; waits while it does not read."""
        data = memoryview(data.encode() if isinstance(data, str) else data)
        while data:
            with self._changed:
                self._changed.wait_for(lambda: self._credit > 0 or self.ended)
                if self.ended:
                    return
                part = data[:min(self._credit, frames.CHUNK)]
                self._credit -= len(part)
            self._send(frames.STDIN, bytes(part))
            data = data[len(part):]

    def end_input(self):
        """Ends its standard input."""
        if not self.ended:
            self._send(frames.STDIN)

    def resize(self, rows, columns):
        """Tells its terminal the size."""
        self._send(frames.RESIZE, frames.SCREEN.pack(rows, columns))

    def kill(self, number=signal.SIGKILL):
        """Sends a signal to it and its children."""
        if not self.ended:
            self._send(frames.SIGNAL, frames.NUMBER.pack(number))

    def wait_started(self, timeout=30.0):
        """Waits until it runs; its process id in the machine."""
        with self._changed:
            self._changed.wait_for(lambda: self.pid is not None or self.ended, timeout)
        if self.pid is None:
            raise GuestError(f"{self.name}: {self.failure or 'not started'}")
        return self.pid

    def wait_for_text(self, text, timeout=30.0):
        """Waits until its output has a text; True, or False when it ended or the time is over."""
        def seen():
            return text in self.stdout or text in self.stderr
        with self._changed:
            self._changed.wait_for(lambda: seen() or self.ended, timeout)
            return seen()

    def wait(self, timeout=None):
        """Waits for its end and returns the result. When the time is over it is killed and GuestTimeout raised."""
        with self._changed:
            in_time = self._changed.wait_for(lambda: self.ended, timeout)
        if not in_time:
            self.close()
            raise GuestTimeout(f"{self.name}: not ended after {timeout} s", self.stdout, self.stderr)
        self.close()
        if self.failure is not None:
            raise GuestError(f"{self.name}: {self.failure}")
        return Result(self.status, bytes(self._collected[frames.STDOUT]), bytes(self._collected[frames.STDERR]))

    def close(self):
        """Kills it when it still runs."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
