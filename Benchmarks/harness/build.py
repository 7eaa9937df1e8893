"""Compiling the C programs."""

import pathlib
import shutil
import subprocess

from .invocations import BUILT, ROOT

FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-pthread"]
SOURCES = ROOT / "Benchmarks"


class BuildFailed(Exception):
    """The compiler is missing or refused."""


def programs() -> dict:
    """The sources of each program, by its name."""
    found = {"ringmodel": sorted((SOURCES / "ringmodel").glob("*.c"))}
    for source in sorted((SOURCES / "micro").glob("*.c")):
        found[source.stem] = [source]
    return found


def build_all(progress) -> None:
    """Compiles what is not up to date. `progress` takes a line of text."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BuildFailed("no C compiler: install the packages of `scripts/packages --list bench`")
    BUILT.mkdir(parents=True, exist_ok=True)
    for name, sources in programs().items():
        target = BUILT / name
        if _up_to_date(target, sources):
            continue
        progress(f"compiling {name}")
        command = [compiler, *FLAGS, "-o", str(target), *map(str, sources)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BuildFailed(f"{name} does not compile:\n{result.stderr}")


def _up_to_date(target: pathlib.Path, sources: list) -> bool:
    if not target.exists():
        return False
    # Headers and this file, because it holds the flags, count as sources.
    inputs = [*sources, *sources[0].parent.glob("*.h"), pathlib.Path(__file__)]
    return all(source.stat().st_mtime <= target.stat().st_mtime for source in inputs)
