"""Leaves a server alone that does not answer, and asks it again, once, after a pause.

A thousand photos would else wait for the same silence, each for a minute. It knows nothing of
what is asked. One for each process: what they learn twice costs less than a store to share it.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from billiard.exceptions import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class CircuitOpen(Exception):
    """Not asked: it has not answered before, and the pause is not over."""


class CircuitBreaker:
    """Opens after so many failures in a row, or one that took long. Safe between threads.

    Once the pause is over a single caller may try; the others are refused until it knows.
    """

    def __init__(
        self,
        *,
        failures_in_a_row: int,
        long_seconds: float,
        pause_seconds: float,
        longest_try_seconds: float,
        is_failure: Callable[[BaseException], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures_in_a_row
        self._long_seconds = long_seconds
        self._pause_seconds = pause_seconds
        self._longest_try_seconds = longest_try_seconds
        self._is_failure = is_failure
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether asking now would be refused. Takes nobody's turn."""
        until = self._rests_until
        return until is not None and self._now() < until

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around one request. Raises Resting, without making it."""
        started = self._now()
        with self._lock:
            if self.is_open:
                raise CircuitOpen
            if self._rests_until is not None:
                # Our turn to try. Whoever tries and never comes back does not keep it for ever.
                self._rests_until = started + self._longest_try_seconds
        try:
            yield
        except BaseException as error:
            if self._is_failure(error):
                self._fail(is_long=self._now() - started >= self._long_seconds)
            elif isinstance(error, Exception) and not isinstance(error, SoftTimeLimitExceeded):
                self._succeed()  # it answered; what it said is somebody else's business
            else:
                self._learn_nothing()
            raise
        self._succeed()

    def _succeed(self) -> None:
        with self._lock:
            self._failures, self._rests_until = 0, None

    def _fail(self, *, is_long: bool) -> None:
        with self._lock:
            self._failures += 1
            if is_long or self._failures >= self._limit or self._rests_until is not None:
                self._rests_until = self._now() + self._pause_seconds

    def _learn_nothing(self) -> None:
        """A signal, a worker's time limit, or a listing nobody reads to its end."""
        with self._lock:
            if self._rests_until is not None:
                self._rests_until = self._now()
