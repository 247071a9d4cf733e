"""The years in which evenings and deadlines lie."""

from __future__ import annotations

from typing import Final

YEARS: Final = range(1970, 2200)
