"""How often something may happen: counted in Redis, and in this process while Redis is away."""

from __future__ import annotations

import functools
import ipaddress
import logging
import math
import time
from functools import partial
from typing import TYPE_CHECKING

import limits
from django.conf import settings
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import RateLimiter, SlidingWindowCounterRateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

logger = logging.getLogger(__name__)

# A limit is not worth waiting for: without an answer within this, we count alone for a while.
REDIS_SECONDS = 0.25
ALONE_SECONDS = 5.0

Mark = tuple[str, str]  # which limit, and whose

_alone = SlidingWindowCounterRateLimiter(MemoryStorage())
_alone_until = 0.0


def hit(*marks: Mark) -> int:
    """Count this once for each mark. 0 if all allow it, else the seconds to wait."""
    return max((_ask(partial(_hit, mark)) for mark in marks), default=0)


def wait(*marks: Mark) -> int:
    """As `hit`, without counting."""
    return max((_ask(partial(_wait, mark)) for mark in marks), default=0)


def forget() -> None:
    """Start counting anew, for all."""
    global _alone_until
    _alone_until = 0.0
    _alone.storage.reset()
    _ask(lambda counter: counter.storage.reset() or 0)


def address_of(request: HttpRequest) -> str:
    """Where a request comes from: an IPv4 address, or the /64 network of an IPv6 one.

    X-Forwarded-For counts only behind as many proxies as TRUSTED_PROXY_COUNT says: each adds one
    at the end, and what stands before those may be anybody's invention.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if settings.TRUSTED_PROXY:
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXY_COUNT:
            address = hops[-settings.TRUSTED_PROXY_COUNT].strip() or address
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)


def _hit(mark: Mark, counter: RateLimiter) -> int:
    name, whose = mark
    return 0 if counter.hit(_rate(name), name, whose) else _seconds_left(counter, mark)


def _wait(mark: Mark, counter: RateLimiter) -> int:
    name, whose = mark
    return 0 if counter.test(_rate(name), name, whose) else _seconds_left(counter, mark)


def _seconds_left(counter: RateLimiter, mark: Mark) -> int:
    name, whose = mark
    stats = counter.get_window_stats(_rate(name), name, whose)
    return max(1, math.ceil(stats.reset_time - time.time()))


def _ask(question: Callable[[RateLimiter], int]) -> int:
    global _alone_until
    if time.monotonic() >= _alone_until:
        try:
            return question(_together(settings.REDIS_URL))
        except StorageError as error:
            _alone_until = time.monotonic() + ALONE_SECONDS
            logger.warning("Redis does not count; this process limits alone: %s", error)
    return question(_alone)


@functools.lru_cache(maxsize=4)
def _together(redis_url: str) -> RateLimiter:
    storage = RedisStorage(
        redis_url,
        key_prefix="limit",
        wrap_exceptions=True,
        socket_connect_timeout=REDIS_SECONDS,
        socket_timeout=REDIS_SECONDS,
    )
    return SlidingWindowCounterRateLimiter(storage)


def _rate(name: str) -> limits.RateLimitItem:
    return _parsed(settings.RATE_LIMITS[name])


_parsed = functools.lru_cache(maxsize=64)(limits.parse)
