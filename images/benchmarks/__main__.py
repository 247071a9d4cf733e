"""`python -m images.benchmarks [rounds]`: what a photo costs."""

from __future__ import annotations

import sys

from images.benchmarks import pixels

if __name__ == "__main__":
    pixels.main(rounds=int(sys.argv[1]) if len(sys.argv) > 1 else 9)
