"""docs/faults.md and docs/security.md name tests that exist; the first leaves no fault out."""

from __future__ import annotations

import ast
import re
from functools import cache
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


@cache
def found_in(file):
    """Returns {name: whether `make test` leaves it out} of a file; {} if there is none."""
    file = "test_chaos.py" if file == "chaos" else file
    path = PROJECT / (file if "/" in file else f"images/tests/{file}")
    if not path.exists():
        return {}
    return dict(_marked(ast.parse(path.read_text()).body, is_long=False))


def _marked(body, *, is_long):
    whole = [each for each in body if ast.unparse(each).startswith("pytestmark = ")]
    is_long |= any("pytest.mark.long" in ast.unparse(each) for each in whole)
    for each in body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            marks = [ast.unparse(mark) for mark in each.decorator_list]
            is_marked = is_long or "pytest.mark.long" in marks
            yield each.name, is_marked
            if isinstance(each, ast.ClassDef):
                yield from _marked(each.body, is_long=is_marked)


@pytest.mark.parametrize(("paper", "least"), PAPERS.items())
def test_each_test_that_is_named_is_there_and_said_to_be_long_if_it_is(paper, least):
    named = set(re.findall(r"`([\w/.]+)::(\w+)`( \(long\))?", text(paper)))
    assert len(named) > least
    wrong = {
        f"{file}::{name}": found_in(file).get(name)
        for file, name, mark in named
        if found_in(file).get(name) is not bool(mark)
    }
    assert wrong == {}  # None: there is no such test


@pytest.mark.parametrize("section", re.findall(r"^## (.+)$", text("security.md"), re.MULTILINE))
def test_each_threat_has_a_test(section):
    part = text("security.md").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!Threat|---)(.*) \|$", part, re.MULTILINE)
    assert rows or section == "What does not hold"
    assert [row for row in rows if "::" not in row.rpartition(" | ")[2]] == []
