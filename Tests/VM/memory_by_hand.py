"""In a machine: registers memory that is not the guest's own, by the ABI. Prints [[what, errno or null], …] as JSON.

Arguments: the socket of a guest driver, and that of another guest's.
"""

import fcntl
import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "System"))

import vrdma_abi as abi  # noqa: E402
from memory import make_memfd  # noqa: E402
from packets import CommandFailed  # noqa: E402
from raw_application import RawApplication  # noqa: E402
from raw_context import RawContext  # noqa: E402

PAGE = 4096
F_SEAL_FUTURE_WRITE = 0x10
results = []


def attempt(what, function):
    """Does something that may be refused."""
    try:
        function()
        results.append([what, None])
    except CommandFailed as problem:
        results.append([what, problem.status])


def try_registrations(context, foreign):
    """Extents that are not what they should be."""
    pd = context.alloc_pd()
    buffer = context.make_buffer(pd, 4 * PAGE)
    own, start, size = buffer.region, 0x7000_0000_0000, 4 * PAGE
    cases = {
        "a region that does not exist": [(0x7FFF_FFF0, 0, size)],
        "the number of another guest's region": [(foreign + 1000, 0, size)],
        "past the region's end": [(own, PAGE, size)],
        "an offset far beyond": [(own, 1 << 62, size)],
        "an offset and a length that overflow": [(own, 0xFFFF_FFFF_FFFF_F000, size)],
        "extents that are fewer bytes than the memory": [(own, 0, PAGE)],
        "extents that are more bytes than the memory": [(own, 0, size), (own, 0, PAGE)],
    }
    for what, extents in cases.items():
        attempt(what, lambda extents=extents: context.reg_mr(pd, start, size, extents))
    attempt("another guest's protection domain", lambda: context.reg_mr(0x7FFF_FFF0, start, size, [(own, 0, size)]))
    attempt("an address at the end of the space",
            lambda: context.reg_mr(pd, 0xFFFF_FFFF_FFFF_F000, size, [(own, 0, size)]))
    attempt("remote write without local write", lambda: context.reg_mr(pd, start, size, [(own, 0, size)], 2))
    attempt("a key of another guest, to deregister", lambda: context.handle_call(abi.OP_DEREG_MR, 0x7FFF_FF00))


def try_files(context):
    """Files that are not sealed memory of the application."""
    pd = context.alloc_pd()

    def attach_and_register(descriptor, size):
        region = context.attach_region(descriptor)
        context.reg_mr(pd, 0x7100_0000_0000, size, [(region, 0, size)])

    files = {
        "memory without seals": make_memfd("bare", PAGE, seals=0),
        "memory of no bytes": make_memfd("empty", 0),
        "an ordinary file": os.open("/tmp/ordinary", os.O_RDWR | os.O_CREAT, 0o600),
        "a directory": os.open("/tmp", os.O_RDONLY),
        "a device": os.open("/dev/zero", os.O_RDWR),
        "a pipe": os.pipe()[0],
        "the device's own file": os.open("/dev/infiniband/uverbs0", os.O_RDWR),
    }
    writable = make_memfd("source", PAGE)
    files["memory opened for reading"] = os.open(f"/proc/self/fd/{writable}", os.O_RDONLY)
    sealed = make_memfd("sealed", PAGE)
    fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, F_SEAL_FUTURE_WRITE)
    files["memory that may not be written"] = sealed
    for what, descriptor in files.items():
        attempt(what, lambda descriptor=descriptor: attach_and_register(descriptor, PAGE))


def main():
    """Entry point."""
    context = RawContext(RawApplication(sys.argv[1]))
    other = RawContext(RawApplication(sys.argv[2]))
    foreign = other.make_buffer(other.alloc_pd(), PAGE)
    try_registrations(context, foreign.region)
    try_files(context)
    # After all that, good memory is registered as ever.
    context.make_buffer(context.alloc_pd(), 16 * PAGE)
    other.make_buffer(other.alloc_pd(), 16 * PAGE)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
