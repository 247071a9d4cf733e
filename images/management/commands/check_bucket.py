"""Tries whether a bucket does all that Bandpics needs."""

from __future__ import annotations

from itertools import chain
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from images.storage import contract
from images.storage.objects import logs_storage, photo_storage


class Command(BaseCommand):
    help = (
        "Try with a few small objects whether S3_BUCKET does all that Bandpics needs of it, and "
        "say in words what is missing; LOGS_BUCKET, too, if it is set. Exit code 1 if photos could "
        "not arrive, or logs not be shipped."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        missing = 0
        checks = [contract.check(photo_storage(), origin=settings.PUBLIC_URL)]
        if settings.LOGS_BUCKET:
            checks.append(contract.check_logs(logs_storage()))
        for outcome in chain.from_iterable(checks):
            if not outcome.problem:
                self.stdout.write(f"yes  {outcome.name}")
                continue
            missing += outcome.needed
            self.stdout.write(f"{'NO ' if outcome.needed else 'no '}  {outcome.name}")
            self.stdout.write(f"     {outcome.problem}")
        if missing:
            raise CommandError(f"This bucket lacks what Bandpics needs: {missing} of the above.")
        self.stdout.write("Photos can be sent to this bucket and shown from it.")
