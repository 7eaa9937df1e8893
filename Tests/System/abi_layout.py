"""Compares the Python declarations with what a C compiler makes of the header."""

import ctypes
import pathlib
import re
import shutil
import subprocess
import tempfile

import vrdma_abi as abi
import vrdma_constants
from runner import Cases, Failure, Skip, check

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "Sources" / "CVRDMAABI" / "include"
cases = Cases()


def python_constants():
    """Name -> value of every constant of the ABI as Python has it."""
    return {name: value for name, value in vars(vrdma_constants).items() if name.isupper()}


def header_constants():
    """Names of the header's object-like macros and enumerators, without VRDMA_."""
    text = re.sub(r"/\*.*?\*/", "", (INCLUDE / "vrdma_abi.h").read_text(), flags=re.S)
    names = set(re.findall(r"^#define VRDMA_(\w+) ", text, flags=re.M))
    for body in re.findall(r"^enum \w+ \{(.*?)\}", text, flags=re.S | re.M):
        names |= set(re.findall(r"\bVRDMA_(\w+)\s*=", body))
    return {name for name in names if not name.startswith("ASSERT_")}


def header_fields():
    """(struct, field) pairs and struct names whose layout the header asserts."""
    text = (INCLUDE / "vrdma_abi.h").read_text()
    structs = set(re.findall(r"VRDMA_ASSERT_SIZE\((vrdma_\w+),", text))
    return structs, set(re.findall(r"VRDMA_ASSERT_OFFSET\((vrdma_\w+), (\w+),", text))


def declared_structs():
    """Names of all named structs that the header declares."""
    return set(re.findall(r"^struct (vrdma_\w+) \{", (INCLUDE / "vrdma_abi.h").read_text(), flags=re.M))


def probe_source():
    """A C program that prints every size, offset and constant under the names that Python knows."""
    lines = ['#include <stdio.h>', '#include "vrdma_abi.h"', "int main(void) {"]
    for name, declaration in abi.STRUCTS.items():
        lines.append(f'printf("{name} . 0 %zu\\n", sizeof(struct {name}));')
        for field, _, _ in abi.fields(declaration):
            lines.append(f'printf("{name} {field} %zu %zu\\n", offsetof(struct {name}, {field}), '
                         f'sizeof(((struct {name} *)0)->{field}));')
    for name in python_constants():
        lines.append(f'printf("constant {name} 0 %llu\\n", (unsigned long long)VRDMA_{name});')
    return "\n".join(lines + ["return 0;", "}", ""])


def run_probe():
    """(struct, field) -> (offset, size) as the C compiler has it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Skip("no C compiler")
    with tempfile.TemporaryDirectory(prefix="vrdma-abi.") as directory:
        source = pathlib.Path(directory, "probe.c")
        source.write_text(probe_source())
        program = pathlib.Path(directory, "probe")
        built = subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", str(INCLUDE), str(source),
                                "-o", str(program)], capture_output=True, text=True, check=False)
        if built.returncode:
            raise Failure(f"the probe does not compile: {built.stderr.strip()}")
        output = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in output.splitlines())
    return {(owner, field): (int(offset), int(size)) for owner, field, offset, size in rows}


@cases.case("every struct, field and constant of the header is declared in Python")
def complete(_):
    """Nothing of the header is missing."""
    structs, pairs = header_fields()
    structs |= declared_structs()
    missing = sorted(structs - set(abi.STRUCTS))
    known = {(name, field) for name, declaration in abi.STRUCTS.items() for field, _, _ in abi.fields(declaration)}
    missing += sorted(f"{owner}.{field}" for owner, field in pairs - known)
    missing += sorted(header_constants() - set(python_constants()))
    check(not missing, "not declared in Python: " + ", ".join(missing))
    extra = sorted(set(abi.STRUCTS) - structs) + sorted(set(python_constants()) - header_constants())
    check(not extra, "not in the header: " + ", ".join(extra))


@cases.case("sizes, offsets and constants agree with the C compiler's")
def agree(_):
    """Each number is the same on both sides."""
    measured = run_probe()
    wrong = []
    for name, declaration in abi.STRUCTS.items():
        expected = {(name, "."): (0, ctypes.sizeof(declaration))}
        expected.update({(name, field): (offset, size) for field, offset, size in abi.fields(declaration)})
        wrong += [f"{owner}.{field} is {measured.get((owner, field))} in C, {place} in Python"
                  for (owner, field), place in expected.items() if measured.get((owner, field)) != place]
    for name, value in python_constants().items():
        if measured.get(("constant", name)) != (0, value):
            wrong.append(f"{name} is {measured.get(('constant', name))} in C, {value} in Python")
    check(not wrong, "; ".join(wrong))
    return f"{len(measured)} numbers"
