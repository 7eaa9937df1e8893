"""How the programs under test are called: adjust here when their command lines change.

In the arguments {port} is a free TCP port, {server} the host to connect to, {iterations} the number of messages, and
{milliseconds} the length of a measurement.
"""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / ".build" / "benchmarks"
RELEASE = ROOT / ".build" / "release"

LAUNCHER = RELEASE / "vrdma"
CLIENT = RELEASE / "vrdma-bench"

# Both answer --version with a line that begins with their name; a program that does not is skipped.
VERSION_OPTION = "--version"

# The two guests. What follows runs as an application of that guest.
SERVER_PREFIX = [str(LAUNCHER), "run", "--guest", "a", "--address", "10.77.0.1", "--"]
CLIENT_PREFIX = [str(LAUNCHER), "run", "--guest", "b", "--address", "10.77.0.2", "--"]

# perftest, the same on both sides but for the server's name at the end. -F: no warning about processor frequency,
# -N: no peak figure (it reads the clock for every message).
PERFTEST_COMMON = ["-F", "-p", "{port}", "-n", "{iterations}"]

# name, program and arguments, what is read from its table, iterations of the first run
PERFTEST = [
    ("perftest.write.64", ["ib_write_bw", "-N", "-s", "64", "-t", "128"], "rate", 200_000),
    ("perftest.write.4k", ["ib_write_bw", "-N", "-s", "4096", "-t", "128"], "bytes", 100_000),
    ("perftest.write.64k", ["ib_write_bw", "-N", "-s", "65536", "-t", "16"], "bytes", 20_000),
    ("perftest.write.1m", ["ib_write_bw", "-N", "-s", "1048576", "-t", "16"], "bytes", 1_000),
    ("perftest.read.64k", ["ib_read_bw", "-N", "-s", "65536", "-t", "16"], "bytes", 20_000),
    ("perftest.send.64", ["ib_send_bw", "-N", "-s", "64", "-t", "128"], "rate", 200_000),
    ("perftest.write_lat.64", ["ib_write_lat", "-s", "64"], "latency", 5_000),
    ("perftest.send_lat.64", ["ib_send_lat", "-s", "64"], "latency", 5_000),
    ("perftest.send_lat.64.blocking", ["ib_send_lat", "-s", "64", "-e"], "latency", 2_000),
]

# The Swift client module between the same two guests. The server serves one client and ends.
CLIENT_SERVER = [str(CLIENT), "server", "--port", "{port}"]
CLIENT_CLIENT = [str(CLIENT), "client", "--connect", "{server}:{port}", "--duration-ms", "{milliseconds}", "--json"]

# name, arguments that follow, what is read from the JSON line
CLIENT_TESTS = [
    ("client.write.64", ["--test", "write", "--size", "64", "--depth", "128"], "rate"),
    ("client.write.4k", ["--test", "write", "--size", "4096", "--depth", "128"], "bytes"),
    ("client.write.64k", ["--test", "write", "--size", "65536", "--depth", "16"], "bytes"),
    ("client.write.1m", ["--test", "write", "--size", "1048576", "--depth", "16"], "bytes"),
    ("client.send.64", ["--test", "send", "--size", "64", "--depth", "128"], "rate"),
    ("client.send_lat.64", ["--test", "send-pingpong", "--size", "64", "--wait", "poll"], "latency"),
    ("client.send_lat.64.blocking", ["--test", "send-pingpong", "--size", "64", "--wait", "block"], "latency"),
]

# Measurements that set up what they need by themselves: name, arguments, then per figure the suffix of its name, the
# path to it in the JSON line, unit, and which way is better.
CLIENT_ALONE = [
    (
        "client.idle",
        ["idle", "--guests", "100", "--queue-pairs", "1000", "--duration-ms", "1000", "--json"],
        [
            (":cpu", ("endpointCPUFraction",), "%", "lower"),
            (":memory", ("endpointBytesPerQueuePair",), "B", "lower"),
        ],
    ),
    (
        "client.manyqp.0",
        ["manyqp", "--idle", "0", "--duration-ms", "{milliseconds}", "--json"],
        [("", ("messagesPerSecond",), "M/s", "higher")],
    ),
    (
        "client.manyqp.10000",
        ["manyqp", "--idle", "10000", "--duration-ms", "{milliseconds}", "--json"],
        [("", ("messagesPerSecond",), "M/s", "higher")],
    ),
    (
        "client.register.1m",
        ["register", "--size", "1048576", "--json"],
        [("", ("registerNanoseconds", "median"), "us", "lower")],
    ),
    (
        "client.connect.1000",
        ["connect", "--queue-pairs", "1000", "--json"],
        [("", ("seconds",), "s", "lower")],
    ),
]
