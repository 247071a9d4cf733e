"""Measures 500 walls that ask one web process on one core, each of its own group with 30 photos.

Each is a client of its own that asks as static/js/wall/feed.js does: on one connection, about every
six seconds after the last answer, with the ETag it got; first while nothing changes, and then with
news for every question. Each question must be answered before the next is due, and the process must
have time left.
"""

from __future__ import annotations

import http.client
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median, quantiles

from bandpics.benchmarks import stack

WALLS, PHOTOS = 500, 30
# Of templates/walls/wall.html and static/js/wall/feed.js.
EVERY_SECONDS, JITTER, TIMEOUT_SECONDS = 6.0, 0.17, 15.0
# Of one core.
CPU_AT_MOST = {"nothing new": 0.5, "news for all": 0.9}


def main(*, rounds: int = 5) -> None:
    with stack.stores():
        paths = _fill()
        with stack.web() as web:
            for name in CPU_AT_MOST:
                _measure(name, web, paths, rounds)


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


@dataclass
class Screen:
    """The browser of one wall."""

    port: int
    path: str
    etag: str = ""
    took: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, *, has_news: bool) -> None:
        started = time.perf_counter()
        try:
            status = self._status("" if has_news else self.etag)
        except OSError as error:
            status = type(error).__name__
            self._connection.close()
        self.took.append(time.perf_counter() - started)
        self.answers[status] += 1

    def _status(self, etag: str) -> str:
        headers = {"If-None-Match": etag} if etag else {}
        is_kept = self._connection.sock is not None
        try:
            self._connection.request("GET", self.path, headers=headers)
            answer = self._connection.getresponse()
        except (ConnectionError, http.client.BadStatusLine):
            if not is_kept:
                raise
            # The server closes connections that are idle when it has many; browsers ask again.
            self.answers["asked again"] += 1
            self._connection.close()
            self._connection.request("GET", self.path, headers=headers)
            answer = self._connection.getresponse()
        answer.read()
        self.etag = answer.headers.get("ETag", self.etag)
        return str(answer.status)

    def run(self, *, until: float, has_news: bool) -> None:
        self._connection.timeout = TIMEOUT_SECONDS
        time.sleep(random.uniform(0, EVERY_SECONDS))  # noqa: S311 - no secret
        while time.perf_counter() < until:
            self.ask(has_news=has_news)
            jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
            time.sleep(EVERY_SECONDS * jitter)


def _measure(name: str, web: stack.Web, paths: list[str], rounds: int) -> None:
    has_news = name == "news for all"
    screens = [Screen(web.port, path) for path in paths]
    for screen in screens:
        screen.ask(has_news=False)
        assert screen.answers == {"200": 1}, screen.answers
        screen.took.clear()
        screen.answers.clear()
    cpu_before, began = web.cpu_seconds(), time.perf_counter()
    until = began + rounds * EVERY_SECONDS
    with ThreadPoolExecutor(WALLS) as pool:
        for each in [pool.submit(s.run, until=until, has_news=has_news) for s in screens]:
            each.result()
    seconds = time.perf_counter() - began
    cpu = (web.cpu_seconds() - cpu_before) / seconds
    took = [each for screen in screens for each in screen.took]
    answers = sum((screen.answers for screen in screens), Counter())
    print(
        f"{WALLS} walls, {name}: {len(took) / seconds:.0f} answers/s, {cpu:.0%} of a core, "
        f"{1000 * cpu * seconds / len(took):.1f} ms each; median {1000 * median(took):.0f} ms, "
        f"95 % within {1000 * quantiles(took, n=20)[-1]:.0f} ms, all within {max(took):.2f} s; "
        f"answers {dict(answers)}  {_verdict(name, cpu, took, answers)}",
        flush=True,
    )


def _verdict(name: str, cpu: float, took: list[float], answers: Counter[str]) -> str:
    expected = "200" if name == "news for all" else "304"
    if wrong := answers.keys() - {expected, "asked again"}:
        return f"ANSWERED {', '.join(sorted(wrong))}"
    if max(took) > EVERY_SECONDS:
        return "LATER THAN THE NEXT QUESTION"
    return "ok" if cpu <= CPU_AT_MOST[name] else f"MORE THAN {CPU_AT_MOST[name]:.0%}"
