"""Measures the cpu time and memory that rendering a photo takes.

The yardstick L is the least work in C for the same photo: libjpeg-turbo decodes it at half size
and encodes four sizes, without resizing, reading EXIF, writing or checking anything. Variants added
later are not in L, so that ratios can be compared with earlier ones. Cases run in turns, A B C A B
C, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejpeg
from PIL import Image

from images.photofile import rendering, variants
from images.photofile.metadata import exif
from images.photofile.rendering import appearance
from images.tests import drawn_exif, drawn_heic, drawn_pictures, drawn_profiles

if TYPE_CHECKING:
    from collections.abc import Callable

CAMERA: dict[str, Any] = {
    "lat": 48.2082,
    "lon": 16.3738,
    "altitude": 171.0,
    "iso": 100,
    "lens": "Lens 4.25mm",
}
FLOOR = (variants.FULLSIZE, variants.MEDIUM, variants.THUMB, variants.SMALL)


@dataclass
class Case:
    name: str
    run: Callable[[], object]
    yardstick: str | None = None  # the case it is compared with
    target: float | None = None


def render(path: Path, into: Path) -> None:
    """Does what the worker does with a photo between download and upload."""
    header = rendering.inspect(path)
    exif.read(path)
    rendered = rendering.render(path, header=header, into=into)
    files = {variant.name: variant.path for variant in rendered}
    appearance.read(files, pixels=header.width * header.height)


def yardstick(data: bytes) -> Callable[[], None]:
    """Returns a function that decodes at half size and encodes the sizes of L, in C."""
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
    largest, *smaller = FLOOR
    sizes = [largest.output_size(picture.size)]
    sizes += [spec.output_size(sizes[0]) for spec in smaller]
    pixels = [
        (np.ascontiguousarray(picture.resize(size)), spec.quality)
        for size, spec in zip(sizes, FLOOR, strict=True)
    ]

    half_width, half_height = -(-picture.width // 2), -(-picture.height // 2)

    def run() -> None:
        half = simplejpeg.decode_jpeg(
            data, min_height=half_height, min_width=half_width, min_factor=2
        )
        assert half.shape[:2] == (half_height, half_width)
        for array, quality in pixels:
            simplejpeg.encode_jpeg(array, quality=quality, colorsubsampling="420")

    return run


def measure(cases: list[Case], rounds: int) -> dict[str, float]:
    """Returns the median cpu milliseconds of each case, all threads counted."""
    times: dict[str, list[float]] = {case.name: [] for case in cases}
    for round_ in range(rounds + 1):
        for case in cases:
            started = time.process_time()
            case.run()
            if round_:  # the first warms caches
                times[case.name].append((time.process_time() - started) * 1000)
    return {name: median(values) for name, values in times.items()}


MEMORY = """
import sys
from pathlib import Path
from bandpics.benchmarks import pixels

def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

small, path, into = map(Path, sys.argv[1:])
pixels.render(small, into)
before = kilobytes("VmRSS:")
pixels.render(path, into)
print(kilobytes("VmHWM:") - before)
"""


def peak_growth(path: Path, small: Path, into: Path) -> float:
    """Returns the most MiB by which a fresh process grows after its imports."""
    command = [sys.executable, "-c", MEMORY, str(small), str(path), str(into)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(answer.stdout) / 1024


def photos() -> dict[str, bytes]:
    """Returns a photo of each format, by a name that starts with its megapixels."""
    twelve = drawn_pictures.detailed(width=4032, height=3024, seed=1)
    twenty_four = drawn_pictures.detailed(width=6000, height=4000, seed=2)
    p3 = drawn_profiles.display_p3()
    return {
        "12 MP JPEG": drawn_pictures.jpeg(image=twelve, quality=92, **CAMERA),
        "12 MP JPEG, turned": drawn_pictures.jpeg(
            image=twelve, quality=92, orientation=6, **CAMERA
        ),
        "12 MP JPEG, P3": drawn_pictures.jpeg(image=twelve, quality=92, icc=p3, **CAMERA),
        "24 MP JPEG": drawn_pictures.jpeg(image=twenty_four, quality=92, **CAMERA),
        "12 MP HEIC": drawn_pictures.heic(image=twelve, quality=60, **CAMERA),
        "12 MP HEIC, P3": drawn_pictures.heic(image=twelve, quality=60, icc=p3, **CAMERA),
        # As phones write them: by tiles, in Display P3; of few bytes: 0.4 bits a pixel.
        "12 MP HEIC, P3, tiles": drawn_heic.grid(
            twelve, edge=512, quality=45, icc=p3, exif=drawn_exif.exif_block(**CAMERA)
        ).write(),
        "12 MP PNG": drawn_pictures.png(image=twelve, **CAMERA),
        "12 MP WebP": drawn_pictures.webp(image=twelve, quality=85, **CAMERA),
        "12 MP AVIF": drawn_pictures.avif(image=twelve, quality=60, **CAMERA),
        "12 MP TIFF": drawn_pictures.tiff_file(image=twelve, **CAMERA),
    }


TARGETS = {
    "12 MP JPEG": 1.5,
    "12 MP JPEG, P3": 1.7,
    "24 MP JPEG": 1.7,
    "12 MP HEIC, P3, tiles": 6.0,
}
GROWTH_TARGETS_MIB = {"12 MP JPEG": 60, "12 MP JPEG, P3": 60, "12 MP HEIC": 100}


def main(*, rounds: int = 9) -> None:
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        files = photos()
        paths = {name: into / f"original-{index}" for index, name in enumerate(files)}
        for name, path in paths.items():
            path.write_bytes(files[name])
        small = into / "small"
        small.write_bytes(
            drawn_pictures.jpeg(width=300, height=200, icc=drawn_profiles.display_p3())
        )
        cases = [
            Case("L 12", yardstick(files["12 MP JPEG"])),
            Case("L 24", yardstick(files["24 MP JPEG"])),
            *(
                Case(
                    name,
                    partial(render, path, into),
                    "L 24" if name.startswith("24") else "L 12",
                    TARGETS.get(name),
                )
                for name, path in paths.items()
            ),
        ]
        growths = {name: peak_growth(path, small, into) for name, path in paths.items()}
        medians = measure(cases, rounds)
    print(f"{'median of ' + str(rounds):36} {'cpu ms':>8} {'ratio':>7} {'target':>7}", end="")
    print(f" {'file kB':>8} {'peak MiB':>9} {'target':>7}")
    for case in cases:
        cost = medians[case.name]
        ratio = f"{cost / medians[case.yardstick]:.2f}" if case.yardstick else ""
        target = f"{case.target:.1f}" if case.target else ""
        line = f"{case.name:36} {cost:8.1f} {ratio:>7} {target:>7}"
        if case.name in growths:
            growth_target = GROWTH_TARGETS_MIB.get(case.name, "")
            line += f" {len(files[case.name]) // 1024:>8} {growths[case.name]:9.0f}"
            line += f" {growth_target:>7}"
        print(line)
