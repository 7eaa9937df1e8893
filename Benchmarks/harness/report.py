"""The table for people."""

from .floors import HOST, Expectations
from .summary import Spread, Summary

ROUNDS_WANTED = 5

# The part of a processor that others may use before the figures are called into question.
QUIET_LIMIT = 0.1


def figures_of(steps: list) -> dict:
    """All figures that the steps may yield, by name."""
    return {figure.name: figure for step in steps for figure in step.figures}


def as_text(steps: list, outcome, about: dict, expectations: Expectations = HOST) -> str:
    """The whole report."""
    summary = Summary(outcome.rounds, expectations)
    figures = figures_of(steps)
    parts = [
        _machine(outcome.rounds, summary, about),
        _values(figures, summary),
        _comparisons(figures, summary),
        _floors(summary, expectations),
        _left_out(outcome),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _machine(rounds: list, summary: Summary, about: dict) -> str:
    looks = [look for one in rounds for look in one.looks if look is not None]
    spread = Spread.of(looks)
    times = f"{looks[0]:.0f} ns at first, {looks[-1]:.0f} at last, " \
            f"{spread.minimum:.0f} to {spread.maximum:.0f} between" if spread else "not measured"
    total = max(1, sum(summary.classes.values()))
    shares = ", ".join(f"{name} {count / total:.0%}" for name, count in summary.classes.items())
    others = max(one.load.get("others", 0.0) for one in rounds)
    stolen = max(one.load.get("stolen", 0.0) for one in rounds)
    lines = [
        "MACHINE",
        f"  {about['processor']}, {about['processors']} processors, Linux {about['kernel']}",
        f"  cache line, one way: {times}",
        f"  class of the measurements: {shares or 'none'}; "
        f"only those of the class '{summary.usual_class}' are used below",
        f"  meanwhile, in the worst round: {others:.0%} of a processor used by others, {stolen:.0%} stolen",
    ]
    lines += [f"  {line}" for line in about.get("lines", [])]
    if len(rounds) < ROUNDS_WANTED:
        lines.append(f"  NOTE: fewer than {ROUNDS_WANTED} rounds: no figure here is a result")
    if others > QUIET_LIMIT or stolen > QUIET_LIMIT:
        lines.append("  NOTE: the machine was not quiet: no figure here is a result")
    return "\n".join(lines)


def _values(figures: dict, summary: Summary) -> str:
    lines = [f"{'FIGURE':34}{'':5}{'median':>12}{'minimum':>12}{'maximum':>12}{'rounds':>8}"]
    for name, figure in figures.items():
        spread = summary.values(name)
        if spread is not None:
            lines.append(f"{name:34}{figure.unit:5}{_number(spread.median):>12}{_number(spread.minimum):>12}"
                         f"{_number(spread.maximum):>12}{spread.count:>8}")
    return "\n".join(lines)


def _comparisons(figures: dict, summary: Summary) -> str:
    found = summary.comparisons()
    if not found:
        return ""
    lines = [f"{'RATIO':64}{'median':>9}{'minimum':>9}{'maximum':>9}{'rounds':>8}  good is"]
    for name, other, spread in found:
        lines.append(f"{name + ' / ' + other:64}{spread.median:>9.3f}{spread.minimum:>9.3f}{spread.maximum:>9.3f}"
                     f"{spread.count:>8}  {'high' if figures[name].better == 'higher' else 'low'}")
    return "\n".join(lines)


def _floors(summary: Summary, expectations: Expectations) -> str:
    brackets = any(floor.reference for floor in expectations.floors)
    lines = [f"FLOORS (the median decides{'; in brackets what the ring model reached' if brackets else ''})"]
    before = None
    for one in summary.verdicts():
        if one.floor is not before:
            before = one.floor
            word = "at least" if one.floor.at_least else "at most"
            reached = f" [{one.reference.median:.3g}]" if one.reference else ""
            limit = f"{one.floor.limit:g} {one.floor.unit}".strip()
            lines.append(f"  {one.floor.what}: {word} {limit}{reached}")
        if one.spread is None:
            lines.append(f"      {one.figure:34} not measured")
            continue
        verdict = "met" if one.met else "MISSED"
        lines.append(f"      {one.figure:34} {_number(one.spread.median)} ({_number(one.spread.minimum)} to "
                     f"{_number(one.spread.maximum)}, {one.spread.count} rounds): {verdict} by {abs(one.by):.0%}")
    return "\n".join(lines)


def _left_out(outcome) -> str:
    lines = []
    reasons: dict = {}
    for name, reason in outcome.skipped.items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        lines.append(f"  skipped: {reason}: {', '.join(names)}")
    lines += [f"  FAILED {name}: {reason}" for name, reason in outcome.failed.items()]
    return "\n".join(["LEFT OUT", *lines]) if lines else ""


def _number(value: float) -> str:
    """Three or four significant digits, without an exponent."""
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.4g}" if value >= 1 else f"{value:.3g}"
