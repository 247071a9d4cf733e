"""Sends the photos of 1,000 people at once through the whole of Bandpics, half of them by a network
that breaks all the time.

They have the same link and three photos each (bandpics/benchmarks/phones.py). At the end every
photo must be DONE, the bucket must hold what the database names (`reconcile`), and nobody may have
been refused. Phones, stores, workers and the one process of the web server share the cores: what
each took of them is printed, and by how much the phones themselves were late.

    UPLOADERS=200 WITHIN_SECONDS=600 python -m bandpics.benchmarks uploaders
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from statistics import median, quantiles

import psutil

from bandpics.benchmarks import ingest, stack
from bandpics.benchmarks.phones import PHOTOS_EACH, Numbers, Phone

UPLOADERS = int(os.environ.get("UPLOADERS", "1000"))
# All have opened the page by then: within a minute, as nobody but a stadium does.
WITHIN_SECONDS = float(os.environ.get("WITHIN_SECONDS", UPLOADERS * 0.06))
PATIENCE_SECONDS = 900.0 + WITHIN_SECONDS
SWEEP_SECONDS = 10.0


def main(*, rounds: int = 1) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two sockets for each phone
    for _ in range(rounds):
        with stack.stores():
            os.environ["DJANGO_SETTINGS_MODULE"] = "bandpics.settings"  # with its limits
            token = _link()
            with stack.web(cores=None) as web, ingest._worker():
                asyncio.run(_measure(web, token))


def _link() -> str:
    import django

    django.setup()
    from django.core.management import call_command

    from groups.models import Group, Team
    from invitations.models import Invitation

    call_command("migrate", verbosity=0)
    group = Group.objects.create(team=Team.objects.create(name="The band"), name="The evening")
    return Invitation.objects.create(group=group, kind=Invitation.Kind.SHARED).token


async def _measure(web: stack.Web, token: str) -> None:
    numbers = Numbers()
    s3 = os.environ["S3_ENDPOINT_URL"]
    phones = [
        Phone(number, within=WITHIN_SECONDS, web=web.port, s3=s3, token=token, numbers=numbers)
        for number in range(UPLOADERS)
    ]
    late: list[float] = [0.0]
    started, before = time.perf_counter(), _cpu_seconds(web)
    watching = asyncio.create_task(_most_connections())
    others = [asyncio.create_task(_sweep()), asyncio.create_task(_measure_lag(late)), watching]
    async with asyncio.timeout(PATIENCE_SECONDS):
        outcomes = await asyncio.gather(*(phone.run() for phone in phones), return_exceptions=True)
    seconds = time.perf_counter() - started
    for task in others:
        task.cancel()
    most = (await asyncio.gather(watching, return_exceptions=True))[0]
    spent = _cpu_seconds(web)
    spent.subtract(before)
    numbers.took["the phones themselves were late by"] = late
    _print(numbers, seconds, spent)
    print(f"Postgres had {most} connections at most.")
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert not failed, failed[:3]
    assert await asyncio.to_thread(_all_is_there) == UPLOADERS * PHOTOS_EACH
    print("Nothing was lost: every photo is DONE, and the bucket holds what the database names.")


def _print(numbers: Numbers, seconds: float, spent: Counter[str]) -> None:
    photos = UPLOADERS * PHOTOS_EACH
    print(f"{UPLOADERS} uploaders who come within {WITHIN_SECONDS:.0f} s, {photos} photos", end="")
    print(f" in {seconds:.0f} s: {photos / seconds:.1f}/s; load {os.getloadavg()[0]:.1f}")
    for name, took in sorted(numbers.took.items()):
        worst = quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
        print(
            f"   {name:48} {len(took):6}, median {median(took):7.2f} s, p95 {worst:7.2f} s,"
            f" at most {max(took):.1f} s"
        )
    cores = len(os.sched_getaffinity(0)) * seconds
    said = ", ".join(f"{name} {value / cores:.0%}" for name, value in spent.most_common())
    print(f"cpu of all cores: {said}")
    print(f"web: {1000 * spent['web'] / photos:.1f} ms cpu for each photo")
    print(f"answers {dict(sorted(numbers.answers.items()))}")
    print(f"cut by the network {dict(numbers.cuts)}; asked again for {dict(numbers.again)}")


def _cpu_seconds(web: stack.Web) -> Counter[str]:
    """Returns the cpu time of each program so far; this one is `phones`."""
    spent = Counter({"phones": time.process_time(), "web": web.cpu_seconds()})
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            name = "worker" if "celery" in process.cmdline() else process.name()
            times = process.cpu_times()
            if process.pid != web.pid:
                spent[name] += times.user + times.system
    return spent


async def _measure_lag(late: list[float]) -> None:
    """Adds by how many seconds this program was late, each tenth of a second: so much it adds to
    each wait."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(0.1)
        late.append(time.perf_counter() - started - 0.1)


async def _sweep() -> None:
    """Does what beat and sweeper do."""
    from images.lifecycle import sweeper

    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await asyncio.to_thread(sweeper.sweep)


@dataclass
class Most:
    count: int = 0


async def _most_connections() -> int:
    """Looks every second; returns the most connections that Postgres had."""
    from django.db import connection

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename IS NOT NULL")
            return int(cursor.fetchone()[0])

    most = 0
    try:
        while True:
            most = max(most, await asyncio.to_thread(count))
            await asyncio.sleep(1)
    except asyncio.CancelledError:
        return most


def _all_is_there() -> int:
    """Returns how many photos are DONE, once `reconcile` found nothing."""
    from datetime import timedelta

    from images.models import Upload
    from images.reconcile import compare

    report = compare.reconcile(compare.Options(grace=timedelta(0)))
    assert report.is_clean, report.as_text(is_repairing=False)
    statuses = Counter(Upload.objects.values_list("status", flat=True))
    assert statuses.keys() == {Upload.Status.DONE}, statuses
    return statuses[Upload.Status.DONE]
