"""What is reserved and never used does not count against a picture; what pixels leave free is kept
for the next one, and given back once none comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from images.tests import drawn_heic, drawn_pictures
from images.tests.chaos import Sender, World

# Sixteen threads that each hold a little, as those of a decoder do.
THREADS = """
import threading
from images.photofile.rendering import memory

held, done = threading.Barrier(17), threading.Event()

def hold():
    little = bytearray(1000)
    held.wait()
    done.wait()

with memory.bounded(2 << 30):
    before = memory._size_of_process()
    threading.stack_size(256 * 1024)
    for _ in range(16):
        threading.Thread(target=hold, daemon=True).start()
    held.wait()
    print((memory._size_of_process() - before) >> 20)
    done.set()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux")
def test_threads_reserve_no_memory_of_their_own_whoever_starts_the_program():
    environment = {name: text for name, text in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    command = [sys.executable, "-c", THREADS]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert int(answer.stdout) < 200


PHOTOS = """
import json, resource, sys, time
from pathlib import Path
from images.photofile import rendering
from images.photofile.rendering import memory

photo, into = map(Path, sys.argv[1:])

def render():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    rendering.render(photo, header=rendering.inspect(photo), into=into)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def megabytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 10**6

faults = [render() for _ in range(4)]
kept = least = megabytes()
end = time.monotonic() + memory.IDLE_SECONDS + 20
while least > kept - 12 and time.monotonic() < end:
    time.sleep(0.1)
    least = min(least, megabytes())
print(json.dumps({"faults": faults[-1], "given back": kept - least, "again": render()}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is told what to keep on Linux")
def test_photos_in_a_row_use_the_same_memory_which_an_idle_worker_gives_back(tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(drawn_pictures.jpeg(width=4032, height=3024))
    command = [sys.executable, "-c", PHOTOS, str(photo), str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(answer.stdout)
    # Half of the edges: 3 million pixels, 12 MB, 3000 pages.
    assert said["faults"] < 500
    assert said["given back"] > 12
    assert said["again"] > 2500


@pytest.mark.long
@pytest.mark.xdist_group("chaos")
def test_a_plain_worker_takes_a_phone_s_200_megapixels_as_heic(tmp_path, monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    world = World(tmp_path, application="bandpics")
    try:
        upload = Sender(world).send("large.heic", drawn_heic.of_equal_tiles(16320, 12240))
        world.until(lambda: world.row(upload).is_at_its_end, seconds=90)
        assert (world.row(upload).status, world.row(upload).attempt) == ("done", 1)
    finally:
        world.end()
