"""Interoperability: programs of ibverbs-utils and perftest, one side on our stack and the other on a plain device."""

import stage as stages
from runner import Cases, check

PINGPONG = ["-c -n 300", "-e -c -n 300", "-s 100000 -n 50 -c"]
PINGPONG_LONG = ["-s 1", "-m 256 -c", "-r 16 -n 2000", "-s 1000000 -n 50 -c -e", "-N -c", "-l 3"]
# (program, options of the short form, more of the long form)
PERFTEST = [
    ("ib_write_bw", ["-s 4096 -q 4 -n 200"], ["-n 300", "-a -n 20", "-b -n 200", "-I 64 -s 64", "-l 8 -s 64 -n 800"]),
    ("ib_write_lat", ["-I 64 -s 32 -n 200"], ["-n 200", "-a -n 20"]),
    ("ib_send_bw", ["-e -s 4096 -n 200"], ["-n 300", "-a -n 20", "-q 4 -s 4096 -n 200", "-b -n 200", "-I 64 -s 64",
                                           "-r 64 -t 16 -n 200"]),
    ("ib_send_lat", ["-n 100"], ["-e -n 200", "-a -n 20"]),
    ("ib_read_bw", ["-n 200"], ["-a -n 20", "-q 4 -s 4096 -n 200", "-e -n 200", "-b -n 200"]),
    ("ib_read_lat", ["-n 100"], ["-a -n 20", "-e -n 200"]),
    ("ib_atomic_bw", ["-q 4 -n 100"], ["-n 200", "-A CMP_AND_SWAP -n 200", "-e -n 200"]),
    ("ib_atomic_lat", ["-A CMP_AND_SWAP -n 100"], ["-n 200"]),
]


def last_row(result):
    """The figures that a program prints last."""
    rows = [line for line in result.stdout.splitlines() if line.strip()[:1].isdigit()]
    return " ".join(rows[-1].split()) if rows else None


def run(stage, command, plain_serves, gid_option, ipv6=False):
    """Our side is guest 1 in machine 1, the plain one machine 2. Returns what the client measured."""
    guest, plain = stage.stack(ipv6=ipv6).guests[0], stage.machines[2]
    # The plain device's IPv6 address is the third in its table; the guest's own is always the second.
    ours = (guest, [*command, gid_option, "1", "-p", str(stages.PORT)])
    theirs = (plain, [*command, gid_option, "2" if ipv6 else "1", "-p", str(stages.PORT)])
    (server, listen), (client, connect) = (theirs, ours) if plain_serves else (ours, theirs)
    with server.start(listen) as running:
        server.wait_listening(stages.PORT, running)
        answer = client.run([*connect, server.address], timeout=stages.PROGRAM_TIMEOUT_SECONDS)
        check(answer.status == 0, f"the client ended with {answer.status}: {(answer.stdout + answer.stderr)[-400:]}")
        ended = running.wait(stages.PROGRAM_TIMEOUT_SECONDS)
        check(ended.status == 0, f"the server ended with {ended.status}: {(ended.stdout + ended.stderr)[-400:]}")
    return last_row(answer)


def cases(options):
    """The list."""
    found = Cases()

    def add(title, command, gid_option, ipv6=False):
        for plain_serves, who in ((True, "client"), (False, "server")):
            found.case(f"{title}: our {who}, plain peer")(
                lambda stage, plain_serves=plain_serves: run(stage, command, plain_serves, gid_option, ipv6))
    add_all(options, add)
    return found


def add_all(options, add):
    """Every program with every choice of options."""
    for choice in PINGPONG + (PINGPONG_LONG if options.all else []):
        add(f"ibv_rc_pingpong {choice}", ["ibv_rc_pingpong", *choice.split()], "-g")
    for program, short, long in PERFTEST:
        for choice in short + (long if options.all else []):
            add(f"{program} {choice}", [program, "-F", *choice.split()], "-x")
    add("IPv6: ibv_rc_pingpong -c", ["ibv_rc_pingpong", "-c", "-n", "200"], "-g", ipv6=True)
    if options.all:
        add("IPv6: ib_write_bw", ["ib_write_bw", "-F", "-n", "300"], "-x", ipv6=True)
