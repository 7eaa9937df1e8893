"""Directories of running machines: sockets, logs, and who uses them."""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import socket
import tempfile

import frames
from process import GuestError


def base_directory():
    """Where the machines of this user have their directories; short, for the sake of sockets' names."""
    base = pathlib.Path("/tmp", f"vrdma-vm-{os.getuid()}")
    base.mkdir(mode=0o700, exist_ok=True)
    if base.stat().st_uid != os.getuid() or base.stat().st_mode & 0o022:
        raise GuestError(f"{base} belongs to somebody else")
    return base


def make_directory(name):
    """A new directory for machines, and the descriptor of a lock on it, which tells it from abandoned ones."""
    base = base_directory()
    with locked(base):
        for old in base.iterdir():
            remove_abandoned(old)
        if name is None:
            directory = pathlib.Path(tempfile.mkdtemp(prefix="vm.", dir=base))
        else:
            directory = base / name
            if directory.exists():
                raise GuestError(f"machines named {name} run already: scripts/vm stop --name {name}")
            directory.mkdir(mode=0o700)
        lock = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return directory, lock


@contextlib.contextmanager
def locked(directory):
    """Keeps others of this module out."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove_abandoned(directory):
    """Removes a directory whose keeper was killed."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)


def is_running(directory):
    """Whether somebody keeps the machines of a directory."""
    try:
        ask(directory, {"do": "status"})
        return True
    except GuestError:
        return False


def running():
    """The directories of all machines of this user."""
    return [directory for directory in sorted(base_directory().iterdir()) if is_running(directory)]


def find_directory(name=None):
    """The directory of machines that run."""
    directories = running()
    if name is not None:
        directories = [directory for directory in directories if directory.name == name]
    if not directories:
        raise GuestError(f"no machines{f' named {name}' if name else ''} run: scripts/vm start")
    if len(directories) > 1:
        names = ", ".join(directory.name for directory in directories)
        raise GuestError(f"there are several; choose one with --name: {names}")
    return directories[0]


def ask(directory, request):
    """Sends the keeper a request and returns its answer; None when it ended instead."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        try:
            connection.connect(str(directory / "control"))
            connection.sendall(frames.pack(frames.REQUEST, json.dumps(request).encode()))
            parser = frames.Parser()
            while data := connection.recv(1 << 16):
                for _, _, payload in parser.feed(data):
                    return json.loads(payload)
        except OSError as problem:
            raise GuestError(f"{directory.name}: {problem.strerror or problem}") from problem
    return None
