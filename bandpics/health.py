"""Liveness and readiness of this process."""

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

# The space that a phone's photo and its variants need.
MIN_FREE_BYTES = 16 * 1024 * 1024
# Set by the web server when it is told to stop.
is_stopping = threading.Event()
SWEPT, SWEPT_REMEMBERED_SECONDS = "bandpics:swept", 7 * 24 * 3600


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answers if the process lives."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Answers 503 if Postgres is away or this server is stopping, or else 200.

    The body also names Redis, the bucket and a full WORK_DIR if they are unavailable; most requests
    do not need them. `seconds_since_sweep` is null if the sweeper has not run for a week, or Redis
    has lost its time.
    """
    checks = {"database": _database, "redis": _redis, "storage": _storage, "disk": _disk}
    are_ok = {name: check() for name, check in checks.items()}
    body: dict[str, Any] = {
        name: "ok" if is_ok else "unavailable" for name, is_ok in are_ok.items()
    }
    body["seconds_since_sweep"] = seconds_since_sweep() if are_ok["redis"] else None
    body["stopping"] = is_stopping.is_set()
    return JsonResponse(body, status=200 if are_ok["database"] and not body["stopping"] else 503)


def record_sweep() -> None:
    """Records in Redis, by its clock, that the sweeper has run."""
    with suppress(redis.RedisError), _redis_client() as client:
        client.set(SWEPT, 1, ex=SWEPT_REMEMBERED_SECONDS)


def seconds_since_sweep() -> int | None:
    """Returns how long ago the sweeper ran; None if not for a week, or Redis does not say."""
    with suppress(redis.RedisError), _redis_client() as client:
        remaining = cast("int", client.ttl(SWEPT))
        return SWEPT_REMEMBERED_SECONDS - remaining if remaining >= 0 else None
    return None


def _redis_client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


def _database() -> bool:
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return True
    return False


def _redis() -> bool:
    with suppress(redis.RedisError), _redis_client() as client:
        return bool(client.ping())
    return False


def _storage() -> bool:
    with suppress(Exception):  # the error class belongs to images.storage, above
        storages["default"].check()  # type: ignore[attr-defined]  # PhotoStorage's
        return True
    return False


def _disk() -> bool:
    with suppress(OSError):
        folder = settings.WORK_DIR or tempfile.gettempdir()
        return shutil.disk_usage(folder).free >= MIN_FREE_BYTES
    return False
