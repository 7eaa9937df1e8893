"""Steps that measure vRDMA: unmodified perftest, and the Swift client module."""

import os
import pathlib
import subprocess

from . import invocations, processes, reading
from .local_steps import figure_of, value_of
from .peer_steps import missing
from .step import Calibration, Figure, Settings, Step, StepFailed

# From the unit in the JSON line to the unit of the figure.
SCALES = {"M/s": 1e-6, "us": 1e-3, "s": 1.0, "B": 1.0, "%": 100.0}


def steps(settings: Settings) -> list:
    """All steps of this file."""
    launcher, client = _not_built(invocations.LAUNCHER), _not_built(invocations.CLIENT)
    return [
        *[_perftest(settings, launcher, *entry) for entry in invocations.PERFTEST],
        *[_client(settings, launcher or client, *entry) for entry in invocations.CLIENT_TESTS],
        *[_alone(settings, client, *entry) for entry in invocations.CLIENT_ALONE],
    ]


def _not_built(program: pathlib.Path) -> str | None:
    """Why one of our programs cannot run, or None."""
    name = f".build/release/{program.name}"
    if not os.access(program, os.X_OK):
        return f"{name} is not built (swift build -c release)"
    try:
        answer = subprocess.run([str(program), invocations.VERSION_OPTION], capture_output=True, text=True, timeout=10,
                                stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return f"{name} does not start"
    if answer.returncode != 0 or not answer.stdout.startswith(program.name):
        return f"{name} does not answer {invocations.VERSION_OPTION}"
    return None


def _fill(arguments: list, **values) -> list:
    filled = []
    for argument in arguments:
        for key, value in values.items():
            argument = argument.replace("{" + key + "}", str(value))
        filled.append(argument)
    return filled


def _between_guests(settings: Settings, server: list, client: list, port: int) -> str:
    """Runs the two as applications of two guests; returns what the client printed.

    Only the applications are pinned, behind the launcher: an endpoint that the launcher starts must stay free.
    """
    processor = settings.processors[0] if settings.pin_ours else None
    return processes.run_pair(
        [*invocations.SERVER_PREFIX, *processes.pinned(server, processor)],
        [*invocations.CLIENT_PREFIX, *processes.pinned(client, processor)],
        port, settings.step_timeout_seconds, environment=settings.environment)[1]


def _perftest(settings: Settings, launcher: str | None, name: str, arguments: list, kind: str, first: int) -> Step:
    # perftest wants more iterations than its queue is deep.
    calibration = Calibration(first, minimum=500, maximum=1_000_000 if kind == "latency" else 20_000_000)

    def run() -> list:
        port = processes.free_port()
        command = _fill([*arguments, *invocations.PERFTEST_COMMON], port=port, iterations=calibration.iterations)
        row = reading.perftest_row(_between_guests(settings, command, [*command, "127.0.0.1"], port))
        if kind == "latency":
            if row.get("t_typical", 0) <= 0:
                raise StepFailed("perftest measured no latency")
            calibration.learn(1e6 / (2 * row["t_typical"]), settings.seconds)
            return [row["t_typical"]]
        rate = row["MsgRate"] * 1e6
        calibration.learn(rate, settings.seconds)
        return [rate / 1e6 if kind == "rate" else row["BW average"] * reading.MEBIBYTE / 1e9]

    return Step(name, [figure_of(name, kind)], run, launcher or missing(arguments[0]), calibration, ours=True)


def _client(settings: Settings, reason: str | None, name: str, arguments: list, kind: str) -> Step:
    def run() -> list:
        port = processes.free_port()
        values = {"port": port, "server": "127.0.0.1", "milliseconds": settings.milliseconds}
        output = _between_guests(settings, _fill(invocations.CLIENT_SERVER, **values),
                                 _fill([*invocations.CLIENT_CLIENT, *arguments], **values), port)
        return [value_of(reading.json_line(output), kind)]

    return Step(name, [figure_of(name, kind)], run, reason, ours=True)


def _alone(settings: Settings, reason: str | None, name: str, arguments: list, wanted: list) -> Step:
    def run() -> list:
        command = [str(invocations.CLIENT), *_fill(arguments, milliseconds=settings.milliseconds)]
        line = reading.json_line(processes.run(command, settings.step_timeout_seconds, settings.environment))
        return [reading.at(line, *path) * SCALES[unit] for _, path, unit, _ in wanted]

    figures = [Figure(name + suffix, unit, better) for suffix, _, unit, better in wanted]
    return Step(name, figures, run, reason, ours=True)
