"""The parent's side of innocent.py: starts it, watches its progress and compares its rate."""

import mmap
import os
import pathlib
import subprocess
import sys
import time

from innocent import Page
from memory import make_memfd
from runner import Failure, check

_PROGRAM = pathlib.Path(__file__).with_name("innocent.py")


class InnocentPair:
    """Two applications with verified traffic between two guests, in a process of their own."""

    def __init__(self, transports):
        """`transports` are two texts for innocent.open_transport."""
        descriptor = make_memfd("innocent", 4096)
        self.page = Page.from_buffer(mmap.mmap(descriptor, 4096))
        self.process = subprocess.Popen([sys.executable, str(_PROGRAM), str(descriptor), *transports],
                                        pass_fds=[descriptor], stdin=subprocess.DEVNULL)
        os.close(descriptor)
        deadline = time.monotonic() + 20
        while not self.page.ready:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise Failure(f"the innocent pair does not start: {self.error() or 'no answer'}")
            time.sleep(0.01)
        self.rate_before = None

    def error(self):
        """The text of its first error."""
        return self.page.text.decode(errors="replace")

    def check_progress(self, timeout=10.0):
        """New operations are done, and no error came."""
        start = self.page.operations
        deadline = time.monotonic() + timeout
        while self.page.operations <= start and not self.page.errors:
            if self.process.poll() is not None:
                raise Failure(f"the innocent pair ended with {self.process.returncode}: {self.error()}")
            check(time.monotonic() < deadline, f"the innocent pair stands still for {timeout:.0f} s")
            time.sleep(0.005)
        check(self.page.errors == 0, f"the innocent pair was harmed: {self.error()}")

    def rate(self, seconds=0.5, windows=3):
        """Operations a second: the best of some windows, since the machine has other work too."""
        best = 0.0
        for _ in range(windows):
            start, begun = self.page.operations, time.monotonic()
            time.sleep(seconds)
            best = max(best, (self.page.operations - start) / (time.monotonic() - begun))
        return best

    def remember_rate(self):
        """Measures the rate to compare with later."""
        self.check_progress()
        self.rate_before = self.rate()
        return self.rate_before

    def check_rate(self, factor=0.4):
        """The rate is that of before, up to a generous factor."""
        for _ in range(4):
            now = self.rate()
            if now >= factor * self.rate_before:
                return now
        raise Failure(f"the innocent pair does {now:.0f} operations a second, {self.rate_before:.0f} before")

    def stop(self):
        """Ends the program."""
        self.page.stop = 1
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
