"""Verification programs between our guests and plain peers, of which some are killed and started again."""

import itertools
import time

import programs
from host_stage import check_nothing_left
from process import GuestTimeout
from runner import Failure, check
from stack import resources

QUEUE_PAIRS = 8
KILL_SECONDS = 5.0
END_SECONDS = 60.0
PARTNER_SECONDS = 60.0
RESIDENT_KIB_MORE = 32 << 10
# (operations, sizes) of the long form, and of the short one, which passes through all of them in a few seconds.
LONG = ("write,write-imm,read,send,send-imm,inline,multi-sge,mixed,faa,cas", "0,1,65,4096,4097,65537")
SHORT = ("mixed,faa,send-imm", "1,4097,20000")
FIRST_PORT = 21000


class Pair:
    """The verification program in a guest, and its plain partner elsewhere."""

    def __init__(self, guest, plain, port, seconds, seed, events, plan=SHORT):
        program, more = programs.verify(), ["--events"] if events else []
        self.guest, self.name = guest, f"{guest.name} at port {port}"
        self.ours = guest.start([program, "--port", port, "--gid-index", 1, "--stop", *more])
        try:
            check(self.ours.wait_for_text("listening", END_SECONDS), f"{self.name} does not listen: {self.ours.stderr}")
            self.theirs = plain.start([
                program, "--connect", guest.address, "--port", port, "--gid-index", 1, "--qps", QUEUE_PAIRS,
                "--duration", max(1, int(seconds)), "--iterations", 1, "--operations", plan[0], "--sizes", plan[1],
                "--memory", 8, "--timeout", int(END_SECONDS), "--seed", seed, "--events", "--stop"])
        except BaseException:
            self.ours.close()
            raise

    def check_going(self):
        """Neither side ended in an error."""
        for side, process in (("guest", self.ours), ("plain side", self.theirs)):
            wrong = [line for line in process.stdout.splitlines() if line.startswith("FAIL")]
            check(not wrong, f"{self.name}, {side}: {wrong[:2]}")
            if process.ended and process.status != 0:
                raise Failure(f"{self.name}, {side} ended with {process.status}: "
                              f"{process.stderr[-300:]} {process.failure or ''}")

    def wait_end(self):
        """Both sides end by themselves, with nothing wrong. Returns the number of cases."""
        results = [process.wait(2 * END_SECONDS) for process in (self.theirs, self.ours)]
        self.check_going()
        return int(results[0].stdout.splitlines()[-1].split()[0])

    def wait_partners(self, *processes):
        """Those whose partner is dead end by themselves, with an error but none of wrong bytes."""
        for process in processes:
            try:
                result = process.wait(PARTNER_SECONDS)
            except GuestTimeout as problem:
                said = "; ".join(f"{each.name}: {each.stdout[-200:]} {each.stderr[-300:]}"
                                 for each in (self.ours, self.theirs))
                raise Failure(f"{self.name}: {problem}; {said}") from problem
            wrong = [line for line in result.stdout.splitlines() if line.startswith("FAIL") and "wrong" in line]
            check(not wrong, f"{self.name}: {wrong[:2]}")

    def close(self):
        """Ends both."""
        self.ours.close()
        self.theirs.close()


class Load:
    """All guests under load, and a hand that kills."""

    def __init__(self, stage, stack):
        self.stage, self.stack = stage, stack
        self.machine, self.plain = stage.machines[1], stage.machines[2]
        self.ports = itertools.count(FIRST_PORT)
        self.pairs = []
        self.cases = self.kills = 0

    def start_pair(self, guest, seconds):
        """One of eight guests polls, the others sleep."""
        seed = self.stage.random.randrange(1 << 30)
        return Pair(guest, self.plain, next(self.ports), seconds, seed, events=guest is not self.stack.guests[0],
                    plan=LONG if self.stage.options.all else SHORT)

    def kill_one(self, number, seconds_left):
        """Kills one guest's application or its driver, and starts both sides again."""
        position = self.stage.random.randrange(len(self.pairs))
        pair = self.pairs[position]
        guest = pair.guest
        pair.check_going()
        if number % 2 == 0:
            pair.ours.kill(9)
            pair.wait_partners(pair.theirs)
        else:
            guest.kill(9)
            pair.wait_partners(pair.ours, pair.theirs)
            guest.start_driver()
        pair.close()
        self.kills += 1
        self.pairs[position] = self.start_pair(guest, seconds_left)

    def run(self, seconds):
        """Returns what there was."""
        before = [resources(machine) for machine in (self.machine, self.plain)]
        warm = self.start_pair(self.stack.guests[0], 2)
        warm.wait_end()
        warm.close()
        footprint = self.stack.footprint()
        end = time.monotonic() + seconds
        try:
            self.pairs = [self.start_pair(guest, seconds) for guest in self.stack.guests]
            for number in itertools.count():
                pause = min(KILL_SECONDS, end - time.monotonic() - KILL_SECONDS)
                if pause <= 0:
                    break
                time.sleep(pause)
                self.kill_one(number, end - time.monotonic())
                for pair in self.pairs:
                    pair.check_going()
            for pair in self.pairs:
                self.cases += pair.wait_end()
        finally:
            for pair in self.pairs:
                pair.close()
        self.check_clean(before, footprint)
        return f"{self.cases} verified cases in the end, {self.kills} killed"

    def check_clean(self, before, footprint):
        """Nothing is left anywhere."""
        for machine, objects in zip((self.machine, self.plain), before):
            check_nothing_left(machine, objects, seconds=10)
        left = [guest["name"] for guest in self.stack.status()["guests"] if guest["contexts"]]
        check(not left, f"guests with contexts in the status: {left}")
        deadline = time.monotonic() + 10
        while True:
            now = self.stack.footprint()
            if all(now[key] <= footprint[key] for key in ("descriptors", "mappings")):
                break
            check(time.monotonic() < deadline, f"the endpoint holds {now}, before {footprint}")
            time.sleep(0.2)
        grown = now["resident_kib"] - footprint["resident_kib"]
        check(grown < RESIDENT_KIB_MORE, f"the endpoint's resident memory grew by {grown} KiB")
        kernel = self.machine.run("dmesg | grep -E 'BUG:|WARNING:|Call Trace|hung_task' | head -5").stdout
        check(not kernel, f"the kernel says: {kernel}")
