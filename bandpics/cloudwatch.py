"""Writes metrics for Amazon CloudWatch into the log, which makes metrics of lines in its embedded
metric format: nothing is sent, and no credential is needed.

Source: "Specification: Embedded metric format" of the CloudWatch User Guide.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A line must be JSON and nothing else, so that no setting of logs applies. Celery replaces
# sys.stderr.
handler = logging.StreamHandler(sys.__stderr__)
handler.setFormatter(logging.Formatter("%(message)s"))
logger = logging.getLogger(__name__)
logger.addHandler(handler)
logger.setLevel(logging.INFO)
logger.propagate = False

NAMESPACE = "Bandpics"
OLDEST = "OldestSeconds"


def write_ages(oldest_seconds: Mapping[str, int]) -> None:
    """Writes, for each queue, for how long the oldest that waits has waited; 0 where none waits.

    Autoscaling of workers follows it (infra/terraform/scaling.tf).
    """
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Queue"]],
        "Metrics": [{"Name": OLDEST, "Unit": "Seconds"}],
    }
    for queue, seconds in oldest_seconds.items():
        line = {
            "_aws": {"Timestamp": round(time.time() * 1000), "CloudWatchMetrics": [directive]},
            "Queue": queue,
            OLDEST: seconds,
        }
        logger.info(json.dumps(line))
