"""What programs print, and what is read from it."""

import unittest

from harness import reading
from harness.step import StepFailed

PERFTEST_BANDWIDTH = """
 Dual-port       : OFF          Device         : vrdma0
---------------------------------------------------------------------------------------
 #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 65536      20000            0.00               5893.93\t\t   0.094303
---------------------------------------------------------------------------------------
"""

PERFTEST_LATENCY = """
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec] 
 64      5000          1.21           9.80         1.27     \t       1.31        \t0.10\t\t1.60\t\t\t5.00   
"""

UCX = """iterations,50.0_percentile_lat,avg_lat,overall_lat,avg_bw,overall_bw,avg_mr,overall_mr
500000,0.030,0.047,0.047,1300.00,1300.00,21300000,21300000
1000000,0.030,0.048,0.048,1274.65,1274.65,20883808,20883808
"""

PINGPONG = """bytes   #sent   #ack     total       time     MB/sec    usec/xfer   Mxfers/sec
64      100k    =100k    12m         0.05s    255.96       0.25       4.00
"""

QPERF = """tcp_bw:
    bw  =  2351431680 bytes/sec
tcp_lat:
    latency  =  9389 ns
"""


class ReadingTests(unittest.TestCase):
    """One table or line per test."""

    def test_perftest_bandwidth(self) -> None:
        row = reading.perftest_row(PERFTEST_BANDWIDTH)
        self.assertEqual(row["#bytes"], 65536)
        self.assertEqual(row["BW average"], 5893.93)
        self.assertEqual(row["MsgRate"], 0.094303)

    def test_perftest_latency(self) -> None:
        row = reading.perftest_row(PERFTEST_LATENCY)
        self.assertEqual(row["t_typical"], 1.27)
        self.assertEqual(row["99.9% percentile"], 5.0)

    def test_perftest_without_a_percentile(self) -> None:
        row = reading.perftest_row(PERFTEST_LATENCY.replace("0.10", "-nan"))
        self.assertEqual(row["t_typical"], 1.27)

    def test_perftest_without_a_table_fails(self) -> None:
        with self.assertRaises(StepFailed):
            reading.perftest_row("Unable to find the Infiniband/RoCE device\n")

    def test_ucx_takes_the_last_line(self) -> None:
        self.assertEqual(reading.ucx_row(UCX)["overall_mr"], 20883808)

    def test_ucx_without_a_result_fails(self) -> None:
        with self.assertRaises(StepFailed):
            reading.ucx_row("Waiting for connection...\n")

    def test_fi_pingpong(self) -> None:
        self.assertEqual(reading.pingpong_megabytes_per_second(PINGPONG), 255.96)

    def test_qperf(self) -> None:
        self.assertEqual(reading.qperf_number(QPERF, "bw"), 2351431680)
        self.assertEqual(reading.qperf_number(QPERF, "latency"), 9389)

    def test_json_line_is_the_last_object(self) -> None:
        self.assertEqual(reading.json_line('note\n{"a":1}\n{"a":2}\n{broken\nend\n'), {"a": 2})

    def test_json_path(self) -> None:
        self.assertEqual(reading.at({"a": {"median": 3}}, "a", "median"), 3.0)
        for value in ({}, {"a": None}, {"a": "3"}, {"a": True}, {"a": {"median": 3}}):
            with self.subTest(value=value), self.assertRaises(StepFailed):
                reading.at(value, "a")


if __name__ == "__main__":
    unittest.main()
