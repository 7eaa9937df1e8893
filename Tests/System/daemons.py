"""Finds, configures, starts and stops the product's daemons."""

import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_TIMEOUT_SECONDS = 20.0


def binary_directories():
    """Where executables may be, best first."""
    given = os.environ.get("VRDMA_BIN_DIR")
    if given:
        return [pathlib.Path(given)]
    return [ROOT / ".build" / "release", ROOT / ".build" / "debug"]


def find_binary(name):
    """The path of an executable of the product, or None."""
    for directory in binary_directories():
        path = directory / name
        if path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def require_binary(name):
    """The path of an executable, or the end of the script with a remedy."""
    path = find_binary(name)
    if path is None:
        places = " or ".join(str(directory) for directory in binary_directories())
        raise SystemExit(f"{name} is not in {places}: build it (swift build --product {name}) or set VRDMA_BIN_DIR")
    return path


def render(sections):
    """A configuration file from {heading: {key: value}}."""
    lines = []
    for heading, entries in sections.items():
        lines.append(f"[{heading}]")
        lines += [f"{key} = {value}" for key, value in entries.items()]
        lines.append("")
    return "\n".join(lines)


def keys_of_environment():
    """More keys of every [endpoint], from VRDMA_TEST_ENDPOINT: `adapter=verbs,device=rxe0` tests it on a device."""
    words = os.environ.get("VRDMA_TEST_ENDPOINT", "")
    return dict(word.split("=", 1) for word in words.split(",") if "=" in word)


class Daemon:
    """A child process with a configuration file and a log."""

    def __init__(self, directory, label, executable, sections, open_files=None):
        self.label = label
        self.log_path = pathlib.Path(directory, f"{label}.log")
        self.configuration_path = pathlib.Path(directory, f"{label}.conf")
        self.configuration_path.write_text(render(sections))
        self.arguments = [str(executable), "--config", str(self.configuration_path)]
        self.open_files = open_files
        self.process = None

    def start(self, socket_path):
        """Starts it and waits until it accepts connections at `socket_path`."""
        def limit():
            if self.open_files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.open_files, self.open_files))
        environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, preexec_fn=limit)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not accepts(socket_path):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.label} ended with {self.process.returncode}: {self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.label} does not listen at {socket_path}: {self.log_tail()}")
            time.sleep(0.02)
        return self

    @property
    def pid(self):
        """Its process id."""
        return self.process.pid

    def is_alive(self):
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout=10.0):
        """SIGTERM, then SIGKILL when that does not help; the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def kill(self):
        """SIGKILL, and waits for the end."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log_tail(self, lines=6):
        """The end of its log in one line."""
        try:
            return " | ".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "no log"


def accepts(path):
    """Whether somebody listens at a socket."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        probe.connect(str(path))
        return True
    except OSError:
        return False
    finally:
        probe.close()


class Endpoint(Daemon):
    """vrdma-endpointd with sockets in a directory."""

    def __init__(self, directory, limits=None, guests=None, endpoint=None, open_files=None, label="endpoint",
                 engine=None):
        self.socket_path = pathlib.Path(directory, f"{label}.sock")
        self.admin_path = pathlib.Path(directory, f"{label}-admin.sock")
        sections = {"endpoint": {"socket": self.socket_path, "admin-socket": self.admin_path, "mode": "0600",
                                 **keys_of_environment(), **(endpoint or {})}}
        if limits:
            sections["limits"] = limits
        if engine:
            sections["engine"] = engine
        for name, entries in (guests or {}).items():
            sections[f"guest {name}"] = entries
        super().__init__(directory, label, require_binary("vrdma-endpointd"), sections, open_files)

    def start(self, socket_path=None):
        """Starts it."""
        return super().start(socket_path or self.socket_path)

    def status(self):
        """What the admin socket says: the document behind `vrdma status --json`."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(self.admin_path))
            connection.sendall(b"status\n")
            answer = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        return json.loads(answer)


class GuestDriver(Daemon):
    """vrdma-guestd for one guest."""

    def __init__(self, directory, endpoint, name, address, open_files=None, guest=None):
        self.name, self.address = name, address
        self.socket_path = pathlib.Path(directory, f"guest-{name}.sock")
        sections = {"guest": {"name": name, "address": address, "endpoint-socket": endpoint.socket_path,
                              "socket": self.socket_path, "mode": "0600", **(guest or {})}}
        super().__init__(directory, f"guest-{name}", require_binary("vrdma-guestd"), sections, open_files)

    def start(self, socket_path=None):
        """Starts it."""
        return super().start(socket_path or self.socket_path)
