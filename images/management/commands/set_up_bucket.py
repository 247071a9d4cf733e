"""Creates the bucket and lets browsers reach it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from images.storage import bucket_setup
from images.storage.objects import StorageUnavailable, logs_storage, photo_storage


class Command(BaseCommand):
    help = (
        "Create S3_BUCKET if it is missing, allow uploads from PUBLIC_URL (CORS), and expire what "
        "is forgotten in incoming/. Create LOGS_BUCKET, too, if it is set. Safe to call twice."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        storage = photo_storage()
        try:
            made = bucket_setup.create_bucket(storage)
            refused = bucket_setup.set_rules(storage, origin=settings.PUBLIC_URL)
            made_logs = bool(settings.LOGS_BUCKET) and bucket_setup.create_bucket(logs_storage())
        except StorageUnavailable as error:
            raise CommandError(f"{error} Check S3_ENDPOINT_URL and the S3 keys.") from None
        self.stdout.write(f"Bucket {settings.S3_BUCKET}: {'made' if made else 'is there'}.")
        if settings.LOGS_BUCKET:
            state = "made" if made_logs else "is there"
            self.stdout.write(f"Bucket {settings.LOGS_BUCKET}: {state}.")
        for rule in refused:
            self.stdout.write(f"This store takes no {rule} rules by API; see docs/operations.md.")
