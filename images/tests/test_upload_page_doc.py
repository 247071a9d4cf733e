"""docs/upload-page.md names the test that causes each fault; a promise without a test is none."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
DOC = TESTS.parents[1] / "docs" / "upload-page.md"


def test_every_fault_has_its_test_and_every_test_its_fault():
    named = set(re.findall(r"`(test_\w+)`", DOC.read_text()))
    there = {
        name
        for path in TESTS.glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named - there == set()
    matrix = (TESTS / "test_upload_faults.py").read_text()
    assert set(re.findall(r"^async def (test_\w+)", matrix, re.MULTILINE)) - named == set()


def test_every_row_of_the_table_names_a_test():
    rows = [line for line in DOC.read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    assert [row for row in rows if not re.search(r"\| `test_\w+` \|$", row)] == []
