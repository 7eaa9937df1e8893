"""A QEMU process of the keeper."""

import ctypes
import os
import re
import selectors
import signal
import socket
import subprocess

import frames
import qemu
from peer import Peer

PR_SET_PDEATHSIG = 1
LAST_LINES = 16
HARMLESS = "is not connected to host network"   # the hub of a machine that is alone
TROUBLE = re.compile(r"BUG:|Oops|Kernel panic|general protection fault|vrdma-vm:")


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
            said = [line.strip() for line in text.splitlines() if line.strip() and HARMLESS not in line]
            trouble = next((index for index, line in enumerate(said) if TROUBLE.search(line)), len(said) - LAST_LINES)
            lines += said[max(trouble, 0):][:LAST_LINES]
        return " | ".join(lines) or f"QEMU ended with {self.process.returncode}"


def die_with_parent():
    """In QEMU's process: it ends with the keeper, whatever ends that."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
