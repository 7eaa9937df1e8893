"""Machines with our stack on their devices, for the scripts that test it there."""

import runner
from stack import Stack, resources
from stage import Stage
from runner import check


def options_parser(description):
    """The options of these scripts."""
    options = runner.parser(description, "exit status: 0 when no case failed")
    options.add_argument("--quick", action="store_true", help="the short form (the default)")
    return options


class HostStage(Stage):
    """A stage with a stack in each machine that a case asks for; machine 2 is for plain programs too."""

    def __init__(self, options, **settings):
        super().__init__(options, **settings)
        self._stacks = {}

    def stack(self, machine=1, guests=2, **settings):
        """A stack like that; one of other settings in the same machine is stopped before."""
        key = (guests, repr(sorted(settings.items())))
        found = self._stacks.get(machine)
        if found is not None and found[0] == key and found[1].endpoint.is_alive():
            return found[1]
        self.stop_stack(machine)
        stack = Stack(self.machines[machine], guests=guests, **settings)
        self._stacks[machine] = (key, stack)
        try:
            stack.start()
        except BaseException:
            self.stop_stack(machine)
            raise
        return stack

    def stop_stack(self, machine=1):
        """Stops what runs in a machine."""
        found = self._stacks.pop(machine, None)
        if found is not None:
            found[1].__exit__()

    def run_case(self, function):
        """Runs a case; the daemons must survive it."""
        note = function(self)
        for _, stack in self._stacks.values():
            stack.check_alive()
        return note

    def __exit__(self, *arguments):
        for machine in list(self._stacks):
            if self.options.keep:
                self._stacks[machine][1].keep_logs(self.machines.shared)
            else:
                self.stop_stack(machine)
        super().__exit__(*arguments)


def check_nothing_left(machine, before, seconds=5.0):
    """The device has as many objects as before, after some time at most."""
    import time
    deadline = time.monotonic() + seconds
    while (now := resources(machine)) != before:
        check(time.monotonic() < deadline, f"the device has {now}, before {before}")
        time.sleep(0.1)
