"""What is reserved and never used does not count against a picture."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from images.tests import drawn_pictures
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


@pytest.mark.long
@pytest.mark.xdist_group("chaos")
def test_a_plain_worker_takes_a_phone_s_200_megapixels_as_heic(tmp_path, monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    world = World(tmp_path, application="bandpics")
    try:
        upload = Sender(world).send("large.heic", drawn_pictures.heic_of_tiles(16320, 12240))
        world.until(lambda: world.row(upload).is_at_its_end, seconds=90)
        assert (world.row(upload).status, world.row(upload).attempt) == ("done", 1)
    finally:
        world.end()
