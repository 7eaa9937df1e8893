"""Speaks the ABI to an endpoint that falls asleep: not one wake-up may be lost."""

import random
import time

import vrdma_abi as abi
from peers import Peer, make_peers
from raw_queues import connect_pair
from runner import Cases, check

cases = Cases()


def pause(seconds):
    """Passes a short time without a system call, so that it is as short as asked for."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def pauses(stage, number):
    """Pauses around the time after which the endpoint goes to sleep (50 µs by default), from the seed."""
    rng = random.Random(f"{stage.options.seed}-wakeups")
    for _ in range(number):
        yield rng, rng.choice((0, rng.uniform(0, 20e-6), rng.uniform(20e-6, 120e-6), rng.uniform(0, 1e-3)))


@cases.case("wake-ups: requests after pauses of every length are served")
def requests(stage):
    """Three connected pairs in three contexts each take turns."""
    left, right = stage.guest(), stage.guest()
    pairs = [make_peers(stage.context(left), stage.context(right)) for _ in range(3)]
    slowest = 0.0
    for number, (rng, seconds) in enumerate(pauses(stage, 4000)):
        pause(seconds)
        a, b = rng.choice(pairs)
        if rng.random() < 0.3:
            a, b = b, a
        started = time.perf_counter()
        if rng.random() < 0.5:
            a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
        else:
            # The receive comes after the request: the endpoint waits for its doorbell, or sleeps over it.
            a.qp.post_send(abi.WR_SEND, [a.buffer.sge(0, 8)])
            pause(rng.uniform(0, 100e-6))
            b.qp.post_receive([b.buffer.sge(64, 64)])
            check(b.cq.wait(1, 5.0), f"request {number}: no completion at the receiver for 5 s")
        check(a.cq.wait(1, 5.0), f"request {number}: no completion for 5 s after a pause of {seconds * 1e6:.0f} µs")
        slowest = max(slowest, time.perf_counter() - started)
    return f"the slowest took {slowest * 1000:.1f} ms"


@cases.case("wake-ups: commands after pauses of every length are answered")
def commands(stage):
    """A raw guest and, with it, the endpoint's look at its channel."""
    context = stage.context()
    slowest = 0.0
    for _, seconds in pauses(stage, 3000):
        pause(seconds)
        started = time.perf_counter()
        context.call(abi.OP_QUERY_DEVICE, timeout=5.0)
        slowest = max(slowest, time.perf_counter() - started)
    return f"the slowest took {slowest * 1000:.1f} ms"


@cases.case("wake-ups: completion events after pauses of every length come, one for one")
def events(stage):
    """Armed before the request, after it, and while it is being served."""
    left, right = stage.context(), stage.context()
    handle, channel = left.make_comp_channel()
    stage.keep(channel)
    channel.settimeout(5)
    a, b = Peer(left, comp_channel=handle), Peer(right)
    connect_pair(a.qp, b.qp)
    for number, (_, seconds) in enumerate(pauses(stage, 2000)):
        a.cq.arm()
        pause(seconds)
        a.qp.post_send(abi.WR_RDMA_WRITE, [a.buffer.sge(0, 8)], b.buffer.start, b.buffer.rkey)
        try:
            channel.recv(64)
        except TimeoutError:
            check(False, f"request {number}: no event for 5 s")
        check(a.cq.wait(1, 5.0), f"request {number}: an event without a completion")
