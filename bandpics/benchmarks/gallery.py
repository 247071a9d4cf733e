"""Measures the gallery's page: a group of 100 photos against one of very many.

Each case is a page as a member opens it. Cases of the small and the large group take turns, so that
a busy machine slows both alike; a target is how many times as long the large one may take.

    GALLERY_PHOTOS=1000000 python -m bandpics.benchmarks gallery 30
"""

from __future__ import annotations

import http.client
import os
import time
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from bandpics.benchmarks import stack

SMALL = 100
LARGE = int(os.environ.get("GALLERY_PHOTOS", "100000"))
ROUNDS = 60


@dataclass(frozen=True)
class Target:
    """The page of `query` in the large group may take `at_most` times as long as that of `than` in
    the small one, which shows as many photos."""

    name: str
    query: str
    than: str = ""
    at_most: float = 1.2


TARGETS = [
    Target("first page", ""),
    Target("of one uploader", "?uploader=Anna"),
    Target("of nobody", "?uploader=Nobody", "?uploader=Nobody"),
    Target("of one camera", "?camera_model=iPhone+15"),
    Target("oldest first", "?ordering=sort_at"),
    Target("from an hour on", "?at=2026-06-20T19"),
    Target("rejected", "?moderation=rejected"),
    Target("that failed", "?status=failed", "?status=failed"),
    Target("a word of all", "?q=img", "?q=img", 3.0),
    Target("a word of one", "?q=0050", "?q=0050", 3.0),
    Target("a word of none", "?q=nothing", "?q=nothing", 3.0),
    Target("a word of each hundredth", "?q=encore", "?q=img", 3.0),
    Target("a word of the oldest hundredth", "?q=arrival", "?q=img", 3.0),
    Target("a word of the older half", "?q=early", "?q=img", 3.0),
    Target("two words, of an eighth and a hundredth", "?q=anna+encore", "?q=img", 3.0),
]


def main(*, rounds: int = ROUNDS) -> None:
    with stack.stores():
        known = _fill()
        with stack.web() as web:
            measure(web, known, rounds)


def _fill() -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from bandpics.benchmarks import rows

    call_command("collectstatic", interactive=False, verbosity=0)  # the pages name its files
    return rows.fill(small=SMALL, large=LARGE)


def measure(web: stack.Web, known: dict[str, Any], rounds: int) -> None:
    """Asks for each page of both groups in turn, and prints how their times compare."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=120)
    times: dict[tuple[str, str], list[float]] = {}
    for round_ in range(rounds + 1):
        for target in TARGETS:
            for size, query in (("small", target.than), ("large", target.query)):
                path = f"/groups/{known[f'{size} group']}/{query}"
                took = open_page(connection, path, known[size])
                if round_:  # the first one fills caches
                    times.setdefault((target.name, size), []).append(took)
    print(f"\nA gallery of {SMALL} and of {LARGE:,} photos, {rounds} rounds")
    heads = f"{'ms':>7} {'p95':>7} {'large':>8} {'p95':>7} {'x':>6} {'p95 x':>6} {'target':>8}"
    print(f"{'page':40} {heads}")
    for target in TARGETS:
        few, many = times[target.name, "small"], times[target.name, "large"]
        ratio, ratio_95 = median(many) / median(few), _p95(many) / _p95(few)
        missed = "" if ratio_95 <= target.at_most else "  MISSED"
        numbers = (median(few), _p95(few), median(many), _p95(many))
        print(
            f"{target.name:40} "
            + "{:7.1f} {:7.1f} {:8.1f} {:7.1f}".format(*(1000 * number for number in numbers))
            + f" {ratio:6.2f} {ratio_95:6.2f} {'<= ' + str(target.at_most):>8}{missed}"
        )


def _p95(times: list[float]) -> float:
    return quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


def open_page(connection: http.client.HTTPConnection, path: str, session: str) -> float:
    """Opens a page with this session; returns how long it took, in seconds."""
    started = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": f"sessionid={session}"})
    answer = connection.getresponse()
    page = answer.read()
    took = time.perf_counter() - started
    assert answer.status == 200, page[:500]
    return took
