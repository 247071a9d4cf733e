"""`python -m images.benchmarks [pixels|api] [sharp] [rounds]`: what a photo costs, and a list.

`sharp` measures that library (npm) beside ours.
"""

from __future__ import annotations

import sys

BENCHMARKS = ("pixels", "api")


def main(*words: str) -> None:
    names = [word for word in words if word in BENCHMARKS] or BENCHMARKS
    numbers = [int(word) for word in words if word.isdigit()]
    rounds = {"rounds": numbers[0]} if numbers else {}
    for name in names:
        # Imported late: each brings settings and libraries of its own.
        if name == "pixels":
            from images.benchmarks import pixels

            pixels.main(**rounds, beside_sharp="sharp" in words)
        else:
            from images.benchmarks import api

            api.main(**rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
