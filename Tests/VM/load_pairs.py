"""Verification programs between our guests and plain peers, of which some are killed and started again."""

import itertools
import time

import programs
from host_stage import check_nothing_left
from runner import Failure, check
from stack import resources

QUEUE_PAIRS = 8
KILL_SECONDS = 5.0
END_SECONDS = 60.0
WAIT_SECONDS = 30.0
PARTNER_SECONDS = 90.0
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
        self.dead_since = None
        self.ours = guest.start([program, "--port", port, "--gid-index", 1, "--stop", *more])
        try:
            check(self.ours.wait_for_text("listening", END_SECONDS), f"{self.name} does not listen: {self.ours.stderr}")
            self.theirs = plain.start([
                program, "--connect", guest.address, "--port", port, "--gid-index", 1, "--qps", QUEUE_PAIRS,
                "--duration", max(1, int(seconds)), "--iterations", 1, "--operations", plan[0], "--sizes", plan[1],
                "--memory", 8, "--timeout", int(WAIT_SECONDS), "--seed", seed, "--events", "--stop"])
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

    def is_over(self):
        """Whether those whose partner is dead have ended, which they do by themselves."""
        if self.ours.ended and self.theirs.ended:
            return True
        late = self.dead_since and time.monotonic() - self.dead_since > PARTNER_SECONDS
        check(not late or self.ours.ended, f"{self.name}: our side does not end: {self.ours.stderr[-300:]}")
        check(not late, f"{self.name}: the plain side does not end: {self.theirs.stderr[-300:]}")
        return False

    def check_end(self):
        """They ended with an error, but none of wrong bytes. True when the plain side's device kept its requests, as
        soft-RoCE sometimes does when a peer vanishes: it forgets the timer of its retries."""
        for process in (self.ours, self.theirs):
            wrong = [line for line in process.stdout.splitlines() if line.startswith("FAIL") and "wrong" in line]
            check(not wrong, f"{self.name}: {wrong[:2]}")
        check("have not come" not in self.ours.stderr + self.ours.stdout,
              f"{self.name}: our side waited in vain: {self.ours.stderr[-300:]}")
        return "have not come" in self.theirs.stderr + self.theirs.stdout

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
        self.dying = []
        self.cases = self.kills = self.kept = 0

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
        else:
            guest.kill(9)
            guest.start_driver()
        pair.dead_since = time.monotonic()
        self.dying.append(pair)
        self.kills += 1
        self.bury()
        self.pairs[position] = self.start_pair(guest, seconds_left)

    def bury(self):
        """Looks at those whose partner is dead."""
        for pair in [each for each in self.dying if each.is_over()]:
            self.kept += pair.check_end()
            self.dying.remove(pair)
            pair.close()

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
            while self.dying:
                time.sleep(0.2)
                self.bury()
        finally:
            for pair in self.pairs + self.dying:
                pair.close()
        self.check_clean(before, footprint)
        check(self.kept <= max(2, self.kills // 10), f"{self.kept} peers waited in vain after {self.kills} deaths")
        return (f"{self.cases} verified cases in the end, {self.kills} killed; soft-RoCE itself kept the requests of "
                f"{self.kept} plain peers")

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
