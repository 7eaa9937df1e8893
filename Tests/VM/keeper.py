"""Owns running virtual machines: starts them, passes commands to them, and ends them when their user has gone.

Started by vm.py with the directory of the machines. The directory has settings.json;
the keeper listens at the socket `control` in it, and writes a line to its standard
output when the machines are up or why they are not. The end of its standard input
ends it, unless the machines are to be kept.
"""

import json
import os
import pathlib
import selectors
import shutil
import signal
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import frames  # noqa: E402
import kernel  # noqa: E402
from machine import Machine  # noqa: E402
from peer import Peer  # noqa: E402

SOCKET_WAIT_SECONDS = 10.0
BOOT_SECONDS = 180.0


class Stop(Exception):
    """Ends the keeper."""


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
        wake, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_end)
        signal.signal(signal.SIGTERM, lambda *_: None)
        self.selector.register(wake, selectors.EVENT_READ, self.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            self.begin()
            deadline = time.monotonic() + BOOT_SECONDS
            while True:
                for key, events in self.selector.select(None if self.announced else BOOT_SECONDS / 100):
                    key.data(events)
                if not self.announced and time.monotonic() > deadline:
                    raise RuntimeError(f"the machines are not up after {BOOT_SECONDS:g} s: "
                                       f"{'; '.join(machine.last_words() for machine in self.machines)}")
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
        """On SIGTERM, from the loop."""
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
