"""Runs commands in a virtual machine for the host, over a virtio port; the machine's first process."""

import errno
import json
import os
import resource
import select
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import frames  # noqa: E402
from command import Command  # noqa: E402

PORT_NAME = "vrdma.agent"
OPEN_FILES = 1 << 20
DRAIN_READS = 32   # of a pipe whose writers may live on: as many as the largest pipe holds


class Agent:
    """The loop: frames of the host, output and deaths of commands."""

    def __init__(self, port):
        self.port = port
        self.parser = frames.Parser()
        self.poll = select.epoll()
        self.commands = {}                 # channel → Command
        self.by_descriptor = {}
        self.wake, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self.poll.register(self.wake, select.EPOLLIN)
        self.poll.register(port, select.EPOLLIN)

    def send(self, channel, kind, payload=b""):
        """Sends a frame; waits until the host takes it."""
        data = memoryview(frames.pack(kind, payload, channel))
        while data:
            try:
                data = data[os.write(self.port, data):]
            except BlockingIOError:
                select.select([], [self.port], [])

    def run(self):
        """Never returns."""
        while True:
            for descriptor, events in self.poll.poll():
                if descriptor == self.port:
                    self.receive(events)
                elif descriptor == self.wake:
                    os.read(self.wake, 4096)
                elif descriptor in self.by_descriptor:
                    command = self.by_descriptor[descriptor]
                    if descriptor in command.outputs:
                        self.forward(command, descriptor)
                    else:
                        self.feed(command)
            self.reap()

    def receive(self, events):
        """Handles what the host sent."""
        if events & select.EPOLLHUP:
            os._exit(1)   # the host has gone; the kernel panics and the machine ends
        try:
            data = os.read(self.port, 1 << 16)
        except BlockingIOError:
            return
        for channel, kind, payload in self.parser.feed(data):
            if kind == frames.START:
                self.start(channel, json.loads(payload))
                continue
            command = self.commands.get(channel)
            if command is None:
                continue   # it has just ended
            if kind == frames.STDIN:
                command.stdin_ends |= not payload
                command.stdin_pending += payload
                self.feed(command)
            elif kind == frames.SIGNAL:
                command.kill(frames.NUMBER.unpack(payload)[0])
            elif kind == frames.RESIZE:
                command.resize(*frames.SCREEN.unpack(payload))
            elif kind == frames.ACKNOWLEDGE:
                command.credit += frames.NUMBER.unpack(payload)[0]
                if command.credit >= frames.CHUNK:
                    for descriptor in command.outputs:
                        self.poll.modify(descriptor, self.wanted(command))
            elif kind == frames.CLOSE:
                command.kill(signal.SIGKILL)
                self.forget(command)

    def start(self, channel, what):
        """Starts a command, and says so or why not."""
        try:
            command = Command(channel, what)
        except OSError as problem:
            self.send(channel, frames.FAILED, str(problem).encode(errors="replace"))
            return
        self.commands[channel] = command
        for descriptor in (*command.outputs, command.stdin):
            self.by_descriptor[descriptor] = command
        for descriptor in command.outputs:
            self.poll.register(descriptor, self.wanted(command))
        self.send(channel, frames.STARTED, frames.NUMBER.pack(command.pid))

    # Input and output

    @staticmethod
    def wanted(command):
        """The events to wait for: output only while the host is ready to take it."""
        return select.EPOLLIN if command.credit >= frames.CHUNK else 0

    def forward(self, command, descriptor):
        """Sends output to the host. True when there may be more."""
        try:
            data = os.read(descriptor, frames.CHUNK)
        except BlockingIOError:
            return False
        except OSError as problem:   # a terminal that nobody has open any more
            if problem.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self.release(command, descriptor)
            return False
        self.send(command.channel, command.outputs[descriptor], data)
        command.credit -= len(data)
        if command.credit < frames.CHUNK:
            for output in command.outputs:
                self.poll.modify(output, 0)
        return True

    def feed(self, command):
        """Writes to the standard input what it takes."""
        if command.stdin is None:
            command.stdin_pending.clear()
            return
        try:
            if command.stdin_pending:
                written = os.write(command.stdin, command.stdin_pending)
                del command.stdin_pending[:written]
                self.send(command.channel, frames.ACKNOWLEDGE, frames.NUMBER.pack(written))
        except BlockingIOError:
            pass
        except OSError:   # nobody reads it
            command.stdin_pending.clear()
            command.stdin_ends = True
        try:
            self.poll.unregister(command.stdin)
        except FileNotFoundError:
            pass
        if command.stdin_pending:
            self.poll.register(command.stdin, select.EPOLLOUT)
        elif command.stdin_ends:
            del self.by_descriptor[command.stdin]
            os.close(command.stdin)
            command.stdin = None

    # The end

    def release(self, command, descriptor):
        """Closes an output."""
        self.poll.unregister(descriptor)
        del command.outputs[descriptor], self.by_descriptor[descriptor]
        os.close(descriptor)

    def forget(self, command):
        """Closes all of a command."""
        for descriptor in list(command.outputs):
            self.release(command, descriptor)
        if command.stdin is not None:
            try:
                self.poll.unregister(command.stdin)
            except FileNotFoundError:
                pass
            del self.by_descriptor[command.stdin]
            os.close(command.stdin)
            command.stdin = None
        self.commands.pop(command.channel, None)

    def reap(self):
        """Takes the dead, whoever's they were, and reports those that are commands."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for command in list(self.commands.values()):
                if command.pid == pid:
                    for descriptor in list(command.outputs):
                        for _ in range(DRAIN_READS):
                            if not self.forward(command, descriptor):
                                break
                    self.forget(command)
                    number = os.waitstatus_to_exitcode(status)
                    self.send(command.channel, frames.EXIT, frames.NUMBER.pack(number))


def open_port():
    """The port that the host listens to."""
    for entry in os.listdir("/sys/class/virtio-ports"):
        with open(f"/sys/class/virtio-ports/{entry}/name", encoding="utf-8") as file:
            if file.read().strip() == PORT_NAME:
                return os.open(f"/dev/{entry}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    raise SystemExit("there is no port of the host's")


def wait_for_setup(pid):
    """Waits for the setup script; its complaint, or nothing."""
    _, status = os.waitpid(pid, 0)
    if status == 0:
        return b""
    with open("/run/vrdma-vm/setup.log", "rb") as file:
        return b"setup failed: " + file.read()


def main():
    """Entry point."""
    os.umask(0o022)
    infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, infinite)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, OPEN_FILES))
    agent = Agent(open_port())
    agent.send(0, frames.READY, wait_for_setup(int(sys.argv[1])))
    agent.run()


if __name__ == "__main__":
    main()
