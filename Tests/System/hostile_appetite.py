"""Hostile cases: requests that are well-formed and cost the endpoint much.

Each has an endpoint of its own, whose memory no earlier case has grown.
"""

import footprint
import vrdma_abi as abi
from daemons import keys_of_environment
from harness import Stage
from packets import CommandFailed
from raw_context import RawContext
from runner import Cases, Skip, check

cases = Cases()
MEBIBYTE = 1 << 20
# What one guest may make the endpoint allocate in a case, in addition to what it needs anyway.
PATIENCE_BYTES = 128 * MEBIBYTE


def growth(stage, held):
    """Anonymous memory that the endpoint took since `held`; fails beyond the bound."""
    taken = footprint.measure(stage.endpoint.pid).resident_bytes - held.resident_bytes
    check(taken < PATIENCE_BYTES, f"one guest made the endpoint allocate {taken / MEBIBYTE:.0f} MiB")
    return taken


@cases.case("memory regions with sixteen thousand extents each, as many as will fit")
def extents(_):
    """Memory of the endpoint, not of the guest, holds the extents: their number must have a bound."""
    with Stage(None, label="appetite") as stage:
        return register_extents(stage)


def register_extents(stage):
    """Registers until the guest's limit."""
    held = footprint.measure(stage.endpoint.pid)
    context = stage.context(memory_bytes=8 * MEBIBYTE)
    pd = context.alloc_pd()
    place, count = 65536, 16_000
    entry = bytes(abi.Extent(region=context.region, offset=0, length=8))
    context.memory.write(place, entry * count)
    made = 0
    for _ in range(300):
        command = abi.RegMRCommand(start=0, length=8 * count, pd=pd, access=1, extent_count=count)
        command.extents[0] = abi.Extent(region=context.region, offset=place, length=24 * count)
        if context.status_of(abi.OP_REG_MR, command):
            break
        made += 1
        if made % 10 == 0:
            growth(stage, held)
    if made == 0 and keys_of_environment():
        raise Skip("a device's memory is made of whole pages")
    check(made > 0, "no region could be made")
    return f"{made} regions, {growth(stage, held) / MEBIBYTE:.0f} MiB"


@cases.case("doorbell slots at the end of the table in hundreds of contexts")
def slots(_):
    """What a context costs does not depend on how high a slot its application names."""
    with Stage(None, label="appetite") as stage:
        return take_high_slots(stage)


def take_high_slots(stage):
    """Opens contexts until the guest's limit."""
    held = footprint.measure(stage.endpoint.pid)
    guest = stage.guest()
    made = 0
    try:
        for _ in range(400):
            context = RawContext(guest.transport(), memory_bytes=65536)
            pd, queue = context.alloc_pd(), context.create_cq(4)
            highest = context.query_device().max_qp - 1
            context.create_qp(pd, queue, entries=4, change=lambda command: setattr(command, "slot", highest))
            made += 1
    except CommandFailed:
        pass
    taken = growth(stage, held)
    check(made > 0, "no context could be made")
    return f"{made} contexts, {taken / MEBIBYTE:.0f} MiB"


@cases.case("contexts opened and closed without end, full of objects")
def churn(_):
    """Tables do not grow with what was, only with what is."""
    with Stage(None, label="appetite") as stage:
        return open_and_close(stage)


def open_and_close(stage):
    """Opens and closes the same context again and again."""
    guest = stage.guest()
    held = None
    for number in range(150):
        context = RawContext(guest.transport(), memory_bytes=1 << 20)
        pd, queue = context.alloc_pd(), context.create_cq(4)
        for _ in range(8):
            context.create_qp(pd, queue, entries=4)
            context.reg_mr(pd, 0x1000, 4096, [(context.region, 0, 4096)])
        context.close()
        if number == 20:
            held = footprint.measure(stage.endpoint.pid)
    taken = footprint.measure(stage.endpoint.pid).resident_bytes - held.resident_bytes
    check(taken < 16 * MEBIBYTE, f"the endpoint grew by {taken / MEBIBYTE:.1f} MiB")
    return f"{taken / 1024:.0f} KiB"
