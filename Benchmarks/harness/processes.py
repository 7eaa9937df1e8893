"""Starting programs and pairs of programs, and ending them whatever happens."""

import os
import pathlib
import signal
import socket
import subprocess
import time

from .step import StepFailed


def free_port() -> int:
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(arguments: list, processor: int | None) -> list:
    """The command, kept on one processor."""
    return list(arguments) if processor is None else ["taskset", "-c", str(processor), *arguments]


def run(arguments: list, timeout: float, environment: dict | None = None) -> str:
    """Runs a program to its end and returns its standard output."""
    process = _start(arguments, environment)
    return _finish(process, arguments, timeout)


def run_pair(server: list, client: list, port: int, timeout: float, environment: dict | None = None,
             server_ends: bool = True) -> tuple:
    """Runs a server and, once it listens on `port`, its client; returns what each printed.

    A server that does not end by itself (`server_ends` false) is told to when its client has ended.
    """
    deadline = time.monotonic() + timeout
    server_process = _start(server, environment)
    try:
        _wait_for_listener(port, server_process, server, deadline)
        client_process = _start(client, environment)
        client_output = _finish(client_process, client, deadline - time.monotonic())
        if not server_ends:
            _terminate(server_process)
            return "", client_output
        return _finish(server_process, server, max(2.0, deadline - time.monotonic())), client_output
    finally:
        _terminate(server_process)


def stop_leftovers(marker: str) -> int:
    """Ends processes that carry `marker` in their environment, as those started with it do; returns how many."""
    found = 0
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            carries = marker.encode() in (entry / "environ").read_bytes()
            if carries:
                os.kill(int(entry.name), signal.SIGTERM)
                found += 1
        except OSError:
            continue
    return found


def _start(arguments: list, environment: dict | None) -> subprocess.Popen:
    try:
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})}, start_new_session=True, text=True, errors="replace")
    except OSError as error:
        raise StepFailed(f"{arguments[0]}: {error.strerror}") from error


def _finish(process: subprocess.Popen, arguments: list, timeout: float) -> str:
    try:
        output, _ = process.communicate(timeout=max(0.1, timeout))
    except subprocess.TimeoutExpired:
        _terminate(process)
        raise StepFailed(f"no end of {_short(arguments)} within the time") from None
    except BaseException:
        _terminate(process)
        raise
    if process.returncode != 0:
        last = (output.strip().splitlines() or ["no output"])[-1]
        raise StepFailed(f"{_short(arguments)}: status {process.returncode}: {last.strip()}")
    return output


def _terminate(process: subprocess.Popen) -> None:
    """Ends the process group of a program started here, kindly first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=2)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    if process.stdout is not None:
        process.stdout.close()


def _short(arguments: list) -> str:
    return " ".join(pathlib.Path(argument).name if "/" in argument else argument for argument in arguments)


def _wait_for_listener(port: int, process: subprocess.Popen, arguments: list, deadline: float) -> None:
    """Returns when somebody listens; it looks without connecting, because these servers take one client only."""
    while not _listens(port):
        if process.poll() is not None:
            _finish(process, arguments, 1)
            raise StepFailed(f"{_short(arguments)}: ended before its client came")
        if time.monotonic() > deadline:
            raise StepFailed(f"{_short(arguments)}: does not listen on port {port}")
        time.sleep(0.005)


def _listens(port: int) -> bool:
    local = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = pathlib.Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[1].endswith(local) and fields[3] == "0A":
                return True
    return False
