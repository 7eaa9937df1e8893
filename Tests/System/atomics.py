"""Atomic operations on shared memory, by way of libatomic: Python has none of its own."""

import ctypes

RELAXED, ACQUIRE, RELEASE, SEQUENTIAL = 0, 2, 3, 5

try:
    # PyDLL keeps the interpreter lock: these calls are shorter than giving it away.
    _library = ctypes.PyDLL("libatomic.so.1")
except OSError as problem:
    raise SystemExit(f"libatomic.so.1 is needed (Debian: apt install libatomic1): {problem}") from problem


def _function(name, result, *arguments):
    function = getattr(_library, name)
    function.restype = result
    function.argtypes = arguments
    return function


_u32, _u64, _int, _address = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int, ctypes.c_void_p
_load32 = _function("__atomic_load_4", _u32, _address, _int)
_store32 = _function("__atomic_store_4", None, _address, _u32, _int)
_exchange32 = _function("__atomic_exchange_4", _u32, _address, _u32, _int)
_load64 = _function("__atomic_load_8", _u64, _address, _int)
_fetch_or64 = _function("__atomic_fetch_or_8", _u64, _address, _u64, _int)
_fence = _function("atomic_thread_fence", None, _int)


def load32(address):
    """Reads with acquire."""
    return _load32(address, ACQUIRE)


def store32(address, value):
    """Writes with release."""
    _store32(address, value & 0xFFFFFFFF, RELEASE)


def exchange32(address, value):
    """Exchanges, sequentially consistent."""
    return _exchange32(address, value, SEQUENTIAL)


def load64(address):
    """Reads with acquire."""
    return _load64(address, ACQUIRE)


def fetch_or64(address, bits):
    """Sets bits, sequentially consistent, and returns what was there."""
    return _fetch_or64(address, bits, SEQUENTIAL)


def fence():
    """A full fence."""
    _fence(SEQUENTIAL)
