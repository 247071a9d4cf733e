"""What a search of a large file, a piece at a time, finds is what a search of the whole finds."""

from __future__ import annotations

import re
from itertools import product

import pytest

from images.photofile import pieces

ONE, TWO = re.compile(rb"[^\0]"), re.compile(rb"\xff[^\x00\xff]")


@pytest.mark.parametrize(("pattern", "byte_size"), [(ONE, 1), (TWO, 2)])
def test_wherever_it_lies(monkeypatch, pattern, byte_size):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 3)
    for data in map(bytearray, product([0x00, 0xFF, 0xD9], repeat=7)):
        for at, end in [(0, 7), (1, 7), (0, 6), (2, 5), (4, 4), (5, 4)]:
            found = pieces.search(pattern, data, at, end, byte_size=byte_size)
            whole = pattern.search(data, at, end)
            assert (found and found.span()) == (whole and whole.span()), (data, at, end)


def test_other_threads_run_meanwhile(monkeypatch):
    """Each piece is a call of its own: one call for all would keep the others from running."""
    calls = []

    class Counted:
        def search(self, data, at, end):
            calls.append(end - at)
            return ONE.search(data, at, end)

    monkeypatch.setattr(pieces, "PIECE_BYTES", 1000)
    assert pieces.search(Counted(), bytearray(10_000), 0, 10_000, byte_size=1) is None
    assert calls == [1000] * 10
