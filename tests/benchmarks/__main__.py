"""`make bench`: every speed that the project promises, as a ratio against a floor of the same run.

Give names to run a part: `python -m tests.benchmarks ingestion`.
"""

import importlib
import sys

PARTS = ("ingestion", "request_budget", "mart_build", "nights", "decisions")

for part in sys.argv[1:] or PARTS:
    for ratio in importlib.import_module(f"tests.benchmarks.{part}").main():
        print(ratio.line(), flush=True)
