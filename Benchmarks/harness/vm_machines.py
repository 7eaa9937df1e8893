"""The virtual machines of a run, with our stack in each: booted when the first step needs them."""

import pathlib
import sys
import time

from . import machine
from .invocations import ROOT
from .step import StepFailed

TESTS = ROOT / "Tests"
BOOTS = 3
# A machine that boots while the host is busy may take its processor's clock for another one.
CLOCK_TOLERANCE = 0.05
CLOCK_SECONDS = 2.0
PROGRAM_SECONDS = 90.0


def _load():
    """The harness for machines, which is a part of the tests."""
    sys.path[:0] = [str(path) for path in (TESTS / "VM", TESTS / "System") if str(path) not in sys.path]
    import stack  # pylint: disable=import-outside-toplevel
    import vm  # pylint: disable=import-outside-toplevel
    return vm, stack


def missing() -> str | None:
    """Why there can be no machines here, or None."""
    vm, _ = _load()
    try:
        vm.require()
    except vm.Missing as problem:
        return str(problem)
    return None


class Machines:
    """Two machines: the first with an endpoint for two guests, the second with one for one guest.

    The endpoints have no local path, so that requests between guests of one go through the device, too.
    """

    def __init__(self, processors: int, progress) -> None:
        self._processors = processors
        self._progress = progress
        self._machines = None
        self._stacks: list = []
        self._clocks: list = []
        self._port = 20_000

    def close(self) -> None:
        """Ends the machines."""
        if self._machines is not None:
            self._machines.stop()
            self._machines = None

    def processor_seconds(self) -> float:
        """What the machines have used of the host's processors."""
        if self._machines is None:
            return 0.0
        state = self._machines.request(do="status")
        return machine.seconds_of_processes([guest["pid"] for guest in state["guests"]])

    def description(self) -> list:
        """Lines for the report."""
        if self._machines is None:
            return []
        release = self._machines[1].check(["uname", "-r"]).strip()
        lines = [f"in QEMU, software emulation: 2 machines with {self._processors} processors each, Linux {release}"]
        lines += [f"NOTE: the clock of machine {number} runs {rate:.2f} times as fast: its figures are good for ratios"
                  for number, rate in enumerate(self._clocks, start=1) if abs(rate - 1) > CLOCK_TOLERANCE]
        return lines

    def run_pair(self, place: str, ours: tuple, command: list, iterations: int) -> str:
        """Runs perftest on our device or on rxe0 for client and server; returns what the client printed."""
        self._boot()
        vm, _ = _load()
        client_is_ours, server_is_ours = ours
        first, second = self._stacks
        guests = first.guests if place == "loop" else [first.guests[0], second.guests[0]]
        plain = self._machines[1], self._machines[1 if place == "loop" else 2]
        client = guests[0] if client_is_ours else plain[0]
        server = guests[1] if server_is_ours else plain[1]
        # A new port each time: the last connection may linger.
        self._port = self._port + 1 if self._port < 30_000 else 20_001
        words = [*command, "-F", "-x", "1", "-p", str(self._port), "-n", str(iterations)]
        try:
            with server.start(words) as running:
                server.wait_listening(self._port, running)
                answer = client.run([*words, plain[1].address], timeout=PROGRAM_SECONDS)
                if answer.status != 0:
                    raise StepFailed(f"{' '.join(words)}: status {answer.status}: {_last_line(answer)}")
                ended = running.wait(PROGRAM_SECONDS)
                if ended.status != 0:
                    raise StepFailed(f"the server of {' '.join(words)}: status {ended.status}: {_last_line(ended)}")
        except vm.GuestError as problem:
            raise StepFailed(str(problem)) from problem
        return answer.stdout

    def _boot(self) -> None:
        if self._machines is not None:
            return
        vm, stack = _load()
        try:
            for attempt in range(1, BOOTS + 1):
                self._progress(f"booting 2 machines{f', attempt {attempt}' if attempt > 1 else ''}")
                self._machines = vm.VirtualMachines(guests=2, processors=self._processors)
                self._clocks = [_clock_rate(guest) for guest in self._machines.guests]
                if attempt == BOOTS or all(abs(rate - 1) <= CLOCK_TOLERANCE for rate in self._clocks):
                    break
                self.close()
            for guest, count in zip(self._machines.guests, (2, 1)):
                one = stack.Stack(guest, guests=count, endpoint={"local-path": "no"}, label="benchmark")
                self._stacks.append(one.start())
        except (vm.Missing, vm.GuestError, stack.Failure, stack.Skip) as problem:
            self.close()
            raise StepFailed(f"the machines do not come up: {problem}") from problem


def _last_line(result) -> str:
    return ((result.stderr or result.stdout).strip().splitlines() or ["no output"])[-1].strip()


def _clock_rate(guest) -> float:
    """How fast a machine's clock runs, as a part of the host's."""
    def both() -> tuple:
        before = time.monotonic()
        inside = float(guest.check(["cut", "-d", " ", "-f1", "/proc/uptime"]))
        return (before + time.monotonic()) / 2, inside

    start, inside_start = both()
    time.sleep(CLOCK_SECONDS)
    end, inside_end = both()
    return (inside_end - inside_start) / (end - start)
