"""The adapters to vRDMA's own programs, against programs that only pretend."""

import os
import pathlib
import stat
import tempfile
import unittest
from unittest import mock

from harness import invocations, our_steps
from harness.step import Settings, StepFailed

LAUNCHER = """#!/bin/sh
[ "$1" = --version ] && { echo "vrdma 0"; exit 0; }
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""

# Listens when it is called as a server, connects when it is called as a client; then prints what it was given.
PROGRAM = """#!/usr/bin/env python3
import os, re, socket, sys
text = " ".join(sys.argv[1:])
if text == "--version":
    print("vrdma-bench 0")
    sys.exit(0)
port = re.search(r"(?:-p |--port |127\\.0\\.0\\.1:)(\\d+)", text)
server = "server" in text or (port and "127.0.0.1" not in text)
if port and server:
    listener = socket.create_server(("127.0.0.1", int(port.group(1))))
    listener.accept()
elif port:
    socket.create_connection(("127.0.0.1", int(port.group(1))))
print(os.environ["PRETENDED_OUTPUT"])
sys.exit(int(os.environ.get("PRETENDED_STATUS", "0")))
"""

BANDWIDTH = """ #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 1048576    1000             0.00               1000.00                  0.001000"""
LATENCY = """ #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]
 64      5000          1.21           9.80         1.27            1.31"""


class OurStepsTests(unittest.TestCase):
    """Each adapter with an output that it must understand, or must refuse."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        launcher, client = self._program("vrdma", LAUNCHER), self._program("vrdma-bench", PROGRAM)
        for name in ("ib_write_bw", "ib_read_bw", "ib_send_bw", "ib_write_lat", "ib_send_lat"):
            self._program(name, PROGRAM)
        replaced = {
            "LAUNCHER": launcher,
            "CLIENT": client,
            "SERVER_PREFIX": [str(launcher), *invocations.SERVER_PREFIX[1:]],
            "CLIENT_PREFIX": [str(launcher), *invocations.CLIENT_PREFIX[1:]],
            "CLIENT_SERVER": [str(client), *invocations.CLIENT_SERVER[1:]],
            "CLIENT_CLIENT": [str(client), *invocations.CLIENT_CLIENT[1:]],
        }
        for name, value in replaced.items():
            patch = mock.patch.object(invocations, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch.dict(os.environ, {"PATH": f"{self.directory}:{os.environ['PATH']}"})
        patch.start()
        self.addCleanup(patch.stop)
        self.settings = Settings(step_timeout_seconds=10)
        self.steps = {step.name: step for step in our_steps.steps(self.settings)}

    def _program(self, name: str, text: str) -> pathlib.Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def _run(self, name: str, output: str, status: int = 0) -> list:
        self.settings.environment = {"PRETENDED_OUTPUT": output, "PRETENDED_STATUS": str(status)}
        return self.steps[name].run()

    def test_nothing_is_missing(self) -> None:
        self.assertEqual([step.missing for step in self.steps.values() if step.missing], [])

    def test_perftest_bandwidth_and_calibration(self) -> None:
        self.assertEqual(self._run("perftest.write.1m", BANDWIDTH), [1000 * 1048576 / 1e9])
        self.assertEqual(self.steps["perftest.write.1m"].calibration.iterations, 500)

    def test_perftest_rate(self) -> None:
        self.assertEqual(self._run("perftest.write.64", BANDWIDTH), [0.001])

    def test_perftest_latency(self) -> None:
        self.assertEqual(self._run("perftest.send_lat.64", LATENCY), [1.27])

    def test_client(self) -> None:
        self.assertEqual(self._run("client.write.64", '{"messagesPerSecond":2.5e7}'), [25.0])
        self.assertEqual(self._run("client.write.1m", '{"bytesPerSecond":5e10}'), [50.0])
        self.assertEqual(self._run("client.send_lat.64", '{"halfRoundTripNanoseconds":{"median":1250}}'), [1.25])

    def test_alone(self) -> None:
        output = '{"endpointCPUFraction":0.004,"endpointBytesPerQueuePair":6000}'
        self.assertEqual(self._run("client.idle", output), [0.4, 6000])
        self.assertEqual(self._run("client.connect.1000", '{"seconds":0.7}'), [0.7])
        self.assertEqual(self._run("client.register.1m", '{"registerNanoseconds":{"median":50000}}'), [50.0])

    def test_a_status_is_a_failure_with_the_last_line(self) -> None:
        with self.assertRaisesRegex(StepFailed, "status 3: no such device"):
            self._run("client.connect.1000", "no such device", status=3)

    def test_a_placeholder_is_missing(self) -> None:
        self._program("vrdma-bench", "#!/bin/sh\necho not built yet\n")
        steps = {step.name: step for step in our_steps.steps(self.settings)}
        self.assertIn("does not answer --version", steps["client.idle"].missing)
        self.assertIsNone(steps["perftest.write.64"].missing)


if __name__ == "__main__":
    unittest.main()
