"""Runs cases one by one, prints a line for each and the closing line, and decides the exit status."""

import argparse
import random
import sys
import time
import traceback


class Skip(Exception):
    """Raised by a case that cannot run here; the text says why."""


class Failure(Exception):
    """Raised by a check; the text says what was expected and what was there."""


def check(condition, message):
    """Raises Failure when the condition does not hold."""
    if not condition:
        raise Failure(message)


def check_equal(found, expected, what):
    """Raises Failure when the two differ."""
    if found != expected:
        raise Failure(f"{what} is {found!r}, expected {expected!r}")


class Cases:
    """A list of named cases, each a function of one stage object."""

    def __init__(self):
        self.entries = []

    def case(self, title):
        """Decorator: adds a function as a case."""
        def add(function):
            self.entries.append((title, function))
            return function
        return add

    def include(self, other):
        """Adds the cases of another list."""
        self.entries += other.entries


def parser(description, epilog=None):
    """The options that every script has."""
    options = argparse.ArgumentParser(description=description, epilog=epilog)
    options.add_argument("--seed", type=int, default=None, help="seed of all random choices (default: a new one)")
    options.add_argument("--only", metavar="TEXT", default="", help="run only the cases whose title contains TEXT")
    options.add_argument("--list", action="store_true", help="list the cases and stop")
    options.add_argument("--keep", action="store_true", help="keep the runtime directory with the daemons' logs")
    options.add_argument("--verbose", action="store_true", help="print tracebacks of failed cases")
    options.add_argument("--all", action="store_true", help="the long form: more mutations, more rounds")
    return options


def choose_seed(options):
    """Fixes and prints the seed."""
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {options.seed}", flush=True)
    return options.seed


class Report:
    """Counts results and prints them."""

    def __init__(self, verbose=False):
        self.passed = self.failed = self.skipped = 0
        self.verbose = verbose

    def run(self, title, function, *arguments):
        """Runs one case; True when it passed or was skipped."""
        started = time.monotonic()
        try:
            note = function(*arguments)
        except Skip as reason:
            self.skipped += 1
            print(f"skip  {title}: {reason}", flush=True)
            return True
        except Exception as problem:  # a case fails by any exception, and the others still run
            self.failed += 1
            kind = "" if isinstance(problem, Failure) else f"{type(problem).__name__}: "
            print(f"FAIL  {title}: {kind}{problem}", flush=True)
            if self.verbose:
                traceback.print_exc()
            return False
        self.passed += 1
        seconds = time.monotonic() - started
        remark = f"; {note}" if isinstance(note, str) else ""
        print(f"ok    {title} ({seconds:.1f} s{remark})", flush=True)
        return True

    def close(self):
        """Prints the closing line and returns the exit status."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}", flush=True)
        return 1 if self.failed else 0


def selected(cases, options):
    """The cases that the options ask for."""
    chosen = [(title, function) for title, function in cases.entries if options.only in title]
    if options.list:
        for title, _ in chosen:
            print(title)
        sys.exit(0)
    return chosen
