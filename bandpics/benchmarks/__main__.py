"""Runs `python -m bandpics.benchmarks [NAME …] [rounds]`, of these names or of all.

`pixels` measures rendering, `transforms` one transform beside libvips and sharp, and an answer that
is there already, `api` lists and announcements, `gallery` the pages of a group of very many photos,
`stats` the statistics of one, `walls` 500 walls at once, `ingest` a photo's way from the
announcement to the gallery, `archives` a ZIP of 300 photos, `memory` what all of `make run` takes.
`api profile` shows where the milliseconds of one request go. `make bench-scale` asks for two that
take longer: `scale` measures a million photos, `uploaders` 1,000 people who send at once.
"""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = (
    "pixels",
    "transforms",
    "api",
    "gallery",
    "stats",
    "walls",
    "ingest",
    "archives",
    "memory",
)
# Only by their names.
OTHERS = ("scale", "uploaders", "api_profile")


def main(*words: str) -> None:
    numbers = [int(word) for word in words if word.isdigit()]
    rounds = {"rounds": numbers[0]} if numbers else {}
    names = " ".join(words).replace("api profile", "api_profile").split()
    for name in [name for name in names if name in BENCHMARKS + OTHERS] or BENCHMARKS:
        # Imported late: each sets up Django in its own way.
        import_module(f"bandpics.benchmarks.{name}").main(**rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
