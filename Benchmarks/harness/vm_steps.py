"""Steps in virtual machines: perftest on soft-RoCE itself, and through vRDMA on the same device."""

from . import reading
from .local_steps import figure_of
from .step import Calibration, Settings, Step, StepFailed
from .vm_tests import PLACES, TESTS, WHO


def steps(settings: Settings, machines, reason: str | None) -> list:
    """All steps of this file; those that are compared stand beside each other.

    - `machines`: a `vm_machines.Machines`. `reason`: why there can be none, or None.
    """
    return [
        _perftest(settings, machines, reason, place, who, *test)
        for place in PLACES for test in TESTS for who in WHO
    ]


def _perftest(settings: Settings, machines, reason: str | None, place: str, who: str, test: str, command: list,
              kind: str, first: int) -> Step:
    name = f"{who}.{place}.{test}"
    # perftest wants more iterations than its queue is deep; a wrong first rate must not take minutes.
    depth = int(command[command.index("-t") + 1]) if "-t" in command else 1
    calibration = Calibration(first, minimum=max(2 * depth, 50), maximum=10_000)

    def run() -> list:
        row = reading.perftest_row(machines.run_pair(place, WHO[who], command, calibration.iterations))
        if kind == "latency":
            if row.get("t_typical", 0) <= 0:
                raise StepFailed("perftest measured no latency")
            calibration.learn(1e6 / (2 * row["t_typical"]), settings.seconds)
            return [row["t_typical"]]
        rate = row["MsgRate"] * 1e6
        calibration.learn(row["BW average"] * reading.MEBIBYTE / int(command[command.index("-s") + 1]),
                          settings.seconds)
        return [rate / 1e6 if kind == "rate" else row["BW average"] * reading.MEBIBYTE / 1e9]

    return Step(name, [figure_of(name, kind)], run, reason, calibration)
