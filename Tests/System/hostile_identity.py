"""Hostile cases: being somebody else at an endpoint whose guests are listed."""

import os

from harness import Stage
from packets import CommandFailed, PeerGone
from raw_context import RawContext
from raw_guest import RawGuest
from runner import Cases, Failure, Skip, check, check_equal

cases = Cases()
NOBODY = 65534
GUESTS = {"mine": {"address": "10.70.0.1", "user": "root"}, "theirs": {"address": "10.70.0.2", "user": "nobody"}}


def listed_stage():
    """An endpoint with two listed guests and a socket that everybody may open."""
    if os.geteuid() != 0:
        raise Skip("needs root, to be two users")
    stage = Stage(None, guests=GUESTS, endpoint={"guests": "listed", "mode": "0666"}, label="listed")
    stage.directory.chmod(0o755)
    return stage


def admitted(stage, name, address):
    """Whether a guest driver with that name and address is let in; it leaves at once."""
    try:
        guest = RawGuest(stage.endpoint.socket_path, name, address)
    except (CommandFailed, PeerGone):
        return None
    try:
        RawContext(guest.transport(), memory_bytes=65536)
        return bytes(guest.welcome.address)
    finally:
        guest.close()


def as_nobody(function):
    """Runs a function in a child with another user; its exit status."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            status = function()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@cases.case("identity: a listed guest is for its own user, at its own address")
def listed(_):
    """SO_PEERCRED decides, not the hello."""
    with listed_stage() as stage:
        check(admitted(stage, "mine", "10.70.0.1"), "the guest's own user is refused")
        check(admitted(stage, "theirs", "10.70.0.2") is None, "another user's guest was taken")
        check(admitted(stage, "unlisted", "10.70.0.3") is None, "a guest that is not listed was let in")
        foreign = admitted(stage, "mine", "10.70.0.2")
        check(foreign is None or foreign[-4:] == bytes((10, 70, 0, 1)), "a guest chose another one's address")
        check_equal(as_nobody(lambda: 1 if admitted(stage, "mine", "10.70.0.1") else 0), 0,
                    "exit status of a stranger at the guest's door")
        check_equal(as_nobody(lambda: 0 if admitted(stage, "theirs", "10.70.0.2") else 1), 0,
                    "exit status of the other user at its own door")


@cases.case("identity: sockets have the modes of the configuration")
def modes(_):
    """Neither the endpoint's nor the admin socket is open to strangers by default."""
    with Stage(None, label="modes") as stage:
        for path in (stage.endpoint.socket_path, stage.endpoint.admin_path):
            mode = path.stat().st_mode & 0o777
            if mode & 0o007:
                raise Failure(f"{path.name} has mode {mode:o}")
