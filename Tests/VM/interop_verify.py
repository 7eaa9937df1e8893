"""Interoperability: the verification program, which checks every byte, between our stack, plain programs, and itself."""

import programs
from runner import Cases, check

TIMEOUT_SECONDS = 1500.0
PORT = 19875
# Everything once, small; then every size.
SHORT = ["--iterations", "1", "--qps", "2"]
SIZES = ["--iterations", "1", "--qps", "1", "--operations", "write,read,send,write-imm,multi-sge", "--sizes",
         "0,1,4097,65537,1048577,8388608"]
LONG = ["--iterations", "2", "--qps", "4"]
SUCCESSES = "write,read,send-imm,mixed,faa,cas,fence,solicited,flush,recover"


def run(stage, server, client, arguments, server_gid=1, client_gid=1, port=PORT):
    """Both sides; each must find nothing wrong. Returns the closing line."""
    program = programs.verify()
    seed = ["--seed", str(stage.options.seed)]
    events = [word for word in arguments if word == "--events"]
    with server.start([program, "--port", port, "--gid-index", server_gid, *events]) as listening:
        check(listening.wait_for_text("listening"), f"the server does not listen: {listening.stderr}")
        answer = client.run([program, "--connect", server.address, "--port", port, "--gid-index", client_gid, *seed,
                             "--timeout", "30", *arguments], timeout=TIMEOUT_SECONDS)
        ended = listening.wait(30)
    wrong = [f"{name}: {line}" for name, result in (("client", answer), ("server", ended))
             for line in result.stdout.splitlines() + (result.stderr.splitlines()[-1:] if result.status else [])
             if line.startswith(("FAIL", "verify: ")) and "its reason is there" not in line]
    check(answer.status == 0 and ended.status == 0, "; ".join(wrong[:6]) or f"{answer} {ended}")
    return answer.stdout.splitlines()[-1]


def cases(options):
    """The list."""
    found = Cases()
    plans = [("every operation", SHORT + ["--sizes", "0,63,4097"]), ("sizes to 8 MiB", SIZES)]
    if options.all:
        plans += [("every operation and size", LONG),
                  ("every operation, with events", SHORT + ["--events"]),
                  ("every operation, 32 queue pairs", ["--iterations", "1", "--qps", "32", "--sizes", "0,63,4096"])]
    for title, plan in plans:
        found.case(f"verify, our client, plain server: {title}")(
            lambda stage, plan=plan: run(stage, stage.machines[2], stage.stack().guests[0], plan))
        if options.all or title == "every operation":
            found.case(f"verify, our server, plain client: {title}")(
                lambda stage, plan=plan: run(stage, stage.stack().guests[0], stage.machines[2], plan))
    plan = plans[2][1] if options.all else SHORT + ["--sizes", "4097", "--operations", SUCCESSES]
    found.case("verify, two guests of one endpoint, local path")(
        lambda stage: run(stage, *stage.stack().guests, plan))
    found.case("verify, between two endpoints of ours")(
        lambda stage: run(stage, stage.stack(2, guests=1).guests[0], stage.stack().guests[0], plan))
    if options.all:
        found.case("verify, a guest with itself through the device (local-path = no)")(
            lambda stage: run(stage, *[stage.stack(endpoint={"local-path": "no"}).guests[0]] * 2, plan))
        found.case("verify, IPv6, our client, plain server")(
            lambda stage: run(stage, stage.machines[2], stage.stack(ipv6=True).guests[0], plan, server_gid=2))
    found.case("verify, two guests of one endpoint through the device (local-path = no)")(
        lambda stage: run(stage, *stage.stack(endpoint={"local-path": "no"}).guests, plans[0][1]))
    return found
