"""Our stack in a virtual machine: an endpoint on the machine's RDMA device, guest drivers, programs on the drop-in."""

import json
import pathlib
import time

from daemons import find_binary, render, require_binary
from runner import Failure, Skip, check
from process import GuestError

START_SECONDS = 30.0
BINARIES = "/tmp/vrdma-bin"
PROGRAMS = ["vrdma", "vrdma-endpointd", "vrdma-guestd"]
MORE_PROGRAMS = ["vrdma-example-send-receive", "vrdma-example-write-read"]


def put_binaries(machine):
    """Copies what was built into the machine, so that a build meanwhile changes nothing. Once for each machine."""
    if getattr(machine, "has_vrdma", False):
        return
    library = find_binary("libibverbs.so") or find_binary("libibverbs.so.1")
    if library is None:
        raise Skip("the drop-in library is not built: scripts/build")
    copies = [require_binary(name) for name in PROGRAMS] + [each for each in map(find_binary, MORE_PROGRAMS) if each]
    machine.check(["sh", "-c", 'mkdir -p "$0/lib" && for file; do cp "$file" "$0/" || exit 1; done', BINARIES,
                   *copies])
    machine.check(["cp", library, f"{BINARIES}/lib/libibverbs.so.1"])
    machine.has_vrdma = True


class DaemonProcess:
    """A daemon with its configuration; its log is what it wrote to its standard error."""

    def __init__(self, machine, directory, label, program, sections, prefix=(), environment=None):
        self.machine, self.label, self.prefix = machine, label, list(prefix)
        self.environment = environment
        self.path = f"{directory}/{label}.conf"
        self.program = f"{BINARIES}/{program}"
        self.process = None
        self.past_log = ""
        machine.write_file(self.path, render({**sections, "log": {"level": "debug", "format": "text"}}))

    def launch(self):
        """Starts it, and waits for nothing."""
        if self.process is not None:
            self.past_log = self.log
        self.process = self.machine.start([*self.prefix, self.program, "--config", self.path],
                                          environment=self.environment)
        return self

    def start(self, socket_path):
        """Starts it and waits for its socket."""
        self.launch()
        loop = 'for i in $(seq 1 600); do test -S "$0" && exit 0; kill -0 "$1" || exit 1; sleep 0.05; done; exit 1'
        pid = self.process.wait_started(START_SECONDS)
        if self.machine.run(["sh", "-c", loop, socket_path, str(pid)], timeout=60).status != 0:
            raise Failure(f"{self.label} does not start: {self.log_tail()}")
        return self

    @property
    def pid(self):
        """Its process id in the machine."""
        return self.process.pid

    @property
    def log(self):
        """All that it wrote."""
        return self.past_log + (self.process.stdout + self.process.stderr if self.process else "")

    def log_tail(self, lines=6):
        """The end of its log in one line."""
        return " | ".join(self.log.splitlines()[-lines:])

    def is_alive(self):
        """Whether it runs."""
        return self.process is not None and not self.process.ended

    def wait_log(self, text, seconds=10.0, start=0):
        """Waits until the log has a text after `start` characters."""
        deadline = time.monotonic() + seconds
        while text not in self.log[start:]:
            check(time.monotonic() < deadline, f"{self.label} does not log '{text}': {self.log_tail()}")
            time.sleep(0.05)

    def kill(self, number=9):
        """Sends it a signal and waits for its end."""
        self.process.kill(number)
        return self.process.wait(20)

    def stop(self):
        """SIGTERM; the exit status."""
        if not self.is_alive():
            return self.process.status if self.process else 0
        return self.kill(15).status


class VirtualGuest(DaemonProcess):
    """A guest driver, and a place where programs run as applications of its guest; used as a machine is."""

    def __init__(self, stack, name, address, sections=None):
        self.name, self.guest_address = name, address
        self.socket_path = f"{stack.directory}/{name}.sock"
        own = {"name": name, "address": address, "endpoint-socket": stack.socket_path, "socket": self.socket_path,
               "mode": "0600", **(sections or {})}
        super().__init__(stack.machine, stack.directory, f"guest-{name}", "vrdma-guestd", {"guest": own})
        self.address = stack.machine.address      # where programs agree over TCP
        self.variables = {"LD_LIBRARY_PATH": f"{BINARIES}/lib", "VRDMA_GUEST_SOCKET": self.socket_path}

    def start_driver(self):
        """Starts the driver, also again after a kill."""
        self.machine.run(["rm", "-f", self.socket_path])
        return DaemonProcess.start(self, self.socket_path)

    def start(self, command, environment=None, **options):
        """Starts a program of the guest."""
        return self.machine.start(command, environment={**self.variables, **(environment or {})}, **options)

    def run(self, command, environment=None, **options):
        """Runs a program of the guest."""
        return self.machine.run(command, environment={**self.variables, **(environment or {})}, **options)

    def check(self, command, environment=None, **options):
        """Runs a program of the guest, which must succeed."""
        return self.machine.check(command, environment={**self.variables, **(environment or {})}, **options)

    def wait_listening(self, *arguments, **options):
        """As the machine's."""
        self.machine.wait_listening(*arguments, **options)


class Stack:
    """An endpoint with the verbs adapter in a machine, and its guests; use it in a `with` statement.

    Guest k has the addresses 10.9.0.(10 × machine + k) and fd00:9::(the same), which eth0 gets.
    """

    def __init__(self, machine, guests=1, ipv6=False, endpoint=None, limits=None, guest=None, label="stack",
                 prefix=(), sections=None):
        put_binaries(machine)
        self.machine = machine
        self.directory = f"/tmp/{label}"
        # A prefix may make the endpoint another user's.
        machine.check(["mkdir", "-p", "-m", "0777" if prefix else "0755", self.directory])
        self.socket_path, self.admin_path = f"{self.directory}/endpoint.sock", f"{self.directory}/admin.sock"
        own = {"socket": self.socket_path, "admin-socket": self.admin_path, "mode": "0666", "admin-mode": "0666",
               "adapter": "verbs", "device": machine.device, **(endpoint or {})}
        contents = {"endpoint": own, **({"limits": limits} if limits else {}), **(sections or {})}
        self.endpoint = DaemonProcess(machine, self.directory, "endpoint", "vrdma-endpointd", contents, prefix)
        self.guests = []
        for number in range(1, guests + 1):
            last = 10 * machine.number + number
            address = f"fd00:9::{last}" if ipv6 else f"10.9.0.{last}"
            self.guests.append(VirtualGuest(self, f"g{number}", address, guest))

    def start(self):
        """Gives the device its addresses and starts everything."""
        for guest in self.guests:
            add_address(self.machine, guest.guest_address)
        self.endpoint.start(self.admin_path)
        for guest in self.guests:
            guest.start_driver()
        return self

    def status(self):
        """The document of `vrdma status --json`."""
        return json.loads(self.machine.check([f"{BINARIES}/vrdma", "status", "--json", "--admin-socket",
                                              self.admin_path]))

    def check_alive(self):
        """All daemons run."""
        for daemon in [self.endpoint, *self.guests]:
            check(daemon.is_alive(), f"{daemon.label} ended with {daemon.process.status}: {daemon.log_tail()}")

    def footprint(self):
        """What the endpoint holds: descriptors, mappings of shared memory, resident KiB."""
        text = self.machine.check(
            'ls /proc/$PID/fd | wc -l; grep -c memfd: /proc/$PID/maps; grep VmRSS /proc/$PID/status; true',
            environment={"PID": str(self.endpoint.pid)}).split()
        return {"descriptors": int(text[0]), "mappings": int(text[1]), "resident_kib": int(text[3])}

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for daemon in [*self.guests, self.endpoint]:
            try:
                daemon.stop()
            except GuestError:
                pass
        self.machine.run(["rm", "-rf", self.directory])

    def keep_logs(self, directory):
        """Writes the logs to a directory of the host."""
        for daemon in [self.endpoint, *self.guests]:
            pathlib.Path(directory, f"vm{self.machine.number}-{daemon.label}.log").write_text(daemon.log)


def add_address(machine, address):
    """Gives the machine's interface an address, and waits until the device has its GID."""
    bits, wanted = (64, address) if ":" in address else (24, f"::ffff:{address}")
    flags = ["nodad"] if ":" in address else []
    machine.run(["ip", "address", "add", f"{address}/{bits}", "dev", machine.interface, *flags])
    deadline = time.monotonic() + 10
    while not has_gid(machine, wanted):
        check(time.monotonic() < deadline, f"{machine.device} does not get the address {address}")
        time.sleep(0.05)


def remove_address(machine, address):
    """Takes an address away."""
    machine.check(["ip", "address", "del", f"{address}/{64 if ':' in address else 24}", "dev", machine.interface])


def has_gid(machine, address):
    """Whether the device has an address now."""
    text = machine.run(["ibv_devinfo", "-v", "-d", machine.device]).stdout
    return f"\t{address}," in text


def resources(machine, kind=None):
    """What `rdma resource show` says of the device: the numbers of each kind, or the objects of one."""
    if kind is None:
        words = machine.check(["rdma", "-j", "resource", "show"])
        return next((each for each in json.loads(words) if each["ifname"] == machine.device), None)
    return [each for each in json.loads(machine.check(["rdma", "-j", "-d", "resource", "show", kind]) or "[]")
            if each.get("ifname") == machine.device]
