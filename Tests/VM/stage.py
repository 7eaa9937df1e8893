"""Machines for a test script: booted when the first case needs them, ended with the script."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "System")]

import vm  # noqa: E402
from runner import Skip, check  # noqa: E402

PROGRAM_TIMEOUT_SECONDS = 120.0
PORT = 18515


class Stage:
    """Owns machines; use it in a `with` statement. With --keep they are left running.

    The arguments are those of vm.VirtualMachines.
    """

    def __init__(self, options, **settings):
        self.options, self.settings = options, settings
        self._machines = None

    @property
    def machines(self):
        """The machines; a case that asks for them is skipped when they cannot be had here."""
        if self._machines is None:
            try:
                self._machines = vm.VirtualMachines(keep=self.options.keep, **self.settings)
            except vm.Missing as problem:
                raise Skip(str(problem)) from problem
        return self._machines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._machines is None:
            return
        if self.options.keep:
            print(f"kept: scripts/vm exec --name {self._machines.name} -- COMMAND; "
                  f"scripts/vm stop --name {self._machines.name}")
        else:
            self._machines.stop()


def run_pair(server, client, command, address=None, port=PORT, server_options=None, client_options=None):
    """Runs a program that takes -p PORT and a server's address, in two machines; both results.

    The options are keyword arguments of Guest.start for each side: an environment, a
    directory. Fails unless both end with 0.
    """
    server_command = [*command, "-p", str(port)]
    with server.start(server_command, **(server_options or {})) as running:
        server.wait_listening(port, running)
        answer = client.run([*server_command, address or server.address], timeout=PROGRAM_TIMEOUT_SECONDS,
                            **(client_options or {}))
        shown = " ".join(map(str, command))
        check(answer.status == 0, f"the client of {shown} ended with {answer.status}: "
                                  f"{(answer.stdout + answer.stderr).strip()[-400:]}")
        ended = running.wait(PROGRAM_TIMEOUT_SECONDS)
        check(ended.status == 0, f"the server of {shown} ended with {ended.status}: "
                                 f"{(ended.stdout + ended.stderr).strip()[-400:]}")
        return ended, answer
