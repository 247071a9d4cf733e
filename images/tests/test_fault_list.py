"""docs/faults.md and docs/security.md name tests that exist; the first leaves no fault out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# {paper: how many tests it names at least}.
PAPERS = {"faults.md": 300, "security.md": 80}


def text(paper):
    return (PROJECT / "docs" / paper).read_text()


def test_every_fault_has_a_row():
    ids = re.findall(r"^\| ([AB]\d+) \|", text("faults.md"), re.MULTILINE)
    assert ids == [f"A{n}" for n in range(1, 18)] + [f"B{n}" for n in range(1, 18)]


def is_there(file, name):
    if file == "chaos":
        file = "test_chaos.py"
    path = PROJECT / (file if "/" in file else f"images/tests/{file}")
    return path.exists() and f"def {name}(" in path.read_text()


@pytest.mark.parametrize(("paper", "least"), PAPERS.items())
def test_each_test_that_is_named_is_there(paper, least):
    named = sorted(set(re.findall(r"`([\w/.]+)::(\w+)`", text(paper))))
    assert len(named) > least
    assert [f"{file}::{name}" for file, name in named if not is_there(file, name)] == []


@pytest.mark.parametrize("section", re.findall(r"^## (.+)$", text("security.md"), re.MULTILINE))
def test_each_threat_has_a_test(section):
    part = text("security.md").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!Threat|---)(.*) \|$", part, re.MULTILINE)
    assert rows or section == "What does not hold"
    assert [row for row in rows if "::" not in row.rpartition(" | ")[2]] == []
