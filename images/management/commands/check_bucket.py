"""Tries whether a bucket does all that Bandpics needs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from images.storage import contract
from images.storage.objects import photo_storage


class Command(BaseCommand):
    help = (
        "Try with a few small objects whether S3_BUCKET does all that Bandpics needs of it, and "
        "say in words what is missing. Exit code 1 if photos could not arrive."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        missing = 0
        for outcome in contract.check(photo_storage(), origin=settings.PUBLIC_URL):
            if not outcome.problem:
                self.stdout.write(f"yes  {outcome.name}")
                continue
            missing += outcome.needed
            self.stdout.write(f"{'NO ' if outcome.needed else 'no '}  {outcome.name}")
            self.stdout.write(f"     {outcome.problem}")
        if missing:
            raise CommandError(f"This bucket lacks what photos need: {missing} of the above.")
        self.stdout.write("Photos can be sent to this bucket and shown from it.")
