"""One virtual machine, as tests see it."""

import json
import shlex
import socket

from process import GuestError, Process


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

    def wait_listening(self, port, process=None, timeout=30.0):
        """Waits until something in the machine listens at a TCP port; GuestError when `process` ends before."""
        pattern = f":{port:04X} [0-9A-F]*:0000 0A"
        loop = ('until cat /proc/net/tcp /proc/net/tcp6 | grep -q "$1"; do sleep 0.05; '
                'kill -0 "$2" 2>/dev/null || exit 1; done')
        owner = str(process.wait_started(timeout)) if process else "1"
        if self.run(["/bin/sh", "-c", loop, "sh", pattern, owner], timeout=timeout).status != 0:
            raise GuestError(f"{process.name} ended before it listened: {(process.stderr or process.stdout)[-600:]}")

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
