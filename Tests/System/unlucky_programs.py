"""Unlucky cases: unmodified programs through the drop-in library, when they or the endpoint are killed."""

import os
import random
import shutil
import signal
import subprocess
import time

from daemons import binary_directories, find_binary
from harness import Stage
from runner import Cases, Failure, Skip, check

cases = Cases()
alone = Cases()
END_BOUND_SECONDS = 25.0


def environment(driver):
    """The environment in which a verbs program uses a guest driver."""
    for directory in binary_directories():
        library = directory / "libibverbs.so"
        if library.is_file():
            return {**os.environ, "LD_PRELOAD": str(library), "VRDMA_GUEST_SOCKET": str(driver.socket_path)}
    raise Skip("the drop-in library is not built")


class Pair:
    """A perftest server and its client in two guests."""

    def __init__(self, drivers, port, *arguments, program="ib_write_bw"):
        path = shutil.which(program)
        if path is None:
            raise Skip("perftest is not installed")
        # Long enough to be killed in the middle; a time cannot be given together with events.
        duration = ["-n", "5000000"] if "-e" in arguments else ["-D", "60"]
        common = [path, *duration, "-F", "-p", str(port), *arguments]
        self.server = self._start(common, drivers[0])
        time.sleep(0.5)
        self.client = self._start(common + ["127.0.0.1"], drivers[1])

    @staticmethod
    def _start(command, driver):
        return subprocess.Popen(command, env=environment(driver), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)

    def check_running(self):
        """Neither ended by itself."""
        for process, name in ((self.server, "server"), (self.client, "client")):
            check(process.poll() is None, f"the {name} ended by itself with {process.returncode}")

    def close(self):
        """Ends what is left."""
        for process in (self.server, self.client):
            if process.poll() is None:
                process.kill()
            process.wait()


def wait_for_end(process, what):
    """Seconds until a program ended by itself; it must say that something went wrong."""
    started = time.monotonic()
    try:
        status = process.wait(END_BOUND_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failure(f"{what} hangs {END_BOUND_SECONDS:.0f} s after the death") from None
    check(status != 0, f"{what} ended with success")
    return time.monotonic() - started


def need_programs():
    """Skips where the daemons or perftest are missing."""
    if not find_binary("vrdma-guestd"):
        raise Skip("vrdma-guestd is not built")
    if shutil.which("ib_write_bw") is None:
        raise Skip("perftest is not installed")


@cases.case("perftest programs that are killed: their partners end by themselves, all is freed")
def programs(stage):
    """Server and client in two guests; one of them dies, polling or sleeping on events."""
    need_programs()
    rng = random.Random(f"{stage.options.seed}-programs")
    drivers = [stage.start_driver(name, address) for name, address in (("bw0", "10.71.0.1"), ("bw1", "10.71.0.2"))]
    slowest = 0.0
    kinds = (("ib_write_bw",), ("ib_send_bw",), ("ib_read_bw",), ("ib_send_bw", "-e"))
    for number in range(max(4, stage.options.rounds // 4)):
        program, *arguments = kinds[number % len(kinds)]
        pair = stage.keep(Pair(drivers, 20000 + rng.randrange(10000), *arguments, program=program))
        time.sleep(rng.uniform(0.5, 1.5))
        pair.check_running()
        dying, survivor, name = pair.server, pair.client, "client"
        # A receiver never learns of its sender's death, on no hardware; the server of ib_send_bw would wait for ever.
        if program != "ib_send_bw" and rng.random() < 0.5:
            dying, survivor, name = pair.client, pair.server, "server"
        dying.send_signal(signal.SIGKILL)
        dying.wait()
        slowest = max(slowest, wait_for_end(survivor, f"the {name} of {' '.join(kinds[number % len(kinds)])}"))
        pair.close()
    for driver in drivers:
        driver.stop()
        del stage.drivers[driver.name]
    return f"the slowest partner ended after {slowest:.1f} s"


@alone.case("perftest programs under which the endpoint is killed: they end by themselves with an error")
def programs_without_endpoint(options):
    """Polling or sleeping on events, a program does not wait for a completion that nobody will ever write."""
    need_programs()
    rng = random.Random(f"{options.seed}-endpoint-programs")
    slowest = 0.0
    for program, *arguments in (("ib_write_bw",), ("ib_send_bw",), ("ib_send_bw", "-e")):
        with Stage(options) as stage:
            drivers = [stage.start_driver() for _ in range(2)]
            pair = stage.keep(Pair(drivers, 20000 + rng.randrange(10000), *arguments, program=program))
            time.sleep(rng.uniform(0.5, 1.5))
            pair.check_running()
            stage.endpoint.kill()
            for process, name in ((pair.server, "server"), (pair.client, "client")):
                what = f"the {name} of {' '.join([program, *arguments])}"
                slowest = max(slowest, wait_for_end(process, what))
    return f"the slowest program ended after {slowest:.1f} s"
