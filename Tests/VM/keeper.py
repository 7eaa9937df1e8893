"""Owns running virtual machines: starts them, passes commands to them, and ends them when their user has gone.

Started by vm.py with the directory of the machines. The directory has settings.json;
the keeper listens at the socket `control` in it, and writes a line to its standard
output when the machines are up or why they are not. The end of its standard input
ends it, unless the machines are to be kept.
"""

import ctypes
import json
import os
import pathlib
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import frames  # noqa: E402
import kernel  # noqa: E402
import qemu  # noqa: E402

PR_SET_PDEATHSIG = 1
SOCKET_WAIT_SECONDS = 10.0


class Stop(Exception):
    """Ends the keeper."""


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


class Machine:
    """A QEMU process."""

    def __init__(self, keeper, number):
        self.keeper, self.number = keeper, number
        self.ready = self.ended = False
        self.complaint = ""
        self.clients = {}              # channel → Peer
        self.next_channel = 1
        ours, theirs = socket.socketpair()
        arguments = qemu.command(number, keeper.settings, keeper.images, keeper.directory, theirs.fileno())
        with open(keeper.directory / f"qemu{number}.log", "wb") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=[theirs.fileno()], preexec_fn=die_with_parent)
        theirs.close()
        self.agent = Peer(keeper, ours, self.hear)
        self.pidfd = os.pidfd_open(self.process.pid)
        keeper.selector.register(self.pidfd, selectors.EVENT_READ, lambda _: self.end())

    def hear(self, _, channel, kind, payload):
        """A frame of the agent."""
        if kind == frames.READY:
            self.ready, self.complaint = True, payload.decode(errors="replace").strip()
            self.keeper.progress()
            return
        if kind is None:
            self.agent.close()   # QEMU ends; its process says so
            return
        client = self.clients.get(channel)
        if client is not None:
            client.send(frames.pack(kind, payload))
            if kind in (frames.EXIT, frames.FAILED):
                del self.clients[channel]
                client.machine = None

    def end(self):
        """The process has ended."""
        self.ended = True
        self.keeper.selector.unregister(self.pidfd)
        os.close(self.pidfd)
        self.process.wait()
        self.agent.close()
        for client in self.clients.values():
            client.machine = None
            client.send(frames.pack(frames.FAILED, f"the machine ended: {self.last_words()}".encode()))
        self.clients.clear()
        self.keeper.progress()

    def last_words(self):
        """What QEMU and the console said last."""
        lines = []
        for name in (f"qemu{self.number}.log", f"console{self.number}.log"):
            try:
                text = (self.keeper.directory / name).read_text(errors="replace")
            except OSError:
                continue
            lines += [line.strip() for line in text.splitlines() if line.strip()][-12:]
        return " | ".join(lines) or f"QEMU ended with {self.process.returncode}"


def die_with_parent():
    """In QEMU's process: it ends with the keeper, whatever ends that."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Keeper:
    """The machines of one directory."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.settings = json.loads((self.directory / "settings.json").read_text())
        self.selector = selectors.DefaultSelector()
        self.machines = []
        self.announced = False
        self.images = None

    def run(self):
        """Until the machines are to end."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            self.begin()
            while True:
                for key, events in self.selector.select():
                    key.data(events)
        except Stop:
            pass
        except Exception as problem:  # the user hears of it, on the line that it waits for
            self.announce(f"{problem}")
        finally:
            for machine in self.machines:
                machine.process.kill()
            for machine in self.machines:
                machine.process.wait()
            shutil.rmtree(self.directory, ignore_errors=True)

    def begin(self):
        """Starts everything."""
        self.selector.register(0, selectors.EVENT_READ, self.lifeline)
        self.images = kernel.images()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.directory / "control"))
        listener.listen(64)
        self.selector.register(listener, selectors.EVENT_READ, lambda _: self.accept(listener))
        for number in range(1, self.settings["guests"] + 1):
            self.wait_for(self.directory / f"net{number}" if number > 1 else None)
            self.machines.append(Machine(self, number))

    def wait_for(self, path):
        """Until the first machine listens for the others."""
        deadline = time.monotonic() + SOCKET_WAIT_SECONDS
        while path is not None and not path.exists():
            if self.machines[0].process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"QEMU does not start: {self.machines[0].last_words()}")
            time.sleep(0.01)

    def lifeline(self, _):
        """The user has gone."""
        if not os.read(0, 64):
            if self.settings["keep"] and self.announced:
                self.selector.unregister(0)
            else:
                raise Stop

    @staticmethod
    def stop(*_):
        """On a signal."""
        raise Stop

    def progress(self):
        """Tells the user when all machines are up, or one will never be."""
        for machine in self.machines:
            if machine.ended and not machine.ready and not self.announced:
                raise RuntimeError(f"machine {machine.number} does not boot: {machine.last_words()}")
            if machine.complaint and not self.announced:
                raise RuntimeError(f"machine {machine.number}: {machine.complaint}")
        if len(self.machines) == self.settings["guests"] and all(machine.ready for machine in self.machines):
            self.announce("ready")

    def announce(self, text):
        """The line that the user waits for; only once."""
        if not self.announced:
            self.announced = True
            try:
                os.write(1, " ".join(text.split()).encode() + b"\n")
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            except OSError:
                pass

    def accept(self, listener):
        """A client."""
        connection, _ = listener.accept()
        Peer(self, connection, self.hear)

    def hear(self, client, _, kind, payload):
        """A frame of a client, which is about one command, or a request."""
        if kind is None:
            if client.machine:
                client.machine.clients.pop(client.channel, None)
                client.machine.agent.send(frames.pack(frames.CLOSE, b"", client.channel))
            client.close()
        elif kind == frames.REQUEST:
            answer = self.answer(json.loads(payload))
            client.send(frames.pack(frames.ANSWER, json.dumps(answer).encode()))
        elif kind == frames.START:
            self.start(client, payload)
        elif client.machine:
            client.machine.agent.send(frames.pack(kind, payload, client.channel))

    def start(self, client, payload):
        """Passes a new command to its machine."""
        number = json.loads(payload).get("guest", 1)
        if not 1 <= number <= len(self.machines):
            client.send(frames.pack(frames.FAILED, f"there is no machine {number}".encode()))
            return
        machine = self.machines[number - 1]
        if machine.ended:
            client.send(frames.pack(frames.FAILED, f"the machine ended: {machine.last_words()}".encode()))
            return
        client.machine, client.channel = machine, machine.next_channel
        machine.next_channel += 1
        machine.clients[client.channel] = client
        machine.agent.send(frames.pack(frames.START, payload, client.channel))

    def answer(self, request):
        """What is asked about the machines as such."""
        if request["do"] == "stop":
            raise Stop
        if request["do"] == "end":
            self.machines[request["guest"] - 1].process.kill()
        return {"guests": [{"number": machine.number, "pid": machine.process.pid, "ended": machine.ended}
                           for machine in self.machines], "keep": self.settings["keep"],
                "memory": self.settings["memory"], "processors": self.settings["processors"]}


if __name__ == "__main__":
    Keeper(sys.argv[1]).run()
