"""Virtual machines for tests: QEMU guests on this host's own files, with rxe.

    with vm.VirtualMachines(guests=2) as machines:
        server = machines[1].start(["ibv_rc_pingpong", "-g", "1"])
        result = machines[2].run(["ibv_rc_pingpong", "-g", "1", machines[1].address], timeout=60)

See README.md beside this file.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import qemu  # noqa: E402
from kernel import Missing, require  # noqa: E402,F401
from guest_machine import Guest  # noqa: E402
from process import GuestError, GuestTimeout, Process, Result  # noqa: E402,F401
from run_directory import ask, find_directory, make_directory, running  # noqa: E402,F401

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
        require()
        if not 1 <= guests <= GUESTS_MAX:
            raise ValueError(f"there can be 1 to {GUESTS_MAX} machines, not {guests}")
        self.directory, self._lock = make_directory(name)
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
        finally:
            os.close(self._lock)
        self.guests = [Guest(self, number) for number in range(1, guests + 1)]

    def _boot(self):
        # A session of its own: a terminal's interrupt is for this program, whose end then ends the machines.
        # It also holds the lock that says that the directory is in use.
        with open(self.directory / "keeper.log", "wb") as log:
            self._keeper = subprocess.Popen([sys.executable, str(HERE / "keeper.py"), str(self.directory)],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            start_new_session=True, pass_fds=[self._lock])
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
