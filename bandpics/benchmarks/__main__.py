"""Runs `python -m bandpics.benchmarks [NAME …] [rounds]`, of these names or of all.

`pixels` measures rendering, `transforms` one transform beside libvips and sharp, and an answer that
is there already, `api` lists and announcements, `gallery` the pages of a group of very many photos,
`stats` the statistics of one, `walls` 500 walls at once, `ingest` a photo's way from the
announcement to the gallery, `archives` a ZIP of 300 photos.
"""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = ("pixels", "transforms", "api", "gallery", "stats", "walls", "ingest", "archives")


def main(*words: str) -> None:
    numbers = [int(word) for word in words if word.isdigit()]
    rounds = {"rounds": numbers[0]} if numbers else {}
    for name in [word for word in words if word in BENCHMARKS] or BENCHMARKS:
        # Imported late: each sets up Django in its own way.
        import_module(f"bandpics.benchmarks.{name}").main(**rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
