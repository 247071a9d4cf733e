"""What a container of the one image does: `python -m bandpics.roles ROLE`.

Roles: web, worker, sweeper, beat, migrate, events. `probe` asks the web server of this container
whether it lives. Anything else is run as a `manage.py` command.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

WEB = [
    *("gunicorn", "bandpics.wsgi:application", "--bind", "0.0.0.0:8000"),
    *("--worker-class", "gthread", "--threads", "4", "--worker-tmp-dir", "/dev/shm"),  # noqa: S108 - heartbeats in memory
    *("--workers", "{WEB_PROCESSES}", "--forwarded-allow-ips", "{FORWARDED_ALLOW_IPS}"),
    # Two hundred ids fit in one address: GET /images/?ids=…
    *("--no-control-socket", "--limit-request-line", "8190"),
]
WORKER = [
    *("celery", "-A", "bandpics", "worker", "-Q", "images"),
    *("--concurrency", "{WORKER_PROCESSES}", "--without-gossip", "--without-mingle"),
    *("--loglevel", "{LOG_LEVEL}"),
]
# Apart from the photos: those that hang must not keep the sweeper from what others wait for.
SWEEPER = [
    *("celery", "-A", "bandpics", "worker", "-Q", "sweep", "--hostname", "sweeper@%h"),
    *("--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "{LOG_LEVEL}"),
]
BEAT = [
    *("celery", "-A", "bandpics", "beat", "--schedule", "/tmp/beat-schedule"),  # noqa: S108 - the container's own
    *("--pidfile", "", "--loglevel", "{LOG_LEVEL}"),
]
MIGRATE = ["python", "manage.py", "migrate", "--no-input"]
EVENTS = ["python", "manage.py", "consume_storage_events"]
ROLES = {
    "web": WEB,
    "worker": WORKER,
    "sweeper": SWEEPER,
    "beat": BEAT,
    "migrate": MIGRATE,
    "events": EVENTS,
}


def command(role: str, more: list[str], environment: dict[str, str]) -> list[str]:
    """The program of a role and its arguments, with the operator's numbers filled in."""
    numbers = {
        "WEB_PROCESSES": _count("WEB_PROCESSES", environment),
        "WORKER_PROCESSES": _count("WORKER_PROCESSES", environment),
        "FORWARDED_ALLOW_IPS": environment.get("FORWARDED_ALLOW_IPS", "127.0.0.1"),
        "LOG_LEVEL": environment.get("LOG_LEVEL", "INFO"),
    }
    if role not in ROLES:
        return ["python", "manage.py", role, *more]
    return [word.format(**numbers) for word in ROLES[role]] + more


def _count(name: str, environment: dict[str, str]) -> str:
    """Of processes. Celery would read 0 as "one for each core"."""
    text = environment.get(name) or "2"
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        sys.exit(f"{name} must be a number from 1, not {text!r} (README.md explains each variable)")
    return text


def probe(public_url: str) -> None:
    """Raises unless the web server of this container answers, by the name people use."""
    host = urlsplit(public_url).hostname or "localhost"
    request = Request("http://127.0.0.1:8000/healthz", headers={"Host": host})
    with urlopen(request, timeout=3):  # noqa: S310 - the address is ours
        return


def main() -> None:
    role, *more = sys.argv[1:] or ["web"]
    if role == "probe":
        probe(os.environ.get("PUBLIC_URL", ""))
        return
    program = command(role, more, dict(os.environ))
    os.execvp(program[0], program)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
