"""Steps that measure what others offer between two processes of one machine."""

import shutil

from . import processes, reading
from .local_steps import SIZES, figure_of
from .step import Calibration, Settings, Step

POSIX = "posix,self"
CMA = "posix,sysv,cma"

# name, test of ucx_perftest, size, transports, what is read, iterations of the first run
UCX = [
    ("ucx.put.64", "ucp_put_bw", 64, POSIX, "rate", 500_000),
    ("ucx.put.4k", "ucp_put_bw", 4096, POSIX, "bytes", 200_000),
    ("ucx.put.64k", "ucp_put_bw", 65536, POSIX, "bytes", 20_000),
    ("ucx.put.1m", "ucp_put_bw", 1 << 20, POSIX, "bytes", 1_000),
    ("ucx.tag.64", "tag_bw", 64, POSIX, "rate", 200_000),
    ("ucx.tag.64k", "tag_bw", 65536, POSIX, "bytes", 10_000),
    ("ucx.tag.1m", "tag_bw", 1 << 20, POSIX, "bytes", 500),
    ("ucx.tag.1m.cma", "tag_bw", 1 << 20, CMA, "bytes", 500),
    ("ucx.put_lat.64", "ucp_put_lat", 64, POSIX, "latency", 100_000),
    ("ucx.tag_lat.64", "tag_lat", 64, POSIX, "latency", 100_000),
]

# name, size, what is read, iterations of the first run. fi_pingpong has one message under way at a time.
LIBFABRIC = [
    ("libfabric.lat.64", "64", "latency", 20_000),
    ("libfabric.64k", "64k", "bytes", 2_000),
    ("libfabric.1m", "1m", "bytes", 200),
]

# name, test of qperf, size, what is read
TCP = [
    ("tcp.lat.64", "tcp_lat", "64", "latency"),
    ("tcp.64k", "tcp_bw", "64k", "bytes"),
    ("tcp.1m", "tcp_bw", "1m", "bytes"),
]


def steps(settings: Settings) -> list:
    """All steps of this file."""
    return [
        *[_ucx(settings, *entry) for entry in UCX],
        *[_libfabric(settings, *entry) for entry in LIBFABRIC],
        *[_tcp(settings, *entry) for entry in TCP],
    ]


def missing(program: str) -> str | None:
    """Why a program of another package cannot run, or None."""
    if shutil.which(program) is None:
        return f"{program} is not installed (scripts/packages --install bench)"
    return None


def _pair(settings: Settings, server: list, client: list, port: int, **options) -> str:
    """Both kept on a processor of their own, where they are fastest; returns what the client printed."""
    return processes.run_pair(
        processes.pinned(server, settings.processors[0]), processes.pinned(client, settings.processors[1]),
        port, settings.step_timeout_seconds, **options)[1]


def _ucx(settings: Settings, name: str, test: str, size: int, transports: str, kind: str, iterations: int) -> Step:
    calibration = Calibration(iterations, minimum=200)

    def run() -> list:
        port = processes.free_port()
        count = calibration.iterations
        command = ["ucx_perftest", "-p", str(port), "-t", test, "-s", str(size), "-n", str(count),
                   "-w", str(max(100, count // 10)), "-f", "-v"]
        row = reading.ucx_row(_pair(settings, command, [*command, "127.0.0.1"], port,
                                    environment={"UCX_TLS": transports, "UCX_LOG_LEVEL": "error"}))
        rate = row["overall_mr"]
        if kind == "latency":
            # Already half a round trip; the rate counts these halves.
            calibration.learn(rate / 2, settings.seconds)
            return [row["avg_lat"] if row["50.0_percentile_lat"] == 0 else row["50.0_percentile_lat"]]
        calibration.learn(rate, settings.seconds)
        return [rate / 1e6 if kind == "rate" else rate * size / 1e9]

    return Step(name, [figure_of(name, kind)], run, missing("ucx_perftest"), calibration)


def _libfabric(settings: Settings, name: str, label: str, kind: str, iterations: int) -> Step:
    size = SIZES[label]
    calibration = Calibration(iterations, minimum=50)

    def run() -> list:
        port = processes.free_port()
        command = ["fi_pingpong", "-p", "shm", "-e", "rdm", "-S", str(size), "-I", str(calibration.iterations)]
        output = _pair(settings, [*command, "-B", str(port)], [*command, "-P", str(port), "127.0.0.1"], port)
        bytes_per_second = reading.pingpong_megabytes_per_second(output) * 1e6
        calibration.learn(bytes_per_second / size / 2, settings.seconds)
        return [size / bytes_per_second * 1e6 if kind == "latency" else bytes_per_second / 1e9]

    return Step(name, [figure_of(name, kind)], run, missing("fi_pingpong"), calibration)


def _tcp(settings: Settings, name: str, test: str, label: str, kind: str) -> Step:
    def run() -> list:
        port = processes.free_port()
        # qperf measures for whole seconds only.
        output = _pair(settings, ["qperf", "-lp", str(port)],
                       ["qperf", "127.0.0.1", "-lp", str(port), "-uu", "-e", "6", "-t", "1", "-m", str(SIZES[label]),
                        test], port, server_ends=False)
        if kind == "latency":
            return [reading.qperf_number(output, "latency") / 1e3]
        return [reading.qperf_number(output, "bw") / 1e9]

    return Step(name, [figure_of(name, kind)], run, missing("qperf"))
