"""From rounds to medians, ratios and verdicts. Only samples of the class that the machine was mostly in take part."""

import statistics
from collections import Counter
from dataclasses import dataclass

from .floors import HOST, Expectations
from .machine import DISTURBED, EVERY, MOVED


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum over the rounds."""

    median: float
    minimum: float
    maximum: float
    count: int

    @staticmethod
    def of(values: list) -> "Spread | None":
        """The spread of the values, or None when there are none."""
        if not values:
            return None
        return Spread(statistics.median(values), min(values), max(values), len(values))

    def json(self) -> dict:
        """For the JSON file."""
        return {"median": self.median, "minimum": self.minimum, "maximum": self.maximum, "rounds": self.count}


@dataclass(frozen=True)
class Verdict:
    """One floor held against one figure. `by` is the distance to the limit as a fraction of it, good when positive."""

    floor: object
    figure: str
    spread: Spread | None
    met: bool | None
    by: float
    reference: Spread | None


class Summary:
    """What the rounds say together."""

    def __init__(self, rounds: list, expectations: Expectations = HOST) -> None:
        self._expectations = expectations
        classes = Counter(sample.machine_class for one in rounds for sample in one.samples.values())
        del classes[EVERY]
        self.classes = dict(classes.most_common())
        settled = {name: count for name, count in self.classes.items() if name not in (MOVED, DISTURBED)}
        # Where nothing settled, the figures of what was there are shown; the report says that they are no result.
        self.usual_class = next(iter(settled or self.classes), MOVED)
        used = (self.usual_class, EVERY)
        self._rounds = [
            {name: sample.value for name, sample in one.samples.items() if sample.machine_class in used}
            for one in rounds
        ]

    def values(self, name: str) -> Spread | None:
        """The spread of one figure."""
        return Spread.of([values[name] for values in self._rounds if name in values])

    def ratio(self, name: str, relative_to: str) -> Spread | None:
        """The spread of the quotient of two figures of the same round."""
        return Spread.of([
            values[name] / values[relative_to]
            for values in self._rounds if name in values and values.get(relative_to, 0) > 0
        ])

    def comparisons(self) -> list:
        """Every comparison of which both sides were measured: name, other, spread of the ratio."""
        found = [(name, other, self.ratio(name, other)) for name, other in self._expectations.comparisons]
        return [(name, other, spread) for name, other, spread in found if spread is not None]

    def verdicts(self) -> list:
        """Every floor against every figure that it applies to, measured or not."""
        found = []
        for floor in self._expectations.floors:
            reference = self._held(floor, floor.reference) if floor.reference else None
            for figure in floor.figures:
                spread = self._held(floor, figure)
                if spread is None:
                    found.append(Verdict(floor, figure, None, None, 0.0, reference))
                    continue
                by = (spread.median / floor.limit - 1) * (1 if floor.at_least else -1)
                found.append(Verdict(floor, figure, spread, by >= 0, by, reference))
        return found

    def _held(self, floor, figure: str) -> Spread | None:
        return self.ratio(figure, floor.relative_to) if floor.relative_to else self.values(figure)
