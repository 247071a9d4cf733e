"""What rendering a photo costs in cpu time and memory.

The yardstick L is the floor in C for the same photo: libjpeg-turbo, called directly, decodes it at
half size and encodes four sizes, without resizing, reading EXIF, writing or proving anything. Sizes
added later count for us alone, so that ratios can be compared with former ones.
Cases run in turns, A B C A B C, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cykooz_resizer
import numpy as np
import simplejpeg
from PIL import Image

from bandpics.benchmarks import sharp
from images.photofile import rendering, variants
from images.photofile.metadata import exif
from images.tests import drawn_pictures, drawn_profiles

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
    run: Callable[[], float | None]  # may tell the cpu milliseconds it took elsewhere
    yardstick: str | None = None  # the case it is held against
    target: float | None = None


def render(path: Path, into: Path) -> None:
    """All that the worker does with a photo between download and upload."""
    header = rendering.inspect(path)
    exif.read(path)
    rendering.render(path, header=header, into=into)


def yardstick(data: bytes) -> Callable[[], None]:
    """Decode at half size and encode the sizes of the floor, in C."""
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
    largest, *smaller = FLOOR
    sizes = [rendering.target_size(picture.size, largest)]
    sizes += [rendering.target_size(sizes[0], spec) for spec in smaller]
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


def shrinking(width: int, height: int) -> list[Case]:
    """2016 to 800 pixels: the second library must earn its place."""
    source = drawn_pictures.detailed(width=width, height=height)
    size = rendering.target_size(source.size, variants.MEDIUM)
    lanczos = cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)

    def pillow(gap: float | None) -> None:
        source.resize(size, Image.Resampling.LANCZOS, reducing_gap=gap)

    def cykooz() -> None:
        small = Image.new("RGB", size)
        options = cykooz_resizer.ResizeOptions(lanczos)
        cykooz_resizer.Resizer().resize_pil(source, small, options)

    base = "shrink 2016 to 800, Pillow Lanczos"
    return [
        Case(base, lambda: pillow(None)),
        Case("   … with reducing_gap=1", lambda: pillow(1), base),
        Case("   … with cykooz.resizer", cykooz, base),
    ]


def measure(cases: list[Case], rounds: int) -> dict[str, float]:
    """The median cpu milliseconds of each case, all threads counted."""
    times: dict[str, list[float]] = {case.name: [] for case in cases}
    for round_ in range(rounds + 1):
        for case in cases:
            started = time.process_time()
            elsewhere = case.run()
            if round_:  # the first warms caches
                here = (time.process_time() - started) * 1000
                times[case.name].append(here if elsewhere is None else elsewhere)
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
    """MiB by which the memory of a fresh process grows at most, once everything is imported."""
    command = [sys.executable, "-c", MEMORY, str(small), str(path), str(into)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(answer.stdout) / 1024


def photos() -> dict[str, bytes]:
    """Of each format, by a name that begins with its megapixels."""
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
        "12 MP PNG": drawn_pictures.png(image=twelve, **CAMERA),
        "12 MP WebP": drawn_pictures.webp(image=twelve, quality=85, **CAMERA),
        "12 MP AVIF": drawn_pictures.avif(image=twelve, quality=60, **CAMERA),
        "12 MP TIFF": drawn_pictures.tiff_file(image=twelve, **CAMERA),
    }


TARGETS = {"12 MP JPEG": 1.5, "12 MP JPEG, P3": 2.2, "24 MP JPEG": 1.7}
GROWTH_TARGETS_MIB = {"12 MP JPEG": 60, "12 MP JPEG, P3": 60, "12 MP HEIC": 170}


def main(*, rounds: int = 9, beside_sharp: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        into = Path(folder)
        files = photos()
        paths = {}
        for index, (name, data) in enumerate(files.items()):
            paths[name] = into / f"original-{index}"
            paths[name].write_bytes(data)
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
                    lambda path=path: render(path, into),  # type: ignore[misc]
                    yardstick_of(name),
                    TARGETS.get(name),
                )
                for name, path in paths.items()
            ),
            *shrinking(2016, 1512),
        ]
        growths = {name: peak_growth(path, small, into) for name, path in paths.items()}
        remarks = ["sharp is not measured: make bench ARGS='pixels sharp' gets it by npm."]
        if beside_sharp:
            try:
                installed = sharp.install(into / "sharp")
                remarks = []
                for name, path in paths.items():
                    growth = sharp_case(stack, installed, path, small, into)
                    if isinstance(growth, str):
                        remarks.append(f"sharp, {name}: {growth}")
                        continue
                    case, growths[f"   … by sharp, {name}"] = growth
                    cases.append(Case(f"   … by sharp, {name}", case, yardstick_of(name)))
            except sharp.NotInstalled as error:
                remarks = [f"sharp is not measured: {error}"]
        medians = measure(cases, rounds)
        print(f"{'median of ' + str(rounds):36} {'cpu ms':>8} {'ratio':>7} {'target':>7}", end="")
        print(f" {'file kB':>8} {'peak MiB':>9} {'target':>7}")
        for case_ in cases:
            ratio = (
                f"{medians[case_.name] / medians[case_.yardstick]:.2f}" if case_.yardstick else ""
            )
            target = f"{case_.target:.1f}" if case_.target else ""
            line = f"{case_.name:36} {medians[case_.name]:8.1f} {ratio:>7} {target:>7}"
            if case_.name in growths:
                size = f"{len(files[case_.name]) // 1024}" if case_.name in files else ""
                line += f" {size:>8} {growths[case_.name]:9.0f}"
                line += f" {GROWTH_TARGETS_MIB.get(case_.name, ''):>7}"
            print(line)
        for remark in remarks:
            print(remark)


def yardstick_of(name: str) -> str:
    return "L 24" if name.startswith("24") else "L 12"


def sharp_case(
    stack: contextlib.ExitStack, installed: Path, path: Path, small: Path, into: Path
) -> tuple[Callable[[], float], float] | str:
    """How to run it, and the MiB it grows by; or what sharp says where it cannot."""
    process = stack.enter_context(sharp.Sharp(installed, into))
    process.render(small)
    answer = process.render(path)
    if "error" in answer:
        return str(answer["error"])
    return lambda: float(process.render(path)["ms"]), float(answer["grown"])
