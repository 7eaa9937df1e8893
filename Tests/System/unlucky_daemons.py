"""Unlucky cases: the endpoint is killed. Each case has a stage of its own."""

import random
import time

import ibverbs_constants as ibv
from daemons import find_binary
from harness import Stage
from killing import Victim
from packets import CommandFailed, PeerGone
from peers import Peer, expect_event, make_peers
from raw_context import RawContext
from runner import Cases, Failure, Skip, check
from victim import Traffic, connect

cases = Cases()


def expect_failing_command(context, what):
    """A command ends with an error in bounded time."""
    started = time.monotonic()
    try:
        status = context.transport.call(9, timeout=15).status
        check(status != 0, f"{what}: a PD was allocated without an endpoint")
    except TimeoutError:
        raise Failure(f"{what}: a command hangs") from None
    except (PeerGone, CommandFailed, OSError):
        pass
    return time.monotonic() - started


@cases.case("the endpoint is killed in traffic: DEVICE_FATAL to every application, commands fail, nothing hangs")
def endpoint(options):
    """The guest driver speaks for the dead."""
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")
    rng = random.Random(f"{options.seed}-endpoint")
    slowest = 0.0
    for number in range(max(1, options.rounds // 2)):
        with Stage(options) as stage:
            drivers = [stage.start_driver() for _ in range(2)]
            contexts = [stage.keep(RawContext(stage.application(driver))) for driver in drivers for _ in range(2)]
            peers = [peer for pair in (contexts[0::2], contexts[1::2]) for peer in make_peers(*pair)]
            victim = stage.keep(Victim(f"app:{drivers[0].socket_path}"))
            peer = Peer(contexts[3])
            victim.meet(peer)
            traffic = Traffic(peer, victim.remote)
            end = time.monotonic() + rng.uniform(0.0, 0.15)
            while time.monotonic() < end:
                check(traffic.step() is None, "an error before the death")
            stage.endpoint.kill()
            for index, context in enumerate(contexts):
                what = f"round {number}, application {index}"
                expect_event(context, ibv.EVENT_DEVICE_FATAL, what)
                slowest = max(slowest, expect_failing_command(context, what))
            del peers
    return f"the slowest command failed after {slowest * 1000:.0f} ms"


@cases.case("the endpoint is killed and started again: guests come back, or end so that they can be started again")
def endpoint_again(options):
    """No socket or lock of the dead is in the way."""
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")
    with Stage(options) as stage:
        driver = stage.start_driver()
        context = stage.keep(RawContext(stage.application(driver)))
        stage.endpoint.kill()
        expect_event(context, ibv.EVENT_DEVICE_FATAL, "death of the endpoint")
        stage.close_all()
        stage.endpoint.start()
        deadline = time.monotonic() + 15
        how = "the guest driver stayed"
        while True:
            if not driver.is_alive():
                how = f"the guest driver ended with {driver.process.returncode}"
                driver.start()
            try:
                again = stage.keep(RawContext(stage.application(driver)))
                break
            except (PeerGone, CommandFailed, OSError, TimeoutError) as problem:
                check(time.monotonic() < deadline, f"no service 15 s after the restart: {problem}; {driver.log_tail()}")
                time.sleep(0.1)
        peers = make_peers(again, stage.context())
        peers[0].qp.post_send(0, [peers[0].buffer.sge(0, 8)], peers[1].buffer.start, peers[1].buffer.rkey)
        check(peers[0].cq.wait(1), "no traffic after the restart")
        return how


@cases.case("the endpoint is killed with a guest spoken by hand: its socket ends at once")
def raw_guest(options):
    """What a guest driver builds upon."""
    with Stage(options) as stage:
        guest = stage.guest()
        stage.context(guest)
        stage.endpoint.kill()
        check(not guest.is_connected(2.0), "the guest's socket is still open")


@cases.case("SIGTERM: the endpoint ends in order, under traffic, and leaves no socket behind")
def terminated(options):
    """Exit status 0 within the time that systemd gives."""
    with Stage(options) as stage:
        left, right = stage.context(), stage.context()
        peers = Peer(left), Peer(right)
        for mine, other in (peers, peers[::-1]):
            connect(mine, {"gid": bytes(other.context.query_gid(1).gid).hex(), "qp": other.qp.number})
        started = time.monotonic()
        status = stage.endpoint.stop()
        check(status == 0, f"exit status {status}: {stage.endpoint.log_tail()}")
        left_behind = [path.name for path in stage.directory.glob("*.sock")]
        check(not left_behind, f"left behind: {', '.join(left_behind)}")
        return f"{time.monotonic() - started:.1f} s"
