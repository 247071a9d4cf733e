"""Brings back what was deleted from a bucket that keeps versions."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from images.storage.objects import StorageUnavailable, photo_storage

if TYPE_CHECKING:
    from datetime import datetime

    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Bring back the objects of S3_BUCKET that were deleted since a moment, where the bucket "
        "keeps versions. For a database that was restored to that moment; then run reconcile. "
        "Safe to call twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", type=_moment, required=True, metavar="2026-11-22T10:00:00+00:00"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, **options: Any) -> None:
        storage = photo_storage()
        keys: set[str] = set()
        try:
            if not storage.keeps_versions():
                raise CommandError(
                    f"The bucket {storage.bucket_name} keeps no versions: what was deleted is "
                    "gone. Restore a copy of the bucket (docs/operations.md)."
                )
            for key, version in storage.deleted_since(options["since"]):
                keys.add(key)
                if not options["dry_run"]:
                    storage.undelete(key, version)
        except StorageUnavailable as error:
            raise CommandError(f"{error} What was brought back stays so; call it again.") from None
        done = "would be brought back" if options["dry_run"] else "brought back"
        self.stdout.write(f"{len(keys)} objects {done}.")


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ArgumentTypeError(
            f"give date, time and offset, such as 2026-11-22T10:00:00+00:00, not {text!r}"
        )
    return moment
