"""Measures the statistics: of a group of 100 photos against one of very many, the operators' page
before and after the many, and what it costs to keep the numbers.

Cases take turns, so that a busy machine slows all alike; a target is how many times as long the
first of two may take.

    STATS_PHOTOS=1000000 python -m bandpics.benchmarks stats 30

Measured beside 1,000,000 photos, on two cores that had other work: the page of the large group
took 1.4 times as long as that of one of 100 photos, GET stats/ half as long; those of the small
group and the operators' page took no longer than before the large one was there (0.8 to 1.0). With
the triggers that keep PhotoCount, inserting 10,000 photos in one statement took 1.1 times as long
as without, changing what is counted 1.1, changing anything else and approving one by one 1.0,
deleting 1.2. Counting the large group anew took as long as reading all photos 14 times, the
migration that made PhotoCount 9 times.
"""

from __future__ import annotations

import http.client
import os
import time
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

from bandpics.benchmarks import stack
from bandpics.benchmarks.gallery import open_page

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 100
LARGE = int(os.environ.get("STATS_PHOTOS", "1000000"))
ROUNDS = 30
COPIES = 10_000  # photos that are inserted and updated with the triggers, and without
TRIGGERS = ("count_added", "count_changed", "count_purged")
COPY_ROUNDS = 9
READ_ALL = "SELECT sum(length(uploader_name)) FROM images_image"

Times = dict[str, list[float]]


def main(*, rounds: int = ROUNDS) -> None:
    with stack.stores():
        rows = _prepare()
        pages = _pages(rows.add_group("small", SMALL), "small") | _operators_page()
        with stack.web() as web:
            _keep_numbers()
            before = _ask(web, pages, rounds)
            pages |= _pages(rows.add_group("large", LARGE), "large")
            took = _keep_numbers()
            after = _ask(web, pages, rounds)
        _print_pages(before, after, rounds)
        _print_keeping(took)


def _prepare() -> Any:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)  # the pages name its files
    call_command("migrate", verbosity=0)
    return import_module("bandpics.benchmarks.rows")


def _pages(known: dict[str, str], name: str) -> dict[str, tuple[str, str]]:
    """The addresses that are opened, and the session of each."""
    session = known[name]
    return {
        f"{name}: page of the group": (f"/groups/{known[f'{name} group']}/stats/", session),
        f"{name}: GET stats/": ("/api/v1/stats/", session),
    }


def _operators_page() -> dict[str, tuple[str, str]]:
    from django.test import Client

    from bandpics.users.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org"))
    return {"operators' page": ("/admin/", client.cookies["sessionid"].value)}


def _keep_numbers() -> float:
    """Does what the sweeper does; returns how long it took to count, in passes over the photos."""
    from images.lifecycle import counts
    from images.models import GroupNumbers

    while counts.add_up():
        pass
    started = time.perf_counter()
    while GroupNumbers.objects.filter(counted_at=None).exists():
        counts.recount()
    return (time.perf_counter() - started) / _timed(lambda: _execute(READ_ALL))


def _ask(web: stack.Web, pages: dict[str, tuple[str, str]], rounds: int) -> Times:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=120)
    times: Times = {name: [] for name in pages}
    for round_ in range(rounds + 1):
        for name, (path, session) in pages.items():
            took = open_page(connection, path, session)
            if round_:  # the first one fills caches
                times[name].append(took)
    return times


def _print_pages(before: Times, after: Times, rounds: int) -> None:
    print(f"\nStatistics of {SMALL} and of {LARGE:,} photos, {rounds} rounds")
    print(f"{'':52} {'ms':>7} {'x':>6} {'target':>8}")
    for name in ("page of the group", "GET stats/"):
        small, large = (median(after[f"{size}: {name}"]) for size in ("small", "large"))
        _print_line(f"{name}, of {LARGE:,} against {SMALL}", large, large / small, 1.5)
    for name in before:
        took = median(after[name])
        _print_line(f"{name}, after against before", took, took / median(before[name]), 1.5)


def _print_line(name: str, took: float, ratio: float, at_most: float) -> None:
    missed = "" if ratio <= at_most else "  MISSED"
    print(f"{name:52} {1000 * took:7.1f} {ratio:6.2f} {'<= ' + str(at_most):>8}{missed}")


def _print_keeping(counting: float) -> None:
    one_pass = _timed(lambda: _execute(READ_ALL))
    print(f"\nKeeping the numbers, {LARGE:,} photos are there")
    for name, ratio in _ratios_of_triggers().items():
        print(f"{name:60} {ratio:6.2f} x")
    migration = _timed(_migrate) / one_pass
    for name, ratio in (("counting the large group", counting), ("the migration", migration)):
        print(f"{f'{name}, in passes over the table of photos':60} {ratio:6.2f} x")


def _ratios_of_triggers() -> dict[str, float]:
    """Inserts and updates COPIES photos in turn with the triggers of PhotoCount and without."""
    from django.db import connection, transaction

    from bandpics.benchmarks import rows

    rows.add_group("copied", 1)
    times: dict[tuple[str, bool], list[float]] = {}
    for round_ in range(COPY_ROUNDS):
        for has_triggers in (round_ % 2 == 0, round_ % 2 == 1):
            with transaction.atomic(), connection.cursor() as cursor:
                if not has_triggers:
                    for trigger in TRIGGERS:
                        cursor.execute(f"ALTER TABLE images_image DISABLE TRIGGER {trigger}")
                for name, change in _changes().items():
                    times.setdefault((name, has_triggers), []).append(_timed(change))
                transaction.set_rollback(True)
    names = dict.fromkeys(name for name, _ in times)
    return {name: median(times[name, True]) / median(times[name, False]) for name in names}


def _changes() -> dict[str, Callable[[], object]]:
    """What is done to the photos of the group that holds the copies."""
    from bandpics.benchmarks import rows
    from groups.models import Group
    from images.models import Image

    group = Group.objects.get(name="The copied evening")
    photos = Image.objects.filter(group=group)

    def one_by_one() -> None:
        for pk in photos.order_by("pk").values_list("pk", flat=True)[: COPIES // 10]:
            Image.objects.filter(pk=pk).update(moderation="approved")

    many = f"{COPIES:,} photos in one statement"
    return {
        f"insert {many}": lambda: rows.copy_photos(group, COPIES),
        f"update {many}, what is not counted": lambda: photos.update(description="On stage"),
        f"update {many}, what is counted": lambda: photos.update(moderation="rejected"),
        f"approve {COPIES // 10:,} photos one by one": one_by_one,
        f"delete {many}": lambda: photos._raw_delete("default"),
    }


def _migrate() -> None:
    """Runs the migration's statements again, and takes them back."""
    from django.db import transaction

    migration = import_module("images.migrations.0014_photo_counts")
    with transaction.atomic():
        _execute(migration.COUNT_NOTHING)
        _execute("DELETE FROM images_photocount")
        _execute(migration.COUNT)
        transaction.set_rollback(True)


def _execute(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def _timed(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started
