"""docs/faults.md names tests that exist, and leaves no fault out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docs" / "faults.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/.]+)::(\w+)`", TEXT)))


def test_every_fault_has_a_row():
    ids = re.findall(r"^\| ([AB]\d+) \|", TEXT, re.MULTILINE)
    assert ids == [f"A{n}" for n in range(1, 18)] + [f"B{n}" for n in range(1, 18)]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_is_there(file, name):
    if file == "chaos":
        file = "test_chaos.py"
    path = PROJECT / (file if "/" in file else f"images/tests/{file}")
    assert f"def {name}(" in path.read_text()
