"""Descriptors that are not what the ABI asks for."""

import contextlib
import fcntl
import os
import select
import socket
import tempfile

from memory import SIZE_SEALS, make_memfd

F_SEAL_FUTURE_WRITE = 0x10
SIZE = 1 << 20


def _read_only(descriptor):
    """The same memfd, opened for reading only."""
    reopened = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    os.close(descriptor)
    return reopened


def _regular_file(directory):
    descriptor, path = tempfile.mkstemp(dir=directory)
    os.unlink(path)
    os.ftruncate(descriptor, SIZE)
    return descriptor


def _pipe():
    ours, theirs = os.pipe()
    os.close(theirs)
    return ours


def _epoll():
    poller = select.epoll()
    descriptor = os.dup(poller.fileno())
    poller.close()
    return descriptor


def _socket(kind):
    left, right = socket.socketpair(socket.AF_UNIX, kind)
    right.close()
    return left.detach()


def _connected(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(str(path))
    return connection.detach()


def bad_memory(stage):
    """(name, maker) of descriptors that must not be taken for shared memory."""
    return [
        ("unsealed memfd", lambda: make_memfd("bad", SIZE, 0)),
        ("memfd sealed against growing only", lambda: make_memfd("bad", SIZE, fcntl.F_SEAL_GROW)),
        ("memfd sealed against shrinking only", lambda: make_memfd("bad", SIZE, fcntl.F_SEAL_SHRINK)),
        ("memfd sealed against writing", lambda: make_memfd("bad", SIZE, SIZE_SEALS | fcntl.F_SEAL_WRITE)),
        ("memfd sealed against new writers", lambda: make_memfd("bad", SIZE, SIZE_SEALS | F_SEAL_FUTURE_WRITE)),
        ("memfd open for reading only", lambda: _read_only(make_memfd("bad", SIZE))),
        ("empty memfd", lambda: make_memfd("bad", 0)),
        ("huge-page memfd", lambda: make_memfd("bad", 2 << 20, SIZE_SEALS, os.MFD_HUGETLB)),
    ] + bad_files(stage)


def bad_files(stage):
    """(name, maker) of descriptors that are not memfds."""
    return [
        ("regular file", lambda: _regular_file(stage.directory)),
        ("file on a tmpfs", lambda: _regular_file("/dev/shm")),
        ("/dev/zero", lambda: os.open("/dev/zero", os.O_RDWR | os.O_CLOEXEC)),
        ("directory", lambda: os.open("/", os.O_RDONLY | os.O_CLOEXEC)),
        ("path only", lambda: os.open("/", os.O_PATH | os.O_CLOEXEC)),
        ("pipe", _pipe),
        ("eventfd", lambda: os.eventfd(0)),
        ("epoll", _epoll),
        ("stream socket", lambda: _socket(socket.SOCK_STREAM)),
        ("packet socket", lambda: _socket(socket.SOCK_SEQPACKET)),
        ("connection to the endpoint", lambda: _connected(stage.endpoint.socket_path)),
        ("connection to the endpoint's admin socket", lambda: _stream_connected(stage.endpoint.admin_path)),
        ("pidfd", _pidfd),
    ]


def _stream_connected(path):
    for kind in (socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
        connection = socket.socket(socket.AF_UNIX, kind)
        try:
            connection.connect(str(path))
            return connection.detach()
        except OSError:
            connection.close()
    raise OSError(f"cannot connect to {path}")


def _pidfd():
    """A pidfd of a child that ended: readable for ever."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    descriptor = os.pidfd_open(child)
    os.waitpid(child, 0)
    return descriptor


@contextlib.contextmanager
def opened(maker):
    """A descriptor from a maker, closed afterwards."""
    descriptor = maker()
    try:
        yield descriptor
    finally:
        os.close(descriptor)
