"""The settings of Bandpics, with the URLs it is compared with and without limits."""

from __future__ import annotations

from bandpics.settings import *  # noqa: F403
from bandpics.settings import RATE_LIMITS as _RATE_LIMITS

ROOT_URLCONF = "bandpics.benchmarks.urls"
# Counted, but never reached.
RATE_LIMITS = dict.fromkeys(_RATE_LIMITS, "1000000/second")
UPLOADS_PENDING_MAX = 10**9  # it announces, and sends nothing
