"""Rate limits: counted in Redis, and in this process while Redis does not answer."""

from __future__ import annotations

import functools
import ipaddress
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import limits
from django.conf import settings
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import RateLimiter, SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.http import HttpRequest

logger = logging.getLogger(__name__)

# After this long without an answer of Redis, this process counts by itself for a while.
REDIS_SECONDS = 0.25
FALLBACK_SECONDS = 5.0

ThrottleKey = tuple[str, str]  # the name of a limit, and who is limited

_fallback = SlidingWindowCounterRateLimiter(MemoryStorage())
_fallback_until = 0.0
_parse = functools.lru_cache(maxsize=64)(limits.parse)


def consume(*keys: ThrottleKey) -> int:
    """Counts a call for each key. Returns 0 if all allow it, or the seconds to wait. One request
    to Redis, where all allow it."""
    rates = [(_parse(settings.RATE_LIMITS[name]), name, whose) for name, whose in keys]

    def hit(limiter: RateLimiter) -> int:
        if isinstance(limiter, _OneRequest):
            allowed = limiter.hit_each(rates)
        else:
            allowed = [limiter.hit(*rate) for rate in rates]
        refused = [rate for rate, is_allowed in zip(rates, allowed, strict=True) if not is_allowed]
        return max((_seconds_left(limiter, *rate) for rate in refused), default=0)

    return _with_limiter(hit)


def retry_after(*keys: ThrottleKey) -> int:
    """Returns what consume() would, without counting."""
    return max((_seconds_to_wait(key) for key in keys), default=0)


def forget(key: ThrottleKey) -> None:
    """Sets one counter to zero."""
    name, whose = key
    rate = _parse(settings.RATE_LIMITS[name])

    def clear(limiter: RateLimiter) -> int:
        limiter.clear(rate, name, whose)
        return 0

    _with_limiter(clear)


def reset() -> None:
    """Sets all counters to zero."""
    global _fallback_until
    _fallback_until = 0.0
    _fallback.storage.reset()
    _with_limiter(lambda limiter: limiter.storage.reset() or 0)


def address_of(request: HttpRequest) -> str:
    """Returns a request's IPv4 address, or the /64 network of its IPv6 address.

    Behind TRUSTED_PROXY_COUNT proxies the address is that many places from the end of
    X-Forwarded-For; clients can write the places before it.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if settings.TRUSTED_PROXY:
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXY_COUNT:
            address = hops[-settings.TRUSTED_PROXY_COUNT].strip() or address
    return _normal(address[:100])


@functools.lru_cache(maxsize=1024)  # parsing costs more than the whole line of a request in the log
def _normal(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _seconds_to_wait(key: ThrottleKey) -> int:
    name, whose = key
    rate = _parse(settings.RATE_LIMITS[name])

    def ask(limiter: RateLimiter) -> int:
        if limiter.test(rate, name, whose):
            return 0
        return _seconds_left(limiter, rate, name, whose)

    return _with_limiter(ask)


def _seconds_left(limiter: RateLimiter, rate: limits.RateLimitItem, name: str, whose: str) -> int:
    reset_time = limiter.get_window_stats(rate, name, whose).reset_time
    return max(1, math.ceil(reset_time - time.time()))


class _OneRequest(SlidingWindowCounterRateLimiter):
    """Hits several limits in Redis by one request, which the library does one after the other, and
    in half of the time that the client's own pipeline takes."""

    storage: RedisStorage

    def hit_each(self, rates: Sequence[tuple[limits.RateLimitItem, str, str]]) -> list[bool]:
        client: Any = self.storage.get_connection()
        pool = client.connection_pool
        try:
            connection = pool.get_connection()
            try:
                commands = [self._command(*rate) for rate in rates]
                connection.send_packed_command(connection.pack_commands(commands))
                return [bool(connection.read_response()) for _ in commands]
            except BaseException:
                connection.disconnect()  # it may hold answers that nobody has read
                raise
            finally:
                pool.release(connection)
        except RedisTimeout as error:
            raise StorageError(error) from error
        except RedisError:
            # Redis was restarted: the library sends its script, or connects again. Or Redis is
            # away: it raises StorageError.
            return [self.hit(*rate) for rate in rates]

    def _command(self, rate: limits.RateLimitItem, name: str, whose: str) -> tuple[Any, ...]:
        storage, key = self.storage, rate.key_for(name, whose)
        before, now = storage._previous_window_key(key), storage._current_window_key(key)
        keys = [storage.prefixed_key(before), storage.prefixed_key(now)]
        sha = storage.lua_acquire_sliding_window.sha
        return ("EVALSHA", sha, len(keys), *keys, rate.amount, rate.get_expiry(), 1)


def _with_limiter(ask: Callable[[RateLimiter], int]) -> int:
    global _fallback_until
    if time.monotonic() >= _fallback_until:
        try:
            return ask(_redis_limiter(settings.REDIS_URL))
        except StorageError as error:
            _fallback_until = time.monotonic() + FALLBACK_SECONDS
            logger.warning("Redis does not answer; this process counts by itself: %s", error)
    return ask(_fallback)


@functools.lru_cache(maxsize=4)
def _redis_limiter(redis_url: str) -> _OneRequest:
    storage = RedisStorage(
        redis_url,
        key_prefix="limit",
        wrap_exceptions=True,
        socket_connect_timeout=REDIS_SECONDS,
        socket_timeout=REDIS_SECONDS,
    )
    return _OneRequest(storage)
