"""Whether this process lives, and whether it can serve."""

from __future__ import annotations

import shutil
import tempfile
import threading
from contextlib import suppress
from typing import Any, cast

import redis
from django.conf import settings
from django.core.files.storage import storages
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

# Less cannot hold a phone's photo and what is made of it.
LEAST_FREE_BYTES = 16 * 1024 * 1024
# Set by the web server once it was asked to stop.
is_stopping = threading.Event()
SWEPT, SWEPT_REMEMBERED_SECONDS = "bandpics:swept", 7 * 24 * 3600


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process answers. Restart it if not."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """503 while Postgres does not answer, without which no page can be made, and once this server
    is stopping; else 200. The body names what else is away (Redis, the bucket, room in this
    machine's WORK_DIR): all servers share it, and most of what they answer does not need it.
    `seconds_since_sweep` is null if nobody swept within a week, or Redis has forgotten it."""
    checks = {"database": _database, "redis": _redis, "storage": _storage, "disk": _disk}
    answers = {name: check() for name, check in checks.items()}
    said: dict[str, Any] = {name: "ok" if fine else "unavailable" for name, fine in answers.items()}
    said["seconds_since_sweep"] = _seconds_since_sweep() if answers["redis"] else None
    said["stopping"] = is_stopping.is_set()
    return JsonResponse(said, status=200 if answers["database"] and not said["stopping"] else 503)


def note_sweep() -> None:
    """Remember that the sweeper has just been through. By the clock of Redis alone."""
    with _redis_client() as client, suppress(redis.RedisError):
        client.set(SWEPT, 1, ex=SWEPT_REMEMBERED_SECONDS)


def _seconds_since_sweep() -> int | None:
    try:
        with _redis_client() as client:
            left = cast("int", client.ttl(SWEPT))
    except redis.RedisError:
        return None
    return SWEPT_REMEMBERED_SECONDS - left if left >= 0 else None


def _redis_client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _redis() -> bool:
    try:
        with _redis_client() as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _storage() -> bool:
    try:
        storages["default"].check()  # type: ignore[attr-defined]  # PhotoStorage's
    except Exception:  # noqa: BLE001 - the storage's own error type lives above this module
        return False
    return True


def _disk() -> bool:
    try:
        free = shutil.disk_usage(settings.WORK_DIR or tempfile.gettempdir()).free
    except OSError:
        return False
    return free >= LEAST_FREE_BYTES
