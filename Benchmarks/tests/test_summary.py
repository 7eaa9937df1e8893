"""Medians, ratios and verdicts from rounds."""

import unittest

from harness.floors import VM
from harness.machine import DISTURBED, EVERY, MOVED
from harness.rounds import Round, Sample
from harness.summary import Summary


def one_round(machine_class: str, **values: float) -> Round:
    """A round all of whose samples are of one class; underscores stand for dots."""
    return Round(samples={name.replace("__", "."): Sample(value, machine_class) for name, value in values.items()})


class SummaryTests(unittest.TestCase):
    """The rules by which samples take part."""

    def test_spread(self) -> None:
        summary = Summary([one_round("far", x=value) for value in (3.0, 1.0, 2.0)])
        spread = summary.values("x")
        self.assertEqual((spread.median, spread.minimum, spread.maximum, spread.count), (2.0, 1.0, 3.0, 3))

    def test_only_the_usual_class_takes_part(self) -> None:
        summary = Summary([one_round("far", x=1.0), one_round("same-cache", x=5.0), one_round("same-cache", x=7.0)])
        self.assertEqual(summary.usual_class, "same-cache")
        self.assertEqual(summary.values("x").minimum, 5.0)

    def test_what_moved_is_never_usual(self) -> None:
        summary = Summary([one_round(MOVED, x=1.0), one_round(MOVED, x=2.0), one_round("far", x=3.0)])
        self.assertEqual(summary.usual_class, "far")
        self.assertEqual(summary.values("x").count, 1)

    def test_nothing_settled(self) -> None:
        summary = Summary([one_round(DISTURBED, x=1.0), one_round(DISTURBED, x=2.0), one_round(MOVED, x=3.0)])
        self.assertEqual(summary.usual_class, DISTURBED)
        self.assertEqual(summary.values("x").count, 2)

    def test_one_processor_fits_every_class(self) -> None:
        one = one_round("far", ring__write__1m=30.0)
        one.samples["memcpy.1m"] = Sample(60.0, EVERY)
        self.assertEqual(Summary([one]).ratio("ring.write.1m", "memcpy.1m").median, 0.5)

    def test_ratio_pairs_within_a_round(self) -> None:
        summary = Summary([one_round("far", a=2.0, b=1.0), one_round("far", a=9.0), one_round("far", a=8.0, b=2.0)])
        self.assertEqual(summary.ratio("a", "b").maximum, 4.0)
        self.assertEqual(summary.ratio("a", "b").count, 2)

    def test_division_by_nothing_is_left_out(self) -> None:
        self.assertIsNone(Summary([one_round("far", a=2.0, b=0.0)]).ratio("a", "b"))

    def test_verdicts(self) -> None:
        rounds = [one_round("far", client__write__64=25.0, client__send_lat__64=4.5, client__idle=0.0)]
        found = {one.figure: one for one in Summary(rounds).verdicts()}
        self.assertTrue(found["client.write.64"].met)
        self.assertAlmostEqual(found["client.write.64"].by, 0.25)
        self.assertFalse(found["client.send_lat.64"].met)
        self.assertAlmostEqual(found["client.send_lat.64"].by, -0.5)
        self.assertIsNone(found["perftest.write.64"].met)

    def test_verdicts_in_machines(self) -> None:
        one = Round(samples={name: Sample(value, "far") for name, value in {
            "rxe.loop.write_lat.64": 8.0, "vrdma.loop.write_lat.64": 16.0, "vrdma_client.loop.write_lat.64": 10.0,
            "rxe.wire.write.64k": 0.1, "vrdma.wire.write.64k": 0.095}.items()})
        found = {verdict.figure: verdict for verdict in Summary([one], VM).verdicts()}
        self.assertFalse(found["vrdma.loop.write_lat.64"].met)
        self.assertTrue(found["vrdma_client.loop.write_lat.64"].met)
        self.assertTrue(found["vrdma.wire.write.64k"].met)
        self.assertIsNone(found["vrdma_server.loop.write_lat.64"].met)


if __name__ == "__main__":
    unittest.main()
