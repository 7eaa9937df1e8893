"""Victims in processes of their own, and traffic with one that is going to die."""

import json
import pathlib
import subprocess
import sys
import time

import ibverbs_constants as ibv
from peers import Peer
from runner import Failure, check
from victim import Traffic, connect, describe

_PROGRAM = pathlib.Path(__file__).with_name("victim.py")
# timeout 10 is 4.2 ms; with 3 retries a dead peer is known after 17 ms. The rest is for a busy machine.
RETRY_BOUND_SECONDS = 3.0


class Victim:
    """victim.py as a child process."""

    def __init__(self, transport, mode="traffic"):
        self.process = subprocess.Popen([sys.executable, str(_PROGRAM), transport, mode], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise Failure("the victim does not start")
        self.remote = json.loads(line)

    def meet(self, peer):
        """Connects a peer of this process with the victim."""
        self.process.stdin.write(json.dumps(describe(peer)) + "\n")
        self.process.stdin.flush()
        connect(peer, self.remote, timeout=10, retry_count=3)

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """Ends it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass


def traffic_until_death(stage, context, victim, kill, rng):
    """Traffic between a fresh peer of `context` and the victim; `kill` is called at a random moment.

    Returns the seconds from there to the completion with RETRY_EXC_ERR.
    """
    peer = Peer(context)
    victim.meet(peer)
    traffic = Traffic(peer, victim.remote)
    due = time.monotonic() + rng.uniform(0.0, 0.15)
    killed = None
    while True:
        now = time.monotonic()
        if killed is None and now >= due:
            kill()
            killed = time.monotonic()
        entry = traffic.step()
        if entry is not None:
            check(killed is not None, f"a completion with {ibv.status_name(entry.status)} before the death")
            check(entry.status == ibv.WC_RETRY_EXC_ERR, f"the peer got {ibv.status_name(entry.status)}, "
                                                        "not RETRY_EXC_ERR")
            check(peer.qp.state() == ibv.QPS_ERR, "the peer's queue pair is not in ERR")
            return time.monotonic() - killed
        if killed is not None and now - killed > RETRY_BOUND_SECONDS:
            raise Failure(f"no error {RETRY_BOUND_SECONDS} s after the death; {traffic.done} requests posted")
