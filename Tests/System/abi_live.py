"""Speaks the ABI to a live endpoint, as a guest driver and as an application: connections and attributes."""

import errno

import ibverbs_constants as ibv
import vrdma_abi as abi
from daemons import find_binary
from packets import (CommandFailed, PeerGone, address_bytes, connect, hello, receive_packet, receive_welcome,
                     send_packet, text)
from raw_context import RawContext
from raw_guest import RawGuest
from runner import Cases, Skip, check, check_equal

cases = Cases()


def both_kinds(stage):
    """Pairs of contexts in two guests: spoken straight to the endpoint, and through guest drivers."""
    yield "guest driver", stage.context(), stage.context()
    if find_binary("vrdma-guestd"):
        drivers = [stage.drivers.get(name) or stage.start_driver(name, address)
                   for name, address in (("abi0", "10.75.0.1"), ("abi1", "fd75::1"))]
        contexts = [stage.keep(make_context(stage, driver)) for driver in drivers]
        yield "application", *contexts


def make_context(stage, driver):
    """An application's context."""
    return RawContext(stage.application(driver))


@cases.case("welcome: version, features, name and address of the guest")
def welcome(stage):
    """The welcome repeats who we are."""
    guest = stage.guest()
    check_equal(guest.welcome.major, abi.ABI_MAJOR, "major version")
    check_equal(text(guest.welcome.guest_name), guest.name, "guest name")
    check_equal(bytes(guest.welcome.address), address_bytes(guest.address), "address")
    check(guest.welcome.features & abi.FEATURE_RC, "feature RC is missing")
    check(guest.welcome.guest_id != 0, "guest id is 0")


@cases.case("features: the answer is a subset of what was offered")
def features(stage):
    """Bits that are unknown here do not come back, and an absent one is not in force."""
    def offer(bits):
        def prepare(_, message, descriptors):
            message.features = bits
            return message, descriptors
        return stage.guest(prepare=prepare).welcome.features
    check_equal(offer(abi.FEATURE_RC), abi.FEATURE_RC, "features in force")
    check_equal(offer(abi.FEATURE_RC | 1 << 63) & 1 << 63, 0, "an unknown feature's bit")


@cases.case("versions: a newer minor is welcome, another major gets a clear error")
def versions(stage):
    """Negotiation at the start."""
    def newer_minor(_, message, descriptors):
        message.minor += 1
        return message, descriptors
    stage.guest(prepare=newer_minor)
    for path in [stage.endpoint.socket_path] + [driver.socket_path for driver in stage.drivers.values()]:
        connection = stage.keep(connect(path))
        message = hello(abi.ROLE_APPLICATION, "versions", "10.77.99.1")
        if path == stage.endpoint.socket_path:
            message.role = abi.ROLE_GUEST_DRIVER
        message.major = abi.ABI_MAJOR + 1
        send_packet(connection, message)
        answer = receive_welcome(connection)
        check_equal(answer.status, errno.EPROTONOSUPPORT, f"status of {path.name} for another major version")
        check(text(answer.message), f"{path.name} gives no reason for its refusal")
        try:
            receive_packet(connection, 5)
        except PeerGone:
            continue
        check(False, f"{path.name} keeps a connection that it refused")


@cases.case("device, port, GID and P_Key attributes")
def attributes(stage):
    """True values, the same by both ways."""
    for kind, left, _ in both_kinds(stage):
        device = left.query_device()
        check_equal(device.port_count, 1, f"{kind}: ports")
        check_equal(device.max_sge, 32, f"{kind}: max_sge")
        check(min(device.max_qp, device.max_cq, device.max_mr, device.max_pd, device.max_qp_wr, device.max_cqe) > 0,
              f"{kind}: a limit is 0")
        check_equal(device.gid_table_entries, 2, f"{kind}: GID table entries")
        check(device.atomic_capability in ibv.ATOMIC_CAPABLE, f"{kind}: atomic capability {device.atomic_capability}")
        check(device.guest_id, f"{kind}: guest id is 0")
        port = left.query_port()
        check_equal(port.state, ibv.PORT_ACTIVE, f"{kind}: port state")
        check_equal((port.max_mtu, port.active_mtu), (ibv.MTU_4096,) * 2, f"{kind}: MTU")
        check_equal(port.link_layer, ibv.LINK_LAYER_ETHERNET, f"{kind}: link layer")
        check_equal((port.gid_table_entries, port.pkey_table_entries), (2, 1), f"{kind}: tables")
        check_equal(left.query_pkey().pkey, 0xFFFF, f"{kind}: P_Key 0")
        local = bytes(left.query_gid(0).gid)
        check_equal(local[:8], b"\xfe\x80" + bytes(6), f"{kind}: prefix of GID 0")
        check(bytes(left.query_gid(1).gid) != bytes(16), f"{kind}: GID 1 is zero")
        check_equal(left.query_gid(1).gid_type, 2, f"{kind}: GID type")


@cases.case("queries of what is not there: EINVAL")
def out_of_table(stage):
    """Indexes and ports beyond the tables."""
    for kind, left, _ in both_kinds(stage):
        for opcode, port, index in ((abi.OP_QUERY_GID, 1, 2), (abi.OP_QUERY_GID, 1, 0xFFFFFFFF),
                                    (abi.OP_QUERY_PKEY, 1, 1), (abi.OP_QUERY_PORT, 0, 0), (abi.OP_QUERY_PORT, 2, 0),
                                    (abi.OP_QUERY_GID, 0, 0), (abi.OP_QUERY_GID, 2, 0), (abi.OP_QUERY_PKEY, 2, 0)):
            status = left.status_of(opcode, abi.HandleCommand(handle=port, index=index))
            check_equal(status, errno.EINVAL, f"{kind}: status of opcode {opcode}, port {port}, index {index:#x}")


@cases.case("guest identity: a name or an address that is taken is refused")
def taken(stage):
    """Two guests cannot share an identity."""
    first = stage.guest()
    for name, address in ((first.name, "10.77.98.1"), ("other", first.address)):
        try:
            stage.keep(RawGuest(stage.endpoint.socket_path, name, address))
        except (CommandFailed, PeerGone):
            continue
        check(False, f"a second guest {name} at {address} was welcome")


@cases.case("the guest driver's own case needs vrdma-guestd")
def need_driver(_):
    """Makes a missing guest driver visible."""
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")
