"""A stage for system tests: an endpoint, guest drivers and an innocent pair in a temporary directory."""

import pathlib
import shutil
import tempfile

import footprint
from daemons import Endpoint, GuestDriver, find_binary
from innocent_pair import InnocentPair
from raw_application import RawApplication
from raw_context import RawContext
from raw_guest import RawGuest
from runner import Failure, check


class Stage:
    """Owns everything that a script starts; use it in a `with` statement."""

    def __init__(self, options, limits=None, **endpoint_options):
        self.options = options
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="vrdma-test."))
        self.endpoint = Endpoint(self.directory, limits=limits, **endpoint_options)
        self.drivers = {}
        self.innocents = None
        self.before = None
        self._next_guest = 0
        self._open = []

    def __enter__(self):
        try:
            self.endpoint.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        try:
            self.close_all()
        finally:
            self._stop()

    def _stop(self):
        if self.innocents:
            self.innocents.stop()
        for driver in self.drivers.values():
            driver.stop()
        self.endpoint.stop()
        if self.options is not None and self.options.keep:
            print(f"kept {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def restart(self):
        """After a death: everything anew, so that the cases that follow can say something."""
        self.close_all()
        if self.innocents:
            self.innocents.stop()
        for driver in self.drivers.values():
            driver.stop()
        again = [driver for name, driver in self.drivers.items() if not name.startswith("innocent")]
        self.drivers = {}
        self.endpoint.stop()
        self.endpoint.start()
        if self.innocents:
            self.start_innocents()
        for driver in again:
            self.drivers[driver.name] = driver.start()

    # Guests and applications

    def new_identity(self):
        """A fresh guest name and address."""
        self._next_guest += 1
        number = self._next_guest
        return f"g{number}", f"10.77.{number // 250}.{number % 250 + 1}"

    def guest(self, **options):
        """A raw guest with a fresh name and address."""
        name, address = self.new_identity()
        return self.keep(RawGuest(self.endpoint.socket_path, name, address, **options))

    def context(self, guest=None, **options):
        """An open context of a guest (a new raw guest by default)."""
        guest = guest or self.guest()
        return self.keep(RawContext(guest.transport(), **options))

    def start_driver(self, name=None, address=None, **options):
        """Starts a guest driver."""
        fresh_name, fresh_address = self.new_identity()
        driver = GuestDriver(self.directory, self.endpoint, name or fresh_name, address or fresh_address, **options)
        self.drivers[driver.name] = driver
        return driver.start()

    def application(self, driver, **options):
        """A raw application of a guest driver."""
        return self.keep(RawApplication(driver.socket_path, **options))

    def keep(self, thing):
        """Closes it at the end of the case."""
        self._open.append(thing)
        return thing

    def close_all(self):
        """Closes all that was opened since the last call."""
        while self._open:
            try:
                self._open.pop().close()
            except OSError:
                pass

    # The innocent

    def start_innocents(self):
        """Starts the innocent pair, through guest drivers when there are such."""
        if find_binary("vrdma-guestd"):
            drivers = [self.start_driver(f"innocent{index}", f"10.76.0.{index + 1}") for index in range(2)]
            transports = [f"app:{driver.socket_path}" for driver in drivers]
        else:
            transports = [f"raw:{self.endpoint.socket_path},innocent{index},10.76.0.{index + 1}" for index in range(2)]
        self.innocents = InnocentPair(transports)
        return self.innocents.remember_rate()

    # Checks

    def remember(self):
        """Measures the endpoint, to compare with after a case."""
        self.before = footprint.measure(self.endpoint.pid)

    def check_alive(self):
        """The daemons run and the innocent pair makes progress."""
        check(self.endpoint.is_alive(), f"the endpoint died ({self.endpoint.process.returncode}): "
                                        f"{self.endpoint.log_tail()}")
        for driver in self.drivers.values():
            check(driver.is_alive(), f"{driver.label} died ({driver.process.returncode}): {driver.log_tail()}")
        if self.innocents:
            self.innocents.check_progress()

    def check_returned(self):
        """The endpoint gave back every descriptor and mapping of the case."""
        now, returned = footprint.wait_for_return(self.endpoint.pid, self.before)
        if not returned:
            raise Failure(f"the endpoint holds {now.descriptors} descriptors and {now.shared_mappings} shared mappings,"
                          f" {self.before.descriptors} and {self.before.shared_mappings} before: "
                          + footprint.describe_descriptors(self.endpoint.pid))

    def run_case(self, function):
        """Runs a case, then checks that nobody else was harmed and nothing was lost."""
        self.remember()
        try:
            note = function(self)
        finally:
            self.close_all()
        self.check_alive()
        self.check_returned()
        return note
