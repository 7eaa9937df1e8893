"""The steps in virtual machines, with machines that only pretend."""

import unittest

from harness import vm_steps
from harness.floors import VM
from harness.step import Settings, StepFailed

LATENCY = """ #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]
 64      5000          7.21           9.80         8.00            8.31"""
BANDWIDTH = """ #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 65536      1000             0.00               100.00                  0.001600"""


class PretendedMachines:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.calls: list = []
        self.output = LATENCY

    def run_pair(self, place: str, ours: tuple, command: list, iterations: int) -> str:
        """As that of Machines."""
        self.calls.append((place, ours, command[0], iterations))
        return self.output


class StepTests(unittest.TestCase):
    """Names, arguments and figures."""

    def setUp(self) -> None:
        self.machines = PretendedMachines()
        self.steps = {step.name: step for step in vm_steps.steps(Settings(milliseconds=400), self.machines, None)}

    def test_latency_and_calibration(self) -> None:
        step = self.steps["vrdma_client.loop.write_lat.64"]
        self.assertEqual(step.run(), [8.0])
        self.assertEqual(self.machines.calls[0][:3], ("loop", (True, False), "ib_write_lat"))
        self.assertEqual(step.calibration.iterations, 10_000)

    def test_bandwidth(self) -> None:
        self.machines.output = BANDWIDTH
        step = self.steps["rxe.wire.write.64k"]
        self.assertAlmostEqual(step.run()[0], 0.1048576)
        self.assertEqual(self.machines.calls[0][:3], ("wire", (False, False), "ib_write_bw"))
        self.assertEqual(step.calibration.iterations, 640)

    def test_no_latency(self) -> None:
        self.machines.output = LATENCY.replace("8.00", "0.00")
        with self.assertRaises(StepFailed):
            self.steps["rxe.loop.send_lat.64"].run()

    def test_a_reason_makes_all_steps_skipped(self) -> None:
        steps = vm_steps.steps(Settings(), self.machines, "no QEMU")
        self.assertTrue(all(step.missing == "no QEMU" for step in steps))

    def test_every_expectation_has_its_steps(self) -> None:
        for floor in VM.floors:
            for name in (*floor.figures, floor.relative_to):
                self.assertIn(name, self.steps)
        for name, other in VM.comparisons:
            self.assertIn(name, self.steps)
            self.assertIn(other, self.steps)


if __name__ == "__main__":
    unittest.main()
