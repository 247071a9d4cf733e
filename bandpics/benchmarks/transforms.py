"""Measures the cpu time of a transform: crop, resize and grayscale of a JPEG of 12 megapixels.

The floor is the least work in C for the same result: libjpeg-turbo decodes the photo at the scale
that is needed and encodes the pixels of the result, without cropping, resizing, writing or checking
anything. libvips, by pyvips, and sharp do the same work where they are installed: pyvips for the
Python that BENCH_PYVIPS names (this one, if it is not set), sharp where NODE_PATH says. They run in
processes of their own, whose start is not counted. Last comes what an answer costs that is there
already: see transform_answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import simplejpeg
from PIL import Image

from bandpics.benchmarks import transform_answers
from bandpics.benchmarks.pixels import Case, measure
from images.photofile.transforms import render
from images.photofile.transforms.spec import Crop, Resize, Spec
from images.tests import drawn_pictures

if TYPE_CHECKING:
    from collections.abc import Callable

GREY: Final = Spec(
    crop=Crop(504, 378, 3024, 2268), resize=Resize(1000), filters=frozenset({"grayscale"})
)
SMALL: Final = Spec(crop=Crop(504, 378, 3024, 2268), resize=Resize(200))
TARGETS: Final = {"crop, resize, grayscale": 1.5}

PYVIPS: Final = """
import json, os, sys, time
import pyvips
pyvips.cache_set_max(0)  # or the second round would do nothing
path, into, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
def run():
    image = pyvips.Image.jpegload(path, shrink=2).crop(252, 189, 1512, 1134)
    image = image.resize(1000 / 1512).colourspace("b-w")
    image.jpegsave(into + "/vips.jpg", Q=85, keep="none")
times = []
for _ in range(rounds + 1):
    started = time.process_time()
    run()
    times.append((time.process_time() - started) * 1000)
print(json.dumps(times[1:]))
"""
SHARP: Final = """
const sharp = require("sharp");
const [path, into, rounds] = process.argv.slice(1);
(async () => {
  const times = [];
  for (let round = 0; round <= Number(rounds); round++) {
    const started = process.cpuUsage();
    await sharp(path).extract({left: 504, top: 378, width: 3024, height: 2268})
      .resize(1000, 750).greyscale().jpeg({quality: 85}).toFile(into + "/sharp.jpg");
    const used = process.cpuUsage(started);
    times.push((used.user + used.system) / 1000);
  }
  console.log(JSON.stringify(times.slice(1)));
})();
"""


def floor(data: bytes, scale: int, result: Path) -> Callable[[], None]:
    """Returns a function that decodes at 1/scale and encodes the pixels of a result, in C."""
    with Image.open(result) as image:
        is_grey = image.mode == "L"
        pixels = np.ascontiguousarray(image)
    if is_grey:
        pixels = pixels[:, :, None]
    colours = "GRAY" if is_grey else "RGB"
    least = -(-4032 // scale), -(-3024 // scale)

    def run() -> None:
        decoded = simplejpeg.decode_jpeg(
            data, min_width=least[0], min_height=least[1], min_factor=scale
        )
        assert decoded.shape[:2] == least[::-1]
        simplejpeg.encode_jpeg(pixels, quality=85, colorspace=colours, colorsubsampling="420")

    return run


def others(path: Path, into: Path, rounds: int) -> dict[str, float]:
    """Returns the median cpu milliseconds of pyvips and of sharp, as far as they are installed."""
    python = os.environ.get("BENCH_PYVIPS", sys.executable)
    commands = {"pyvips": [python, "-c", PYVIPS], "sharp": ["node", "-e", SHARP]}
    found = {}
    for name, command in commands.items():
        answer = subprocess.run(
            [*command, str(path), str(into), str(rounds)],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if answer.returncode == 0:
            times = sorted(json.loads(answer.stdout))
            found[name] = times[len(times) // 2]
    return found


def main(*, rounds: int = 9) -> None:
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        path = into / "original"
        picture = drawn_pictures.detailed(width=4032, height=3024, seed=1)
        data = drawn_pictures.jpeg(image=picture, quality=92)
        path.write_bytes(data)
        grey, small = (render.render(path, spec=spec, into=into) for spec in (GREY, SMALL))
        cases = [
            Case("floor, 1/2", floor(data, 2, grey.path)),
            Case("floor, 1/8", floor(data, 8, small.path)),
            Case(
                "crop, resize, grayscale",
                partial(render.render, path, spec=GREY, into=into),
                "floor, 1/2",
                TARGETS["crop, resize, grayscale"],
            ),
            Case(
                "crop, resize to 200 pixels",
                partial(render.render, path, spec=SMALL, into=into),
                "floor, 1/8",
            ),
        ]
        medians = measure(cases, rounds)
        other = others(path, into, rounds)
    print(f"{'median of ' + str(rounds):36} {'cpu ms':>8} {'ratio':>7} {'target':>7}")
    for case in cases:
        cost = medians[case.name]
        ratio = f"{cost / medians[case.yardstick]:.2f}" if case.yardstick else ""
        target = f"{case.target:.1f}" if case.target else ""
        print(f"{case.name:36} {cost:8.1f} {ratio:>7} {target:>7}")
    for name in ("pyvips", "sharp"):
        if name in other:
            ratio = f"{other[name] / medians['floor, 1/2']:.2f}"
            print(f"{'the first by ' + name:36} {other[name]:8.1f} {ratio:>7}")
        else:
            print(f"{'the first by ' + name:36} is not installed")
    transform_answers.main()
