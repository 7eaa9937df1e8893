"""Tests of the benchmark's own parts: `python3 -m unittest discover -s Benchmarks/tests -t Benchmarks`."""

import sys

sys.dont_write_bytecode = True
