"""Measures 500 walls that ask one web process on one core, each of its own group with 30 photos.

Each asks every six seconds, as its page does: first while nothing changes, and then with news for
every question. The process must have time left, or answers would queue up.
"""

from __future__ import annotations

import http.client
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from statistics import median, quantiles
from typing import Any

from bandpics.benchmarks import stack

WALLS, PHOTOS = 500, 30
EVERY_SECONDS = 6.0
CLIENTS = 32
# Of one core.
CPU_AT_MOST = {"nothing new": 0.5, "news for all": 0.9}


def main(*, rounds: int = 5) -> None:
    with stack.stores():
        paths = _fill()
        with stack.web() as web:
            etags = _warm(web, paths)
            _measure("nothing new", web, paths, etags, rounds)
            _measure("news for all", web, paths, [""] * len(paths), rounds)


def _fill() -> list[str]:
    """Makes the walls; returns the addresses that their pages ask."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from bandpics.benchmarks.rows import PHOTO
    from groups.models import Group, Team
    from images.models import Image, Variant, Wall

    call_command("migrate", verbosity=0)
    team, paths = Team.objects.create(name="The band"), []
    for number in range(WALLS):
        group = Group.objects.create(team=team, name=f"Evening {number}")
        columns = {**PHOTO, "exif": {}, "first_on_wall_at": timezone.now()}
        images = Image.objects.bulk_create(
            Image(group=group, **{**columns, "sha256": f"{each:064}"}) for each in range(PHOTOS)
        )
        Variant.objects.bulk_create(
            Variant(
                image=image,
                version=1,
                name="fullsize",
                key=f"{group.pk}/fullsize/{image.pk}-1.jpg",
                width=2048,
                height=1536,
                byte_size=400_000,
                content_type="image/jpeg",
            )
            for image in images
        )
        paths.append(f"/w/{Wall.objects.create(group=group).token}/photos/")
    Image.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    return paths


def _ask(connection: Any, path: str, etag: str) -> tuple[int, str]:
    connection.request("GET", path, headers={"If-None-Match": etag} if etag else {})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers.get("ETag", "")


def _warm(web: stack.Web, paths: list[str]) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    answers = [_ask(connection, path, "") for path in paths]
    assert all(status == 200 for status, _ in answers)
    return [etag for _, etag in answers]


def _measure(name: str, web: stack.Web, paths: list[str], etags: list[str], rounds: int) -> None:
    """Asks at random times, whether earlier questions are answered or not."""
    due = sorted(
        (random.uniform(0, rounds * EVERY_SECONDS), number % WALLS)  # noqa: S311 - no secret
        for number in range(rounds * WALLS)
    )
    began = time.perf_counter()

    def client(share: list[tuple[float, int]]) -> list[float]:
        connection, took = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60), []
        for at, number in share:
            time.sleep(max(0.0, began + at - time.perf_counter()))
            status, _ = _ask(connection, paths[number], etags[number])
            assert status == (304 if etags[number] else 200)
            took.append(time.perf_counter() - began - at)
        return took

    cpu_before = web.cpu_seconds()
    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = [due[start::CLIENTS] for start in range(CLIENTS)]
        took = [each for share in pool.map(client, shares) for each in share]
    seconds = time.perf_counter() - began
    cpu = (web.cpu_seconds() - cpu_before) / seconds
    verdict = "ok" if cpu <= CPU_AT_MOST[name] else f"MORE THAN {CPU_AT_MOST[name]:.0%}"
    print(
        f"{WALLS} walls, {name}: {len(took) / seconds:.0f} answers/s, {cpu:.0%} of a core, "
        f"{1000 * cpu * seconds / len(took):.1f} ms each; median {1000 * median(took):.0f} ms, "
        f"95 % within {1000 * quantiles(took, n=20)[-1]:.0f} ms  {verdict}"
    )
