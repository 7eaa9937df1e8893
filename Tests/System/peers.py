"""Connected applications, and what the cases of all scripts check of their completions."""

import ibverbs_constants as ibv
from raw_queues import connect_pair
from runner import Failure, check, check_equal

BUFFER_BYTES = 65536


class Peer:
    """A context with a buffer, a CQ and a QP."""

    def __init__(self, context, comp_channel=0, access=ibv.ACCESS_ALL, cq_entries=64, **qp_options):
        self.context = context
        self.pd = context.alloc_pd()
        self.buffer = context.make_buffer(self.pd, BUFFER_BYTES, access)
        self.cq = context.create_cq(cq_entries, comp_channel, slot=7)
        self.qp = context.create_qp(self.pd, self.cq, **qp_options)


def make_peers(left, right, **rts):
    """Two connected peers."""
    peers = Peer(left), Peer(right)
    connect_pair(peers[0].qp, peers[1].qp, **rts)
    return peers


def one(peer, what, status=ibv.WC_SUCCESS, timeout=10.0, **fields):
    """The next completion, checked."""
    found = peer.cq.wait(1, timeout)
    check(found, f"{what}: no completion")
    check_equal(ibv.status_name(found[0].status), ibv.status_name(status), f"{what}: status")
    for name, value in fields.items():
        check_equal(getattr(found[0], name), value, f"{what}: {name}")
    return found[0]


def expect_event(context, event_type, what, timeout=5.0):
    """The next async event is of that type."""
    event = context.async_event(timeout)
    if event is None:
        raise Failure(f"{what}: no async event")
    check_equal(event.event_type, event_type, f"{what}: async event")
    return event


def expect_events(context, event_types, what):
    """The next async events are of those types, in any order."""
    found = []
    for _ in event_types:
        event = context.async_event(5.0)
        if event is None:
            break
        found.append(event.event_type)
    check_equal(sorted(found), sorted(event_types), f"{what}: async events")


def expect_state(queue_pair, state, what):
    """The queue pair is in that state."""
    check_equal(queue_pair.state(), state, f"{what}: state")
