"""Collect the static files, but only if one of them has changed since the last time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Run collectstatic if a static file was added, changed or removed. Safe to call twice."

    def handle(self, *args: Any, **options: Any) -> None:
        mark = Path(settings.STATIC_ROOT) / ".collected"
        now = _fingerprint()
        if not mark.exists() or mark.read_text() != now:
            mark.unlink(missing_ok=True)
            call_command("collectstatic", interactive=False, verbosity=0)
            mark.write_text(now)


def _fingerprint() -> str:
    """Names, sizes and times of all static files: milliseconds, where collecting takes seconds."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()
