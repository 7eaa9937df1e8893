"""What is measured in virtual machines, on soft-RoCE: who runs which program where."""

# The devices of the two programs of a pair: whether client and server run on ours or on rxe0 itself.
PLAIN = "rxe"
OURS = {"vrdma": (True, True), "vrdma_client": (True, False), "vrdma_server": (False, True)}
WHO = {PLAIN: (False, False), **OURS}

# Both programs in the first machine, or the server in the second.
PLACES = ("loop", "wire")

# name, program and arguments, what is read from its table, iterations of the first run
TESTS = [
    ("write_lat.64", ["ib_write_lat", "-s", "64"], "latency", 1_000),
    ("send_lat.64", ["ib_send_lat", "-s", "64"], "latency", 1_000),
    # The server sleeps: with two processors, one is the client's and one the endpoint's.
    ("read_lat.64", ["ib_read_lat", "-s", "64"], "latency", 1_000),
    ("atomic_lat.8", ["ib_atomic_lat"], "latency", 1_000),
    ("send_lat.64.blocking", ["ib_send_lat", "-s", "64", "-e"], "latency", 500),
    ("write.64k", ["ib_write_bw", "-N", "-s", "65536", "-t", "16"], "bytes", 200),
    ("send.64k", ["ib_send_bw", "-N", "-s", "65536", "-t", "16", "-r", "64"], "bytes", 200),
    ("read.64k", ["ib_read_bw", "-N", "-s", "65536", "-t", "16"], "bytes", 200),
    ("write.8", ["ib_write_bw", "-N", "-s", "8", "-t", "128"], "rate", 2_000),
    ("write.4k", ["ib_write_bw", "-N", "-s", "4096", "-t", "128"], "bytes", 1_000),
    ("write.1m", ["ib_write_bw", "-N", "-s", "1048576", "-t", "16"], "bytes", 50),
]
