"""A step: one program, or one pair of programs, that yields one or more figures."""

from collections.abc import Callable
from dataclasses import dataclass, field


class StepFailed(Exception):
    """A step that should have worked and did not."""


@dataclass(frozen=True)
class Figure:
    """What a step yields. `better` is "higher" or "lower"."""

    name: str
    unit: str
    better: str


@dataclass
class Calibration:
    """How many iterations make a run of the wished length, learnt from the rate of the run before."""

    iterations: int
    minimum: int
    maximum: int = 20_000_000

    def learn(self, iterations_per_second: float, seconds: float) -> None:
        """Takes the rate of the last run; the next one takes about `seconds`."""
        wished = int(iterations_per_second * seconds)
        self.iterations = max(self.minimum, min(self.maximum, wished))


@dataclass
class Step:
    """Something to run once per round.

    Attributes:
        name: what --only selects; names with a common beginning form a group.
        figures: what it yields, in the order of `run`'s result.
        run: runs it once and returns the figures' values.
        missing: None, or the reason why it cannot run here.
        calibration: None when the program is given a duration.
        ours: whether vRDMA itself is measured.
        one_processor: whether only one processor works, so that the distance between two does not matter.
    """

    name: str
    figures: list
    run: Callable
    missing: str | None = None
    calibration: Calibration | None = None
    ours: bool = False
    one_processor: bool = False


@dataclass
class Settings:
    """What the command line decides for all steps.

    Attributes:
        wanted_class: the machine class to wait for before a measurement; empty for none.
        wait_seconds: how long to wait for it in the whole run.
        milliseconds: the wished length of one measurement.
        processors: the two that peers and the ring model are kept on.
        pin_ours: whether the applications on vRDMA share the first of them.
        environment: what our programs get beside the environment of this one.
        more_own_seconds: the processor time that processes of the measurement used which are no children.
    """

    rounds: int = 5
    wanted_class: str = ""
    wait_seconds: float = 60.0
    milliseconds: int = 200
    processors: tuple = (0, 1)
    pin_ours: bool = False
    step_timeout_seconds: float = 30.0
    environment: dict = field(default_factory=dict)
    more_own_seconds: Callable = lambda: 0.0

    @property
    def seconds(self) -> float:
        """The wished length of one measurement."""
        return self.milliseconds / 1000
