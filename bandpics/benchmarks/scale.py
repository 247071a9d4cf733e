"""Measures what a million photos cost: in one group, and in 10,000.

Every case is a page or a call beside that of a group of 100 photos, in turns, so that a busy
machine slows both alike; a target is how many times as long the large one may take. The home of
somebody with very many groups shows as many as a page has: it is beside that of somebody with just
so many. The sweeper looks at all photos: it is measured before the many are there, and after. Then
comes what the database needs for each photo, and at the end how fast `reconcile` is, and how much
memory it takes.

    SCALE_PHOTOS=100000 python -m bandpics.benchmarks scale 15
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bandpics.benchmarks import stack
from bandpics.local.environment import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 100
A_PAGE_OF_GROUPS = 60
PHOTOS = int(os.environ.get("SCALE_PHOTOS", "1000000"))
# Six objects each. All that is in the database is compared, so these are photos of their own.
RECONCILED = int(os.environ.get("SCALE_RECONCILED", f"{min(PHOTOS, 100_000)}"))
ROUNDS = 15
AT_MOST = 3.0
LARGEST = 5
# A case that takes long is repeated less often.
SECONDS_OF_A_CASE = 10.0


@dataclass(frozen=True)
class Case:
    """An address below that of a group, a link or the API."""

    name: str
    large: str
    small: str
    at_most: float = AT_MOST
    beside: str = "small"  # whose page the large one is compared with


def main(*, rounds: int = ROUNDS) -> None:
    """Measures each part in a process of its own: Django knows the stores of one only."""
    for part in PARTS:
        command = [sys.executable, "-m", "bandpics.benchmarks.scale", part, str(rounds)]
        subprocess.run(command, cwd=PROJECT, check=True)


def measure_one_group(rounds: int) -> None:
    _measure("one group", 1, rounds)


def measure_many_groups(rounds: int) -> None:
    groups = PHOTOS // SMALL
    _measure(f"{groups:,} groups", groups, rounds)


def _measure(shape: str, groups: int, rounds: int) -> None:
    rows = _prepare()
    known = {"small": rows.add("small", photos=SMALL)}
    if groups > 1:
        known["page"] = rows.add("page", photos=2 * A_PAGE_OF_GROUPS, groups=A_PAGE_OF_GROUPS)
    before = _sweeps(rounds)
    started = time.perf_counter()
    known["large"] = rows.add("large", photos=PHOTOS, groups=groups)
    print(f"\n{PHOTOS:,} photos in {shape}, made in {time.perf_counter() - started:.0f} s")
    with stack.web() as web:
        _ask(web, _cases(known, groups), known, rounds)
    _print_line("a sweep", before, _sweeps(rounds), AT_MOST)
    _print_counting()
    _print_storage(rows.storage())


def _prepare() -> Any:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    connection.close()  # of the stores before
    call_command("collectstatic", interactive=False, verbosity=0)  # the pages name its files
    call_command("migrate", verbosity=0)
    from bandpics.benchmarks import scale_rows

    return scale_rows


# --- Pages ----------------------------------------------------------------------------------


def _cases(known: dict[str, Any], groups: int) -> list[Case]:
    def both(name: str, path: str, *, than: str | None = None, beside: str = "small") -> Case:
        large, small = (
            text.format(group=known[size]["group"], link=known[size]["link"])
            for size, text in (("large", path), ("small", path if than is None else than))
        )
        return Case(name, large, small, beside=beside)

    words = [
        *(("a word of all", "img", "img"), ("a word of one", "0050", "0050")),
        *(("a word of none", "nothing", "nothing"), ("of each hundredth", "encore", "img")),
        *(("of the oldest hundredth", "arrival", "img"), ("of the older half", "early", "img")),
        ("two words", "anna+encore", "img"),
    ]
    home = "page" if groups > 1 else "small"
    listed, gallery = "/api/v1/images/?limit=50", "/groups/{group}/"
    moderation = f"{gallery}moderation/"
    searched = f"{listed}&group={{group}}"
    return [
        both("gallery", gallery),
        both("   from the middle on", f"{gallery}?cursor={_middle(known)}", than=gallery),
        both("   oldest first", f"{gallery}?ordering=sort_at"),
        both("   of one uploader", f"{gallery}?uploader=Anna"),
        # Of 100 photos one is rejected, and one waits: beside a full page there are full ones.
        both("   rejected", f"{gallery}?moderation=rejected", than=gallery),
        both("   that failed", f"{gallery}?status=failed"),
        *(both(f"   {name}", f"{gallery}?q={q}", than=f"{gallery}?q={s}") for name, q, s in words),
        both("guest gallery", "/i/{link}/photos/"),
        both("   from the middle on", f"/i/{{link}}/photos/?cursor={_middle(known)}"),
        both("   of one uploader", "/i/{link}/photos/?uploader=Anna"),
        both("list of 50", listed),
        both("   from the middle on", f"{listed}&cursor={_middle(known)}", than=listed),
        both("   by upload", f"{listed}&ordering=-created_at"),
        both("   nothing new", f"{listed}&updated_since=2100-01-01"),
        both("   all is new", f"{listed}&updated_since=2020-01-01"),
        *(
            both(f"   {name}", f"{searched}&q={q}", than=f"{searched}&q={s}")
            for name, q, s in words
        ),
        *([both("   a word, in all groups", f"{listed}&q=0050")] if groups > 1 else []),
        both("statistics", "/groups/{group}/stats/"),
        both("   GET stats/", "/api/v1/stats/"),
        both("moderation: waiting", moderation, than=f"{moderation}?show=approved"),
        both("   approved", f"{moderation}?show=approved"),
        both("home", "/", beside=home),
        *([both("   a search", "/?q=evening", beside=home)] if groups > 1 else []),
    ]


def _middle(known: dict[str, Any]) -> str:
    """Returns the cursor of the photo in the middle of the large group."""
    from images.listing.pagination import Cursor
    from images.models import Image

    rows = Image.objects.filter(group=known["large"]["group"]).order_by("-sort_at", "-id")
    sort_at, image_id = rows.values_list("sort_at", "id")[rows.count() // 2]
    return Cursor("-sort_at", backwards=False, key=sort_at, id=image_id).encode()


def _ask(web: stack.Web, cases: list[Case], known: dict[str, Any], rounds: int) -> None:
    from bandpics.benchmarks.gallery import open_page

    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=120)
    times: dict[tuple[Case, str], list[float]] = {}
    for round_ in range(rounds + 1):
        for case in cases:
            if sum(times.get((case, "large"), ())) > SECONDS_OF_A_CASE:
                continue
            for size, path in (("small", case.small), ("large", case.large)):
                who = case.beside if size == "small" else size
                took = open_page(connection, path, known[who]["session"])
                if round_:  # the first one fills caches
                    times.setdefault((case, size), []).append(took)
    print(f"{'median of ' + str(rounds):40} {'100, ms':>9} {'many, ms':>9} {'x':>7} {'target':>8}")
    for case in cases:
        _print_line(case.name, times[case, "small"], times[case, "large"], case.at_most)


def _print_line(name: str, few: list[float], many: list[float], at_most: float) -> None:
    ratio = median(many) / median(few)
    missed = "" if ratio <= at_most else "  MISSED"
    numbers = f"{1000 * median(few):9.1f} {1000 * median(many):9.1f} {ratio:7.2f}"
    print(f"{name:40} {numbers} {f'<= {at_most:g}':>8}{missed}", flush=True)


# --- What looks at all photos -----------------------------------------------------------------


def _sweeps(rounds: int) -> list[float]:
    from images.lifecycle import sweeper

    sweeper.sweep()  # what was left to do
    return [_timed(sweeper.sweep) for _ in range(rounds)]


def _print_counting() -> None:
    """How much of a sweep it is to count groups that have changed, and how many are left."""
    from images.lifecycle import counts
    from images.models import GroupNumbers

    counted = 0

    def count() -> None:
        nonlocal counted
        counted = counts.recount()

    seconds = _timed(count)
    left = GroupNumbers.objects.due().count()
    print(f"   counting groups that changed: {seconds:.2f} s for {counted}, {left:,} are left")


def _timed(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


@dataclass(frozen=True)
class Reconciled:
    objects: int
    seconds: float
    peak_mb: float


def _reconcile(folder: Path) -> Reconciled:
    """Runs the command in a process of its own, against a store that lists what should be there."""
    from bandpics.benchmarks import listed_bucket

    with listed_bucket.listing(folder) as url:
        command = [sys.executable, "manage.py", "reconcile", "--json", "--grace", "0"]
        started = time.perf_counter()
        with subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, "S3_ENDPOINT_URL": url},
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            report = json.loads(process.stdout.read())
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
    assert report["clean"], report
    return Reconciled(report["objects"], seconds, used.ru_maxrss / 1024)


def _compare_buckets(folder: Path) -> None:
    rows = _prepare()
    rows.add("small", photos=SMALL)
    few = _reconcile(folder)
    rows.add("large", photos=RECONCILED)
    many = _reconcile(folder)
    rate = (many.objects - few.objects) / (many.seconds - few.seconds)
    print(
        f"\nreconcile: {many.objects:,} objects in {many.seconds:.0f} s, {rate:,.0f} objects/s;"
        f" peak memory {many.peak_mb:.0f} MB, {few.peak_mb:.0f} MB with {few.objects}"
    )


def _print_storage(found: list[tuple[str, str, int]]) -> None:
    total = sum(size for _, _, size in found)
    print(f"Postgres, bytes for each photo: {total / PHOTOS:.0f} in all")
    tables = dict.fromkeys(table for table, _, _ in found)
    for table in tables:
        parts = {part: size for each, part, size in found if each == table}
        heap = parts.pop("rows", 0)
        largest = ", ".join(
            f"{part} {size / PHOTOS:.0f}" for part, size in list(parts.items())[:LARGEST]
        )
        print(
            f"   {table:24} rows {heap / PHOTOS:6.0f}, {len(parts)} indexes"
            f" {sum(parts.values()) / PHOTOS:6.0f}: {largest}"
        )


def measure_reconcile(_rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bandpics-bench-") as folder:
        _compare_buckets(Path(folder))


PARTS = {
    "one": measure_one_group,
    "many": measure_many_groups,
    "reconcile": measure_reconcile,
}

if __name__ == "__main__":
    with stack.stores():
        PARTS[sys.argv[1]](int(sys.argv[2]))
