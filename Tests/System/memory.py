"""Shared memory as the ABI wants it: sealed memfds, and views of them."""

import ctypes
import fcntl
import mmap
import os

SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


def page_rounded(size_bytes):
    """`size_bytes` rounded up to whole pages."""
    return (size_bytes + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE


def make_memfd(name, size_bytes, seals=SIZE_SEALS, flags=0):
    """A memfd of that size, sealed as told (0: sealable but not sealed)."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | flags)
    try:
        os.ftruncate(descriptor, size_bytes)
        if seals:
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Memory:
    """A mapped, sealed memfd with a bump allocator.

    The mapping lives as long as a view of it does; `close` gives up the
    descriptor and this object's own reference.
    """

    def __init__(self, name, size_bytes, descriptor=None):
        self.size_bytes = page_rounded(size_bytes)
        self.descriptor = make_memfd(name, self.size_bytes) if descriptor is None else descriptor
        self.map = mmap.mmap(self.descriptor, self.size_bytes)
        self._anchor = ctypes.c_char.from_buffer(self.map)
        self.base = ctypes.addressof(self._anchor)
        self._next_offset = 0

    def view(self, declaration, offset=0):
        """A structure of that type in the memory."""
        return declaration.from_buffer(self.map, offset)

    def address(self, offset):
        """Where `offset` stands in this process."""
        if not 0 <= offset < self.size_bytes:
            raise IndexError(f"offset {offset} of {self.size_bytes}")
        return self.base + offset

    def allocate(self, size_bytes, alignment=64):
        """Takes that many bytes and returns their offset."""
        offset = (self._next_offset + alignment - 1) // alignment * alignment
        if offset + size_bytes > self.size_bytes:
            raise MemoryError(f"{size_bytes} bytes at {offset} of {self.size_bytes}")
        self._next_offset = offset + size_bytes
        return offset

    def mark(self):
        """The allocator's state, for `release`."""
        return self._next_offset

    def release(self, mark):
        """Gives back all that was allocated since `mark`."""
        self._next_offset = mark

    def read(self, offset, length):
        """A copy of bytes."""
        return self.map[offset:offset + length]

    def write(self, offset, data):
        """Stores bytes."""
        self.map[offset:offset + len(data)] = data

    def close(self):
        """Closes the descriptor; the mapping goes with its last view."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
