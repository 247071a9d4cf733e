"""Measures how long a ZIP of 300 photos takes, against copying them within the same store.

The copies go through this process as the ZIP does, and read by the same function: one GET and one
PUT of each photo. The target is a multiple of what they take one after the other, each begun when
the one before it has ended; four at once are measured beside it. All take turns, so that a busy
machine slows them alike.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bandpics.benchmarks import stack
from bandpics.testing.streaming_store import streaming_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PHOTOS, PHOTO_BYTES, ROUNDS = 300, 4_000_000, 3
AT_ONCE = 4
RATIO_TARGET = 1.5


def main(*, rounds: int = ROUNDS) -> None:
    with stack.stores(), _store():
        group, keys = _photos()
        one_by_one, at_once, archive = [], [], []
        for _ in range(rounds):
            one_by_one.append(_seconds(lambda: _copy(keys, threads=1)))
            at_once.append(_seconds(lambda: _copy(keys, threads=AT_ONCE)))
            archive.append(_seconds(lambda: _build(group)))
    megabytes = PHOTOS * PHOTO_BYTES / 1e6
    print(f"{PHOTOS} photos of {PHOTO_BYTES / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f}")
    print(f"{'median':>44} {'target':>8}")
    _print("copied one by one, MB/s", megabytes / median(one_by_one))
    _print(f"copied {AT_ONCE} at once, MB/s", megabytes / median(at_once))
    _print("as a ZIP, MB/s", megabytes / median(archive))
    _print("   … time, of that one by one", _ratio(archive, one_by_one), f"≤ {RATIO_TARGET}")
    _print(f"   … time, of that {AT_ONCE} at once", _ratio(archive, at_once), f"≤ {RATIO_TARGET}")


@contextmanager
def _store() -> Iterator[None]:
    """Replaces the store by one that writes parts as they come, as S3 does."""
    with (
        tempfile.TemporaryDirectory(prefix="bandpics-bench-") as folder,
        streaming_store(
            Path(folder),
            bucket=os.environ["S3_BUCKET"],
            access_key=os.environ["S3_ACCESS_KEY"],
            secret_key=os.environ["S3_SECRET_KEY"],
        ) as url,
    ):
        os.environ["S3_ENDPOINT_URL"] = url
        yield


def _photos() -> tuple[Any, list[str]]:
    import django

    django.setup()
    from django.core.management import call_command

    from groups.models import Group, Team
    from images.models import Image
    from images.storage.objects import photo_storage

    call_command("migrate", verbosity=0)
    group = Group.objects.create(team=Team.objects.create(name="The band"), name="The evening")
    content = os.urandom(PHOTO_BYTES)
    keys = []
    for number in range(PHOTOS):
        image = Image.objects.create(
            group=group,
            uploader_kind="member",
            uploader_id="1",
            uploader_name="Anna",
            version=1,
            original_filename=f"IMG_{number:04}.jpg",
            content_type="image/jpeg",
            byte_size=PHOTO_BYTES,
            sha256=hashlib.sha256(str(number).encode()).hexdigest(),
            width=4032,
            height=3024,
        )
        keys.append(image.original_key)
        _put(photo_storage(), image.original_key, content)
    return group, keys


def _copy(keys: list[str], *, threads: int) -> None:
    from images.storage.objects import photo_storage

    storage = photo_storage()

    def copy(key: str) -> None:
        content = bytearray(PHOTO_BYTES)
        whole = [memoryview(content)]
        list(storage.read_into(key, whole, start=0, stop=PHOTO_BYTES, byte_size=PHOTO_BYTES))
        _put(storage, f"{key}.copy", content)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(copy, keys))
    storage.delete_keys([f"{key}.copy" for key in keys])


def _put(storage: Any, key: str, content: bytes | bytearray) -> None:
    headers = {"Content-Length": str(len(content)), "Content-Type": "image/jpeg"}
    storage.send("PUT", key, headers=headers, body=lambda: [content])


def _build(group: Any) -> None:
    from django.utils import timezone

    from images.archives import building
    from images.models import Archive
    from images.storage.objects import photo_storage

    archive = Archive.objects.create(
        group=group, fingerprint="0" * 64, expires_at=timezone.now() + timedelta(days=1)
    )
    while not building.build(archive.pk, seconds=100):
        pass
    archive.refresh_from_db()
    assert archive.state == Archive.State.READY, archive.failure
    photo_storage().delete_keys([archive.key])
    archive.delete()


def _seconds(do: Callable[[], None]) -> float:
    started = time.monotonic()
    do()
    return time.monotonic() - started


def _ratio(times: list[float], yardstick: list[float]) -> float:
    return median(one / other for one, other in zip(times, yardstick, strict=True))


def _print(what: str, value: float, target: str = "") -> None:
    print(f"{what:35} {value:8.2f} {target:>8}")
