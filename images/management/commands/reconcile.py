"""Compares the bucket with the database, both ways, and repairs what differs."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from groups.models import Group
from images.reconcile import compare
from images.storage.objects import StorageUnavailable

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Compares the bucket with the database, both ways: objects without a row, rows without "
        "their objects, leftovers, and what a restored backup brought back. Exit code 0 if "
        "nothing differs, or all of it was repaired, and nothing was too young to judge; else 1. "
        "Safe to call twice, and while photos arrive."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="repair what can be repaired")
        parser.add_argument("--group", type=UUID, metavar="ID", help="only photos of this group")
        parser.add_argument("--json", action="store_true", help="the report as JSON")
        parser.add_argument(
            "--grace",
            type=_minutes,
            default=compare.GRACE,
            metavar="MINUTES",
            help="objects younger than this are not judged, because somebody may be writing them "
            "(default: 60; 0 where nobody is)",
        )
        parser.add_argument(
            "--believe-empty",
            action="store_true",
            help="repair even if the bucket holds nothing that the database names",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        group = None
        if options["group"] is not None:
            group = Group.objects.filter(pk=options["group"]).first()
            if group is None:
                raise CommandError(f"There is no group {options['group']}.")
        try:
            report = compare.reconcile(
                compare.Options(
                    repairs=options["fix"],
                    group=group,
                    grace=options["grace"],
                    believes_empty=options["believe_empty"],
                )
            )
        except compare.Running:
            raise CommandError("Another reconcile is running; wait for it.") from None
        except compare.WrongPlace:
            raise CommandError(
                "The bucket holds nothing that the database names, or the database names nothing "
                "that the bucket holds. Nothing was changed. Check S3_BUCKET and DATABASE_URL; if "
                "they are right, call it with --believe-empty."
            ) from None
        except StorageUnavailable as error:
            raise CommandError(f"{error} What was repaired stays so; call it again.") from None
        if options["json"]:
            answer = {"clean": report.is_clean, **asdict(report)}
            self.stdout.write(json.dumps(answer, indent=2, default=datetime.isoformat))
        else:
            self.stdout.write(report.as_text(is_repairing=options["fix"]))
        if not report.is_clean:
            sys.exit(1)


def _minutes(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ArgumentTypeError(f"give whole minutes from 0, not {text!r}")
    return timedelta(minutes=int(text))
