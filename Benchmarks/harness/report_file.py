"""The file for programs: all that the table says, and every single value."""

from .floors import HOST, Expectations
from .report import figures_of
from .summary import Summary


def as_json(steps: list, outcome, about: dict, expectations: Expectations = HOST) -> dict:
    """The report as one value of JSON's types; docs/benchmarks.md describes it."""
    summary = Summary(outcome.rounds, expectations)
    figures = figures_of(steps)
    measured = {name: summary.values(name) for name in figures}
    return {
        "format": 1,
        "machine": about,
        "class": summary.usual_class,
        "rounds": [_round(one) for one in outcome.rounds],
        "figures": {
            name: {"unit": figures[name].unit, "better": figures[name].better, **spread.json()}
            for name, spread in measured.items() if spread is not None
        },
        "comparisons": [
            {"figure": name, "of": other, "ratio": spread.json()} for name, other, spread in summary.comparisons()
        ],
        "floors": [_floor(verdict) for verdict in summary.verdicts()],
        "skipped": outcome.skipped,
        "failed": outcome.failed,
    }


def _round(one) -> dict:
    return {
        "cacheLineNanoseconds": one.looks,
        "load": one.load,
        "samples": {
            name: {"value": sample.value, "class": sample.machine_class} for name, sample in one.samples.items()
        },
    }


def _floor(verdict) -> dict:
    floor = verdict.floor
    return {
        "what": floor.what,
        "figure": verdict.figure,
        "of": floor.relative_to or None,
        "atLeast" if floor.at_least else "atMost": floor.limit,
        "unit": floor.unit or "ratio",
        "measured": verdict.spread.json() if verdict.spread else None,
        "met": verdict.met,
        "by": verdict.by if verdict.spread else None,
        "reference": verdict.reference.json() if verdict.reference else None,
    }
