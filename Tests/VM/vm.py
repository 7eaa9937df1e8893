"""Virtual machines for tests: QEMU guests on this host's own files, with rxe.

    with vm.VirtualMachines(guests=2) as machines:
        server = machines[1].start(["ibv_rc_pingpong", "-g", "1"])
        result = machines[2].run(["ibv_rc_pingpong", "-g", "1", machines[1].address], timeout=60)

See README.md beside this file.
"""

import json
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import frames  # noqa: E402
import kernel  # noqa: E402
import qemu  # noqa: E402
from kernel import Missing  # noqa: E402,F401
from process import GuestError, GuestTimeout, Process, Result  # noqa: E402,F401

HERE = pathlib.Path(__file__).resolve().parent
GUESTS_MAX = 9
SHARED = "/shared"


class VirtualMachines:
    """Machines on one Ethernet; use it in a `with` statement.

    guests: how many. memory: MiB of each. processors: of each; with one, atomics of the
    machine are not atomic towards the host. keep: they outlive this program. name: of
    their directory. fresh: directories of the host, beside the project and VRDMA_BIN_DIR,
    whose changes machines see at once. shared: a directory of the host that is /shared,
    writable, in all of them. capture: write the packets of each to /shared/eth0-vmN.pcap.
    accelerator: "tcg" or "kvm". arguments: more arguments of QEMU. kernel_parameters:
    more parameters of the kernel.
    Raises Missing when something is not installed, GuestError when they do not boot.
    """

    def __init__(self, guests=1, memory=1024, processors=2, keep=False, name=None, fresh=(), shared=None,
                 capture=False, accelerator="tcg", arguments=(), kernel_parameters=()):
        kernel.require()
        if not 1 <= guests <= GUESTS_MAX:
            raise ValueError(f"there can be 1 to {GUESTS_MAX} machines, not {guests}")
        self.directory = make_directory(name)
        self.keep = keep
        self.shared = pathlib.Path(shared or self.directory / "shared").resolve()
        self._keeper = None
        try:
            self.shared.mkdir(exist_ok=True)
            settings = {
                "guests": guests, "memory": memory, "processors": processors, "keep": keep, "capture": capture,
                "fresh": [str(path) for path in qemu.fresh_directories(fresh)], "shared": str(self.shared),
                "accelerator": accelerator, "arguments": list(arguments),
                "kernel_parameters": list(kernel_parameters),
            }
            (self.directory / "settings.json").write_text(json.dumps(settings))
            self._boot()
        except BaseException:
            self.stop()
            raise
        self.guests = [Guest(self, number) for number in range(1, guests + 1)]

    def _boot(self):
        # A session of its own: a terminal's interrupt is for this program, whose end then ends the machines.
        self._keeper = subprocess.Popen([sys.executable, str(HERE / "keeper.py"), str(self.directory)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        line = self._keeper.stdout.readline().decode(errors="replace").strip()
        if line != "ready":
            raise GuestError(line or "the keeper of the machines ended")

    @classmethod
    def attach(cls, name=None):
        """The machines that somebody keeps; by name, or the only ones."""
        directory = find_directory(name)
        self = cls.__new__(cls)
        settings = json.loads((directory / "settings.json").read_text())
        self.directory, self.keep, self._keeper = directory, True, None
        self.shared = pathlib.Path(settings["shared"])
        self.guests = [Guest(self, number) for number in range(1, settings["guests"] + 1)]
        return self

    def __getitem__(self, number):
        """A machine by its number, from 1."""
        if not 1 <= number <= len(self.guests):
            raise GuestError(f"there is no machine {number}: {len(self.guests)} run")
        return self.guests[number - 1]

    @property
    def name(self):
        """The name to attach by."""
        return self.directory.name

    def request(self, **request):
        """Asks the keeper."""
        return ask(self.directory, request)

    def stop(self):
        """Ends the machines, at once."""
        if self._keeper is not None:
            self._keeper.terminate()
            self._keeper.wait()
            self._keeper.stdin.close()
            self._keeper.stdout.close()
            self._keeper = None
        elif self.directory.exists():
            try:
                ask(self.directory, {"do": "stop"})
            except GuestError:
                pass
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.keep:
            self.stop()


class Guest:
    """One machine."""

    def __init__(self, machines, number):
        self.machines, self.number = machines, number
        self.address, self.address6 = f"10.9.0.{number}", f"fd00:9::{number}"
        self.interface, self.device = "eth0", "rxe0"

    def start(self, command, environment=None, directory=None, terminal=None, on_output=None):
        """Starts a command: a list of arguments, or text for the shell. Returns a Process."""
        arguments = ["/bin/sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]
        what = {"guest": self.number, "arguments": arguments, "environment": environment or {}}
        if directory is not None:
            what["directory"] = str(directory)
        if terminal is not None:
            what["terminal"] = terminal
        return Process(self.machines.directory / "control", what, on_output)

    def run(self, command, stdin=None, timeout=120.0, environment=None, directory=None):
        """Runs a command to its end and returns the Result; raises GuestTimeout, with the command killed."""
        process = self.start(command, environment, directory)
        try:
            if stdin:
                process.write(stdin)
            process.end_input()
            return process.wait(timeout)
        finally:
            process.close()

    def check(self, command, **options):
        """Like `run`, and raises GuestError when the exit status is not 0. Returns the standard output."""
        result = self.run(command, **options)
        if result.status != 0:
            shown = command if isinstance(command, str) else shlex.join(map(str, command))
            raise GuestError(f"{shown}: status {result.status}: {(result.stderr or result.stdout).strip()[-600:]}")
        return result.stdout

    def write_file(self, path, content):
        """Makes a file in the machine."""
        self.check(["/bin/sh", "-c", 'cat >"$1"', "sh", path], stdin=content)

    def read_file(self, path):
        """The bytes of a file in the machine."""
        result = self.run(["cat", path])
        if result.status != 0:
            raise GuestError(result.stderr.strip())
        return result.output

    def console(self):
        """What the kernel wrote to the console."""
        return (self.machines.directory / f"console{self.number}.log").read_text(errors="replace")

    def end(self):
        """Ends the machine as if its power failed."""
        self.machines.request(do="end", guest=self.number)

    def qmp(self, command, **arguments):
        """A command of QEMU's monitor (QMP), such as `set_link` or `stop`; what it returns."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.machines.directory / f"qmp{self.number}"))
            stream = connection.makefile("rw", encoding="utf-8")
            stream.readline()
            for name, values in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(json.dumps({"execute": name, "arguments": values}) + "\n")
                stream.flush()
                answer = {}
                while "return" not in answer and "error" not in answer:
                    answer = json.loads(stream.readline())
                if "error" in answer:
                    raise GuestError(f"{command}: {answer['error']['desc']}")
        return answer["return"]


def base_directory():
    """Where the machines of this user have their directories; short, for the sake of sockets' names."""
    base = pathlib.Path("/tmp", f"vrdma-vm-{os.getuid()}")
    base.mkdir(mode=0o700, exist_ok=True)
    if base.stat().st_uid != os.getuid() or base.stat().st_mode & 0o022:
        raise GuestError(f"{base} belongs to somebody else")
    return base


def make_directory(name):
    """A new directory for machines."""
    base = base_directory()
    if name is None:
        return pathlib.Path(tempfile.mkdtemp(prefix="vm.", dir=base))
    directory = base / name
    if directory.is_dir() and not is_running(directory):
        shutil.rmtree(directory, ignore_errors=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        raise GuestError(f"machines named {name} run already: scripts/vm stop --name {name}") from None
    return directory


def is_running(directory):
    """Whether somebody keeps the machines of a directory."""
    try:
        ask(directory, {"do": "status"})
        return True
    except GuestError:
        return False


def running():
    """The directories of all machines of this user."""
    return [directory for directory in sorted(base_directory().iterdir()) if is_running(directory)]


def find_directory(name=None):
    """The directory of machines that run."""
    directories = running()
    if name is not None:
        directories = [directory for directory in directories if directory.name == name]
    if not directories:
        raise GuestError(f"no machines{f' named {name}' if name else ''} run: scripts/vm start")
    if len(directories) > 1:
        names = ", ".join(directory.name for directory in directories)
        raise GuestError(f"there are several; choose one with --name: {names}")
    return directories[0]


def ask(directory, request):
    """Sends the keeper a request and returns its answer; None when it ended instead."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        try:
            connection.connect(str(directory / "control"))
            connection.sendall(frames.pack(frames.REQUEST, json.dumps(request).encode()))
            parser = frames.Parser()
            while data := connection.recv(1 << 16):
                for _, _, payload in parser.feed(data):
                    return json.loads(payload)
        except OSError as problem:
            raise GuestError(f"{directory.name}: {problem.strerror or problem}") from problem
    return None
