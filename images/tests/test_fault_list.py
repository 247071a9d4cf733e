"""docs/faults.md names tests that exist, and leaves no fault out."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docs" / "faults.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/.]+)::(\w+)`", TEXT)))


def test_every_fault_has_a_row():
    ids = re.findall(r"^\| ([AB]\d+) \|", TEXT, re.MULTILINE)
    assert ids == [f"A{n}" for n in range(1, 18)] + [f"B{n}" for n in range(1, 18)]


def is_there(file, name):
    if file == "chaos":
        file = "test_chaos.py"
    path = PROJECT / (file if "/" in file else f"images/tests/{file}")
    return path.exists() and f"def {name}(" in path.read_text()


def test_each_test_that_is_named_is_there():
    assert len(NAMED) > 300
    assert [f"{file}::{name}" for file, name in NAMED if not is_there(file, name)] == []
