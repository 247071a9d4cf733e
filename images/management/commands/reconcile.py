"""Compare the bucket with the record, both ways, and mend what differs."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime

from groups.models import Group
from images.reconcile import compare
from images.reconcile.report import MENDED_BY
from images.storage.objects import StorageUnavailable

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from images.reconcile.report import Report


class Command(BaseCommand):
    help = (
        "Compare the bucket with the record, both ways: objects without a row, rows without their "
        "objects, leftovers, and what a restored backup brought back. Exit code 0 if nothing "
        "differs, or differs any more, and nothing was too young to judge; else 1. Safe to call "
        "twice, and while photos arrive."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="mend what can be mended")
        parser.add_argument("--group", type=UUID, metavar="ID", help="only photos of this group")
        parser.add_argument("--json", action="store_true", help="the report as JSON")
        parser.add_argument(
            "--grace",
            type=_minutes,
            default=compare.GRACE,
            metavar="MINUTES",
            help="what is younger than this is not judged, because somebody may be at it "
            "(default: 60; 0 where nobody is)",
        )
        parser.add_argument(
            "--believe-empty",
            action="store_true",
            help="mend even if the bucket holds nothing of what the database names",
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
                    mends=options["fix"],
                    group=group,
                    grace=options["grace"],
                    believes_empty=options["believe_empty"],
                )
            )
        except compare.Running:
            raise CommandError("Another reconcile is running; wait for it.") from None
        except compare.WrongPlace:
            raise CommandError(
                "Nothing of what the database names is in the bucket, or nothing in the bucket is "
                "in the database. Nothing was changed. Check S3_BUCKET and DATABASE_URL; if they "
                "are right, call it with --believe-empty."
            ) from None
        except StorageUnavailable as error:
            raise CommandError(f"{error} What was mended stays so; call it again.") from None
        self.stdout.write(_as_json(report) if options["json"] else _as_text(report, options["fix"]))
        if not report.is_clean:
            sys.exit(1)


def _minutes(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ArgumentTypeError(f"give whole minutes from 0, not {text!r}")
    return timedelta(minutes=int(text))


def _as_json(report: Report) -> str:
    differences = {
        kind: {"found": one.found, "mended": one.mended, "first": one.first}
        for kind, one in report.differences.items()
    }
    answer = {
        "clean": report.is_clean,
        "objects": report.objects,
        "photos": report.photos,
        "uploads": report.uploads,
        "differences": differences,
        "too_young": report.too_young,
        "judge_after": report.judge_after and report.judge_after.isoformat(),
        "notes": report.notes,
    }
    return json.dumps(answer, indent=2)


def _as_text(report: Report, is_mending: bool) -> str:
    lines = [
        f"{report.objects} objects, {report.photos} photos, {report.uploads} uploads on their way."
    ]
    for kind, one in report.differences.items():
        mended = f", {one.mended} mended" if is_mending else ""
        lines.append(f"{kind}: {one.found}{mended} (--fix: {MENDED_BY[kind]})")
        lines += [f"  {key}" for key in one.first]
        if one.found > len(one.first):
            lines.append(f"  … and {one.found - len(one.first)} more")
    lines += report.notes
    if report.judge_after is not None:
        when = localtime(report.judge_after) + timedelta(minutes=1)  # said in whole minutes
        day = "" if when.date() == localtime().date() else f"{when:%Y-%m-%d} "
        lines.append(f"{report.too_young} too young to judge; run again after {day}{when:%H:%M}.")
    elif not report.differences:
        lines.append("Bucket and database agree.")
    elif report.is_clean:
        lines.append("All that differed is mended.")
    return "\n".join(lines)
