"""`python -m bandpics.benchmarks [pixels|api|ingest] [sharp] [rounds]`: what a photo costs, what a
list does, and what the whole way of a photo does. `sharp` measures that library (npm) beside ours.
"""

from __future__ import annotations

import sys

BENCHMARKS = ("pixels", "api", "ingest")


def main(*words: str) -> None:
    names = [word for word in words if word in BENCHMARKS] or BENCHMARKS
    numbers = [int(word) for word in words if word.isdigit()]
    rounds = {"rounds": numbers[0]} if numbers else {}
    for name in names:
        # Imported late: each brings settings and libraries of its own.
        if name == "pixels":
            from bandpics.benchmarks import pixels

            pixels.main(**rounds, beside_sharp="sharp" in words)
        elif name == "ingest":
            from bandpics.benchmarks import ingest

            ingest.main(**rounds)
        else:
            from bandpics.benchmarks import api

            api.main(**rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
