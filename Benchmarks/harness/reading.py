"""Reading figures from what programs print."""

import json
import re

from .step import StepFailed

MEBIBYTE = 1 << 20


def json_line(output: str) -> dict:
    """The last line that is a JSON object."""
    for line in reversed(output.splitlines()):
        if not line.lstrip().startswith("{"):
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            return value
    raise StepFailed("no JSON line in its output")


def at(value: dict, *path: str) -> float:
    """A number in a JSON object, by the path of its keys."""
    for key in path:
        if not isinstance(value, dict) or key not in value:
            raise StepFailed(f"no {'.'.join(path)} in its JSON line")
        value = value[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise StepFailed(f"{'.'.join(path)} is no number in its JSON line")
    return float(value)


def perftest_row(output: str) -> dict:
    """The last row of perftest's table, by column without its unit: "BW average", "MsgRate", "t_typical" and so on."""
    names: list = []
    row: dict = {}
    for line in output.splitlines():
        text = line.strip()
        if text.startswith("#bytes"):
            names = [re.sub(r"\[.*", "", name).strip() for name in re.findall(r"#\w+|[^#\[\]]+\[[^\]]*\]", text)]
        elif names and re.fullmatch(r"([\d.eE+\s-]|nan)+", text) and len(text.split()) == len(names):
            row = dict(zip(names, map(float, text.split())))
    if not row:
        raise StepFailed("no table in perftest's output")
    return row


def ucx_row(output: str) -> dict:
    """The last line of ucx_perftest's CSV (-f -v), by the names of its header."""
    names: list = []
    row: dict = {}
    for line in output.splitlines():
        fields = line.strip().split(",")
        if fields[0] == "iterations":
            names = fields
        elif names and len(fields) == len(names) and re.fullmatch(r"[\d.,]+", line.strip()):
            row = dict(zip(names, map(float, fields)))
    if not row:
        raise StepFailed("no result line in ucx_perftest's output")
    return row


def pingpong_megabytes_per_second(output: str) -> float:
    """The MB/sec column of fi_pingpong, in units of 1e6 bytes: one size divided by half a round trip."""
    rows = [line.split() for line in output.splitlines() if re.match(r"\s*\d", line)]
    if not rows or len(rows[-1]) != 8:
        raise StepFailed("no result line in fi_pingpong's output")
    return float(rows[-1][5])


def qperf_number(output: str, name: str) -> float:
    """The value of `name  =  NUMBER unit` in qperf's output with unified units."""
    match = re.search(rf"^\s*{name}\s*=\s*([\d.]+)", output, re.MULTILINE)
    if match is None:
        raise StepFailed(f"no {name} in qperf's output")
    return float(match.group(1))
