"""Unlucky cases: unmodified programs through the drop-in library, killed in the middle."""

import os
import random
import shutil
import signal
import subprocess
import time

from daemons import binary_directories, find_binary
from runner import Cases, Failure, Skip, check

cases = Cases()
END_BOUND_SECONDS = 30.0


def environment(driver):
    """The environment in which a verbs program uses a guest driver."""
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")
    for directory in binary_directories():
        library = directory / "libibverbs.so"
        if library.is_file():
            return {**os.environ, "LD_PRELOAD": str(library), "VRDMA_GUEST_SOCKET": str(driver.socket_path)}
    raise Skip("the drop-in library is not built")


@cases.case("ib_write_bw is killed: its partner ends by itself, all is freed")
def write_bandwidth(stage):
    """Server and client in two guests; one of them dies."""
    program = shutil.which("ib_write_bw")
    if program is None:
        raise Skip("perftest is not installed")
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")
    rng = random.Random(f"{stage.options.seed}-programs")
    drivers = [stage.start_driver(name, address) for name, address in (("bw0", "10.71.0.1"), ("bw1", "10.71.0.2"))]
    slowest = 0.0
    try:
        for number in range(max(2, stage.options.rounds // 4)):
            port = str(20000 + rng.randrange(10000))
            common = [program, "-D", "20", "-p", port, "-F"]
            server = subprocess.Popen(common, env=environment(drivers[0]), stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)
            time.sleep(0.5)
            client = subprocess.Popen(common + ["127.0.0.1"], env=environment(drivers[1]), stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                time.sleep(rng.uniform(0.5, 1.5))
                for process, name in ((server, "server"), (client, "client")):
                    check(process.poll() is None, f"the {name} ended by itself with {process.returncode}")
                dying, survivor = (server, client) if number % 2 == 0 else (client, server)
                dying.send_signal(signal.SIGKILL)
                dying.wait()
                started = time.monotonic()
                try:
                    survivor.wait(END_BOUND_SECONDS)
                except subprocess.TimeoutExpired:
                    raise Failure(f"the partner hangs {END_BOUND_SECONDS:.0f} s after the death of the "
                                  f"{'server' if number % 2 == 0 else 'client'}") from None
                slowest = max(slowest, time.monotonic() - started)
            finally:
                for process in (server, client):
                    if process.poll() is None:
                        process.kill()
                    process.wait()
    finally:
        for driver in drivers:
            driver.stop()
            del stage.drivers[driver.name]
    return f"the slowest partner ended after {slowest:.1f} s"
