"""Test programs in C, compiled on the host when a source is newer; machines see them in the project's .build."""

import os
import pathlib
import shutil
import subprocess

from runner import Skip

HERE = pathlib.Path(__file__).resolve().parent
OUTPUT = HERE.parents[1] / ".build" / "vm-programs"
FLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]


def compile_program(name, sources):
    """The path of a program made of C files, which need libibverbs."""
    sources = sorted(sources)
    inputs = {source for each in sources for source in [each, *each.parent.glob("*.h")]}
    program = OUTPUT / name
    if program.exists() and all(program.stat().st_mtime > each.stat().st_mtime for each in inputs):
        return program
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Skip("there is no C compiler: install gcc")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    # Two scripts at once each rename a whole program into place.
    fresh = OUTPUT / f"{name}.{os.getpid()}"
    result = subprocess.run([compiler, *FLAGS, "-o", fresh, *sources, "-libverbs"], capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        fresh.unlink(missing_ok=True)
        if "infiniband/verbs.h" in result.stderr:
            raise Skip("the header infiniband/verbs.h is missing: install libibverbs-dev")
        raise RuntimeError(f"{name} does not compile: {result.stderr[-800:]}")
    fresh.rename(program)
    return program


def byhand():
    """The program that does verbs as lines on its input say."""
    return compile_program("byhand", (HERE / "byhand").glob("*.c"))


def swift_peer():
    """The plain peer of the Swift examples."""
    return compile_program("swift_peer", [HERE / "swift_peer.c"])


def verify():
    """The verification program."""
    result = subprocess.run([HERE / "verify" / "build"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"the verification program does not compile: {result.stderr[-800:]}")
    return pathlib.Path(result.stdout.strip())
