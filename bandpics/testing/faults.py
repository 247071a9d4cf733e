"""The faults that the proxy can cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Callable


class Direction(StrEnum):
    UP = "up"  # client to server
    DOWN = "down"


@dataclass(eq=False)
class Fault:
    """One fault. `hits` counts how often it has happened."""

    kind: str
    times: int | None
    skip: int = 0
    matching: re.Pattern[str] | None = None
    direction: Direction | None = None
    after_bytes: int = 0
    seconds: float = 0.0
    bytes_per_second: int = 0
    is_polite: bool = False
    answer: bytes = b""
    hits: int = 0
    is_lifted: bool = False
    _lifting: Callable[[Fault], None] = field(default=lambda fault: None, repr=False)

    def lift(self) -> None:
        """Ends the fault; stalled connections go on."""
        self._lifting(self)

    @property
    def is_due(self) -> bool:
        return not self.is_lifted and (self.times is None or self.hits < self.times)

    def is_about(self, request: str | None) -> bool:
        """Whether it hits this request or (None) connection; counts down `skip`."""
        if self.matching is None or request is None:
            fits = self.matching is None and request is None
        else:
            fits = self.matching.search(request) is not None
        if not fits or not self.is_due:
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True
