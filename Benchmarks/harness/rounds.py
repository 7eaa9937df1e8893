"""Running the steps: interleaved, round after round, with a look at the machine between any two of them."""

import time
from dataclasses import dataclass, field

from . import machine
from .step import Settings, StepFailed


# A measurement during which the processors moved or others used them is repeated, up to this many attempts in all.
ATTEMPTS = 3


@dataclass(frozen=True)
class Sample:
    """One value, and the class that the machine was in before and after it was measured."""

    value: float
    machine_class: str


@dataclass
class Round:
    """What one round yielded: samples by the figure's name, and every look at the cache line, in nanoseconds."""

    samples: dict = field(default_factory=dict)
    looks: list = field(default_factory=list)
    load: dict = field(default_factory=dict)


@dataclass
class Outcome:
    """What the whole run yielded. Skipped and failed map a step's name to the reason."""

    rounds: list = field(default_factory=list)
    skipped: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)


# What is compared is measured close together: the machine changes within a round, too.
TOPICS = [".64", ".4k", ".64k", ".1m", "_lat", "blocking"]


def by_topic(steps: list) -> list:
    """The steps with those of one size or kind beside each other."""
    def topic(step) -> int:
        if "blocking" in step.name or step.name.startswith("futex"):
            return TOPICS.index("blocking")
        if "lat." in step.name:
            return TOPICS.index("_lat")
        return next((index for index, size in enumerate(TOPICS) if f"{step.name}.".find(f"{size}.") >= 0), len(TOPICS))

    return sorted(steps, key=topic)


class Runner:
    """Runs steps and keeps what they yield. `progress` takes a line of text."""

    def __init__(self, steps: list, settings: Settings, progress) -> None:
        self._settings = settings
        self._progress = progress
        self._active = by_topic([step for step in steps if not step.missing])
        self._failures: dict = {}
        self._patience = settings.wait_seconds
        self.outcome = Outcome(skipped={step.name: step.missing for step in steps if step.missing})
        for reason in dict.fromkeys(self.outcome.skipped.values()):
            names = [name for name, why in self.outcome.skipped.items() if why == reason]
            progress(f"skip {len(names)} of {len(steps)} steps: {reason}")

    def run(self) -> Outcome:
        """Runs all rounds. A step that fails twice is left out of the rounds that follow."""
        # Before the first round, programs that count iterations learn how many they need.
        for step in self._active:
            if step.calibration is not None:
                self._attempt(step, "calibrate")
        for number in range(1, self._settings.rounds + 1):
            # Backwards every second time, so that no step always follows the same other.
            order = self._active if number % 2 else self._active[::-1]
            self._round(f"round {number}/{self._settings.rounds}",
                        [step for step in order if self._failures.get(step.name, 0) < 2])
        return self.outcome

    def _round(self, label: str, order: list) -> None:
        current = Round()
        load = machine.ForeignLoad(self._settings.more_own_seconds)
        for index, step in enumerate(order, start=1):
            values, where = self._measure(step, f"{label} [{index}/{len(order)}]", current.looks, load)
            if values is not None:
                current.samples.update(
                    {figure.name: Sample(value, where) for figure, value in zip(step.figures, values)})
        current.load = load.result()
        self.outcome.rounds.append(current)

    def _measure(self, step, label: str, looks: list, load: machine.ForeignLoad) -> tuple:
        """The step's values and their class; again when the processors moved or others used them meanwhile."""
        for _ in range(ATTEMPTS):
            begin = time.monotonic()
            before = None if step.one_processor else self._settle(looks)
            # The endpoint that a launcher leaves running is no child, so it would count as somebody else.
            if not step.ours:
                load.begin()
            values = self._attempt(step, label)
            others = load.end()
            where = machine.EVERY
            if not step.one_processor:
                looks.append(self._look())
                where = machine.class_between(before, looks[-1])
            if others > machine.DISTURBING:
                where = machine.DISTURBED
            good = where not in (machine.MOVED, machine.DISTURBED)
            if values is None or good or not self._settings.wanted_class or self._patience <= 0:
                break
            # Repeating costs patience as waiting does, so that a busy machine does not keep the run for ever.
            self._patience -= time.monotonic() - begin
        return values, where

    def _settle(self, looks: list) -> float | None:
        """Waits for the wanted class while there is time for it; returns the last look."""
        begin = time.monotonic()
        while True:
            looks.append(self._look())
            found = machine.class_of(looks[-1])
            if not self._settings.wanted_class or found == self._settings.wanted_class or self._patience <= 0:
                return looks[-1]
            time.sleep(0.03)
            now = time.monotonic()
            self._patience -= now - begin
            begin = now

    def _look(self) -> float | None:
        return machine.cache_line_nanoseconds(self._settings.processors, self._settings.step_timeout_seconds)

    def _attempt(self, step, label: str) -> list | None:
        begin = time.monotonic()
        try:
            values = step.run()
        except StepFailed as error:
            self.outcome.failed[step.name] = str(error)
            self._failures[step.name] = self._failures.get(step.name, 0) + 1
            self._progress(f"{label} {step.name}: FAILED: {error}")
            return None
        text = ", ".join(f"{value:.4g} {figure.unit}" for value, figure in zip(values, step.figures))
        self._progress(f"{label} {step.name}: {text} ({time.monotonic() - begin:.1f} s)")
        return values
