"""The benchmark's parts: what is run, how a result is read from it, and what the results are compared with."""
