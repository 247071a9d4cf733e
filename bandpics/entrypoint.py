"""Starts the role of a container: `python -m bandpics.entrypoint ROLE`.

Roles: web, worker, sweeper, archives, transforms, captions, beat, migrate, events, and all, which
runs the first seven in one container. Anything else runs as a `manage.py`
command. bandpics/probe.py checks whether a role is well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from bandpics import probe

# How long running requests may take after the drain.
REQUEST_SECONDS = 30
# Where gunicorn's processes write their heartbeat: in memory, if there is such a folder.
HEARTBEAT_DIRS = ("/dev/shm", "/tmp")  # noqa: S108 - of the container
WEB = [
    *("gunicorn", "bandpics.wsgi:application", "--bind", "{WEB_HOST}:{WEB_PORT}"),
    *("--worker-class", "bandpics.gunicorn_worker.BufferingWorker", "--threads", "{WEB_THREADS}"),
    *("--worker-tmp-dir", "{HEARTBEAT_DIR}", "--workers", "{WEB_PROCESSES}"),
    # Each connection needs a file descriptor; a process usually has 1024.
    *("--worker-connections", "400", "--keep-alive", "{WEB_KEEPALIVE_SECONDS}"),
    *("--graceful-timeout", "{WEB_STOP_SECONDS}"),
    *("--forwarded-allow-ips", "{FORWARDED_ALLOW_IPS}"),
    # Without sendfile the worker can buffer files for slow clients, too.
    *("--no-control-socket", "--no-sendfile"),
    *("--config", "python:bandpics.telemetry.web_server"),
    # Enough for the 200 ids of GET /images/?ids=…
    *("--limit-request-line", "8190"),
]
# Quiet: without a banner, which is no line of a log.
CELERY = ("celery", "--quiet", "-A", "bandpics")
CELERY_WORKER = (*CELERY, "worker")
WORKER = [
    *CELERY_WORKER,
    *("-Q", "images"),
    *("--concurrency", "{WORKER_PROCESSES}", "--without-gossip", "--without-mingle"),
    *("--loglevel", "{LOG_LEVEL}"),
]
# A worker of its own, so that photos that hang do not hold up the sweeper. One process at a time
# sends mail, so that a mail server that hangs leaves the sweeper the other of its two.
SWEEPER = [
    *CELERY_WORKER,
    *("-Q", "sweep,mail", "--hostname", "sweeper@%h"),
    *("--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "{LOG_LEVEL}"),
]
# ZIPs take minutes, and photos must not wait for them. One at a time: each reads and writes as fast
# as the bucket allows.
ARCHIVES = [
    *CELERY_WORKER,
    *("-Q", "archives", "--hostname", "archives@%h"),
    *("--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "{LOG_LEVEL}"),
]
# Pictures made on request wait for each other, not photos for them. One at a time: rendering takes
# a core.
TRANSFORMS = [
    *CELERY_WORKER,
    *("-Q", "transforms", "--hostname", "transforms@%h"),
    *("--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "{LOG_LEVEL}"),
]
# A provider takes seconds for each caption, and nothing else may wait for it. It alone loads the
# libraries of the providers.
CAPTIONS = [
    *CELERY_WORKER,
    *("-Q", "captions", "--hostname", "captions@%h"),
    *("--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "{LOG_LEVEL}"),
]
BEAT = [
    *CELERY,
    *("beat", "--schedule", str(probe.BEAT_SCHEDULE)),
    *("--pidfile", "", "--loglevel", "{LOG_LEVEL}"),
]
# What the role `all` runs.
TOGETHER = ("web", "worker", "sweeper", "archives", "transforms", "captions", "beat")
ROLES = {
    "all": ["python", "-m", "bandpics.all_roles"],
    "web": WEB,
    "worker": WORKER,
    "sweeper": SWEEPER,
    "archives": ARCHIVES,
    "transforms": TRANSFORMS,
    "captions": CAPTIONS,
    "beat": BEAT,
    "migrate": ["python", "manage.py", "migrate", "--no-input"],
    "events": ["python", "manage.py", "consume_storage_events"],
}


def command(role: str, more: list[str], environment: dict[str, str]) -> list[str]:
    """Returns the command line of a role, with the values of its environment."""
    if role not in ROLES:
        return ["python", "manage.py", role, *more]
    refuse_mixed_queues(role, more, environment)
    drain_seconds = number("WEB_DRAIN_SECONDS", environment, default=5, least=0)
    values = {
        "WEB_HOST": environment.get("WEB_HOST") or "0.0.0.0",  # noqa: S104 - of the container
        "WEB_PORT": number("WEB_PORT", environment, default=8000),
        # Not 0, which Celery would take for one per core.
        "WEB_PROCESSES": number("WEB_PROCESSES", environment, default=2),
        "WEB_THREADS": number("WEB_THREADS", environment, default=4),
        # Longer than balancers keep idle connections (mostly 60 s), or one may send a request while
        # the server closes the connection.
        "WEB_KEEPALIVE_SECONDS": number("WEB_KEEPALIVE_SECONDS", environment, default=75),
        "WEB_STOP_SECONDS": drain_seconds + REQUEST_SECONDS,
        "HEARTBEAT_DIR": next(path for path in HEARTBEAT_DIRS if Path(path).is_dir()),
        "WORKER_PROCESSES": number("WORKER_PROCESSES", environment, default=2),
        "FORWARDED_ALLOW_IPS": environment.get("FORWARDED_ALLOW_IPS", "127.0.0.1"),
        "LOG_LEVEL": environment.get("LOG_LEVEL", "INFO"),
    }
    return [word.format(**values) for word in ROLES[role]] + more


def refuse_mixed_queues(role: str, more: list[str], environment: dict[str, str]) -> None:
    """Ends where one worker of photos would serve another queue as well, from RabbitMQ: that hands
    out the tasks of all queues in turn, and Celery's order of queues is for Redis only."""
    queues = [word.removeprefix("--queues=").removeprefix("-Q") for word in more]
    is_mixed = any("," in each and "images" in each.split(",") for each in queues)
    if role == "worker" and is_mixed and environment.get("BROKER_URL", "").startswith("amqp"):
        sys.exit(
            "RabbitMQ hands out the tasks of several queues in turn, so that photos would wait for "
            "others. Run `worker` for photos, and beside it `transforms`; or leave BROKER_URL "
            "empty, for Redis (see docs/operations.md)."
        )


def variables(role: str, environment: dict[str, str]) -> dict[str, str]:
    """Returns the variables that a role sets: a pool with one connection per thread for web.

    Other roles have no pool, even if .env sets one: they close connections to release locks after
    a time limit, and a pool would keep them open.
    """
    if role == "all":
        return {}  # each of its roles gets its own
    if role != "web":
        return {"DATABASE_POOL_SIZE": "0"}
    threads = number("WEB_THREADS", environment, default=4)
    size = number("DATABASE_POOL_SIZE", environment, default=threads, least=0)
    return {"DATABASE_POOL_SIZE": str(size)}


def number(name: str, environment: dict[str, str], *, default: int, least: int = 1) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        sys.exit(f"{name} must be a number from {least}, not {text!r} (see docs/settings.md)")
    return int(text)


def main() -> None:
    role, *more = sys.argv[1:] or ["web"]
    program = command(role, more, dict(os.environ))
    os.environ.update(variables(role, dict(os.environ)))
    os.environ.setdefault("WORKER_HEARTBEAT_FILE", str(probe.WORKER_HEARTBEAT))
    if role in ROLES and role != "migrate":
        os.execvp(program[0], program)  # noqa: S606 - no shell is intended
    code = run(program)
    if role == "migrate" and code == 0 and not more:
        run(["python", "manage.py", "first_admin"])  # prints how to make an admin, if there is none
    sys.exit(code)


def run(program: list[str]) -> int:
    """Runs a command to its end, or until SIGTERM; returns its exit code.

    Linux lets process 1 of a container ignore signals that it does not handle: as process 1 the
    command itself would be killed after the time that Docker waits, in the middle of anything.
    """
    process = subprocess.Popen(program)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:  # the command has it, too
            continue
        return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main()
