"""Unlucky cases: applications and guest drivers that are killed, while the endpoint and others live on."""

import random
import time

import footprint
from daemons import find_binary
from killing import Victim, traffic_until_death
from packets import CommandFailed, PeerGone
from peers import Peer
from raw_context import RawContext
from runner import Cases, Failure, Skip, check

cases = Cases()


def need_driver():
    """Skips where there is no guest driver."""
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")


def objects(stage):
    """Counts of the endpoint's objects, by its status."""
    guests = stage.endpoint.status()["guests"]
    contexts = [context for guest in guests for context in guest["contexts"]]
    counts = {"guests": len(guests), "contexts": len(contexts),
              "queue_pairs": sum(len(context["queue_pairs"]) for context in contexts)}
    for kind in ("protection_domains", "memory_regions", "completion_queues", "shared_memory_regions"):
        counts[kind] = sum(context[kind] for context in contexts)
    return counts


def check_freed(stage, held, counts, what):
    """Descriptors, mappings and objects are back where they were."""
    now, returned = footprint.wait_for_return(stage.endpoint.pid, held)
    check(returned, f"{what}: {now.descriptors} descriptors and {now.shared_mappings} shared mappings, "
                    f"{held.descriptors} and {held.shared_mappings} before: "
                    + footprint.describe_descriptors(stage.endpoint.pid))
    deadline = time.monotonic() + 5
    while (after := objects(stage)) != counts:
        check(time.monotonic() < deadline, f"{what}: objects {after}, {counts} before")
        time.sleep(0.02)


@cases.case("a guest that is killed in traffic, spoken by hand: the peer gets RETRY_EXC_ERR, all is freed")
def raw_guest(stage):
    """The victim is its own guest driver."""
    rng = random.Random(f"{stage.options.seed}-raw")
    slowest = 0.0
    for _ in range(stage.options.rounds):
        held, counts = footprint.measure(stage.endpoint.pid), objects(stage)
        context = stage.context()
        name, address = stage.new_identity()
        victim = stage.keep(Victim(f"raw:{stage.endpoint.socket_path},{name},{address}"))
        slowest = max(slowest, traffic_until_death(stage, context, victim, victim.kill, rng))
        stage.close_all()
        check_freed(stage, held, counts, "after the guest's death")
    return f"the slowest error came after {slowest * 1000:.0f} ms"


@cases.case("an application that is killed in traffic: the peer gets RETRY_EXC_ERR, its guest driver lives")
def application(stage):
    """The victim's guest driver closes the context."""
    need_driver()
    rng = random.Random(f"{stage.options.seed}-application")
    driver = stage.start_driver("bereaved", "10.72.0.1")
    held, counts = footprint.measure(stage.endpoint.pid), objects(stage)
    stage.keep(RawContext(stage.application(driver))).alloc_pd()
    stage.close_all()
    check_freed(stage, held, counts, "after an application's ordinary end")
    held_by_driver = footprint.measure(driver.pid)
    slowest = 0.0
    for _ in range(stage.options.rounds):
        held, counts = footprint.measure(stage.endpoint.pid), objects(stage)
        context = stage.context()
        victim = stage.keep(Victim(f"app:{driver.socket_path}"))
        slowest = max(slowest, traffic_until_death(stage, context, victim, victim.kill, rng))
        stage.close_all()
        check_freed(stage, held, counts, "after the application's death")
        now, returned = footprint.wait_for_return(driver.pid, held_by_driver)
        check(returned, f"the guest driver holds {now.descriptors} descriptors, {held_by_driver.descriptors} before")
    driver.stop()
    del stage.drivers["bereaved"]
    return f"the slowest error came after {slowest * 1000:.0f} ms"


@cases.case("applications that are killed while they make and destroy objects: all is freed")
def control_path(stage):
    """Death between any two commands."""
    rng = random.Random(f"{stage.options.seed}-control")
    driver = stage.start_driver("busy", "10.72.0.2") if find_binary("vrdma-guestd") else None
    held, counts = footprint.measure(stage.endpoint.pid), objects(stage)
    for number in range(stage.options.rounds):
        if driver and number % 2:
            transport = f"app:{driver.socket_path}"
        else:
            name, address = stage.new_identity()
            transport = f"raw:{stage.endpoint.socket_path},{name},{address}"
        victim = stage.keep(Victim(transport, "control"))
        time.sleep(rng.uniform(0.0, 0.1))
        victim.kill()
    check_freed(stage, held, counts, "after the deaths")
    if driver:
        driver.stop()
        del stage.drivers["busy"]


@cases.case("a guest driver that is killed in traffic: peers get RETRY_EXC_ERR, its applications errors, all is freed")
def guest_driver(stage):
    """The guest is gone with its driver, and comes back with a new one."""
    need_driver()
    rng = random.Random(f"{stage.options.seed}-driver")
    slowest = 0.0
    held, counts = footprint.measure(stage.endpoint.pid), objects(stage)
    for _ in range(max(1, stage.options.rounds // 2)):
        driver = stage.start_driver("mortal", "10.72.0.3")
        context = stage.context()
        bystander = stage.keep(RawContext(stage.application(driver)))
        Peer(bystander)
        victim = stage.keep(Victim(f"app:{driver.socket_path}"))

        def kill():
            driver.kill()
            stage.drivers.pop("mortal")
        slowest = max(slowest, traffic_until_death(stage, context, victim, kill, rng))
        try:
            bystander.transport.call(2, timeout=5)
            raise Failure("a command succeeded without a guest driver")
        except (PeerGone, CommandFailed, OSError):
            pass
        stage.close_all()
        check_freed(stage, held, counts, "after the guest driver's death")
    return f"the slowest error came after {slowest * 1000:.0f} ms"
