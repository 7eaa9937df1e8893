"""Interoperability: the Swift examples against a plain program."""

import programs
from daemons import find_binary
from runner import Cases, Skip, check
from stack import BINARIES

TIMEOUT_SECONDS = 600.0
PORT = 19900


def run(stage, example):
    """The Swift client in our guest, its plain server in machine 2."""
    if find_binary(f"vrdma-example-{example}") is None:
        raise Skip(f"vrdma-example-{example} is not built: scripts/build")
    guest, plain = stage.stack().guests[0], stage.machines[2]
    with plain.start([programs.swift_peer(), example, PORT, 1]) as server:
        plain.wait_listening(PORT, server)
        answer = guest.run([f"{BINARIES}/vrdma-example-{example}", "client", f"{plain.address}:{PORT}"],
                           timeout=TIMEOUT_SECONDS)
        check(answer.status == 0, f"the client ended with {answer.status}: {(answer.stdout + answer.stderr)[-300:]}"
                                  f"; server: {server.stderr[-300:]}")
        ended = server.wait(30)
        check(ended.status == 0, f"the server ended with {ended.status}: {ended.stderr[-300:]}")
    return "; ".join(answer.stdout.splitlines()[1:])


def cases(options):
    """The list."""
    found = Cases()
    found.case("Swift client of vrdma-example-send-receive, plain server")(lambda stage: run(stage, "send-receive"))
    if options.all:
        found.case("Swift client of vrdma-example-write-read, plain server")(lambda stage: run(stage, "write-read"))
    return found
