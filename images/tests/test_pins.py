"""The three packages that carry the work are of the versions that survived."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"


@pytest.mark.parametrize("package", ["celery", "kombu", "billiard"])
def test_a_package_that_carries_the_work_is_pinned_with_its_reason(package):
    """Others lost the worker to one MemoryError, or to Redis killed mid-task: before these
    change, let `make chaos` show that the new ones do not."""
    line = re.search(rf"^{package}==(\S+)  # (.+)$", REQUIREMENTS.read_text(), re.MULTILINE)
    assert line is not None
    assert metadata.version(package) == line[1]
