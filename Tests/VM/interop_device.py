"""What a guest sees of the device, compared with the device itself; and that data is moved without a copy."""

import json

from byhand import ByHand, SUCCESS, WRITE, Side
from host_stage import check_nothing_left
from runner import Cases, check, check_equal
from stack import resources

REGION_BYTES = 16 * 4096
LIMITS = ["max_qp", "max_qp_wr", "max_sge", "max_sge_rd", "max_cq", "max_cqe", "max_mr", "max_pd", "max_qp_rd_atom",
          "max_qp_init_rd_atom", "max_res_rd_atom", "atomic_cap", "max_mr_size"]
LINK = ["state", "max_mtu", "active_mtu", "max_msg_sz", "link_layer", "active_width", "active_speed", "phys_state"]
# Prints, for each page of memory of a process, its page frame number, and those at which another process has the same
# page of the same file: arguments PID, ADDRESS, PAGES, OTHER-PID.
FRAMES_OF = r"""
import struct, sys
pid, address, pages, other = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

def mappings(pid):
    for line in open(f"/proc/{pid}/maps"):
        span, _, offset, _, inode, *_ = line.split()
        low, high = (int(each, 16) for each in span.split("-"))
        yield low, high, int(offset, 16), inode

def frame(pid, address):
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as table:
        table.seek(address // 4096 * 8)
        word, = struct.unpack("Q", table.read(8))
    return "%x" % (word & (1 << 55) - 1) if word >> 63 else None

for place in range(address, address + pages * 4096, 4096):
    (inode, offset), = [(inode, offset + place - low) for low, high, offset, inode in mappings(pid) if low <= place < high]
    found = {frame(other, low + offset - start) for low, high, start, its_inode in mappings(other)
             if its_inode == inode != "0" and start <= offset < start + high - low}
    print(frame(pid, place), *sorted(found - {None}))
"""


def owner(machine, thing):
    """The process of an object of the device; the kernel names the thread that made it."""
    if "pid" not in thing:
        return None
    status = machine.check(["cat", f"/proc/{thing['pid']}/status"])
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("Tgid:")))


def check_attributes(stage):
    """Limits are never more than the device's, and the link is the device's."""
    stack = stage.stack()
    guest, plain = ByHand(stack.guests[0]), ByHand(stage.machines[1])
    try:
        check_equal(guest.device_name, "vrdma0", "name of the guest's device")
        ours, real = guest.fields("device"), plain.fields("device")
        for name in LIMITS:
            check(0 < ours[name] <= real[name] or ours[name] == real[name] == 0,
                  f"{name} of the guest is {ours[name]}, of the device {real[name]}")
        extra = ours["flags"] & ~real["flags"]
        check(extra == 0, f"the guest's device has capabilities {extra:#x} that the real one does not have")
        ours, real = guest.fields("port"), plain.fields("port")
        for name in LINK:
            check_equal(ours[name], real[name], f"{name} of the guest's port")
        check_equal(guest.gid(1)[-8:], "".join(f"{int(each):02x}" for each in
                                               stack.guests[0].guest_address.split(".")), "the guest's GID")
    finally:
        guest.close()
        plain.close()


def check_devinfo(stage):
    """The same in the words of ibv_devinfo -v."""
    texts = [place.check(["ibv_devinfo", "-v"]) for place in (stage.stack().guests[0], stage.machines[1])]
    names = ("state:", "max_mtu:", "active_mtu:", "link_layer:", "max_msg_sz:", "active_width:", "active_speed:",
             "phys_state:", "vendor_id:", "atomic_cap:", "transport:")
    for name in names:
        ours, real = ([line.split(":", 1)[1].strip() for line in text.splitlines() if line.strip().startswith(name)]
                      for text in texts)
        check_equal(ours, real, f"{name} of the guest in ibv_devinfo")
    check("invalid" not in texts[0], "ibv_devinfo -v finds something invalid")


def check_identifiers(stage):
    """What the application got is what the device has, and belongs to the endpoint's process."""
    stack = stage.stack()
    machine = stage.machines[1]
    before = resources(machine)
    side = Side(stack.guests[0], REGION_BYTES)
    try:
        regions = [each for each in resources(machine, "mr") if owner(machine, each) == stack.endpoint.pid
                   and int(each["rkey"], 16) == side.memory.rkey]
        check_equal([each["mrlen"] for each in regions], [REGION_BYTES], "lengths of the device's region of that rkey")
        pairs = [each for each in resources(machine, "qp") if each["lqpn"] == side.queue_pair[1]]
        check_equal([owner(machine, each) for each in pairs], [stack.endpoint.pid],
                    "process of the device's queue pair of that number")
        queues = [each for each in resources(machine, "cq") if owner(machine, each) == stack.endpoint.pid]
        check(queues, "the endpoint has no completion queue on the device")
        check(not [each for each in resources(machine, "mr") if owner(machine, each) == side.hand.pid],
              "the application itself has memory on the device")
    finally:
        side.close()
    check_nothing_left(machine, before)


def check_frames(stage):
    """The pages that the endpoint registered are the application's, before and after a peer wrote to them."""
    stack, machine = stage.stack(), stage.machines[1]
    side, peer = Side(stack.guests[0], REGION_BYTES), Side(stage.machines[2], REGION_BYTES)
    try:
        side.meet(peer)
        peer.hand.fill(peer.memory, stage.options.seed)
        peer.hand.send(0, WRITE, peer.memory, side.memory.address, side.memory.rkey)
        peer.hand.expect(SUCCESS)
        side.hand.check(side.memory, stage.options.seed)
        own = side.hand.ask("frames", side.memory.address, REGION_BYTES)
        check(len(own) == REGION_BYTES // 4096 and "0" not in own, f"the application's frames are {own}")
        pages = machine.check(["python3", "-c", FRAMES_OF, side.hand.pid, side.memory.address, len(own),
                               stack.endpoint.pid]).splitlines()
        check_equal([line.split() for line in pages], [[each, each] for each in own],
                    "page frame numbers in the application and in the endpoint")
        # What the device does not have cannot be copied from: it has one region of that size, the endpoint's.
        regions = [each for each in resources(machine, "mr") if each["mrlen"] == REGION_BYTES]
        check_equal([(int(each["rkey"], 16), owner(machine, each)) for each in regions],
                    [(side.memory.rkey, stack.endpoint.pid)], "the device's regions of that size")
        return f"{len(own)} page frames"
    finally:
        side.close()
        peer.close()


def check_copies(stage):
    """The endpoint's own memory does not grow with the data, nor does its processor time with the bytes."""
    stack = stage.stack()
    size = 8 << 20
    side, peer = Side(stack.guests[0], size), Side(stage.machines[2], size)
    try:
        side.meet(peer)
        io = "cat /proc/$PID/io; cat /proc/$PID/status | grep RssAnon"
        environment = {"PID": str(stack.endpoint.pid)}
        before = stage.machines[1].check(io, environment=environment)
        side.hand.fill(side.memory, 3)
        for _ in range(4):
            side.hand.send(0, WRITE, side.memory, peer.memory.address, peer.memory.rkey)
            side.hand.expect(SUCCESS, seconds=30)
        peer.hand.check(peer.memory, 3)
        after = stage.machines[1].check(io, environment=environment)
        values = [{line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()} for text in (before, after)]
        for name in ("rchar", "wchar"):
            moved = values[1][name] - values[0][name]
            check(moved < size // 2, f"the endpoint's {name} grew by {moved} while 4 × {size} bytes were moved")
        grown = (values[1]["RssAnon"] - values[0]["RssAnon"]) * 1024
        check(grown < size // 2, f"the endpoint's own memory grew by {grown}")
    finally:
        side.close()
        peer.close()


def check_status(stage):
    """The status says which device it is."""
    status = stage.stack().status()
    text = json.dumps(status)
    check("rxe0" in text, f"the status does not name the device: {text[:600]}")


def cases(_):
    """The list."""
    found = Cases()
    found.case("a guest's device has no more than rxe0, and the same link")(check_attributes)
    found.case("ibv_devinfo -v: the same link and port")(check_devinfo)
    found.case("vrdma status names the device")(check_status)
    found.case("queue pair number and rkey are the device's")(check_identifiers)
    found.case("no copy: the endpoint's registered pages are the application's")(check_frames)
    found.case("no copy: large messages do not pass through the endpoint's own memory")(check_copies)
    return found
