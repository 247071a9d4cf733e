"""Checks the health of this container: `python -I bandpics/probe.py ROLE`.

Imports nothing of the application: a probe that is asked every few seconds must cost next to
nothing. `python -m` would load Celery.
"""

from __future__ import annotations

import os
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

# Of the container: where beat keeps its schedule, and the watchdog of a worker leaves its sign.
FOLDER = Path("/tmp")  # noqa: S108 - of the container
BEAT_SCHEDULE = FOLDER / "beat-schedule"
WORKER_HEARTBEAT = FOLDER / "worker-heartbeat"
BEAT_SECONDS = 600.0  # beat writes its schedule every three minutes
WORKER_SECONDS = 60.0  # longer than the watchdog waits before it ends a silent worker


def trouble_of_web(port: str, public_url: str) -> str:
    """Returns why the web server of this container is not well; empty if it is."""
    connection = HTTPConnection("127.0.0.1", int(port), timeout=3)
    try:
        connection.request(
            "GET", "/healthz", headers={"Host": urlsplit(public_url).hostname or "localhost"}
        )
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"The web server does not answer: {error!r}"
    finally:
        connection.close()
    return "" if status == 200 else f"The web server answers {status}."


def trouble_of_file(path: Path, *, seconds: float) -> str:
    """Returns why a program that should write this file is not well; empty if it is.

    Endings are added to the name by some libraries of schedules."""
    written = [found.stat().st_mtime for found in path.parent.glob(f"{path.name}*")]
    if not written:
        return f"{path} is not there (yet)."
    age = time.time() - max(written)
    return "" if age < seconds else f"{path} was last written {age:.0f} s ago."


def heartbeat_of(role: str) -> Path:
    """The sign of a worker that has others beside it in its container."""
    return WORKER_HEARTBEAT.with_name(f"{role}-heartbeat")


def trouble_of_all() -> str:
    """Returns which of the roles of one container is not well; empty if all are."""
    return " ".join(
        filter(
            None,
            [
                trouble_of("web"),
                trouble_of("beat"),
                *(
                    trouble_of_file(heartbeat_of(role), seconds=WORKER_SECONDS)
                    for role in ("worker", "sweeper", "archives", "transforms")
                ),
            ],
        )
    )


def trouble_of(role: str) -> str:
    """Returns why the role of this container is not well; empty if it is."""
    if role == "all":
        return trouble_of_all()
    if role == "web":
        port = os.environ.get("WEB_PORT") or "8000"
        return trouble_of_web(port, os.environ.get("PUBLIC_URL", ""))
    if role == "beat":
        return trouble_of_file(BEAT_SCHEDULE, seconds=BEAT_SECONDS)
    return trouble_of_file(WORKER_HEARTBEAT, seconds=WORKER_SECONDS)


if __name__ == "__main__":
    sys.exit(trouble_of((sys.argv[1:] or ["web"])[0]) or 0)
