"""Compares the tables of docs/abi.md with the Python declarations (which abi_layout compares with C)."""

import re

import vrdma_abi as abi
from abi_layout import ROOT, python_constants
from runner import Cases, check

DOCUMENT = ROOT / "docs" / "abi.md"
cases = Cases()

_HEADING = re.compile(r"^#+ `struct (\w+)` \((\d+) bytes\)$")
_FIELD = re.compile(r"^\| `([\w.]+)` \| (\d+) \| (\d+) \|")
_CONSTANT = re.compile(r"^\| `VRDMA_(\w+)` \| (0x[0-9a-fA-F]+|\d+) \|")


def read_tables():
    """({struct: size}, {(struct, field): (offset, size)}, {constant: value}) as the document states them."""
    sizes, places, constants = {}, {}, {}
    current = None
    for line in DOCUMENT.read_text().splitlines():
        heading = _HEADING.match(line)
        if heading:
            current = heading[1]
            sizes[current] = int(heading[2])
        elif line.startswith("#"):
            current = None
        field = _FIELD.match(line)
        if field and current:
            places[current, field[1]] = int(field[2]), int(field[3])
        constant = _CONSTANT.match(line)
        if constant:
            constants[constant[1]] = int(constant[2], 0)
    return sizes, places, constants


def differences(what, stated, true):
    """Texts for all that is missing, wrong or too much."""
    found = [f"{what} {key} is missing" for key in true if key not in stated]
    found += [f"{what} {key} is {stated[key]}, should be {value}" for key, value in true.items()
              if key in stated and stated[key] != value]
    return found + [f"{what} {key} is not in the ABI" for key in stated if key not in true]


@cases.case("docs/abi.md states every size, offset and constant as it is")
def document_agrees(_):
    """The document's tables and the declarations are the same."""
    sizes, places, constants = read_tables()
    true_places = {(name, field): (offset, size) for name, declaration in abi.STRUCTS.items()
                   for field, offset, size in abi.fields(declaration)}
    wrong = differences("size of", sizes, abi.SIZES)
    wrong += differences("field", places, true_places)
    wrong += differences("constant", constants, python_constants())
    check(not wrong, f"{len(wrong)} differences: " + "; ".join(str(text) for text in wrong[:12]))
    return f"{len(places)} fields, {len(constants)} constants"
