"""Brings database and static files of a local stack up to date, in a process of its own.

`python -m bandpics.local.prepare` also fills an empty database and prints what is in it as JSON;
`python -m bandpics.local.prepare static` only collects static files.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def main(*words: str) -> None:
    django.setup()
    if words == ("static",):
        collect_static_files()
        return
    from bandpics.local import demo  # its models need Django, which is set up now

    call_command("migrate", interactive=False, verbosity=0)
    collect_static_files()
    sys.stdout.write(json.dumps(demo.prepare()))


def collect_static_files() -> None:
    """Runs collectstatic if a static file was added, changed or removed."""
    call_command("check", tags=["staticfiles"])  # says if npm packages are missing
    stamp, current = Path(settings.STATIC_ROOT) / ".collected", _fingerprint()
    if not stamp.exists() or stamp.read_text() != current:
        stamp.unlink(missing_ok=True)
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(current)


def _fingerprint() -> str:
    """Hashes names, sizes and times of all static files, which is faster than collecting them."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
