"""What a container of the one image does: `python -m bandpics.entrypoint ROLE`.

Roles: web, worker, sweeper, beat, migrate, events. `probe` asks the web server of this container
whether it lives. Anything else is run as a `manage.py` command.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

# How long a request that is being answered may still take once the drain is over.
REQUEST_SECONDS = 30
# Where gunicorn's processes show that they live: in memory, where there is such a folder.
HEARTBEAT_DIRS = ("/dev/shm", "/tmp")  # noqa: S108
WEB = [
    *("gunicorn", "bandpics.wsgi:application", "--bind", "{WEB_HOST}:{WEB_PORT}"),
    *("--worker-class", "bandpics.gunicorn_worker.BufferingWorker", "--threads", "{WEB_THREADS}"),
    *("--worker-tmp-dir", "{HEARTBEAT_DIR}", "--workers", "{WEB_PROCESSES}"),
    # A connection takes a file; 1024 of them are the usual limit of a process.
    *("--worker-connections", "400", "--keep-alive", "{WEB_KEEPALIVE_SECONDS}"),
    *("--graceful-timeout", "{WEB_STOP_SECONDS}"),
    *("--forwarded-allow-ips", "{FORWARDED_ALLOW_IPS}"),
    # A file is sent as all else: what a slow client does not take yet is kept for it.
    *("--no-control-socket", "--no-sendfile"),
    # Two hundred ids fit in one address: GET /images/?ids=…
    *("--limit-request-line", "8190"),
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
    if role not in ROLES:
        return ["python", "manage.py", role, *more]
    drain_seconds = number("WEB_DRAIN_SECONDS", environment, default=5, least=0)
    values = {
        "WEB_HOST": environment.get("WEB_HOST") or "0.0.0.0",  # noqa: S104 - of its container
        "WEB_PORT": number("WEB_PORT", environment, default=8000),
        # Celery would read 0 as "one for each core".
        "WEB_PROCESSES": number("WEB_PROCESSES", environment, default=2),
        "WEB_THREADS": number("WEB_THREADS", environment, default=4),
        # Longer than a balancer keeps an idle connection, mostly 60 s: else it may send a request
        # at the moment we close.
        "WEB_KEEPALIVE_SECONDS": number("WEB_KEEPALIVE_SECONDS", environment, default=75),
        "WEB_STOP_SECONDS": drain_seconds + REQUEST_SECONDS,
        "HEARTBEAT_DIR": next(path for path in HEARTBEAT_DIRS if Path(path).is_dir()),
        "WORKER_PROCESSES": number("WORKER_PROCESSES", environment, default=2),
        "FORWARDED_ALLOW_IPS": environment.get("FORWARDED_ALLOW_IPS", "127.0.0.1"),
        "LOG_LEVEL": environment.get("LOG_LEVEL", "INFO"),
    }
    return [word.format(**values) for word in ROLES[role]] + more


def variables(role: str, environment: dict[str, str]) -> dict[str, str]:
    """What a role sets for its program. A thread of a web server needs one connection at most.
    Others have no pool, though all containers share one .env: closing a connection is how they let
    go of its locks after a time limit has struck, and a pool would keep it open."""
    if role != "web":
        return {"DATABASE_POOL_SIZE": "0"}
    if environment.get("DATABASE_POOL_SIZE"):
        return {}
    return {"DATABASE_POOL_SIZE": str(number("WEB_THREADS", environment, default=4))}


def number(name: str, environment: dict[str, str], *, default: int, least: int = 1) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        sys.exit(f"{name} must be a number from {least}, not {text!r} (see docs/settings.md)")
    return int(text)


def probe(public_url: str, environment: dict[str, str]) -> None:
    """Raises unless the web server of this container answers, by the name people use."""
    host = urlsplit(public_url).hostname or "localhost"
    port = number("WEB_PORT", environment, default=8000)
    request = Request(f"http://127.0.0.1:{port}/healthz", headers={"Host": host})
    with urlopen(request, timeout=3):  # noqa: S310 - the address is ours
        return


def offer_first_admin() -> None:
    """Once there are tables: say how to make an admin, if there is none."""
    subprocess.run(["python", "manage.py", "first_admin"], check=False)  # noqa: S607 - our own venv's


def main() -> None:
    role, *more = sys.argv[1:] or ["web"]
    if role == "probe":
        probe(os.environ.get("PUBLIC_URL", ""), dict(os.environ))
        return
    program = command(role, more, dict(os.environ))
    os.environ.update(variables(role, dict(os.environ)))
    if role == "migrate":
        code = subprocess.run(program, check=False).returncode
        if code == 0 and not more:
            offer_first_admin()
        sys.exit(code)
    os.execvp(program[0], program)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
