"""The command line of scripts/bench."""

import argparse
import fnmatch
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from . import build, local_steps, machine, our_steps, peer_steps, processes, report, report_file, vm_machines, vm_steps
from .floors import HOST, VM
from .rounds import Runner
from .step import Settings

EPILOGUE = """
NAME is a step as --list prints it, the beginning of one up to a dot (ring, ucx.put), or a pattern (*.64).

Exit status: 0; 1 when a step failed; 2 for a wrong use or when nothing could be compiled.
A floor that is missed is printed and does not change the exit status.
"""


USUAL_CLASS = "same-cache"
ANY_CLASS = "any"


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    # As an exception it passes through the places that end the programs of the current step.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _parser().parse_args()
    usable = sorted(os.sched_getaffinity(0))
    settings = Settings(
        rounds=arguments.runs or (2 if arguments.quick else 5),
        milliseconds=80 if arguments.quick else 200,
        processors=(usable[0], usable[min(1, len(usable) - 1)]),
        pin_ours=arguments.pin,
        wanted_class="" if arguments.machine_class == ANY_CLASS or len(usable) < 2 else arguments.machine_class,
        wait_seconds=5 if arguments.quick else 60,
    )
    try:
        build.build_all(_progress)
    except build.BuildFailed as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 2
    machines = None
    if arguments.vm:
        settings.milliseconds = 150 if arguments.quick else 400
        settings.step_timeout_seconds = 120.0
        machines = vm_machines.Machines(arguments.processors, _progress)
        settings.more_own_seconds = machines.processor_seconds
        steps = vm_steps.steps(settings, machines, vm_machines.missing())
    else:
        steps = [*local_steps.steps(settings), *peer_steps.steps(settings), *our_steps.steps(settings)]
    if arguments.list:
        for step in steps:
            print(f"{step.name:36}{step.missing or ''}".rstrip())
        return 0
    if arguments.only:
        unknown = [name for name in arguments.only if not any(_selects(name, step.name) for step in steps)]
        if unknown:
            print(f"scripts/bench: no step is called {', '.join(unknown)}; see --list", file=sys.stderr)
            return 2
        steps = [step for step in steps if any(_selects(name, step.name) for name in arguments.only)]
    return _run(steps, settings, arguments.json, machines)


def _run(steps: list, settings: Settings, json_file: str | None, machines) -> int:
    about = {**machine.description(), "startedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
             "millisecondsPerMeasurement": settings.milliseconds, "applicationsPinned": settings.pin_ours}
    # An endpoint of our own, whatever the user runs elsewhere.
    runtime = tempfile.mkdtemp(prefix="vrdma-benchmark-")
    settings.environment["XDG_RUNTIME_DIR"] = runtime
    try:
        outcome = Runner(steps, settings, _progress).run()
        if machines:
            about["lines"] = machines.description()
    finally:
        if machines:
            machines.close()
        left = processes.stop_leftovers(f"XDG_RUNTIME_DIR={runtime}")
        shutil.rmtree(runtime, ignore_errors=True)
    if left:
        outcome.failed["clean-up"] = f"{left} process(es) were still running afterwards and were stopped"
    expectations = VM if machines else HOST
    if json_file:
        text = json.dumps(report_file.as_json(steps, outcome, about, expectations), indent=2) + "\n"
        if json_file == "-":
            sys.stdout.write(text)
        else:
            pathlib.Path(json_file).write_text(text, encoding="utf-8")
    if json_file != "-":
        sys.stdout.write(report.as_text(steps, outcome, about, expectations))
    return 1 if outcome.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOGUE,
        description="Compares vRDMA with UCX, libfabric, TCP, memcpy and a C model of its rings, in one run; with "
                    "--vm, vRDMA on a device with that device.")
    parser.add_argument("--vm", action="store_true",
                        help="in virtual machines: perftest on soft-RoCE itself, and through vRDMA on the same device")
    parser.add_argument("--processors", type=_positive, default=2, metavar="N",
                        help="of each virtual machine (2)")
    parser.add_argument("--runs", type=_positive, metavar="N", help="rounds (5)")
    parser.add_argument("--quick", action="store_true", help="2 short rounds: to see that it works, not for figures")
    parser.add_argument("--only", type=lambda text: [name for name in text.split(",") if name], metavar="NAME[,NAME]",
                        help="only these steps")
    parser.add_argument("--json", metavar="FILE", help="write everything to FILE; - is standard output, no table then")
    parser.add_argument("--class", dest="machine_class", default=USUAL_CLASS, metavar="NAME",
                        choices=["siblings", "same-cache", "far", ANY_CLASS],
                        help="the machine class to wait for: siblings, same-cache, far, or any (same-cache)")
    parser.add_argument("--pin", action="store_true", help="keep the measured applications on one processor")
    parser.add_argument("--list", action="store_true", help="print the steps, and why some cannot run here")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _selects(pattern: str, name: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or name.startswith(pattern + ".")


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
