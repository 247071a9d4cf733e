"""Refuses requests to a server that does not answer, until one after a pause gets an answer.

Without it a thousand photos would wait for the same server, each for a minute. Each process has
its own: to share what they learn would cost more than to learn it twice.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billiard.exceptions import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class CircuitOpen(Exception):
    """The request was not made: the server has not answered before, and the pause is not over."""


@dataclass(kw_only=True, eq=False)
class CircuitBreaker:
    """Opens after so many failures in a row, or one that took long. Safe between threads.

    Once the pause is over a single caller may try; the others are refused until it has an answer.
    """

    failures_in_a_row: int
    long_seconds: float
    pause_seconds: float
    longest_try_seconds: float
    is_failure: Callable[[BaseException], bool]
    now: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _failures: int = field(default=0, init=False)
    _open_until: float | None = field(default=None, init=False)

    @property
    def is_open(self) -> bool:
        """Whether a request would be refused now. Does not count as a try."""
        until = self._open_until
        return until is not None and self.now() < until

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watches one request. Raises CircuitOpen instead of letting it be made."""
        started = self.now()
        with self._lock:
            if self.is_open:
                raise CircuitOpen
            if self._open_until is not None:
                # We try, and the others wait: not for ever, if we never come back.
                self._open_until = started + self.longest_try_seconds
        try:
            yield
        except BaseException as error:
            if self.is_failure(error):
                self._fail(is_long=self.now() - started >= self.long_seconds)
            elif isinstance(error, Exception) and not isinstance(error, SoftTimeLimitExceeded):
                self._succeed()  # the server answered, whatever it said
            else:
                self._learn_nothing()
            raise
        self._succeed()

    def _succeed(self) -> None:
        with self._lock:
            self._failures, self._open_until = 0, None

    def _fail(self, *, is_long: bool) -> None:
        with self._lock:
            self._failures += 1
            if is_long or self._failures >= self.failures_in_a_row or self._open_until is not None:
                self._open_until = self.now() + self.pause_seconds

    def _learn_nothing(self) -> None:
        """After a signal, a worker's time limit, or a listing nobody reads to its end."""
        with self._lock:
            if self._open_until is not None:
                self._open_until = self.now()
